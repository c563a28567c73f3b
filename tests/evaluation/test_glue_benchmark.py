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
"""The table of a benchmark: what it says, and that it is there after each run."""

import pytest

from hf_supernet.evaluation.glue_benchmark import BenchmarkTable


SETTINGS = {"learning_rate": 1e-3}


def fill(table: BenchmarkTable) -> None:
    for model, shift in (("child", 0.0), ("bert", 0.1)):
        for seed, score in ((1, 0.5), (2, 0.6), (3, 0.55)):
            metrics = {"eval_accuracy": score + shift, "eval_accuracy_mm": score, "eval_loss": 1.0}
            table.add(model, "mnli", seed, metrics, SETTINGS, ["python", "x.py", "--seeds", *"123"[:seed]])
    for seed, score in ((1, 0.2), (2, 0.4)):
        metrics = {"eval_pearson": score / 2, "eval_spearmanr": score, "eval_combined_score": 0.75 * score}
        table.add("child", "stsb", seed, metrics, SETTINGS, ["python", "x.py", "--init_from", "a {seed}"])


def test_table_in_markdown(tmp_path):
    table = BenchmarkTable(tmp_path)
    fill(table)
    text = table.markdown()
    assert text.startswith("GLUE, validation sets, mean ± standard deviation over 3 seeds, in percent.")
    assert text.splitlines()[2:] == [
        "| task | metric | child | bert |",
        "| --- | --- | ---: | ---: |",
        "| mnli | **accuracy** | 55.0 ± 5.0 | 65.0 ± 5.0 |",
        "| mnli | accuracy_mm | 55.0 ± 5.0 | 55.0 ± 5.0 |",
        "| stsb | pearson | 15.0 ± 7.1 (n=2) |  |",
        "| stsb | **spearmanr** | 30.0 ± 14.1 (n=2) |  |",
        "| average | | 42.5 |  |",  # of (55 + 30) / 2; bert lacks a task
        "",
        "```bash",
        "python x.py --seeds 1 2 3",
        "python x.py --seeds 1 2 3",
        "python x.py --init_from 'a {seed}'",
        "```",
    ]
    assert (tmp_path / "results.md").read_text() == text


def test_rows_are_found_again(tmp_path):
    fill(BenchmarkTable(tmp_path))
    table = BenchmarkTable(tmp_path)
    assert len(table.rows) == 8
    assert table.find("bert", "mnli", 2)["score"] == pytest.approx(0.7)
    assert table.is_done("child", "stsb", 2, SETTINGS)
    assert not table.is_done("child", "stsb", 3, SETTINGS)
    before = table.markdown()
    table.add("bert", "stsb", 1, {"eval_spearmanr": 0.6}, SETTINGS, ["x"])
    assert "| stsb | **spearmanr** | 30.0 ± 14.1 (n=2) | 60.0 (n=1) |" in table.markdown() != before
    with pytest.raises(
        ValueError, match=r"has mnli with bert and seed 2 with other settings: `learning_rate` 0\.001, now 1"
    ):
        table.is_done("bert", "mnli", 2, {"learning_rate": 1})


def test_processes_that_do_not_write(tmp_path):
    fill(BenchmarkTable(tmp_path / "out", writes=False))
    assert not (tmp_path / "out").exists()


def test_one_seed_has_no_spread(tmp_path):
    table = BenchmarkTable(tmp_path)
    table.add("child", "rte", 1, {"eval_accuracy": 0.5}, SETTINGS, ["x"])
    assert "over 1 seed, in" in table.markdown() and "| rte | **accuracy** | 50.0 |" in table.markdown()
    assert "| average" not in table.markdown()
