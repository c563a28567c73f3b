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
"""Our NSGA-II against pymoo's: the same survivors, and fronts as good."""

import numpy as np
import pytest
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from hf_supernet.search import FeasibleSpace, NSGA2Search, Objective, ParameterCost
from hf_supernet.search.encoding import PathEncoding
from hf_supernet.search.indicators import hypervolume, non_dominated
from hf_supernet.search.vectorised_nsga2 import best_first, evolve
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_constraints import both_constraints


@pytest.mark.parametrize("num_objectives", [2, 3])
@pytest.mark.parametrize("count", [1, 7, 20, 40])
def test_survivors_are_pymoos(num_objectives, count):
    values = np.random.default_rng(num_objectives).random((40, num_objectives))
    population = Population.new("X", np.arange(40)[:, None], "F", values)
    survivors = RankAndCrowding().do(
        Problem(n_var=1, n_obj=num_objectives), population, n_survive=count, random_state=np.random.default_rng(0)
    )
    kept = best_first(values, np.zeros(40), count)
    expected = [(item.get("rank"), -item.get("crowding")) for item in survivors]
    if (num_objectives == 2 and count > 1) or count == 40:  # of those at the edges, all equally lonely, any one may go
        assert sorted(kept) == sorted(survivors.get("X")[:, 0])
    ranks = {int(item.X[0]): item.get("rank") for item in survivors}
    assert [ranks.get(index, max(ranks.values())) for index in kept] == sorted(rank for rank, _ in expected)


def test_of_one_objective_the_least_survive():
    values = np.random.default_rng(0).random((30, 1))
    assert best_first(values, np.zeros(30), 5).tolist() == np.argsort(values[:, 0])[:5].tolist()


def test_what_misses_a_constraint_survives_last():
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert best_first(values, np.array([0.5, 0.0, 0.2, 0.0]), 3).tolist() == [1, 3, 2]


def test_fronts_are_as_good_as_pymoos():
    """As many candidates of 16 million, the same two objectives; the hypervolume is at least pymoo's to one in a hundred."""
    config = tiny_config(num_hidden_layers=12)
    space, cost = SearchSpace.from_config(config), ParameterCost(config)
    encoding, evaluator = PathEncoding(FeasibleSpace(space)), TabularEvaluator(space)

    def predict(rows):
        losses = [evaluator.loss(path) for path in encoding.decode(rows)]
        return np.stack([losses, encoding.costs(rows, cost) / 1e4], axis=1)

    reference = predict(encoding.encode([space.dearest(cost.table)]))[0] + 3
    ours, theirs = [], []
    for seed in range(3):
        pymoo = NSGA2Search(space, population_size=30, seed=seed, objectives=[Objective("loss"), Objective("size")])
        start = pymoo.ask()
        for _ in range(25):
            asked = pymoo.ask()
            values = predict(encoding.encode(asked))
            pymoo.tell({item: {"loss": row[0], "size": row[1]} for item, row in zip(asked, values, strict=True)})
        values = np.array(list(pymoo.evaluated.values()))
        theirs.append(hypervolume(values[non_dominated(values)], reference))
        found = evolve(encoding, predict, encoding.encode(start), np.random.default_rng(seed), 30, 24)
        assert len(found[0]) <= 25 * 30
        ours.append(hypervolume(found[1][non_dominated(found[1])], reference))
    assert np.median(ours) >= 0.99 * np.median(theirs)


def test_everything_that_came_up_is_there_once_with_its_values(config, space):
    encoding = PathEncoding(FeasibleSpace(space, both_constraints(config, 0.4)))
    asked = []

    def predict(rows):
        asked.append(rows)
        return rows.astype(float)[:, :2]

    start = encoding.encode([space.dearest(ParameterCost(config).table)])  # outside the constraints
    rows, values, violations = evolve(encoding, predict, start, np.random.default_rng(0), 20, 10)
    assert len(np.unique(rows, axis=0)) == len(rows) == len(np.unique(np.concatenate(asked), axis=0))
    np.testing.assert_array_equal(values, rows[:, :2])
    np.testing.assert_array_equal(violations, encoding.violations(rows))
    assert (violations == 0).any() and all(path in space for path in encoding.decode(rows))


def test_a_seed_decides(space):
    encoding = PathEncoding(FeasibleSpace(space))
    start = encoding.encode([next(iter(space))])

    def run(seed):
        return evolve(encoding, lambda rows: rows[:, :2], start, np.random.default_rng(seed), 20, 5)[0]

    assert np.array_equal(run(0), run(0)) and not np.array_equal(run(0), run(1))
