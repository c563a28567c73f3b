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
"""The search script, run as a user runs it; what needs no process of its own calls its `main`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from transformers import AutoModelForMaskedLM, BertTokenizer

from hf_supernet import Architecture, Operator, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.evaluation import Evaluator
from hf_supernet.evaluation.calibration import Calibration
from hf_supernet.search import LatencyTable, LatencyTables, ParameterCost, SearchResult, describe_device
from hf_supernet.search.arguments import STRATEGIES
from hf_supernet.search.children_alone import loss_alone

from .search_inputs import save_supernet_and_text


ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(ROOT / "examples"))
import search_architecture  # noqa: E402 (a script, found beside the package)


pytestmark = pytest.mark.usefixtures("states_of_their_own")


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> dict[str, str]:
    """A tiny supernet with its tokenizer, and a file of text."""
    folder = tmp_path_factory.mktemp("inputs")
    save_supernet_and_text(folder, num_hidden_layers=5, num_texts=60)
    return {"supernet": str(folder / "supernet"), "validation_file": str(folder / "dev.csv")}


def arguments(inputs: dict[str, str], output_dir: Path, **options) -> list[str]:
    options = {
        **inputs,
        "output_dir": output_dir,
        "max_seq_length": 23,
        "max_eval_samples": 20,
        "per_device_eval_batch_size": 6,
        "population_size": 6,
        "generations": 3,
        "latency_min_run_time": 0.02,
        "latency_num_threads": 1,
        "latency_num_children": 4,
        **options,
    }
    argv = [part for name, value in options.items() if value is not None for part in (f"--{name}", str(value))]
    return [part for part in argv if part != "True"]


@pytest.fixture(scope="session")
def finished(inputs, tmp_path_factory) -> Path:
    """The output of one search without limits, for the tests that only look at it or measure nothing anew."""
    output_dir = tmp_path_factory.mktemp("finished") / "search"
    search_architecture.main(arguments(inputs, output_dir))
    return output_dir


def test_outputs(inputs, finished):
    names = [
        "chosen.json",
        "child",
        "evaluations.sqlite",
        "latency_table.json",
        "pareto.png",
        "result.parquet",
        "search.json",
        "search.png",
    ]
    assert sorted(path.name for path in finished.iterdir()) == sorted(names)
    result = SearchResult.load(finished)
    chosen = json.loads((finished / "chosen.json").read_text())
    assert len(result) == 18 and result.best()["architecture"] == chosen["architecture"]
    assert chosen["latency_predicted"] == LatencyTable.load(finished / "latency_table.json").latency(
        chosen["architecture"]
    )
    assert chosen["latency_measured"] > 0 and "23 tokens, float32, 1 CPU thread" in chosen["latency_conditions"]
    assert result.info["device"]["name"] and result.info["supernet"] == inputs["supernet"]


def test_the_card_of_the_child(finished):
    result, chosen = SearchResult.load(finished), json.loads((finished / "chosen.json").read_text())
    card = (finished / "child" / "README.md").read_text()
    assert "18 children evaluated" in card and "| supernet | `supernet` |" in card
    latency = card.partition("## Latency")[2].partition("##")[0]
    assert f"| device | {result.info['device']['name']}, batch 1 x " in latency
    assert f"measured as a whole | {1e3 * chosen['latency_measured']:.3f} ms |" in latency
    assert "shared with the other architectures" in card and str(finished) not in card


def test_the_exported_child_is_the_chosen_one(inputs, finished):
    chosen = json.loads((finished / "chosen.json").read_text())["architecture"]
    supernet = SupernetBertForMaskedLM.from_pretrained(inputs["supernet"]).eval()
    child = AutoModelForMaskedLM.from_pretrained(finished / "child").eval()
    input_ids = torch.randint(5, 60, (3, 11))
    expected = supernet(input_ids=input_ids, architecture=chosen).logits
    torch.testing.assert_close(child(input_ids=input_ids).logits, expected)


def test_limits_are_kept_and_printed(inputs, finished, tmp_path, capsys):
    free = SearchResult.load(finished).table
    parameters, latency = int(free["parameters"].median()), float(free["latency"].median())
    options = {
        "max_parameters": parameters,
        "max_latency_ms": 1e3 * latency,
        "latency_table": finished / "latency_table.json",
    }
    search_architecture.main(arguments(inputs, tmp_path / "search", **options))
    table = SearchResult.load(tmp_path / "search").table
    assert len(table) == 18 and (table["parameters"] <= parameters).all() and (table["latency"] <= latency).all()
    printed = capsys.readouterr().out
    assert "The best of 18 children" in printed and "latency (ms)" in printed


def test_several_hidden_sizes(tmp_path):
    """Measured, limited, exported and resumed, each child by the latencies of its hidden size."""
    elastic = {"hidden_sizes": [32, 16], "weight_sharing": "sliced", "attention_head_size": 8}
    save_supernet_and_text(tmp_path, num_hidden_layers=3, num_texts=60, **elastic)
    inputs = {"supernet": str(tmp_path / "supernet"), "validation_file": str(tmp_path / "dev.csv")}
    options = {"generations": 1, "latency_min_run_time": 0.002, "max_eval_samples": 6}
    search_architecture.main(arguments(inputs, tmp_path / "first", **options))
    tables = LatencyTables.load(tmp_path / "first" / "latency_table.json")
    assert set(tables.tables) == {16, 32} and all(table.overhead for table in tables.tables.values())
    table = SearchResult.load(tmp_path / "first").table
    assert dict(zip(table["architecture"], table["latency"], strict=True)) == {
        name: tables.latency(name) for name in table["architecture"]
    }
    assert {name.partition(":")[0] for name in table["architecture"]} == {"H16", "H32"}

    limit = 1e3 * float(table["latency"].median())
    options |= {"max_latency_ms": limit, "latency_table": tmp_path / "first" / "latency_table.json"}
    search_architecture.main(arguments(inputs, tmp_path / "second", **options))
    options |= {"generations": 2, "latency_table": None}  # it has a table of its own
    search_architecture.main(arguments(inputs, tmp_path / "second", **options, resume=True))
    written = [(tmp_path / name / "latency_table.json").read_bytes() for name in ("first", "second")]
    assert written[0] == written[1]
    found = SearchResult.load(tmp_path / "second").table
    assert len(found) == 12 and (1e3 * found["latency"] <= limit + 1e-6).all()
    chosen = json.loads((tmp_path / "second" / "chosen.json").read_text())["architecture"]
    child = AutoModelForMaskedLM.from_pretrained(tmp_path / "second" / "child").eval()
    assert chosen.startswith(f"H{child.config.hidden_size}:")
    supernet = SupernetBertForMaskedLM.from_pretrained(inputs["supernet"]).eval()
    input_ids = torch.randint(5, 60, (3, 11))
    expected = supernet(input_ids=input_ids, architecture=chosen).logits
    torch.testing.assert_close(child(input_ids=input_ids).logits, expected)

    tables.tables[32].save(tmp_path / "of_32.json")
    options["latency_table"] = tmp_path / "of_32.json"
    with pytest.raises(ValueError, match="tables of the hidden sizes 32, and the supernet has 32, 16"):
        search_architecture.main(arguments(inputs, tmp_path / "third", **options))


def test_a_part_of_the_space_with_every_limit_and_early_stopping(inputs, finished, tmp_path):
    free = SearchResult.load(finished).table
    options = {
        "strategy": "nsga2",
        "family_size": 3,
        "early_stopping_risk": 0.2,
        "max_multiply_adds": int(free["multiply_adds"].max()),
        "max_peak_memory_mib": 0.08,
        "latency_table": finished / "latency_table.json",
        "generations": 2,
    }
    lists = ["--operators", "A4", "feed_forward-37", "identity", "--objectives", "loss", "peak_memory"]
    search_architecture.main([*arguments(inputs, tmp_path / "search", **options), *lists])
    result = SearchResult.load(tmp_path / "search")
    assert len(result) == 12 and not result.table["architecture"].str.contains("C").any()
    assert (result.table["multiply_adds"] <= options["max_multiply_adds"]).all()
    assert (result.table["peak_memory"] <= 0.08 * 2**20).all()
    settings = result.info["settings"]
    assert settings["family_size"] == 3 and settings["objectives"] == {"loss": "minimise", "peak_memory": "minimise"}
    assert settings["early_stopping"] == "first_batches 4, risk 0.2, seed 0, beside peak_memory"
    card = (tmp_path / "search" / "child" / "README.md").read_text()
    assert "peak memory in MiB at most 0.08" in card


@pytest.fixture(scope="session")
def children_alone(inputs, tmp_path_factory) -> list[str]:
    """Folders of four children, with the weights of a supernet of their own."""
    folder = tmp_path_factory.mktemp("children")
    torch.manual_seed(1)
    untrained = SupernetBertForMaskedLM(SupernetBertConfig.from_pretrained(inputs["supernet"]))
    for path in ("A4-A4-F37-C3-A4", "I-I-C3-I-I", "F37-F37-I-F37-A4", "C3-C3-C3-A4-I"):
        untrained.extract_child(path).save_pretrained(folder / path)
    return sorted(map(str, folder.iterdir()))


def test_losses_calibrated_by_children_trained_alone(inputs, finished, children_alone, tmp_path, monkeypatch):
    """As the calibration corrects the supernet's; resumed too, and apart from others in one store."""
    loaded, load = [], search_architecture.load_dev_batches
    monkeypatch.setattr(
        search_architecture, "load_dev_batches", lambda *given: loaded.append(load(*given)) or loaded[-1]
    )
    options = {"latency_table": finished / "latency_table.json", "strategy": "random"}
    calibrated = ["--calibration_children", *children_alone]
    search_architecture.main([*arguments(inputs, tmp_path / "search", **options, generations=1), *calibrated])
    _states_reset()
    resumed = arguments(inputs, tmp_path / "search", **options, generations=2, resume=True)
    with pytest.raises(ValueError, match=r"saved search has `calibration` '\w+', this one None"):
        search_architecture.main(resumed)
    _states_reset()
    chosen = search_architecture.main([*resumed, *calibrated])
    _states_reset()
    (tmp_path / "raw").mkdir()
    shutil.copy(tmp_path / "search" / "evaluations.sqlite", tmp_path / "raw")
    search_architecture.main(arguments(inputs, tmp_path / "raw", **options, generations=2))

    result, through = SearchResult.load(tmp_path / "search"), SearchResult.load(tmp_path / "raw").table
    paths = [Path(folder).name for folder in children_alone]
    losses = [loss_alone(AutoModelForMaskedLM.from_pretrained(folder), loaded[0]) for folder in children_alone]
    assert result.info["calibration"]["losses_alone"] == dict(zip(paths, losses, strict=True))
    scores = Evaluator(SupernetBertForMaskedLM.from_pretrained(inputs["supernet"]), loaded[0]).evaluate(paths)
    calibration = Calibration(list(scores), list(scores.values()), losses)
    assert result.info["calibration"]["worths"] == pytest.approx(calibration.worths)
    assert len(through) == 12 and result.table["architecture"].equals(through["architecture"])
    architectures = [Architecture.from_string(path) for path in through["architecture"]]
    expected = calibration.predict(architectures, through["loss"])
    assert result.table["loss"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert not np.allclose(expected, through["loss"], atol=1e-4)
    assert chosen["loss"] == result.best()["loss"] and chosen["calibration_children"] == 4
    card = (tmp_path / "search" / "child" / "README.md").read_text()
    assert f"with the supernet's weights, calibrated by 4 children trained alone | {chosen['loss']:.4f} |" in card


def test_children_of_a_calibration_are_read_before_anything_is_loaded(inputs, children_alone, tmp_path, monkeypatch):
    monkeypatch.setattr(search_architecture, "load_supernet", lambda *_: pytest.fail("loaded"))
    argv = arguments(inputs, tmp_path / "search")
    with pytest.raises(ValueError, match=r"supernet' is a 'supernet-bert' model, not a child of a supernet"):
        search_architecture.main([*argv, "--calibration_children", *children_alone, inputs["supernet"]])


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_resume_ends_as_an_uninterrupted_search(inputs, finished, tmp_path, strategy):
    options = {"strategy": strategy, "latency_table": finished / "latency_table.json", "population_size": 3}
    search_architecture.main(arguments(inputs, tmp_path / "whole", **options))
    _states_reset()
    search_architecture.main(arguments(inputs, tmp_path / "search", generations=1, **options))
    _states_reset()
    search_architecture.main(arguments(inputs, tmp_path / "search", resume=True, **options))
    for name in ("result.parquet", "search.json"):
        assert (tmp_path / "search" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_several_objectives_and_the_knee(inputs, finished, tmp_path):
    options = {"strategy": "linas", "latency_table": finished / "latency_table.json"}
    argv = [*arguments(inputs, tmp_path / "search", **options), "--objectives", "loss", "latency"]
    knee = search_architecture.main([*argv, "--choose", "knee"])
    result = SearchResult.load(tmp_path / "search")
    assert result.searched == ["loss", "latency"] and knee["architecture"] == result.knee()["architecture"]
    assert {row["objective"] for row in result.info["predictors"]} == {"loss"}
    # Any row is exported afterwards, without evaluating anything.
    _states_reset()
    other = result.table["architecture"].iloc[-1]
    chosen = search_architecture.main([*argv, "--resume", "--choose", other])
    assert chosen["architecture"] == other
    child = AutoModelForMaskedLM.from_pretrained(tmp_path / "search" / "child")
    assert "-".join(op.code for op in map(Operator.from_string, child.config.operators)) == other


def _states_reset():
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def test_a_json_file_of_options(inputs, finished, tmp_path):
    options = {
        **inputs,
        "validation_file": [inputs["validation_file"]],
        "output_dir": str(tmp_path / "search"),
        "latency_table": str(finished / "latency_table.json"),
        "max_seq_length": 23,
        "population_size": 3,
        "generations": 1,
    }
    (tmp_path / "options.json").write_text(json.dumps(options))
    chosen = search_architecture.main([str(tmp_path / "options.json")])
    assert chosen["architecture"] in set(SearchResult.load(tmp_path / "search").table["architecture"])


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"max_parameters": 100}, ValueError, r"at most 100 parameters: this space reaches [\d,]+ parameters"),
        ({"max_latency_ms": 1e-6}, ValueError, r"this space reaches [\d.]+ ms latency"),
        ({"supernet": "no-such-supernet"}, OSError, "no supernet 'no-such-supernet': neither a folder"),
        (
            {"validation_file": "no-such-file.csv"},
            FileNotFoundError,
            r"no-such-file\.csv' of `validation_file` does not exist",
        ),
        ({"text_column": "txt"}, ValueError, "no column 'txt'.*Did you mean 'text'"),
        ({"validation_file": None}, ValueError, "exactly one of"),
        ({"max_eval_samples": 0}, ValueError, "`max_eval_samples` must be at least 1"),
        (
            {"latency_table": None, "max_latency_ms": "nan"},
            ValueError,
            "`max_latency_ms` must be a positive .* got nan",
        ),
        (
            {"latency_table": None, "max_latency_ms": "inf"},
            ValueError,
            "`max_latency_ms` must be a positive .* got inf",
        ),
        ({"objectives": "los"}, ValueError, "`objectives` are some of loss, parameters, .*; got los"),
        ({"generations": 0}, ValueError, "`generations` must be at least 1"),
        ({"population_size": 0}, ValueError, "`population_size` must be at least 1"),
        ({"latency_table": None, "max_latency_ms": 1e-6}, ValueError, r"this space reaches [\d.]+ ms latency"),
        (
            {"latency_table": None, "latency_batch_size": 0},
            ValueError,
            "`batch_size` must be positive and finite, got 0",
        ),
        ({"latency_table": "no-such-table.json"}, FileNotFoundError, "no-such-table"),
        (
            {"latency_batch_size": 8},
            ValueError,
            "`latency_batch_size` is 8, and the latencies of the table .* with 1: ",
        ),
    ],
)
def test_errors_before_the_search(inputs, finished, tmp_path, options, error, message):
    options = {"latency_table": finished / "latency_table.json", **options}
    with pytest.raises(error, match=message):
        search_architecture.main(arguments(inputs, tmp_path / "search", **options))
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"max_parameters": 100},
        {"max_latency_ms": 1e-6},
        {"max_latency_ms": "nan", "latency_table": None},
        {"latency_device": "cud", "latency_table": None},
        {"population_size": 0},
        {"choose": "kne"},
    ],
)
def test_limits_are_checked_before_anything_is_loaded(inputs, finished, tmp_path, monkeypatch, options):
    for name in ("load_supernet", "load_dev_batches", "measure_latencies"):
        monkeypatch.setattr(search_architecture, name, lambda *_, name=name: pytest.fail(f"{name} was called"))
    options = {"latency_table": finished / "latency_table.json", **options}
    with pytest.raises(
        ValueError, match=r"this space reaches|at least 1|must be a positive|'cpu'.*; got 'cud'|got 'kne'"
    ):
        search_architecture.main(arguments(inputs, tmp_path / "search", **options))


