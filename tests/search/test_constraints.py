# Copyright 2026 The hf_supernet authors. All rights reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import itertools
import random

import pytest

from hf_supernet import PlainBertSpace
from hf_supernet.costs import count_multiply_adds, count_parameters
from hf_supernet.search import (
    LOSS,
    Constraint,
    FeasibleSpace,
    FunctionObjective,
    LatencyCost,
    MultiplyAddCost,
    ParameterCost,
)
from hf_supernet.search_space import SearchSpace

from .conftest import tiny_config
from .test_latency import made_up_table


def test_costs_are_those_of_the_closed_forms_and_the_table(config, space):
    table = made_up_table(config)
    costs = ParameterCost(config, "masked-lm"), MultiplyAddCost(config, 11), LatencyCost(config, table)
    for architecture in (space.sample(random.Random(seed)) for seed in range(20)):
        expected = (
            count_parameters(config, architecture, "masked-lm"),
            count_multiply_adds(config, architecture, 11),
            table.latency(architecture),
        )
        assert tuple(cost(architecture) for cost in costs) == expected


def both_constraints(config, share: float = 0.5) -> list[Constraint]:
    """At most `share` of the way from the least to the greatest parameters and latency."""
    constraints = []
    for cost in (ParameterCost(config), LatencyCost(config, made_up_table(config))):
        space = cost.search_space
        least, most = cost(space.cheapest(cost.table)), cost(space.dearest(cost.table))
        constraints.append(Constraint(cost, maximum=least + share * (most - least)))
    return constraints


def test_draws_and_repairs_keep_all_constraints(config, space):
    constraints = both_constraints(config, 0.4)
    feasible = FeasibleSpace(space, constraints)
    generator = random.Random(0)
    for _ in range(50):
        outside = space.sample(generator)
        for architecture in (feasible.sample(generator), feasible.repair(outside, generator)):
            assert architecture in space
            assert all(constraint.cost(architecture) <= constraint.maximum for constraint in constraints)


def test_what_keeps_the_constraints_is_not_changed_by_a_repair(config, space):
    feasible = FeasibleSpace(space, both_constraints(config))
    kept = [architecture for architecture in space if architecture in feasible]
    generator = random.Random(0)
    assert 0 < len(kept) < space.num_paths()
    assert all(feasible.repair(architecture, generator) == architecture for architecture in kept[::7])


def test_minimum_and_maximum_are_included(config, space):
    cost = ParameterCost(config)
    value = cost(space.sample(random.Random(1)))
    constraint = Constraint(cost, minimum=value, maximum=value)
    assert cost(constraint.sample(random.Random(0))) == value
    feasible = FeasibleSpace(space, [constraint])
    assert all((architecture in feasible) == (cost(architecture) == value) for architecture in space)


def test_one_constraint_is_drawn_uniformly():
    config = tiny_config(num_hidden_layers=3)
    space, cost = SearchSpace.from_config(config), ParameterCost(config)
    maximum = 12_000
    feasible = FeasibleSpace(space, [Constraint(cost, maximum=maximum)])
    allowed = [architecture for architecture in space if cost(architecture) <= maximum]
    generator = random.Random(0)
    counts = dict.fromkeys(allowed, 0)
    for _ in range(200 * len(allowed)):
        counts[feasible.sample(generator)] += 1
    assert min(counts.values()) > 130 and max(counts.values()) < 270


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"maximum": 10}, r"No architecture has at most 10 parameters: this space reaches [\d,]+ parameters \('I-I"),
        ({"minimum": 10**9}, r"No architecture has at least 1,000,000,000 parameters: .* to [\d,]+ parameters \('A4"),
        ({"minimum": 7_000, "maximum": 7_001}, "although this space reaches"),
        ({"maximum": float("nan")}, "`maximum` must be a finite number, got nan"),
        ({"maximum": float("inf")}, "`maximum` must be a finite number, got inf"),
        ({"minimum": float("nan"), "maximum": 10**9}, "`minimum` must be a finite number, got nan"),
        ({}, "`minimum` or a `maximum`"),
    ],
)
def test_a_constraint_that_cannot_be_kept(limits, message):
    config = tiny_config(vocab_size=11, max_position_embeddings=8)
    with pytest.raises(ValueError, match=message):
        Constraint(ParameterCost(config), **limits)


def test_latency_limits_are_named_in_milliseconds(config):
    with pytest.raises(ValueError, match=r"at most 0\.001 ms latency: this space reaches 0\.\d+ ms"):
        Constraint(LatencyCost(config, made_up_table(config)), maximum=1e-6)
    cost = LatencyCost(config, made_up_table(config, {"identity": 17}))
    with pytest.raises(ValueError, match=r"at most 2e-07 ms latency: this space reaches 0\.123559 ms latency \('I-"):
        Constraint(cost, maximum=2e-10)


