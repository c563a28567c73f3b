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
"""The cards in `model_cards/` say what the records of their run say."""

import json
import re
import statistics
from pathlib import Path

import pytest
from huggingface_hub import RepoCard

from hf_supernet import Architecture


ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "model_cards").glob("*.md"))
NAME = "searched-bert-12x128-magic-at"


def results() -> dict:
    return json.loads((ROOT / "examples" / "benchmarks" / "results" / "real_text.json").read_text())


def test_all_kinds_are_there():
    assert [path.stem for path in CARDS] == [f"{NAME}-search", f"{NAME}-supernet", NAME]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_card(path):
    card = RepoCard.load(path)
    assert {"hf_supernet", "neural-architecture-search"} <= set(card.data.tags)
    assert card.text.lstrip().startswith(f"# {path.stem}\n")
    for part in ("## How to load it", "## Limits", "## Citation", "@inproceedings{xu2022analyzing"):
        assert card.text.count(part) == 1, part
    for part in ("None", "null", "{{ ", "{% ", "Linux"):
        assert part not in card.content, part
    assert not re.search(r"(?<![\w:/.])/(home|root|tmp|work|Users)\b", card.content)


def test_the_child_is_that_of_the_results():
    card, found = RepoCard.load(ROOT / "model_cards" / f"{NAME}.md"), results()
    (index,) = card.data.to_dict()["model-index"]
    means = {}
    for entry in index["results"]:
        values = {metric["type"]: metric["value"] for metric in entry["metrics"]}
        means[entry["dataset"]["config"]] = 100 * statistics.fmean(values.values())
        assert set(values) <= {"accuracy", "f1", "matthews_correlation"}
    assert means == {
        task: pytest.approx(found["glue"][task]["searched"]["mean"], abs=0.01) for task in found["epochs"]
    }
    assert set(means) == set(found["epochs"]) and f"`{found['architecture']}`" in card.text
    assert f"with {found['parameters']:,} parameters" in card.text
    latency = card.text.partition("## Latency")[2].partition("##")[0]
    assert f"| {1e3 * found['chosen']['latency_measured']:.2f} ms |" in latency
    assert found["chosen"]["latency_device"] in latency


def test_all_that_the_child_has_read_is_counted():
    """The limits name the three trainings that the table names."""
    _, table, limits = re.split("## Training|## Limits", (ROOT / "model_cards" / f"{NAME}.md").read_text())
    read = [int(number.replace(",", "")) for number in re.findall(r"steps, ([\d,]+) tokens", table)]
    epochs, sentences = re.search(r"(\d+) epochs over the ([\d,]+) sentences of the tasks", table).groups()
    amount = f"{sum(read) / 1e6:.0f} million tokens with the supernet and alone"
    assert len(read) == 2 and f"{amount}, then {epochs} times the {sentences} sentences of the tasks" in limits


def test_the_search_is_that_of_the_results():
    text, chosen = (ROOT / "model_cards" / f"{NAME}-search.md").read_text(), results()["chosen"]
    assert f"| architecture | `{chosen['architecture']}` |" in text and f"| dev loss | {chosen['loss']:.4f} |" in text
    rows = re.findall(r"^\| ([\d.]+) \| .*`([\w-]+)` \|$", text, re.MULTILINE)
    assert rows[0] == (f"{chosen['loss']:.4f}", chosen["architecture"]) and len(rows) == 10
    assert rows == sorted(rows, key=lambda row: float(row[0]))
    assert all(len(Architecture.from_string(name)) == 12 for _, name in rows)


def test_the_supernet_is_that_of_the_results():
    text, losses = (ROOT / "model_cards" / f"{NAME}-supernet.md").read_text(), results()["supernet_dev_losses"][-1]
    assert f"| step | {losses['step']:,} |" in text and f"| mean of all | {losses['eval_loss']:.4f} |" in text
    assert "| sampler | `gradual` (num_modified 1) |" in text and "alignment | weight 0.1" in text