def test_ray_is_asked_for_before_anything_is_loaded(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(search_architecture, "load_supernet_config", lambda *_: pytest.fail("loaded"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'needs Ray: pip install "hf_supernet\[ray\]"'):
        search_architecture.main(arguments(inputs, tmp_path / "search", ray_workers=2))
    monkeypatch.setitem(sys.modules, "ray", sys)
    monkeypatch.setattr(search_architecture.Accelerator, "num_processes", 2)
    with pytest.raises(ValueError, match=r"`ray_workers` are started by one process, .* is one of 2 processes"):
        search_architecture.main(arguments(inputs, tmp_path / "search", ray_workers=2))


def test_a_child_is_no_supernet(inputs, finished, tmp_path):
    with pytest.raises(ValueError, match="is a 'searched-bert' model, not a supernet"):
        search_architecture.main(arguments({**inputs, "supernet": str(finished / "child")}, tmp_path))


def test_a_supernet_without_the_head(inputs, finished, tmp_path):
    base = SupernetBertForMaskedLM.from_pretrained(inputs["supernet"]).base_model
    base.save_pretrained(tmp_path / "base")
    BertTokenizer.from_pretrained(inputs["supernet"]).save_pretrained(tmp_path / "base")
    options = {"supernet": str(tmp_path / "base"), "latency_table": finished / "latency_table.json"}
    with pytest.raises(ValueError, match=r"lacks the weights cls\.bias"):
        search_architecture.main(arguments(inputs, tmp_path / "search", **options))


def test_damaged_weights(inputs, tmp_path):
    shutil.copytree(inputs["supernet"], tmp_path / "damaged")
    file = tmp_path / "damaged" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged/model\.safetensors is damaged or not whole"):
        search_architecture.main(arguments({**inputs, "supernet": str(tmp_path / "damaged")}, tmp_path / "search"))
    assert not (tmp_path / "search").exists()


def test_an_old_search_is_not_overwritten_and_not_continued_with_other_data(inputs, finished, monkeypatch):
    before = (finished / "result.parquet").read_bytes()
    with pytest.raises(ValueError, match="holds a search already; pass `--resume`"):
        search_architecture.main(arguments(inputs, finished))
    _states_reset()
    with pytest.raises(ValueError, match="saved search has `dev_data`"):
        search_architecture.main(arguments(inputs, finished, resume=True, max_eval_samples=13, generations=4))
    _states_reset()
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # gives other losses
    with pytest.raises(ValueError, match="saved search has `mixed_precision` None, this one 'bf16'"):
        search_architecture.main(arguments(inputs, finished, resume=True, generations=4))
    _states_reset()
    assert (finished / "result.parquet").read_bytes() == before


def test_a_table_of_a_device_that_is_not_here_is_not_measured_again():
    here = describe_device("cpu")["name"]
    assert search_architecture.is_here(here, "cpu")
    assert not search_architecture.is_here(f"not {here}", "cpu")
    assert not search_architecture.is_here("NVIDIA H100", "cuda:99")


@pytest.mark.slow
def test_two_processes_find_what_one_finds(inputs, finished, tmp_path):
    options = {"latency_table": finished / "latency_table.json"}
    argv = arguments(inputs, tmp_path / "search", **options)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*launcher, str(ROOT / "examples" / "search_architecture.py"), *argv]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    assert process.stdout.count("The best of 18 children") == 1
    two, one = SearchResult.load(tmp_path / "search"), SearchResult.load(finished)
    assert two.info["num_processes"] == 2 and one.info["num_processes"] == 1
    pd.testing.assert_frame_equal(two.table, one.table, check_exact=True)


def test_the_head_does_not_count(inputs, finished):
    config = SupernetBertConfig.from_pretrained(inputs["supernet"])
    best = SearchResult.load(finished).best()
    supernet = SupernetBertForMaskedLM.from_pretrained(inputs["supernet"])
    child = supernet.extract_child(best["architecture"])
    pooler = config.hidden_size * (config.hidden_size + 1)
    assert ParameterCost(config)(supernet.search_space.check(best["architecture"])) == best["parameters"]
    assert best["parameters"] == pooler + sum(item.numel() for item in child.base_model.parameters())
