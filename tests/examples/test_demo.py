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
"""The demo in miniature, as a user runs it: what it writes and prints, and that it goes on where it was interrupted."""

import contextlib
import functools
import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
    logging,
)


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import demo


@pytest.fixture(scope="module", autouse=True)
def _alone():
    """The text is read once for all tests, and what a script sets in its process is put back."""
    verbosity = logging.get_verbosity()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "python_prose", functools.cache(demo.python_prose))
        yield
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()
    demo.datasets.enable_progress_bars()
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def start(folder: Path, *options: str) -> tuple[dict, str]:
    """The figures that a run returns, and what it prints."""
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        numbers = demo.main(["--short", "--output_dir", str(folder), *options])
    return numbers, printed.getvalue()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory) -> tuple[Path, dict, str]:
    folder = tmp_path_factory.mktemp("demo") / "output"
    return folder, *start(folder)


def test_everything_is_there_and_nothing_half_written(first_run):
    folder, numbers, _ = first_run
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("child", "fine-tuned", "search", "supernet", "task"),
        *("losses.png", "numbers.json", "pareto.png", "settings.json"),
    }
    for name in ("losses.png", "pareto.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "numbers.json").read_text()) == json.loads(json.dumps(numbers))


def test_figures(first_run):
    folder, numbers, _ = first_run
    assert numbers["seed"] == 0 and "--short" in numbers["command"] and numbers["threads"] == 1
    assert {"python", "torch", "transformers", "accelerate", "hf_supernet"} <= numbers["versions"].keys()
    losses = numbers["training"]["dev_losses"]
    assert losses[-1] < losses[0] - 0.1
    found, table = numbers["search"], pd.read_parquet(folder / "search" / "result.parquet")
    assert len(table) == found["children_evaluated"]
    chosen = table.loc[table["loss"].idxmin()]
    for name, limit in found["limits"].items():
        assert (table[name] <= limit).all()
        assert chosen[name] == found["chosen"][name]
    assert chosen["architecture"] == found["chosen"]["architecture"]
    task = numbers["fine_tuning"]
    for weights in ("pretrained", "random"):
        assert len(task[weights]["values"]) == demo.SHORT.task_seeds
        assert all(0.3 < value < 0.7 for value in task[weights]["values"])
    assert set(numbers["seconds"]) == {"data", "training", "search", "export", "fine_tuning"}


def test_report_on_the_screen(first_run):
    _, numbers, printed = first_run
    report = printed[printed.index("Training   mean dev loss") :]
    chosen = numbers["search"]["chosen"]
    for text in (chosen["architecture"], f"{chosen['loss']:.3f}", f"{chosen['parameters']:,}"):
        assert text in report
    tables = report.split("\n\n")[1::2][:2]
    for table in tables:  # aligned: each line as long as the others
        assert len({len(line) for line in table.splitlines()}) == 1
    assert [line.split()[0] for line in tables[1].splitlines()[1:]] == ["the", "random", "difference"]


def test_exported_child_gives_the_reported_loss(first_run):
    folder, numbers, _ = first_run
    model = AutoModelForMaskedLM.from_pretrained(folder / "child").eval()
    data = demo.prepare_data(demo.SHORT, numbers["seed"])
    assert AutoTokenizer.from_pretrained(folder / "child").get_vocab() == data.tokenizer.get_vocab()
    losses = []
    for batch in data.report_batches:
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        kept = batch["labels"] != -100
        losses.append(torch.nn.functional.cross_entropy(logits[kept], batch["labels"][kept], reduction="none"))
    chosen = numbers["search"]["chosen"]
    assert torch.cat(losses).mean().item() == pytest.approx(chosen["loss"], abs=1e-4)
    assert chosen["reloaded_loss"] == pytest.approx(chosen["loss"], abs=1e-4)


def test_report_is_on_text_that_the_search_did_not_see():
    data = demo.prepare_data(demo.SHORT, 0)
    seen, reported = (torch.cat([b["input_ids"] for b in part]) for part in (data.search_batches, data.report_batches))
    assert len(seen) == len(reported) == demo.SHORT.dev_sequences
    assert not {tuple(row) for row in seen.tolist()} & {tuple(row) for row in reported.tolist()}


def test_card(first_run):
    folder, numbers, _ = first_run
    card = ModelCard.load(folder / "child" / "README.md")
    task = numbers["fine_tuning"]
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["loss"] == round(numbers["search"]["chosen"]["loss"], 4)
    assert results["accuracy"] == round(task["pretrained"]["mean"], 4)
    assert f"about {100 * task['random']['mean']:.1f} ±" in card.text
    assert (
        f"limits, medians of random children | {numbers['search']['limits']['parameters']:,} parameters" in card.text
    )


def test_fine_tuned_model_loads_with_its_labels(first_run):
    folder, _, _ = first_run
    model = AutoModelForSequenceClassification.from_pretrained(folder / "fine-tuned" / "pretrained-0")
    assert model.config.label2id == {"intact": 0, "corrupted": 1}


def test_second_start_keeps_the_supernet(first_run, monkeypatch):
    folder, numbers, _ = first_run
    before = (folder / "supernet" / "model.safetensors").read_bytes()

    def train_again(*args):
        raise AssertionError("the supernet was there")

    monkeypatch.setattr(demo, "make_trainer", train_again)
    again, printed = start(folder)
    assert "is trained already" in printed
    assert (folder / "supernet" / "model.safetensors").read_bytes() == before
    assert again["training"] == numbers["training"]
    assert again["search"]["limits"]["parameters"] == numbers["search"]["limits"]["parameters"]
    assert json.loads((folder / "numbers.json").read_text())["seconds"] == again["seconds"]


def test_other_settings_in_the_same_folder_are_refused(first_run):
    folder, _, _ = first_run
    with pytest.raises(ValueError, match="another seed: delete it, or name another `--output_dir`"):
        start(folder, "--seed", "1")


class Interruption(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 10:  # between two checkpoints
            raise KeyboardInterrupt


def test_interrupted_training_goes_on(first_run, tmp_path, monkeypatch, capsys):
    folder, numbers, _ = first_run
    data = demo.prepare_data(demo.SHORT, 0)
    trainer = demo.make_trainer(demo.SHORT, data, tmp_path / "supernet-checkpoints", 0)
    trainer.add_callback(Interruption)
    monkeypatch.setattr(demo, "make_trainer", lambda *args: trainer)
    with pytest.raises(KeyboardInterrupt):
        demo.train_supernet(demo.SHORT, data, tmp_path, 0)
    assert not (tmp_path / "supernet").exists()
    monkeypatch.undo()
    _, log = demo.train_supernet(demo.SHORT, data, tmp_path, 0)
    assert "Going on from" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"supernet"}
    assert [entry["eval_loss"] for entry in log if "eval_loss" in entry][-1] == numbers["training"]["dev_losses"][-1]
    resumed, whole = (load_file(path / "supernet" / "model.safetensors") for path in (tmp_path, folder))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
