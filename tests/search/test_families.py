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
import random

import numpy as np
import pytest

from hf_supernet import SearchSpace
from hf_supernet.evaluation import count_calls
from hf_supernet.search import (
    Constraint,
    EvolutionarySearch,
    FeasibleSpace,
    NSGA2Search,
    ParameterCost,
    dev_loss,
    run_search,
)
from hf_supernet.search.families import share_beginnings
from hf_supernet.search.indicators import hypervolume, non_dominated

from .conftest import TabularEvaluator, tiny_config


def draw(space: SearchSpace, number: int) -> list:
    generator = random.Random(0)
    return [space.sample(generator) for _ in range(number)]


def test_families_begin_alike_and_end_as_they_did(space):
    drawn = draw(space, 12)
    changed = share_beginnings(FeasibleSpace(space), drawn, 3, 4, random.Random(0))
    assert all(item in space for item in changed)
    if space.identity_placement == "anywhere":
        assert [item.operators[4:] for item in changed] == [item.operators[4:] for item in drawn]
        assert len({item.operators[:4] for item in changed}) <= 4 < len({item.operators[:4] for item in drawn})
    assert count_calls(changed).saving > 1.2 * count_calls(drawn).saving


def test_two_hidden_sizes_are_in_no_family_together():
    space = SearchSpace([["attention-4", "feed_forward-64"]] * 4, hidden_sizes=[32, 64])
    drawn = draw(space, 10)
    changed = share_beginnings(FeasibleSpace(space), drawn, 10, 3, random.Random(0))
    assert [item.hidden_size for item in changed] == [item.hidden_size for item in drawn]
    assert len({(item.hidden_size, item.operators[:3]) for item in changed}) == 2


def test_constraints_are_kept_behind_the_beginning():
    config = tiny_config()
    space, cost = SearchSpace.from_config(config), ParameterCost(config)
    limit = int(np.median([cost(item) for item in draw(space, 50)]))
    feasible = FeasibleSpace(space, [Constraint(cost, maximum=limit)])
    changed = share_beginnings(feasible, draw(space, 12), 4, 3, random.Random(0))
    repaired = [feasible.repair(item, random.Random(0), first_layer=3) for item in changed]
    assert all(item in feasible for item in repaired) and any(item not in feasible for item in changed)
    assert [item.operators[:3] for item in repaired] == [item.operators[:3] for item in changed]
    # Where changes behind are not enough, the beginning changes.
    cheapest = cost(space.cheapest(cost.table))
    feasible = FeasibleSpace(space, [Constraint(cost, maximum=cheapest)])
    assert feasible.repair(changed[0], random.Random(0), first_layer=3) in feasible


def searched(config, seed: int, **options) -> tuple[np.ndarray, float]:
    """The objectives of all children of a search, and the calls saved from the second generation on."""
    space, parameters = SearchSpace.from_config(config), ParameterCost(config)
    evaluator = TabularEvaluator(space, seed)
    objectives = [dev_loss(evaluator), parameters]
    strategy = NSGA2Search(space, population_size=24, seed=seed, objectives=objectives, **options)
    table = run_search(strategy, objectives, generations=8).table
    counts = [count_calls(call) for call in evaluator.calls[1:]]
    values = table[["loss", "parameters"]].to_numpy(dtype=float)
    return values, sum(count.alone for count in counts) / sum(count.shared for count in counts)


def test_nsga2_with_families_saves_calls_and_finds_as_much():
    config = tiny_config(
        num_hidden_layers=12, candidate_operators=["attention-4", "feed_forward-37", "convolution-3", "convolution-5"]
    )
    volumes, savings = [], []
    for seed in range(4):
        plain, families = searched(config, seed), searched(config, seed, family_size=4)
        worst = np.concatenate([plain[0], families[0]]).max(axis=0)
        volumes.append([hypervolume(values[non_dominated(values)], worst) for values, _ in (plain, families)])
        savings.append([plain[1], families[1]])
    ratios = [families / plain for plain, families in volumes]
    assert np.mean(ratios) > 0.97, ratios
    assert np.mean([families for _, families in savings]) > 1.9, savings
    assert all(families > 1.4 * plain for plain, families in savings)


def test_without_mutations_there_is_something_new_too(space):
    """A family changes by its beginning, but not where all have the same one."""
    search = EvolutionarySearch(
        space, population_size=6, family_size=2, shared_layers=0.0, mutation_probability=0.0, crossover_probability=0.0
    )
    for _ in range(4):
        generation = search.ask()
        assert len(generation) == 6
        search.tell({child: {"loss": float(index)} for index, child in enumerate(generation)})


def test_the_settings_say_so_and_what_cannot_be(space):
    search = EvolutionarySearch(space, population_size=6, family_size=3, shared_layers=0.5)
    assert search.settings["family_size"] == 3 and search.settings["shared_layers"] == 0.5
    assert len(set(search.ask())) == 6
    assert search.settings["mutation_probability"] == 0.03
    assert EvolutionarySearch(space).settings["mutation_probability"] == 0.1
    with pytest.raises(ValueError, match="`family_size` must be at least 1, got 0"):
        NSGA2Search(space, family_size=0)
    with pytest.raises(ValueError, match=r"`shared_layers` must lie in 0 to 1, got 1\.5"):
        NSGA2Search(space, shared_layers=1.5)
