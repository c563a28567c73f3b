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
"""What holds for every strategy."""

import itertools
import math
import random

import numpy as np
import pandas as pd
import pytest

from hf_supernet.search import (
    LOSS,
    CoarseToFineSearch,
    Constraint,
    EvolutionarySearch,
    LatencyCost,
    LINASSearch,
    MultiplyAddCost,
    NSGA2Search,
    Objective,
    ParameterCost,
    ProgressiveSearch,
    RandomSearch,
    SearchStrategy,
    ShrinkingSearch,
    dev_loss,
    run_search,
)
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_constraints import both_constraints
from .test_latency import made_up_table


STRATEGIES = [
    CoarseToFineSearch,
    EvolutionarySearch,
    LINASSearch,
    NSGA2Search,
    ProgressiveSearch,
    RandomSearch,
    ShrinkingSearch,
]
SMALL = {LINASSearch: {"inner_population_size": 30, "inner_generations": 6}, ShrinkingSearch: {"pool_size": 150}}
"""Options by which a strategy computes less."""

pytestmark = pytest.mark.usefixtures("ridge_only")


def make(strategy, *arguments, **options):
    return strategy(*arguments, **options, **SMALL.get(strategy, {}))


def costs_of(config):
    return [ParameterCost(config), MultiplyAddCost(config, 11), LatencyCost(config, made_up_table(config))]


