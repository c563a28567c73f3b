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
"""What holds for every strategy, and for the loop that runs them."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hf_supernet.search import (
    Constraint,
    EvolutionarySearch,
    LatencyCost,
    MultiplyAddCost,
    ParameterCost,
    RandomSearch,
    SearchResult,
    run_search,
)
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_latency import made_up_table
from .test_objectives import both_constraints


STRATEGIES = [EvolutionarySearch, RandomSearch]


def costs_of(config):
    return [ParameterCost(config), MultiplyAddCost(config, 11), LatencyCost(config, made_up_table(config))]


def search(config, strategy=EvolutionarySearch, seed=0, evaluator=None, constraints=None, generations=6, **options):
    space = SearchSpace.from_config(config)
    constraints = both_constraints(config) if constraints is None else constraints
    evaluator = evaluator or TabularEvaluator(space)
    return run_search(
        strategy(space, constraints, population_size=12, seed=seed),
        evaluator,
        costs_of(config),
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


def test_a_space_of_one_architecture():
    config = tiny_config(candidate_operators=["attention-4"], num_hidden_layers=3)
    assert [str(row) for row in search(config, constraints=[]).table["architecture"]] == ["A4-A4-A4"]


class Killed(Exception):
    pass


class KilledEvaluator(TabularEvaluator):
    """Dies when it is asked for the last time."""

    def __init__(self, search_space, calls):
        super().__init__(search_space)
        self.left = calls

    def evaluate(self, architectures):
        if self.left == 0:
            raise Killed
        self.left -= 1
        return super().evaluate(architectures)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("generations_done", [1, 3, 5])
def test_a_resumed_search_is_the_uninterrupted_one(tmp_path, config, space, strategy, generations_done):
    whole = search(config, strategy, output_dir=tmp_path / "whole")
    with pytest.raises(Killed):
        search(config, strategy, evaluator=KilledEvaluator(space, generations_done), output_dir=tmp_path / "killed")
    saved = SearchResult.load(tmp_path / "killed")
    assert len(saved) == 12 * generations_done
    evaluator = TabularEvaluator(space)
    resumed = search(config, strategy, evaluator=evaluator, previous=saved, output_dir=tmp_path / "killed")
    pd.testing.assert_frame_equal(resumed.table, whole.table, check_exact=True)
    assert len(evaluator.evaluated) == 12 * (6 - generations_done)
    for name in ("result.parquet", "search.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_search_killed_by_a_signal_resumes(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from tests.search.conftest import TabularEvaluator, tiny_config
        from tests.search.test_strategy import search
        from hf_supernet import SearchSpace

        config = tiny_config()

        class Killer(TabularEvaluator):
            def evaluate(self, architectures):
                if len(self.calls) == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().evaluate(architectures)

        search(config, evaluator=Killer(SearchSpace.from_config(config)), output_dir=sys.argv[1])
        """
    )
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    process = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=root, env=environment, check=False)
    assert process.returncode == -signal.SIGKILL
    assert sorted(file.name for file in tmp_path.iterdir()) == ["result.parquet", "search.json"]
    config = tiny_config()
    resumed = search(config, previous=SearchResult.load(tmp_path))
    pd.testing.assert_frame_equal(resumed.table, search(config).table, check_exact=True)


def test_more_generations_continue_a_finished_search(config, space):
    short = search(config, generations=3)
    evaluator = TabularEvaluator(space)
    longer = search(config, evaluator=evaluator, previous=short, generations=6)
    pd.testing.assert_frame_equal(longer.table, search(config).table, check_exact=True)
    assert len(evaluator.calls) == 3


def test_a_loss_that_is_not_a_number_loses(config, space):
    class Broken(TabularEvaluator):
        def loss(self, architecture):
            return super().loss(architecture) if str(architecture[0]) == "convolution-3" else float("nan")

    whole = search(config, evaluator=Broken(space))
    assert whole.table["loss"].isna().any() and np.isfinite(whole.best()["loss"])
    first, last = (whole.table[whole.table["generation"] == generation] for generation in (0, 5))
    assert last["loss"].isna().sum() < first["loss"].isna().sum()
    half = SearchResult(whole.table[whole.table["generation"] < 3], whole.info)
    resumed = search(config, evaluator=Broken(space), previous=half)
    pd.testing.assert_frame_equal(resumed.table, whole.table, check_exact=True)


def test_what_cannot_be_resumed(config, space):
    done = search(config, generations=3, settings={"supernet": "a"})
    with pytest.raises(ValueError, match="saved search has `seed` 0, this one 1"):
        search(config, seed=1, previous=done, settings={"supernet": "a"})
    with pytest.raises(ValueError, match="saved search has `supernet` 'a', this one 'b'"):
        search(config, previous=done, settings={"supernet": "b"})
    with pytest.raises(ValueError, match="saved search has `constraints`"):
        search(config, previous=done, settings={"supernet": "a"}, constraints=[])
    with pytest.raises(ValueError, match="has 3 generations already, `generations` is 2"):
        search(config, previous=done, settings={"supernet": "a"}, generations=2)
    with pytest.raises(ValueError, match=r"saved search recorded .*this one records"):
        run_search(
            EvolutionarySearch(space, both_constraints(config), 12),
            TabularEvaluator(space),
            previous=done,
            settings={"supernet": "a"},
        )


@pytest.mark.parametrize("column", ["latency", "architecture"])
def test_a_saved_search_that_went_another_way(config, column):
    done = search(config, generations=3)
    table = done.table.copy()
    table.loc[13, column] = table.loc[14, column] if column == "architecture" else 1.0
    with pytest.raises(ValueError, match="Generation 1 of the saved search is not what"):
        search(config, previous=SearchResult(table, done.info))


def test_arguments_that_cannot_be(config, space):
    with pytest.raises(ValueError, match="`generations` must be at least 1, got 0"):
        search(config, generations=0)
    with pytest.raises(ValueError, match="`population_size` must be at least 1, got 0"):
        RandomSearch(space, population_size=0)
    with pytest.raises(ValueError, match=r"`mutation_probability` must lie in 0 to 1, got 1\.5"):
        EvolutionarySearch(space, mutation_probability=1.5)
    with pytest.raises(ValueError, match="No architecture has at most 1 parameters"):
        EvolutionarySearch(space, [Constraint(ParameterCost(config), maximum=1)])
