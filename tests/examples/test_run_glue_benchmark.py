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
"""The driver of the whole benchmark: what it runs, that it goes on where it stopped, and the slips it finds at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from .glue_runs import ROOT, TRAIN, VALIDATION, run_glue


import run_glue_benchmark  # isort: skip (found where `glue_runs` has put the scripts)

pytestmark = pytest.mark.usefixtures("states_of_their_own")
SETTINGS = {
    "default": {
        "max_steps": 1,
        "max_seq_length": 24,
        "learning_rate": 1e-3,
        "log_level": "error",
        "save_strategy": "no",
        "text_column_names": ["sentence1", "sentence2"],
    },
    "stsb": {"label_column_name": "score", "max_steps": 2},
}


class Killed(Exception):
    pass


@pytest.fixture
def arguments(models, tmp_path) -> list[str]:
    """Two models, three tasks, two seeds."""
    for task in ("mnli", "rte", "stsb"):
        folder = tmp_path / "glue" / task
        folder.mkdir(parents=True)
        pd.read_csv(TRAIN, keep_default_na=False).to_parquet(folder / "train.parquet")
        matched = "validation_matched" if task == "mnli" else "validation"
        pd.read_csv(VALIDATION, keep_default_na=False).to_parquet(folder / f"{matched}.parquet")
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        yaml.safe_dump(SETTINGS | {"default": SETTINGS["default"] | {"cache_dir": str(tmp_path / "c")}})
    )
    line = [
        "--models",
        f"child={models['searched']}",
        models["bert"],
        "--tasks",
        "STS-B",
        "rte",
        "mnli",
        "--seeds",
        "1",
        "2",
    ]
    line += ["--data_dir", str(tmp_path / "glue"), "--task_settings", str(settings), "--start_from_mnli"]
    return [*line, "--output_dir", str(tmp_path / "out")]


def test_fills_its_table_and_goes_on_where_it_stopped(arguments, tmp_path, monkeypatch):
    original, calls = run_glue.fine_tune, []

    def dying(model_args, data_args, *rest):
        if len(calls) == 6:
            calls.append("dies")
            raise Killed
        calls.append((Path(model_args.model_name_or_path).name, data_args.task_name, rest[-1].seed))
        return original(model_args, data_args, *rest)

    monkeypatch.setattr(run_glue, "fine_tune", dying)
    with pytest.raises(Killed):
        run_glue_benchmark.main(arguments)
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 6
    table = run_glue_benchmark.main(arguments)
    # MNLI comes first; nothing is run twice
    order = [
        (model, task, seed) for task in ("mnli", "stsb", "rte") for model in ("searched", "bert") for seed in (1, 2)
    ]
    assert calls == [*order[:6], "dies", *order[6:]]
    assert len(table.rows) == 12
    run_glue_benchmark.main(arguments)
    assert len(calls) == 13

    frame = pd.read_parquet(tmp_path / "out" / "results.parquet")
    for row in frame.itertuples():
        run_folder = tmp_path / "out" / row.model / row.task / f"seed-{row.seed}"
        results = json.loads((run_folder / "all_results.json").read_text())
        assert row.score == results["eval_spearmanr" if row.task == "stsb" else "eval_accuracy"]
        assert results["train_runtime"] > 0 and f"--task_name {row.task}" in row.command
        settings = json.loads(row.settings)
        assert settings["max_steps"] == (2 if row.task == "stsb" else 1)
        assert (settings["init_from"] is None) == (row.task == "mnli")
    rows = frame[(frame.model == "child") & (frame.task == "rte")]
    line = f"| rte | **accuracy** | {100 * rows.score.mean():.1f} ± {100 * rows.score.std():.1f} |"
    text = (tmp_path / "out" / "results.md").read_text()
    assert line in text and "| average | |" in text and "--seeds 1 2\n" in text
    summary = json.loads((tmp_path / "out" / "bert" / "rte" / "all_results.json").read_text())
    assert summary["seeds"] == [1, 2]

    with pytest.raises(
        ValueError, match=r"has mnli with child and seed 1 with other settings: `max_seq_length` 24, now 16"
    ):
        (tmp_path / "settings.yaml").write_text(
            (tmp_path / "settings.yaml").read_text().replace("max_seq_length: 24", "max_seq_length: 16")
        )
        run_glue_benchmark.main(arguments)


def test_starts_from_the_mnli_model_of_the_same_seed(arguments, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(settings.read_text().replace("stsb:", "rte:\n  learning_rate: 0.0\nstsb:"))
    arguments[arguments.index("STS-B")] = "mnli"
    tasks = arguments.index("--tasks")
    run_glue_benchmark.main([*arguments[: tasks + 1], "rte", "mnli", *arguments[tasks + 4 :]])
    for seed in (1, 2):
        mnli, rte = (
            load_file(tmp_path / "out" / "child" / t / f"seed-{seed}" / "model.safetensors") for t in ("mnli", "rte")
        )
        assert all(torch.equal(mnli[name], rte[name]) for name in mnli if not name.startswith("classifier"))


@pytest.mark.parametrize(
    ("more", "settings", "error", "message"),
    [
        ([], {"rt": {}}, ValueError, 'Unknown GLUE task "rt"'),
        ([], {"rte": {"learning_rates": 1}}, ValueError, r"no option `--learning_rates` .did you mean"),
        ([], {"rte": 3}, ValueError, "is to have `default` and tasks"),
        (["--task_settings", "nowhere.yaml"], {}, FileNotFoundError, 'there is no file "nowhere.yaml"'),
        (["--tasks", "rte"], {}, ValueError, "`start_from_mnli` needs the MNLI models"),
        (["--tasks", "mnli", "cola"], {}, FileNotFoundError, r"cola needs .*glue/cola/train\.parquet"),
        (["--models", "a/child", "b/child"], {}, ValueError, "Two of `models` have one name"),
        (["--seeds", "1", "1"], {}, ValueError, "`seeds` must be different numbers"),
    ],
)
def test_slips_are_found_before_anything_is_run(more, settings, error, message, arguments, tmp_path):
    columns = {"text_column_names": ["sentence1", "sentence2"]}
    (tmp_path / "settings.yaml").write_text(json.dumps({"default": columns} | settings))
    with pytest.raises(error, match=message):
        run_glue_benchmark.main([*arguments, *more])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_as_a_command(arguments, tmp_path):
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    line = [*launch, "examples/run_glue_benchmark.py", *arguments, "--tasks", "mnli", "rte"]
    done = subprocess.run(line, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| rte | **accuracy** |" in done.stdout
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 8
