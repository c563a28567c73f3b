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
"""Several seeds: what is run, what is left out, and how results are put together."""

import json
import statistics

import pytest
from transformers import TrainingArguments

from hf_supernet.training.early_stopping import EarlyStoppingArguments
from hf_supernet.training.seeds import (
    SeedArguments,
    comparable_settings,
    fill_in_seed,
    run_seeds,
    summarize,
)

from .conftest import Killed


SETTINGS = {"learning_rate": 1e-3, "task_name": "rte"}


class Runs:
    """Notes which seeds were run, and dies in one of them."""

    def __init__(self, dies_at: int | None = None):
        self.seeds, self.dies_at = [], dies_at

    def __call__(self, seed, folder):
        self.seeds.append(seed)
        if seed == self.dies_at:
            raise Killed
        assert folder.name == f"seed-{seed}"
        return {"eval_accuracy": seed / 10, "eval_samples": 7}


def test_finished_seeds_are_left_out(tmp_path):
    with pytest.raises(Killed):
        run_seeds([1, 2, 3], tmp_path, SETTINGS, Runs(dies_at=2))
    assert not (tmp_path / "all_results.json").exists()
    again = Runs()
    summary = run_seeds([1, 2, 3], tmp_path, SETTINGS, again)
    assert again.seeds == [2, 3]
    assert json.loads((tmp_path / "all_results.json").read_text()) == summary
    assert summary["by_seed"] == {str(seed): {"eval_accuracy": seed / 10, "eval_samples": 7} for seed in (1, 2, 3)}
    more = Runs()
    assert run_seeds([3, 4], tmp_path, SETTINGS, more)["seeds"] == [3, 4]
    assert more.seeds == [4]


def test_other_settings_are_refused_before_anything_is_run(tmp_path):
    run_seeds([3], tmp_path, SETTINGS, Runs())
    other = Runs()
    with pytest.raises(ValueError, match=r"seed-3 was run with other settings: `learning_rate` 0.001, now 0.1\. Pass"):
        run_seeds([1, 3], tmp_path, SETTINGS | {"learning_rate": 0.1}, other)
    assert other.seeds == []


def test_a_run_that_fails_at_once_leaves_nothing(tmp_path):
    """So that the mended options are no other settings; a run that has written something keeps its record."""

    def fail(seed, folder):
        raise ValueError("no such column")

    def fail_later(seed, folder):
        (folder / "checkpoint-1").mkdir()
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        run_seeds([1, 2], tmp_path / "model" / "task", {"column": "a"}, fail)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no such column"):
        run_seeds([1, 2], tmp_path / "model", {"column": "b"}, fail_later)
    with pytest.raises(ValueError, match="was run with other settings: `column` 'b', now 'c'"):
        run_seeds([1, 2], tmp_path / "model", {"column": "c"}, fail)


def test_a_damaged_record(tmp_path):
    run_seeds([1], tmp_path, SETTINGS, Runs())
    (tmp_path / "seed-1" / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is damaged: .* Delete it to run this seed again"):
        run_seeds([1], tmp_path, SETTINGS, Runs())


def test_processes_that_do_not_write(tmp_path):
    assert run_seeds([1, 2], tmp_path / "out", SETTINGS, Runs(), writes=False)["seeds"] == [1, 2]
    assert not (tmp_path / "out").exists()


def test_mean_and_spread():
    results = {1: {"eval_f1": 0.5, "only": 1.0}, 7: {"eval_f1": 0.8}, 9: {"eval_f1": 0.6}}
    summary = summarize(results)
    assert summary["seeds"] == [1, 7, 9]
    assert summary["eval_f1"] == pytest.approx(1.9 / 3)
    assert summary["eval_f1_sd"] == pytest.approx(statistics.stdev([0.5, 0.8, 0.6])) == pytest.approx(0.1527525)
    assert "only" not in summary
    single = summarize({1: {"eval_f1": 0.5}})
    assert single["eval_f1"] == 0.5 and "eval_f1_sd" not in single  # of one value there is no spread


def test_what_is_compared(tmp_path):
    def settings(**changes):
        arguments = TrainingArguments(str(tmp_path), use_cpu=True, **changes)
        return comparable_settings(EarlyStoppingArguments(early_stopping_patience=2), arguments)

    assert settings()["early_stopping_patience"] == 2
    assert settings() == settings(seed=3, report_to="none", logging_steps=7, disable_tqdm=True)
    for change in ({"learning_rate": 1e-4}, {"max_steps": 3}, {"optim": "sgd"}, {"data_seed": 1}):
        assert settings(**change) != settings()


def test_the_seed_in_a_name():
    assert fill_in_seed("mnli/seed-{seed}", 4) == "mnli/seed-4"
    assert fill_in_seed(None, 4) is None


@pytest.mark.parametrize("seeds", [[1, 1], [-1], []])
def test_seeds_that_cannot_be(seeds):
    with pytest.raises(ValueError, match=r"`seeds` must be different numbers from 0 on, got \["):
        SeedArguments(seeds)
