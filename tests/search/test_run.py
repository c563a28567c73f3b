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
"""The loop that runs a strategy: what it records, how it resumes, and what fails."""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hf_supernet.search import (
    EvaluationStore,
    EvolutionarySearch,
    FunctionObjective,
    NSGA2Search,
    Objective,
    ParameterCost,
    PopulationObjective,
    RandomSearch,
    SearchResult,
    check_same_settings,
    dev_loss,
    run_search,
)

from .conftest import TabularEvaluator, tiny_config
from .test_strategy import STRATEGIES, make, search


pytestmark = pytest.mark.usefixtures("ridge_only")

WEIGHTS = {"supernet": "random numbers"}


def test_info_says_what_was_searched_for(config):
    info = search(config).info
    assert (
        info["settings"]["objectives"] == {"loss": "minimise"} and info["settings"]["supernet"] == WEIGHTS["supernet"]
    )
    assert info["objectives"]["loss"] == {"direction": "minimise", "unit": "nats per label", "cost": "expensive"}
    assert info["objectives"]["latency"] == {"direction": "minimise", "unit": "s", "cost": "free"}
    assert info["failures"] == [] and "pymoo" in info["versions"]


# ---- Killed and resumed ----


class Killer(TabularEvaluator):
    """Judges one child at a time, and is interrupted when it is asked for child number `left` (from 0)."""

    def __init__(self, search_space, left=math.inf):
        super().__init__(search_space)
        self.left = left

    def __call__(self, architecture):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.calls.append([architecture])
        return self.loss(architecture)


def search_by_one(config, space, strategy, left=math.inf, store=None):
    killer = Killer(space, left)
    objectives = [FunctionObjective("loss", killer, depends_on=WEIGHTS), ParameterCost(config)]
    searched = objectives if strategy.max_objectives is None else objectives[:1]
    result = None
    with contextlib.suppress(KeyboardInterrupt):
        result = run_search(
            make(strategy, space, population_size=8, objectives=searched), objectives, generations=4, store=store
        )
    return result, killer.evaluated


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_killed_at_any_child_and_resumed_is_not_killed(tmp_path, strategy):
    config = tiny_config()
    space = RandomSearch(search_space_of(config)).search_space
    whole, evaluated = search_by_one(config, space, strategy)
    assert len(evaluated) == len(whole) == 32
    for left in (0, 1, 8, 21):
        with EvaluationStore(tmp_path / f"{left}.sqlite") as store:
            killed, before = search_by_one(config, space, strategy, left, store)
            assert killed is None and len(before) == len(store) == left
        with EvaluationStore(tmp_path / f"{left}.sqlite") as store:
            resumed, after = search_by_one(config, space, strategy, store=store)
        assert [*before, *after] == evaluated  # nothing twice
        pd.testing.assert_frame_equal(resumed.table, whole.table, check_exact=True)
        assert resumed.info == whole.info


def search_space_of(config):
    return ParameterCost(config).search_space


def test_killed_many_times(tmp_path, config, space):
    whole, _ = search_by_one(config, space, EvolutionarySearch)
    for _ in range(7):
        with EvaluationStore(tmp_path / "store.sqlite") as store:
            result, _ = search_by_one(config, space, EvolutionarySearch, 5, store)
    pd.testing.assert_frame_equal(result.table, whole.table, check_exact=True)


