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
"""Search spaces with several hidden sizes: what belongs to them, what is drawn, and what it costs."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from hf_supernet import Architecture, SearchSpace, SupernetBertConfig
from hf_supernet.costs import count_multiply_adds, count_parameters, multiply_add_table, parameter_table
from hf_supernet.search_space import CostTable, SizedCostTable


SIZES = [12, 32, 24]
CANDIDATES = [["A4", "F8", "I"], ["F8", "F37", "I"], ["C3", "A2", "I"]]


def make_space(placement: str = "anywhere", sizes: list[int] | None = SIZES) -> SearchSpace:
    return SearchSpace(CANDIDATES, placement, sizes)


def make_config(**fields) -> SupernetBertConfig:
    sharing = {"weight_sharing": "sliced", "attention_head_size": 6, "hidden_sizes": SIZES}
    sizes = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 3, "candidate_operators": CANDIDATES}
    return SupernetBertConfig(**(sizes | sharing | fields))


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_the_space_is_that_of_the_operators_at_each_size(placement):
    space, operators = make_space(placement), make_space(placement, None)
    expected = [Architecture(a.operators, size) for size in SIZES for a in operators]
    assert list(space) == expected and space.num_paths() == len(expected) == len(set(expected))
    assert space.num_networks() == len({a.canonical() for a in expected}) == 3 * operators.num_networks()
    assert all(a in space and a not in operators for a in expected)
    assert space.operator_space == operators != space and operators.operator_space is operators
    assert SearchSpace.from_dict(space.to_dict()) == space and space.fingerprint != operators.fingerprint
    assert "hidden_sizes" not in operators.to_dict()
    for a in expected:
        assert space.decode(space.encode(a)) == a and space.encode(a).sum() == 4
    assert len({tuple(space.encode(a)) for a in expected}) == len(expected)


def test_the_same_draws_as_ever_without_hidden_sizes():
    """A space of which the hidden size is not searched draws what it drew before there were such spaces."""
    drawn = [str(make_space(sizes=None).sample(random.Random(seed))) for seed in range(4)]
    assert drawn == ["F8-F37-C3", "A4-F37-A2", "A4-F8-A2", "A4-I-A2"]


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_draws_are_uniform_over_the_sizes_too(placement):
    space, generator = make_space(placement), random.Random(0)
    counts = Counter(space.sample(generator) for _ in range(60 * space.num_paths()))
    assert set(counts) == set(space)
    assert sum((count - 60) ** 2 / 60 for count in counts.values()) < 1.5 * space.num_paths()


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_neighbours_and_mutations(placement):
    space = make_space(placement)
    for a in itertools.islice(space, 0, None, 5):
        near = {b for b in space if (a.distance(b), a.hidden_size != b.hidden_size) in ((1, False), (0, True))}
        assert set(space.neighbours(a)) == near
        mutated = space.mutate(a, 1, random.Random(3))
        assert mutated.distance(a) == 1 and mutated.hidden_size == a.hidden_size and mutated in space


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_costs_are_those_of_the_child(placement):
    config = make_config(identity_placement=placement)
    space = SearchSpace.from_config(config)
    table, adds = parameter_table(config, space, "masked-lm"), multiply_add_table(config, space, 11, "masked-lm")
    for a in space:
        child = config.child_config(a, a.hidden_size)
        assert child.hidden_size == child.embedding_size == a.hidden_size
        alone = Architecture(a.operators)
        assert (
            space.cost(a, table)
            == count_parameters(config, a, "masked-lm")
            == count_parameters(child, alone, "masked-lm")
        )
        assert space.cost(str(a), adds) == count_multiply_adds(child, alone, 11, "masked-lm")
    costs = {a: space.cost(a, table) for a in space}
    assert costs[space.cheapest(table)] == min(costs.values()) and costs[space.dearest(table)] == max(costs.values())


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_draws_within_bounds_are_uniform_over_the_sizes_too(placement):
    config = make_config(identity_placement=placement)
    space = SearchSpace.from_config(config)
    table = parameter_table(config, space)
    low, high = np.quantile([space.cost(a, table) for a in space], [0.3, 0.8]).astype(int).tolist()
    permitted = [a for a in space if low <= space.cost(a, table) <= high]
    assert len({a.hidden_size for a in permitted}) > 1
    sampler, generator = space.within(table, low, high), random.Random(0)
    assert sampler is space.within(table, low, high)
    assert sampler.is_exact and sampler.num_paths == len(permitted)
    counts = Counter(sampler.sample(generator) for _ in range(60 * len(permitted)))
    assert set(counts) == set(permitted)
    assert sum((count - 60) ** 2 / 60 for count in counts.values()) < 1.5 * len(permitted)
    assert space.sample_within(random.Random(1), table, maximum=low).hidden_size == 12


def test_slips():
    space, config = make_space(), make_config()
    table = parameter_table(config, space)
    with pytest.raises(
        ValueError, match=r"'A4-F8-C3' names no hidden size; .* 12, 32, 24, written as in 'H12:A4-F8-C3'"
    ):
        space.check("A4-F8-C3")
    with pytest.raises(ValueError, match="'H16:A4-F8-C3' names another hidden size"):
        space.check("H16:A4-F8-C3")
    with pytest.raises(ValueError, match="has one hidden size, but 'H12:A4-F8-C3' names another"):
        make_space(sizes=None).check("H12:A4-F8-C3")
    for sizes, message in (([12, 0], "positive integers, got 0"), ([12, 12], "names a size twice: 12, 12")):
        with pytest.raises(ValueError, match=message):
            make_space(sizes=sizes)
    with pytest.raises(ValueError, match="what an operator costs depends on them: make a `SizedCostTable`"):
        CostTable.from_function(space, lambda operator: 1)
    with pytest.raises(ValueError, match="make a `SizedCostTable`"):
        space.cost("H12:A4-F8-C3", table.tables[0])
    with pytest.raises(ValueError, match="costs for 3 hidden sizes, but the search space has 0"):
        space.operator_space.cost("A4-F8-C3", table)
    with pytest.raises(ValueError, match="costs for 2 hidden sizes, but the search space has 3"):
        space.cheapest(SizedCostTable(table.tables[:2]))
    with pytest.raises(
        ValueError, match=r"No architecture lies within the bounds\. with hidden size 12: No architecture costs"
    ):
        space.within(table, maximum=10)
    with pytest.raises(ValueError, match="There is no child of hidden size None: allowed are 12, 32, 24"):
        count_parameters(config, "A4-F8-C3")
    with pytest.raises(ValueError, match="The encoding of the hidden size has to be a single one"):
        space.decode(np.r_[np.zeros(3), space.encode("H12:A4-F8-C3")[3:]])
