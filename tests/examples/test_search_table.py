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
"""The table of all paths of a supernet, made by its script at a tiny size."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from transformers import BertTokenizer

from hf_supernet import SupernetBertForMaskedLM
from hf_supernet.costs import count_multiply_adds, count_parameters
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.search import TabularBenchmark

from ..search.test_latency import made_up_table
from .search_inputs import save_supernet_and_text


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "benchmarks"))
import search_table


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> dict[str, str]:
    """A supernet of three layers with its tokenizer, a text, and made-up latencies."""
    folder = tmp_path_factory.mktemp("inputs")
    config = save_supernet_and_text(folder, num_hidden_layers=3, num_texts=20)
    made_up_table(config).save(folder / "latency.json")
    return {
        "supernet": str(folder / "supernet"),
        "validation_file": str(folder / "dev.csv"),
        "latency_table": str(folder / "latency.json"),
        "max_seq_length": "23",
        "per_device_eval_batch_size": "6",
    }


def run(options: dict[str, str], folder: Path, **more: str) -> TabularBenchmark:
    options = {**options, "work_dir": str(folder / "work"), "output": str(folder / "table.parquet"), **more}
    return search_table.main([part for name, value in options.items() for part in (f"--{name}", value)])


def test_every_path_has_its_loss_and_costs(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(search_table, "PATHS_AT_ONCE", 10)
    made = run(options, tmp_path)
    table = TabularBenchmark.load(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(table.table, made.table, check_exact=True)
    assert len(table) == 64 and list(table.table) == ["architecture", "loss", "parameters", "multiply_adds", "latency"]
    assert "64 paths in" in capsys.readouterr().out
    model = SupernetBertForMaskedLM.from_pretrained(options["supernet"])
    data_args, tokenizer = data_of(options), BertTokenizer.from_pretrained(options["supernet"])
    batches = search_table.load_dev_batches(data_args, tokenizer)
    assert table.info["supernet"] == "supernet"
    assert table.info["sequences"] == sum(len(batch["input_ids"]) for batch in batches) >= 20
    evaluator = Evaluator(model, batches)
    latencies = made_up_table(model.config)
    for row in table.table.iloc[::13].to_dict("records"):
        path = row["architecture"]
        [loss] = evaluator.evaluate([path]).values()
        assert row["loss"] == pytest.approx(loss, rel=1e-6)
        assert row["parameters"] == count_parameters(model.config, path)
        assert row["multiply_adds"] == count_multiply_adds(model.config, path, 23)
        assert row["latency"] == pytest.approx(latencies.latency(path))


def data_of(options: dict[str, str]) -> search_table.DataArguments:
    return search_table.DataArguments(
        validation_file=[options["validation_file"]], max_seq_length=23, per_device_eval_batch_size=6
    )


def test_killed_it_goes_on(options, tmp_path, monkeypatch):
    monkeypatch.setattr(search_table, "PATHS_AT_ONCE", 10)
    evaluate, calls = Evaluator.evaluate, []

    def interrupted(self, architectures):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(list(architectures))
        return evaluate(self, architectures)

    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(options, tmp_path)
    assert not (tmp_path / "table.parquet").exists()
    before, calls[:] = list(calls), [[]] * 4  # four more than it takes to be interrupted
    run(options, tmp_path)
    asked = [path for call in [*before, *calls[4:]] for path in call]
    assert len(asked) == len(set(asked)) == 64


def test_too_many_paths(options, tmp_path, monkeypatch):
    monkeypatch.setattr(search_table, "MAX_PATHS", 63)
    with pytest.raises(ValueError, match="The supernet has 64 paths; a table of all of them is for at most 63"):
        run(options, tmp_path)


def test_without_latencies(options, tmp_path):
    given = {name: value for name, value in options.items() if name != "latency_table"}
    assert list(run(given, tmp_path).table) == ["architecture", "loss", "parameters", "multiply_adds"]