def search(config, strategy=EvolutionarySearch, seed=0, evaluator=None, constraints=None, generations=6, **options):
    space = SearchSpace.from_config(config)
    constraints = both_constraints(config) if constraints is None else constraints
    evaluator = evaluator or TabularEvaluator(space)
    return run_search(
        make(strategy, space, constraints, population_size=12, seed=seed),
        [dev_loss(evaluator, {"supernet": "random numbers"}), *costs_of(config)],
        generations=generations,
        **options,
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_proposal_is_legal_keeps_the_constraints_and_is_evaluated_once(config, space, strategy):
    constraints = both_constraints(config, 0.6)
    evaluator = TabularEvaluator(space)
    result = search(config, strategy, evaluator=evaluator, constraints=constraints)
    assert len(evaluator.calls) == 6 and all(len(call) == 12 for call in evaluator.calls)
    assert len(set(evaluator.evaluated)) == len(evaluator.evaluated)
    assert all(architecture in space for architecture in evaluator.evaluated)
    for constraint in constraints:
        assert (result.table[constraint.cost.name] <= constraint.maximum).all()


def test_the_table_holds_what_was_answered(config, space):
    evaluator = TabularEvaluator(space)
    result = search(config, evaluator=evaluator)
    costs = costs_of(config)
    assert list(result.table) == ["architecture", "loss", "parameters", "multiply_adds", "latency", "generation"]
    for row, architecture in zip(result.table.to_dict("records"), evaluator.evaluated, strict=True):
        assert row["architecture"] == str(architecture) and row["loss"] == evaluator.loss(architecture)
        assert all(row[cost.name] == cost(architecture) for cost in costs)
    assert result.table["generation"].tolist() == [generation for generation in range(6) for _ in range(12)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_seed_decides_and_no_other_random_state_does(config, strategy):
    np.random.seed(1)
    random.seed(1)
    first = search(config, strategy).table
    np.random.seed(2)
    random.seed(2)
    pd.testing.assert_frame_equal(first, search(config, strategy).table, check_exact=True)
    assert not first.equals(search(config, strategy, seed=1).table)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_small_space_is_used_up(strategy):
    config = tiny_config(num_hidden_layers=2)
    space = SearchSpace.from_config(config)
    evaluator = TabularEvaluator(space)
    result = search(config, strategy, evaluator=evaluator, constraints=[], generations=40)
    assert len(result) == space.num_paths() and set(evaluator.evaluated) == set(space)
    assert result.best()["loss"] == min(map(evaluator.loss, space))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_hidden_sizes_are_searched_too(strategy):
    config = tiny_config(weight_sharing="sliced", attention_head_size=8, hidden_sizes=[16, 24, 32])
    parameters = ParameterCost(config)
    space = parameters.search_space
    draws = sorted(parameters(space.sample(random.Random(seed))) for seed in range(99))
    evaluator = TabularEvaluator(space)
    search = make(strategy, space, [Constraint(parameters, maximum=draws[70])], population_size=12)
    table = run_search(search, [dev_loss(evaluator), parameters], generations=4).table
    assert len(table) == 48 == len(set(evaluator.evaluated)) and all(item in space for item in evaluator.evaluated)
    assert (table["parameters"] <= draws[70]).all() and {item.hidden_size for item in evaluator.evaluated} == {
        16,
        24,
        32,
    }


def test_a_space_of_one_architecture():
    config = tiny_config(candidate_operators=["attention-4"], num_hidden_layers=3)
    assert [str(row) for row in search(config, constraints=[]).table["architecture"]] == ["A4-A4-A4"]


def test_arguments_that_cannot_be(config, space):
    with pytest.raises(ValueError, match="`generations` must be at least 1, got 0"):
        search(config, generations=0)
    with pytest.raises(ValueError, match="`population_size` must be at least 1, got 0"):
        RandomSearch(space, population_size=0)
    with pytest.raises(ValueError, match="`seed` must be 0 or more, got -1"):
        LINASSearch(space, seed=-1)
    with pytest.raises(ValueError, match=r"`objectives` must be one or several of different names, got \[\]"):
        RandomSearch(space, objectives=[])
    with pytest.raises(ValueError, match=r"different names, got .'loss', 'loss'"):
        RandomSearch(space, objectives=[LOSS, LOSS])
    with pytest.raises(
        ValueError, match=r"'evolutionary' weighs at most 1 objective, got loss, parameters; .*'nsga2'"
    ):
        EvolutionarySearch(space, objectives=[LOSS, ParameterCost(config)])
    with pytest.raises(ValueError, match=r"`mutation_probability` must lie in 0 to 1, got 1\.5"):
        EvolutionarySearch(space, mutation_probability=1.5)
    with pytest.raises(ValueError, match="`inner_generations` must be at least 1, got 0"):
        LINASSearch(space, inner_generations=0)
    with pytest.raises(ValueError, match="`steps` must be at least 1, got 0"):
        ProgressiveSearch(space, steps=0)
    with pytest.raises(ValueError, match="`levels` must be at least 1, got 0"):
        CoarseToFineSearch(space, levels=0)
    with pytest.raises(ValueError, match="`num_parents` must be at least 1, got 0"):
        CoarseToFineSearch(space, num_parents=0)
    with pytest.raises(ValueError, match=r"`mutation_probability` must lie in 0 to 1, got -0\.5"):
        CoarseToFineSearch(space, mutation_probability=-0.5)
    with pytest.raises(ValueError, match="`pool_size` must be at least 1, got 0"):
        ShrinkingSearch(space, pool_size=0)
    with pytest.raises(ValueError, match="No architecture has at most 1 parameters"):
        EvolutionarySearch(space, [Constraint(ParameterCost(config), maximum=1)])


# ---- Driven from outside ----


def drive(strategy, evaluator, generations=4):
    """What a program does that has no use for `run_search`."""
    for _ in range(generations):
        proposed = strategy.ask()
        assert strategy.ask() == proposed  # the same until it is told
        values = {"loss": evaluator.evaluate(proposed), "speed": {item: -evaluator.loss(item) for item in proposed}}
        strategy.tell({item: {name: column[item] for name, column in values.items()} for item in proposed})
    return list(strategy.evaluated)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ask_and_tell_are_what_a_search_does(config, space, strategy):
    evaluator = TabularEvaluator(space)
    asked = drive(make(strategy, space, population_size=12), evaluator)
    table = search(config, strategy, constraints=[], generations=4).table
    assert [str(architecture) for architecture in asked] == table["architecture"].tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_to_maximise_is_to_minimise_the_negative(space, strategy):
    up = make(strategy, space, population_size=12, objectives=[Objective("speed", direction="maximise")])
    down = make(strategy, space, population_size=12)
    assert drive(up, TabularEvaluator(space)) == drive(down, TabularEvaluator(space))


def test_what_cannot_be_told(space):
    strategy = RandomSearch(space, population_size=3)
    with pytest.raises(ValueError, match="Nothing to be told: `ask` comes first"):
        strategy.tell({})
    asked = strategy.ask()
    with pytest.raises(ValueError, match=rf"`tell` needs loss of every .*'{asked[0]}' lacks 'loss'"):
        strategy.tell({item: {"los": 1.0} for item in asked})
    with pytest.raises(ValueError, match=rf"'{asked[2]}' lacks"):
        strategy.tell({item: {"loss": 1.0} for item in asked[:2]})
    strategy.tell(dict(zip(asked, ({"loss": 1.0}, {"loss": None}, {"loss": math.inf}), strict=True)))
    assert list(strategy.evaluated) == asked
    assert [np.isnan(values).tolist() for values in strategy.evaluated.values()] == [[False], [True], [True]]


def test_a_strategy_of_ones_own(config, space):
    class Enumeration(SearchStrategy):
        name = "enumeration"

        def propose(self):
            left = (item for item in self.search_space if item not in self.evaluated)
            return list(itertools.islice(left, self.population_size))

    table = search(config, Enumeration, constraints=[], generations=2).table
    assert table["architecture"].tolist() == [str(item) for item in itertools.islice(space, 24)]


@pytest.mark.parametrize("in_the_same_generation", [True, False])
def test_a_strategy_of_ones_own_that_repeats_itself(config, in_the_same_generation):
    class Repeating(SearchStrategy):
        name = "repeating"

        def propose(self):
            first = next(iter(self.search_space))
            return [first, first] if in_the_same_generation else [first]

    with pytest.raises(
        ValueError, match="'repeating' proposes 'A4-A4-A4-A4-A4-A4' a second time: `propose` gives distinct"
    ):
        search(config, Repeating, constraints=[], generations=2)


# ---- Children that fail ----


class Broken(TabularEvaluator):
    """Knows only children that begin with a convolution: of one in four the loss."""

    def loss(self, architecture):
        return super().loss(architecture) if str(architecture[0]) == "convolution-3" else float("nan")


@pytest.mark.parametrize("strategy", [strategy for strategy in STRATEGIES if strategy is not RandomSearch])
@pytest.mark.parametrize("with_parameters", [False, True])
def test_failed_children_do_not_poison_the_search(config, space, strategy, with_parameters):
    """The rest of the search learns to go where children have a loss, also where those that fail are small."""
    objectives = [dev_loss(Broken(space)), ParameterCost(config)]
    searched = objectives if with_parameters and strategy.max_objectives is None else objectives[:1]
    table = run_search(make(strategy, space, population_size=16, objectives=searched), objectives, generations=6).table
    share = np.mean([np.isnan(Broken(space).loss(item)) for item in space])
    last = table[table["generation"] == 5]["loss"]
    assert len(last) == 16 and last.isna().mean() < 0.6 * share
