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
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from ..compression.conftest import parameter_clock  # noqa: F401 (a fixture)
from .glue_runs import TRAIN, VALIDATION


BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"

sys.path.insert(0, str(BENCHMARKS))
import bert_compression  # noqa: E402 (scripts, found beside the package)
import children_alone  # noqa: E402
from bert_compression_report import (  # noqa: E402
    ARMS,
    children_alone_section,
    compression_section,
    compression_summary,
    draw,
)
from task_runs import ResultsFile, run_all  # noqa: E402


pytestmark = pytest.mark.usefixtures("states_of_their_own")

HEAD = {"command": "python script.py", "options": "--max_steps 5", "environment": {"cpu": "a processor"}}
TASKS = ("sst2", "mrpc")
LIFT = {"reference": 9, "child_straight": 4, "child": 5, "layers_dropped": 3, "narrowed": 0, "random_child": 4.4}
"""Points in percent by which the arms differ."""
WOBBLE = {"child_straight": (0.2, -0.1, 0.3), "layers_dropped": (-0.2, 0.1, 0.2), "random_child": (0.5, -0.5, 1.0)}


def make_run(task: str, seed: int, without: str | None = None) -> dict:
    start = {"sst2": 80, "mrpc": 70}[task] + seed
    models = [
        {
            **{"name": arm, "score": (start + LIFT[arm] + WOBBLE.get(arm, (0, 0, 0))[seed - 1]) / 100},
            **{"latency_ratio": 1.0 if arm == "reference" else 0.5 + 0.01 * seed},
            **{"parameters": 1000, "multiply_adds": 5000, "steps": 7, "passes": 28},
        }
        for arm in ARMS
        if arm != without
    ]
    return {
        **{"task": task, "seed": seed, "seconds": 60.0, "metric": "accuracy", "budget": {"latency": 0.53}},
        **{"rows": {"train": 18, "search": 2, "validation": 30}, "paths_per_step": 4, "models": models},
        **{"latency_conditions": "batch 1 x 128 tokens", "left_out": {without: "none keeps it"} if without else {}},
    }


def cells(lines: list[str], start: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("| ").split("|")]


def table_behind(lines: list[str], head: str) -> list[str]:
    """The table whose first line begins so."""
    first = next(index for index, line in enumerate(lines) if line.startswith(f"| {head}"))
    return lines[first : lines.index("", first)]


def test_the_summary_has_scores_and_differences_of_the_whole_report():
    runs = [make_run(task, seed) for seed in (1, 2, 3) for task in TASKS]
    whole, lines = (write({**HEAD, "runs": runs}) for write in (compression_section, compression_summary))
    for head in ("task", "difference"):
        assert table_behind(lines, head) == table_behind(whole, head)
    assert "within 0.53 of its latency" in "\n".join(lines)
    assert lines[-1] in whole and lines[-1].startswith("On the mean of the tasks")
    for few in (runs[:2], runs[::2]):  # one seed, and one task
        assert compression_summary({**HEAD, "runs": few}) == []


def test_differences_are_paired_by_seed_on_the_mean_of_the_tasks():
    runs = [make_run(task, seed) for seed in (1, 2, 3) for task in TASKS]
    lines = compression_section({**HEAD, "runs": runs})
    differences = table_behind(lines, "difference")
    for task in (*TASKS, "mean of tasks"):
        found = cells(differences, task)[1]  # (a) - (c); both tasks wobble alike
        values = [1 + a - c for a, c in zip(WOBBLE["child_straight"], WOBBLE["layers_dropped"], strict=True)]
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found == f"{sum(values) / 3:+.2f} [{low:+.2f}, {high:+.2f}]"
    text = "\n".join(lines)
    assert "(a) over (c), (a) over (d), (b) over (c), (b) over (d); **not so**: (a) over (e), (b) over (e)." in text
    scores = cells(table_behind(lines, "task"), "mean of tasks")
    assert scores[4] == "3" and scores[5] == f"{77 + 9:.2f} ± 1.00"
    assert cells(lines, ARMS["child"])[3] == "0.520 (0.510 to 0.530)"


def test_arms_and_tasks_that_are_missing():
    """Where one task has none within the budget, the mean of the tasks has none; a seed that is not whole does not count."""
    runs = [make_run("sst2", 1), make_run("mrpc", 1, without="narrowed"), make_run("sst2", 2)]
    lines = compression_section({**HEAD, "runs": runs})
    scores, differences = table_behind(lines, "task"), table_behind(lines, "difference")
    assert cells(differences, "mean of tasks")[2] == "" and cells(differences, "mean of tasks")[1].endswith(
        "(one seed)"
    )
    assert cells(scores, "mean of tasks")[4] == "1" and cells(scores, "sst2")[4] == "2"
    assert "Left out, as none keeps the budget: mrpc 1: narrowed (none keeps it)." in "\n".join(lines)
    assert "Fewer than two seeds of all tasks are there" in "\n".join(lines)


def test_rows_of_several_writers_are_all_kept(tmp_path):
    files = [ResultsFile(tmp_path / "runs.json", HEAD) for _ in range(4)]
    with ThreadPoolExecutor(len(files)) as pool:
        list(pool.map(lambda seed: files[seed % len(files)].add({"task": "rte", "seed": seed}), range(24)))
    assert sorted(row["seed"] for row in files[0].rows) == list(range(24))


