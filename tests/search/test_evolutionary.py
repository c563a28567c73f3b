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
import pytest

from hf_supernet.search import Constraint, EvolutionarySearch, ParameterCost, RandomSearch, dev_loss, run_search
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_constraints import both_constraints


def outcome(strategy, config, constraints, seed, generations=20, population_size=20):
    """The best loss found, and the least of the whole space."""
    space = SearchSpace.from_config(config)
    evaluator = TabularEvaluator(space, seed)
    search = strategy(space, constraints, population_size, seed)
    return run_search(search, [dev_loss(evaluator)], generations=generations).best()["loss"]


@pytest.mark.parametrize("placement, num_layers, share", [("anywhere", 6, 0.4), ("end", 7, 0.7)])
def test_finds_the_optimum_under_two_constraints(placement, num_layers, share):
    config = tiny_config(num_hidden_layers=num_layers, identity_placement=placement)
    space = SearchSpace.from_config(config)
    constraints = both_constraints(config, share)
    allowed = [item for item in space if all(c.cost(item) <= c.maximum for c in constraints)]
    assert len(allowed) > 1000  # of which 400 are evaluated
    for seed in range(3):
        best = min(map(TabularEvaluator(space, seed).loss, allowed))
        assert outcome(EvolutionarySearch, config, constraints, seed) == best


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_beats_random_search_in_a_large_space(placement):
    config = tiny_config(num_hidden_layers=12, identity_placement=placement)
    cost = ParameterCost(config)
    constraints = [Constraint(cost, maximum=45_000)]
    for seed in range(3):
        evolved = outcome(EvolutionarySearch, config, constraints, seed)
        drawn = outcome(RandomSearch, config, constraints, seed)
        assert evolved < drawn - 0.3


def test_more_generations_never_end_worse():
    config = tiny_config(num_hidden_layers=10)
    losses = [outcome(EvolutionarySearch, config, [], 0, generations) for generations in (1, 5, 15)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]
