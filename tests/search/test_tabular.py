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
"""The tabular benchmark, and on one of made-up numbers what each strategy has to reach."""

import itertools
import random

import numpy as np
import pandas as pd
import pytest

from hf_supernet.search import (
    Constraint,
    EvolutionarySearch,
    LatencyCost,
    LINASSearch,
    NSGA2Search,
    ParameterCost,
    ProgressiveSearch,
    RandomSearch,
    ShrinkingSearch,
    TabularBenchmark,
    predictors,
    run_search,
)
from hf_supernet.search_space import SearchSpace

from .conftest import tiny_config
from .test_latency import made_up_table
from .test_latency_tables import made_up_tables


def made_up_loss(architecture) -> float:
    """
    A loss that falls with what is put in, the less the more there is, and has interactions: of neighbours, of each layer
    with its position, and a rest that no rule says.
    """
    generator = random.Random("losses")
    worth = {
        kind: [generator.uniform(0.1, 1) for _ in architecture]
        for kind in ("attention", "feed_forward", "convolution")
    }
    pair = {(one, two): generator.gauss(0, 0.25) for one in (*worth, "identity") for two in (*worth, "identity")}
    kinds = [operator.kind for operator in architecture]
    total = sum(worth[kind][layer] for layer, kind in enumerate(kinds) if kind != "identity")
    total += sum(pair[both] for both in itertools.pairwise(kinds))
    return 6 * np.exp(-0.3 * total) + 0.02 * random.Random(str(architecture)).random()


@pytest.fixture(scope="module")
def benchmark() -> TabularBenchmark:
    config = tiny_config()
    space = SearchSpace.from_config(config)
    costs = [ParameterCost(config), LatencyCost(config, made_up_table(config))]
    return TabularBenchmark.build(space, {item: made_up_loss(item) for item in space}, costs, {"seed": "losses"})


def test_what_is_saved_is_loaded(benchmark, tmp_path):
    benchmark.save(tmp_path / "benchmark.parquet")
    loaded = TabularBenchmark.load(tmp_path / "benchmark.parquet")
    pd.testing.assert_frame_equal(loaded.table, benchmark.table, check_exact=True)
    assert loaded.search_space == benchmark.search_space and loaded.info == {"seed": "losses"}
    assert loaded.fingerprint == benchmark.fingerprint
    for item in list(loaded.search_space)[::101]:
        assert loaded.loss(item) == benchmark.loss(item)
        for cost, other in zip(loaded.costs, benchmark.costs, strict=True):
            assert cost.name == other.name and cost(item) == other(item) and cost.unit == other.unit


def test_hidden_sizes_have_costs_of_their_own(tmp_path):
    config = tiny_config(
        hidden_sizes=[16, 32], weight_sharing="sliced", attention_head_size=8, num_hidden_layers=2, vocab_size=11
    )
    space = SearchSpace.from_config(config)
    costs = [ParameterCost(config), LatencyCost(config, made_up_tables(config))]
    made = TabularBenchmark.build(space, {item: made_up_loss(item) for item in space}, costs)
    made.save(tmp_path / "benchmark.parquet")
    loaded = TabularBenchmark.load(tmp_path / "benchmark.parquet")
    assert len(loaded) == 2 * 4**2 and loaded.search_space == space
    pd.testing.assert_frame_equal(loaded.table, made.table, check_exact=True)
    for cost, other in zip(loaded.costs, costs, strict=True):
        assert cost.table == other.table and [cost(item) for item in space] == [other(item) for item in space]
    assert loaded.cost("latency")(space.check("H16:A4-I")) < loaded.cost("latency")(space.check("H32:A4-I"))


def test_columns_are_what_the_objectives_say(benchmark):
    assert list(benchmark.table) == ["architecture", "loss", "parameters", "latency"]
    row = benchmark.table.iloc[1234]
    item = benchmark.search_space.check(row["architecture"])
    assert (row["loss"], row["parameters"], row["latency"]) == (
        benchmark.loss(item),
        benchmark.cost("parameters")(item),
        benchmark.cost("latency")(item),
    )