def test_runs_are_kept_and_not_run_again(tmp_path, capsys):
    keys = [{"task": task, "seed": seed} for seed in (1, 2) for task in TASKS]
    calls = []

    def run(key: dict) -> dict:
        calls.append(key)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"score": 0.5}

    results = ResultsFile(tmp_path / "runs.json", HEAD)
    run_all(results, keys, run, max_minutes=0)
    assert calls == [] and "0 of 4 runs are there" in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        run_all(results, keys, run, None)
    assert "task mrpc seed 1: 0.0 min; 2 left, about 0 min" in capsys.readouterr().out
    run_all(ResultsFile(tmp_path / "runs.json", HEAD), keys, run, None)
    assert calls == [*keys[:3], *keys[2:]]
    assert [{name: row[name] for name in ("task", "seed")} for row in results.rows] == keys
    with pytest.raises(ValueError, match=r"has runs with the options --max_steps 5, and these are --max_steps 6"):
        ResultsFile(tmp_path / "runs.json", HEAD | {"options": "--max_steps 6"})


TINY = (
    "--tasks mrpc --seeds 3 --train_samples 16 --max_steps 2 --per_device_train_batch_size 4 --search_samples 4"
    " --reference_epochs 0.5 --finetune_epochs 0.25 --population_size 3 --generations 1 --min_blocks 1 --importance magnitude"
    " --max_seq_length 24 --latency_rounds 2 --latency_num_children 0 --max_latency_ratio 0.6"
)


@pytest.mark.usefixtures("parameter_clock")
def test_from_a_checkpoint_to_the_tables(models, tmp_path, capsys, monkeypatch):
    for name, file in (("train", TRAIN), ("validation", VALIDATION)):
        (tmp_path / "glue" / "mrpc").mkdir(parents=True, exist_ok=True)
        rows = pd.read_csv(file, usecols=["sentence1", "sentence2", "label"], keep_default_na=False)
        rows.to_parquet(tmp_path / "glue" / "mrpc" / f"{name}.parquet")
    places = ["--data_dir", tmp_path / "glue", "--work_dir", tmp_path / "work", "--model", models["bert"]]
    line = [*map(str, places), *TINY.split(), "--cache_dir", str(tmp_path / "cache")]
    compared, alone = tmp_path / "compared.json", tmp_path / "alone.json"
    with pytest.raises(FileNotFoundError, match=r"has no trained supernet; run bert_compression\.py first"):
        children_alone.main([*line, "--output", str(alone)])
    bert_compression.main([*line, "--output", str(compared)])
    found = json.loads(compared.read_text())
    (run,) = found["runs"]
    assert (
        found["options"].count("--per_device_train_batch_size") == 1 and "--learning_rate 0.0001" in found["options"]
    )
    assert {row["name"] for row in run["models"]} == {*ARMS, "random_child_straight"} and run["left_out"] == {}
    steps = {row["name"]: row["steps"] for row in run["models"]}
    assert steps["child"] == steps["layers_dropped"] == steps["narrowed"] == steps["random_child"] == 3
    assert run["rows"]["train"] == 12 and run["supernet_steps"] == steps["child_straight"] == 2
    assert compared.with_suffix(".png").stat().st_size > 10_000
    assert f"| {ARMS['child_straight']} |" in "\n".join(compression_section(found))

    monkeypatch.setattr(bert_compression, "compress", lambda settings: pytest.fail("ran again"))
    bert_compression.main([*line, "--output", str(compared)])
    assert "1 of 1 runs are there" in capsys.readouterr().out

    children_alone.main([*line, "--output", str(alone), "--children", "3"])
    rows = json.loads(alone.read_text())["runs"]
    assert [row["child"] for row in rows] == [0, 1, 2] and rows[-1]["share"] == 1
    assert rows[0]["parameters"] < rows[1]["parameters"] < rows[2]["parameters"] and {
        row["steps"] for row in rows
    } == {2}
    assert not list((tmp_path / "work" / "mrpc" / "seed-3-alone").iterdir())
    table = children_alone_section(json.loads(alone.read_text()))
    straight, of_alone = (100 * rows[1][how] for how in ("straight", "alone"))
    assert cells(table, "1")[3:6] == [f"{straight:.2f}", f"{of_alone:.2f}", f"{straight - of_alone:+.2f} (one seed)"]
    with pytest.raises(ValueError, match="`children` must be at least 2, the smallest and the largest; got 1"):
        children_alone.main([*line, "--output", str(alone), "--children", "1"])


def test_the_plot_has_a_panel_for_each_task(tmp_path, monkeypatch):
    panels = []
    monkeypatch.setattr("bert_compression_report.write_panels", lambda given, path: panels.extend(given))
    draw([make_run(task, seed) for seed in (1, 2) for task in TASKS], tmp_path / "plot.png")
    assert [panel.title for panel in panels] == ["mean of tasks", "mrpc", "sst2"]
    assert panels[0].table.loc["child", "score"] == pytest.approx(75 + 1.5 + 5)
    assert panels[0].table.loc["child", "latency"] == pytest.approx(0.515)
