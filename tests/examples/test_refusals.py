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
"""What the scripts refuse before they write anything: models that are not there or not the right ones, several processes."""

import importlib
import json
from pathlib import Path

import pandas as pd
import pytest
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM

from .glue_runs import SCRIPTS, TRAIN, VALIDATION, run  # which puts the scripts on the path


pytestmark = pytest.mark.usefixtures("states_of_their_own")

TRAINER = ["--do_train", "--use_cpu", "True", "--report_to", "none", "--log_level", "error"]
GLUE = ["--task_name", "mrpc", "--train_file", TRAIN, "--validation_file", VALIDATION]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "old", "cat", "sees"]
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "max_position_embeddings": 16}


@pytest.fixture
def text(tmp_path) -> list[str]:
    """The options for a text of eight documents."""
    (tmp_path / "text.txt").write_text("the old cat\n\nthe old cat sees\n\n" * 4)
    return ["--train_file", str(tmp_path / "text.txt"), "--max_seq_length", "16"]


@pytest.fixture
def squad(tmp_path) -> list[str]:
    answers = {"text": ["cat"], "answer_start": [8]}
    row = {"id": "1", "question": "the cat", "context": "the old cat sees", "answers": answers}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    return ["--train_file", str(tmp_path / "rows.jsonl"), "--cache_dir", str(tmp_path / "cache")]


def start(script: str, model: Path | str, output: Path, *options: str) -> None:
    line = ["--model_name_or_path", str(model), "--output_dir", str(output), *options]
    importlib.import_module(script).main(line)


@pytest.mark.parametrize(
    "script",
    ["export_onnx", "run_child_mlm", "run_glue", "run_glue_no_trainer", "run_squad", "run_supernet_mlm"],
)
def test_a_folder_that_is_not_there(script, text, squad, tmp_path):
    options = {
        "export_onnx": [],
        "run_child_mlm": [*text, *TRAINER],
        "run_glue": [*GLUE, *TRAINER, "--cache_dir", str(tmp_path / "cache")],
        "run_glue_no_trainer": [*GLUE, "--cache_dir", str(tmp_path / "cache")],
        "run_squad": [*squad, *TRAINER],
        "run_supernet_mlm": [*text, *TRAINER],
    }[script]
    with pytest.raises(OSError, match=r"There is no model 'm/nix': neither a folder with a `config\.json`, nor found"):
        start(script, "m/nix", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def save(model, folder: Path) -> Path:
    """A model with a tokenizer that names no `model_max_length`."""
    model.save_pretrained(folder)
    BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


def test_a_child_is_trained_and_nothing_else(text, tmp_path):
    supernet = SupernetBertForMaskedLM(SupernetBertConfig(num_hidden_layers=2, **SIZES))
    bert = BertConfig(num_hidden_layers=1, num_attention_heads=2, intermediate_size=9, **SIZES)
    child = save(supernet.extract_child(), tmp_path / "child")
    for model, more, message in (
        (save(supernet, tmp_path / "supernet"), [], r"supernet' is a supernet, .*: search it first, or save what"),
        (
            save(BertForSequenceClassification(bert), tmp_path / "classifier"),
            [],
            r"classifier' has no weights for masked language modelling: cls\.predictions\S+, .* would be random",
        ),
        (child, ["--max_seq_length", "17"], "`max_seq_length` 17 is more than the 16 tokens that the model reads"),
    ):
        with pytest.raises(ValueError, match=message):
            start("run_child_mlm", model, tmp_path / "out", *text, *TRAINER, *more)
        assert not (tmp_path / "out").exists()
    start("run_child_mlm", child, tmp_path / "out", *text, *TRAINER, "--max_steps", "1")
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("script", ["demo", "export_onnx", "analyze_interference"])
def test_scripts_for_one_process(script, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="is for one process, and there are 2: start it with plain `python`"):
        importlib.import_module(script).main(["--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seeds", [None, [1, 2]])
@pytest.mark.parametrize("script", SCRIPTS)
def test_slips_in_the_data_leave_no_folder(script, seeds, models, tmp_path):
    rows = pd.read_csv(VALIDATION, keep_default_na=False)
    rows.assign(label="perhaps").to_csv(tmp_path / "labels.csv", index=False)
    for slip in ({"validation_file": str(tmp_path / "labels.csv")}, {"label_column_name": "labl"}):
        with pytest.raises(ValueError, match=r"perhaps|labl"):
            run(script, models["bert"], tmp_path / "new" / "out", max_train_steps=1, seeds=seeds, **slip)
        assert {path.name for path in (tmp_path / "new").glob("*")} <= {"cache"}


def test_the_benchmark_leaves_no_folder(models, tmp_path):
    for name in ("train", "validation"):
        path = tmp_path / "glue" / "rte" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"first": ["a"], "label": [0]}).to_parquet(path)
    line = ["--models", models["bert"], "--tasks", "rte", "--data_dir", str(tmp_path / "glue")]
    with pytest.raises(ValueError, match="sentence1"):
        importlib.import_module("run_glue_benchmark").main([*line, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