def test_optimum_and_shares(benchmark):
    table = benchmark.table
    limit = float(table["parameters"].median())
    best = benchmark.optimum({"parameters": limit})
    assert best["loss"] == table[table["parameters"] <= limit]["loss"].min()
    assert benchmark.regret(table, {"parameters": limit}) == 0
    worse = table[table["loss"] > best["loss"] + 0.1]
    assert benchmark.regret(worse, {"parameters": limit}) > 0.1
    assert benchmark.hypervolume_share(table, ["loss", "parameters"]) == pytest.approx(1)
    assert 0 < benchmark.hypervolume_share(table.head(50), ["loss", "parameters"]) < 1
    assert benchmark.hypervolume_share(table.head(0), ["loss", "parameters"]) == 0


def test_what_is_no_benchmark(benchmark, tmp_path):
    with pytest.raises(ValueError, match="4095 rows, 4095 of them distinct; it has to have one for each of the 4096"):
        TabularBenchmark(benchmark.search_space, benchmark.table.head(4095), benchmark.costs)
    broken = benchmark.table.assign(loss=benchmark.table["loss"].where(benchmark.table.index != 3))
    with pytest.raises(ValueError, match="that of 'A4-A4-A4-A4-A4-I' is not"):
        TabularBenchmark(benchmark.search_space, broken, benchmark.costs)
    with pytest.raises(ValueError, match="No cost 'memory' in this benchmark; it has parameters, latency"):
        benchmark.cost("memory")
    benchmark.table.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=r"table\.parquet' is no benchmark of a search"):
        TabularBenchmark.load(tmp_path / "table.parquet")


# ---- What the strategies reach: budgets in children measured, of 4,096 ----

FAST = {LINASSearch: {"inner_population_size": 80, "inner_generations": 15}, ShrinkingSearch: {"pool_size": 600}}
POPULATION = 20


@pytest.fixture
def _no_trees(monkeypatch) -> None:
    """They take nine tenths of the time, and where there are as few layers as here, they are never chosen."""
    kept = {name: regressor for name, regressor in predictors.PREDICTORS.items() if name != "gradient_boosting"}
    monkeypatch.setattr(predictors, "PREDICTORS", kept)


def run(benchmark, strategy, objectives, constraints, generations, seed):
    search = strategy(benchmark.search_space, constraints, POPULATION, seed, objectives, **FAST.get(strategy, {}))
    return run_search(search, [benchmark.loss, *benchmark.costs], generations=generations).table


@pytest.mark.usefixtures("_no_trees")
@pytest.mark.parametrize(
    ("strategy", "budget"),
    [
        (EvolutionarySearch, 400),
        (NSGA2Search, 400),
        (LINASSearch, 160),
        (ProgressiveSearch, 200),
        (ShrinkingSearch, 200),
    ],
)
def test_every_strategy_but_random_finds_the_optimum_under_a_limit(benchmark, strategy, budget):
    under = {"parameters": float(benchmark.table["parameters"].quantile(0.4))}
    constraint = Constraint(benchmark.cost("parameters"), maximum=under["parameters"])
    regrets = []
    for seed in range(2):
        table = run(benchmark, strategy, [benchmark.loss], [constraint], budget // POPULATION, seed)
        assert len(table) == budget and (table["parameters"] <= under["parameters"]).all()
        regrets.append(benchmark.regret(table, under))
    drawn = [
        benchmark.regret(
            run(benchmark, RandomSearch, [benchmark.loss], [constraint], budget // POPULATION, seed), under
        )
        for seed in range(10)
    ]
    assert regrets == [0, 0] and np.median(drawn) > 0


@pytest.mark.usefixtures("_no_trees")
@pytest.mark.parametrize(
    ("strategy", "share"),
    [(NSGA2Search, 0.10), (LINASSearch, 0.05), (ProgressiveSearch, 0.05), (ShrinkingSearch, 0.05)],
)
def test_a_twentieth_of_the_children_or_a_tenth_give_the_front(benchmark, strategy, share):
    columns = ["loss", "parameters"]
    objectives = [benchmark.loss, benchmark.cost("parameters")]
    generations = int(share * len(benchmark)) // POPULATION
    reached, drawn = [], []
    for seed in range(2):
        for shares, kind in ((reached, strategy), (drawn, RandomSearch)):
            table = run(benchmark, kind, objectives, [], generations, seed)
            assert len(table) <= share * len(benchmark)
            shares.append(benchmark.hypervolume_share(table, columns))
    assert np.median(reached) >= 0.95 and np.median(reached) > np.median(drawn)