def test_a_search_killed_by_a_signal_resumes(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from tests.search.conftest import TabularEvaluator, tiny_config
        from tests.search.test_strategy import search
        from hf_supernet import SearchSpace
        from hf_supernet.search import EvaluationStore

        config = tiny_config()

        class Killer(TabularEvaluator):
            def evaluate(self, architectures):
                if len(self.calls) == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().evaluate(architectures)

        store = EvaluationStore(sys.argv[1] + "/evaluations.sqlite")
        search(config, evaluator=Killer(SearchSpace.from_config(config)), output_dir=sys.argv[1], store=store)
        """
    )
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    process = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=root, env=environment, check=False)
    assert process.returncode == -signal.SIGKILL
    assert sorted(file.name for file in tmp_path.iterdir()) == ["evaluations.sqlite", "result.parquet", "search.json"]
    config = tiny_config()
    evaluator = TabularEvaluator(search_space_of(config))
    with EvaluationStore(tmp_path / "evaluations.sqlite") as store:
        resumed = search(config, evaluator=evaluator, store=store, output_dir=tmp_path)
    assert len(evaluator.evaluated) == 4 * 12  # of six generations, two were stored
    pd.testing.assert_frame_equal(resumed.table, search(config).table, check_exact=True)
    whole = SearchResult.load(tmp_path)
    pd.testing.assert_frame_equal(whole.table, resumed.table, check_exact=True)
    assert whole.info == resumed.info


def test_more_generations_continue_a_finished_search(tmp_path, config, space):
    evaluator = TabularEvaluator(space)
    with EvaluationStore(tmp_path / "store.sqlite") as store:
        search(config, generations=3, store=store)
        longer = search(config, evaluator=evaluator, generations=6, store=store)
    pd.testing.assert_frame_equal(longer.table, search(config).table, check_exact=True)
    assert len(evaluator.calls) == 3


def test_another_search_of_the_same_supernet_profits(config, space):
    store, evaluator = EvaluationStore(), TabularEvaluator(space)
    first = search(config, RandomSearch, seed=0, store=store)
    second = search(config, RandomSearch, seed=1, store=store, evaluator=evaluator)
    shared = set(first.table["architecture"]) & set(second.table["architecture"])
    assert shared and len(evaluator.evaluated) == len(second) - len(shared)


def test_settings_of_a_saved_search_are_compared(config):
    saved = search(config, generations=1)
    check_same_settings(saved, saved.info["settings"])
    with pytest.raises(ValueError, match="saved search has `seed` 0, this one 1"):
        check_same_settings(saved, search(config, generations=1, seed=1).info["settings"])
    with pytest.raises(ValueError, match=r"saved search has `constraints` {'parameters'.*, this one {}"):
        check_same_settings(saved, search(config, generations=1, constraints=[]).info["settings"])
    with pytest.raises(ValueError, match="has `supernet` 'random numbers', this one 'others'"):
        check_same_settings(saved, saved.info["settings"] | {"supernet": "others"})


# ---- Children that fail ----


def failing(architecture):
    kind = architecture[0].kind
    if kind == "attention":
        raise MemoryError("no room")
    return {"feed_forward": math.nan, "convolution": math.inf, "identity": None}.get(kind, 1.0)


def test_failures_are_recorded_with_their_reason(config, space, caplog):
    objectives = [FunctionObjective("odd", failing, depends_on=WEIGHTS), dev_loss(TabularEvaluator(space), WEIGHTS)]
    strategy = RandomSearch(space, population_size=16, objectives=[Objective("odd")])
    works = next(item for item in space if item[0].kind == "attention")
    objectives[0].function = lambda item: 2.0 if item[1].kind == "attention" else failing(item)
    store = EvaluationStore()
    result = run_search(strategy, objectives, generations=2, store=store)
    errors = dict(zip(result.failures["architecture"], result.failures["error"], strict=True))
    assert len(result) == 32 and result.table["loss"].notna().all()
    for name, value in zip(result.table["architecture"], result.table["odd"], strict=True):
        first, second, *_ = space.check(name)
        expected = {
            "attention": "MemoryError: no room",
            "feed_forward": "returned nan",
            "convolution": "returned inf",
            "identity": "returned None, which is no number",
        }
        assert errors.get(name) == (None if second.kind == "attention" else expected[first.kind])
        assert math.isnan(value) == (name in errors)
    assert f"'odd' failed for '{result.failures['architecture'][0]}'" in caplog.text
    # They are remembered, and found again when the search goes on: with the same reasons.
    objectives[0].function = lambda item: pytest.fail("asked again")
    again = run_search(
        RandomSearch(space, population_size=16, objectives=[Objective("odd")]), objectives, generations=2, store=store
    )
    assert again.info == result.info and works not in store.rows()
    assert store.forget_failures() == len(errors) and store.forget_failures() == 0


def test_only_the_children_fail_that_have_to(config, space):
    """A population that fails as a whole is judged one by one."""
    calls = []

    def loss(architectures):
        calls.append(len(architectures))
        if any(item[0].kind == "attention" for item in architectures):
            raise RuntimeError("no attention")
        return dict.fromkeys(architectures, 1.0)

    result = run_search(RandomSearch(space, population_size=12), [PopulationObjective("loss", loss)], generations=1)
    failed = [name for name in result.table["architecture"] if name.startswith("A")]
    assert 0 < len(failed) < 12 and result.failures["architecture"].tolist() == failed
    assert set(result.failures["error"]) == {"RuntimeError: no attention"} and calls == [12] + [1] * 12


def test_an_objective_that_always_fails_is_an_error_and_not_remembered(config, space):
    store = EvaluationStore()

    def slip(architecture):
        raise KeyError("lables")

    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"'loss' failed for each of the first 12 children.*KeyError: 'lables'"):
            run_search(
                RandomSearch(space, population_size=12),
                [FunctionObjective("loss", slip, depends_on=WEIGHTS)],
                store=store,
            )
    assert len(store) == 0


def test_all_children_of_a_later_generation_may_fail(config, space):
    count = itertools.count()

    def loss(architecture):
        return 1.0 if next(count) < 12 else math.nan

    for strategy in STRATEGIES:
        count = itertools.count()
        result = run_search(
            make(strategy, space, population_size=12),
            [FunctionObjective("loss", loss), ParameterCost(config)],
            generations=4,
        )
        assert len(result) == 48 and result.table["loss"].notna().sum() == 12


# ---- Arguments that cannot be ----


def test_objectives_that_do_not_fit_the_strategy(config, space):
    strategy = NSGA2Search(space, objectives=[Objective("loss"), Objective("accuracy", direction="maximise")])
    loss = dev_loss(TabularEvaluator(space))
    with pytest.raises(
        ValueError, match=r"weighs 'accuracy', which is not among the `objectives` loss, acuracy.*mean"
    ):
        run_search(strategy, [loss, FunctionObjective("acuracy", len)])
    with pytest.raises(ValueError, match="'accuracy' is to be maximised for the strategy, and minimised among"):
        run_search(strategy, [loss, FunctionObjective("accuracy", len)])
    with pytest.raises(ValueError, match="different names, got loss, loss"):
        run_search(strategy, [loss, loss])
    with pytest.raises(TypeError, match="'loss' only describes; to judge children"):
        run_search(RandomSearch(space), [Objective("loss")])
    with pytest.raises(ValueError, match=r"`depends_on` of 'loss' is empty"):
        run_search(RandomSearch(space), [loss], store=EvaluationStore())
    with pytest.raises(ValueError, match="`generations` must be at least 1, got 0"):
        run_search(RandomSearch(space), [loss], generations=0)


# ---- The bar ----


@pytest.mark.parametrize(("strategy", "shown"), [(EvolutionarySearch, "best loss="), (NSGA2Search, "hypervolume=")])
def test_the_bar_says_how_it_goes(config, space, strategy, shown, capsys):
    objectives = [dev_loss(TabularEvaluator(space)), ParameterCost(config)]
    searched = objectives if strategy.max_objectives is None else objectives[:1]
    result = run_search(
        strategy(space, population_size=12, objectives=searched), objectives, generations=3, progress=True
    )
    last = capsys.readouterr().err.rpartition("\r")[2]
    assert (
        f"Searching ({strategy.name})" in last and "evaluated=36" in last and "children/s=" in last and shown in last
    )
    if strategy is NSGA2Search:
        assert f"front={len(result.pareto_front())}," in last
        assert f"hypervolume={result.hypervolume().iloc[-1]:.4g}" in last


def test_the_saved_result_is_that_of_the_end(tmp_path, config):
    result = search(config, generations=2, output_dir=tmp_path)
    saved = SearchResult.load(tmp_path)
    pd.testing.assert_frame_equal(saved.table, result.table, check_exact=True)
    assert saved.info == json.loads(json.dumps(result.info))
    assert np.isfinite(saved.table["loss"]).all()