def test_constraints_that_exclude_each_other_are_both_named():
    # The identity alone is cheap in parameters; a table says that it is the slow one.
    config = tiny_config(candidate_operators=["feed_forward-37", "identity"])
    space = SearchSpace.from_config(config)
    parameters = ParameterCost(config)
    latency = LatencyCost(config, made_up_table(config, {"identity": 5_000_000}))
    few = parameters(space.cheapest(parameters.table)) + 3_000
    fast = latency(space.cheapest(latency.table)) + 0.004
    constraints = [Constraint(parameters, maximum=few), Constraint(latency, maximum=fast)]
    with pytest.raises(
        ValueError,
        match=r"no architecture was found that keeps all: .* parameters, and .* ms latency\. The nearest has .*;"
        r" with at most .* parameters, 2[\d.]+ ms latency to [\d.]+ ms latency are reached; with at most .* ms latency,"
        r" [\d,]+ parameters to",
    ):
        FeasibleSpace(space, constraints)


def test_a_constraint_on_another_space():
    constraint = Constraint(ParameterCost(tiny_config(num_hidden_layers=3)), maximum=20_000)
    with pytest.raises(ValueError, match="constraint on parameters belongs to another search space"):
        FeasibleSpace(SearchSpace.from_config(tiny_config()), [constraint])


# ---- Limits on functions that are no sums ----


def longest_run(architecture) -> int:
    """The most attentions in a row: no sum over the layers."""
    return max(
        (len(list(run)) for kind, run in itertools.groupby(architecture, lambda op: op.kind) if kind == "attention"),
        default=0,
    )


def test_a_limit_on_a_free_function(config, space):
    runs = FunctionObjective("longest_run", longest_run, cost="free", unit="layers")
    constraints = [Constraint(runs, minimum=2, maximum=3), both_constraints(config, 0.6)[0]]
    feasible, generator = FeasibleSpace(space, constraints), random.Random(0)
    for _ in range(50):
        for item in (feasible.sample(generator), feasible.repair(space.sample(generator), generator)):
            assert item in space and 2 <= longest_run(item) <= 3
            assert constraints[1].cost(item) <= constraints[1].maximum


def test_a_limit_that_no_draw_keeps_is_met_step_by_step():
    config = tiny_config(num_hidden_layers=12)
    space = SearchSpace.from_config(config)
    heads = FunctionObjective("attentions", lambda item: sum(op.kind == "attention" for op in item), cost="free")
    feasible = FeasibleSpace(space, [Constraint(heads, minimum=12)])  # one path of 17 million
    assert str(feasible.sample(random.Random(0))) == "-".join(["A4"] * 12)


def test_a_function_whose_limit_cannot_be_kept(space):
    runs = FunctionObjective("longest_run", longest_run, cost="free", unit="layers")
    with pytest.raises(
        ValueError,
        match=r"No architecture was found that has at least 7 layers longest-run\. The nearest has 6 layers longest-run"
        r" \('A4-A4-A4-A4-A4-A4'\); 0 layers longest-run to \d layers longest-run were drawn",
    ):
        FeasibleSpace(space, [Constraint(runs, minimum=7)])


def test_functions_that_exclude_each_other_are_named_with_what_they_reach(config, space):
    kinds = ("attention", "feed_forward")
    counts = [
        FunctionObjective(kind, lambda item, kind=kind: sum(op.kind == kind for op in item), cost="free")
        for kind in kinds
    ]
    drawn = r"of all architectures, 0 attention to \d attention were drawn"
    with pytest.raises(
        ValueError,
        match=rf"^No architecture was found that keeps all: at least 4 attention, and at least 4 feed-forward\. .*; {drawn};"
        r" of all architectures, 0 feed-forward to \d feed-forward were drawn\. Relax",
    ):
        FeasibleSpace(space, [Constraint(count, minimum=4) for count in counts])
    parameters = ParameterCost(config)
    with pytest.raises(
        ValueError,
        match=rf"^No architecture was found that keeps all: .*; with at most 30,000 parameters, 0 attention to .*; {drawn}\. Re",
    ):
        FeasibleSpace(space, [Constraint(parameters, maximum=30_000), Constraint(counts[0], minimum=7)])


@pytest.mark.parametrize("plain", [False, True])
def test_a_limit_that_cannot_be_kept_where_only_the_hidden_size_is_searched(plain):
    """No operator can be changed to come nearer."""
    candidates = [["attention-4", "attention-2"] if plain else ["attention-4"], ["feed_forward-8"]]
    space = SearchSpace(candidates, hidden_sizes=[16, 32])
    if plain:
        space = PlainBertSpace(candidates, hidden_sizes=[16, 32], hidden_size=32, attention_head_size=8)
    size = FunctionObjective("size", lambda item: item.hidden_size, cost="free")
    assert FeasibleSpace(space, [Constraint(size, maximum=20)]).sample(random.Random(0)).hidden_size == 16
    with pytest.raises(
        ValueError, match=r"No architecture was found that has at most 8 size\. The nearest has 16 size"
    ):
        FeasibleSpace(space, [Constraint(size, maximum=8)])


def test_a_function_that_fails_keeps_no_limit(space):
    def fails(architecture):
        raise ValueError("not measured")

    with pytest.raises(
        ValueError, match=r"No architecture was found that has at most 3 size.*no size at all were drawn"
    ):
        FeasibleSpace(space, [Constraint(FunctionObjective("size", fails, cost="free"), maximum=3)])


@pytest.mark.parametrize("cost", [LOSS, FunctionObjective("loss", len)])
def test_what_is_not_free_has_no_limits(cost):
    with pytest.raises(TypeError, match=r"limits a free objective.*got .*'loss'"):
        Constraint(cost, maximum=3)
