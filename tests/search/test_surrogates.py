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
"""LINAS, progressive search and shrinking: what each does that the others do not."""

import numpy as np
import pytest

from hf_supernet.search import (
    Constraint,
    FunctionObjective,
    LatencyCost,
    LINASSearch,
    Objective,
    ParameterCost,
    ProgressiveSearch,
    ShrinkingSearch,
    dev_loss,
    run_search,
)
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_constraints import both_constraints
from .test_latency import made_up_table


pytestmark = pytest.mark.usefixtures("ridge_only")


def tell(strategy, evaluator):
    asked = strategy.ask()
    strategy.tell({item: {"loss": evaluator.loss(item)} for item in asked})
    return asked


# ---- What all have in common ----


def test_the_result_says_how_good_the_predictors_were(config, space):
    objectives = [
        dev_loss(TabularEvaluator(space)),
        ParameterCost(config),
        FunctionObjective("depth", len, cost="cheap"),
    ]
    search = LINASSearch(space, [], 12, objectives=objectives, inner_population_size=20, inner_generations=3)
    predictors = run_search(search, objectives, generations=4).info["predictors"]
    assert [(row["generation"], row["objective"], row["samples"]) for row in predictors] == [
        (generation, name, 12 * generation) for generation in (1, 2, 3) for name in ("loss", "depth")
    ]  # parameters are free: not predicted
    assert all(row["predictor"] == "ridge" and -1 <= row["kendall"]["ridge"] <= 1 for row in predictors)


def test_free_objectives_are_computed(config, space):
    depth = FunctionObjective("depth", lambda path: sum(op.kind != "identity" for op in path), "maximise", cost="free")
    search = LINASSearch(space, population_size=4, objectives=[ParameterCost(config), depth])
    rows = search.encoding.encode(list(space)[::97])
    paths = search.encoding.decode(rows)
    expected = [[ParameterCost(config)(path), -depth(path)] for path in paths]
    np.testing.assert_allclose(search.predict(rows), expected)


def test_a_failed_child_counts_as_the_worst(space):
    search = LINASSearch(space, population_size=3, inner_generations=1)
    asked = search.ask()
    search.tell({item: {"loss": value} for item, value in zip(asked, (1.0, float("nan"), 2.0), strict=True)})
    search.ask()
    predicted = search.predict(search.encoding.encode(asked))[:, 0]
    assert predicted[0] < predicted[1] and abs(predicted[1] - predicted[2]) < 0.5


def test_nothing_to_learn_from_is_drawn_at_random(space):
    search = LINASSearch(space, population_size=5)
    for _ in range(3):
        asked = search.ask()
        search.tell({item: {"loss": float("nan")} for item in asked})
    assert len(search.evaluated) == 15 and search.report == {"predictors": []}


def test_a_description_that_is_free_is_predicted_like_any(space):
    """Whoever judges outside judges what is proposed, and nothing else."""
    search = LINASSearch(space, population_size=12, objectives=[Objective("size", cost="free")], inner_generations=2)
    asked = search.ask()
    search.tell({item: {"size": float(index)} for index, item in enumerate(asked)})
    search.ask()
    assert search.report["predictors"][0]["objective"] == "size"


# ---- LINAS ----


def test_linas_proposes_what_its_predictor_holds_for_the_best(space):
    search = LINASSearch(space, population_size=12, inner_population_size=200, inner_generations=30)
    tell(search, TabularEvaluator(space))
    proposed = search.encoding.encode(search.ask())
    everything = search.encoding.encode([path for path in space if path not in search.evaluated])
    best = np.sort(search.predict(everything)[:, 0])[:12]
    assert np.sort(search.predict(proposed)[:, 0])[5] <= best[-1]  # at least half of them are the twelve best
    assert search.predict(proposed)[:, 0].min() == pytest.approx(best[0])


# ---- Progressive ----


def test_complexity_grows_step_by_step(space):
    search, evaluator = ProgressiveSearch(space, population_size=10, steps=3), TabularEvaluator(space)
    simplest = "I-I-I-I-I-I"
    for limit in (2, 4, 6, 6):
        distances = [item.distance(space.check(simplest)) for item in tell(search, evaluator)]
        assert max(distances) <= limit
    assert simplest in map(str, search.evaluated)


def test_the_best_are_expanded(space):
    search, evaluator = ProgressiveSearch(space, population_size=8, steps=6), TabularEvaluator(space)
    for _ in range(3):
        tell(search, evaluator)
    best = sorted(search.evaluated, key=evaluator.loss)[:8]
    for item in search.ask():
        assert min(item.distance(other) for other in best) <= 2


def test_the_simplest_child_keeps_the_constraints():
    config = tiny_config()
    space, cost = SearchSpace.from_config(config), ParameterCost(config)
    most = cost(space.dearest(cost.table))
    search = ProgressiveSearch(space, [Constraint(cost, minimum=int(0.7 * most))], population_size=10)
    result = [cost(item) for _ in range(4) for item in tell(search, TabularEvaluator(space))]
    assert len(result) == 40 and min(result) >= int(0.7 * most)


# ---- Shrinking ----


def shrinking(config, space, **options):
    costs = [ParameterCost(config), LatencyCost(config, made_up_table(config))]
    return ShrinkingSearch(space, population_size=12, bin_costs=costs, bins_per_cost=2, pool_size=300, **options)


def test_every_bin_is_measured(config, space):
    search = shrinking(config, space)
    bins = np.unique(search.bins(search._pool))
    assert len(bins) >= 3
    for _ in range(3):
        numbers = search.bins(search.encoding.encode(tell(search, TabularEvaluator(space))))
        assert set(numbers) == set(bins)
        counts = np.bincount(numbers)[bins]
        assert counts.max() <= 5  # three each; a bin of few children runs out


def test_each_bin_drops_the_worse_half(config, space):
    search, evaluator = shrinking(config, space), TabularEvaluator(space)
    tell(search, evaluator)
    before = {row.tobytes(): number for row, number in zip(search._pool, search.bins(search._pool), strict=True)}
    search.ask()
    after = {row.tobytes() for row in search._pool}
    values = dict(
        zip(
            before,
            search._known_or_predicted(np.array([np.frombuffer(key, dtype=np.int64) for key in before]))[:, 0],
            strict=True,
        )
    )
    for number in set(before.values()):
        here = [key for key in before if before[key] == number]
        if len(here) // 2 >= 4 * (12 // len(set(before.values()))):
            kept = [key for key in here if key in after]
            assert len(kept) == len(here) // 2
            assert max(values[key] for key in kept) <= min(values[key] for key in here if key not in after)


def test_a_pool_that_has_shrunk_goes_on_with_children(config, space):
    search, evaluator = shrinking(config, space), TabularEvaluator(space)
    for _ in range(12):
        assert len(tell(search, evaluator)) == 12
    assert len(search.evaluated) == 144
    assert len(search._pool) < 300


def test_settings_name_the_bins(config, space):
    settings = shrinking(config, space).settings
    assert settings["bin_costs"] == ["parameters", "latency"] and settings["bins_per_cost"] == 2


def test_limits_hold_in_every_bin(config, space):
    constraints = both_constraints(config, 0.5)
    search = shrinking(config, space, constraints=constraints)
    for _ in range(4):
        for item in tell(search, TabularEvaluator(space)):
            assert all(constraint.violation(item) == 0 for constraint in constraints)
