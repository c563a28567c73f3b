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
"""
The scripts that train, on two processes and on one with the same global batches: to rounding, the results are the same.

The rows go evenly into no batch, of training or evaluation: where Accelerate fills the last ones, no row may count twice.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM, SupernetBertConfig, SupernetBertForMaskedLM

from .glue_runs import ROOT, TRAIN, options, run_glue_no_trainer, same_weights
from .two_processes import SCRIPTS, sgd


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("states_of_their_own")]

LABELS = ["not_equivalent", "equivalent"]
TRAINER = {"do_train": True, "do_eval": True, "save_strategy": "no", "optim": "sgd", "logging_steps": 1}
TRAINER |= {"log_level": "error", "disable_tqdm": "true", "dataloader_pin_memory": "false"}
MLM = {"task_name": None, "cache_dir": None, "max_seq_length": 16, "no_pack": True} | TRAINER
# The size of a batch is that of one process; two have half of it each. 19 rows are two batches of 8, and 3 rows that are all
# on the first process; in batches of 6, the last of 7 dev rows is alone.
RUNS = {
    "loop": ("run_glue_no_trainer", "with_head", 8, {"per_device_eval_batch_size": 3}),
    "loop_supernet": ("run_glue_no_trainer", "supernet", 4, {"gradient_accumulation_steps": 2}),
    "trainer": ("run_glue", "with_head", 8, {"per_device_eval_batch_size": 3, "teacher": True} | TRAINER),
    "trainer_supernet": ("run_glue", "supernet", 4, {"gradient_accumulation_steps": 2} | TRAINER),
    "child": ("run_child_mlm", "searched", 8, MLM),
    "child_as_bert": ("run_child_mlm", "without_dropout", 4, {"gradient_accumulation_steps": 2} | MLM),
    "supernet": (
        "run_supernet_mlm",
        "supernet",
        8,
        {"sampler": "gradual", "alignment_weight": 0.5, "anchor_interval": 2, "anchor_eval_samples": 2} | MLM,
    ),
}


@pytest.fixture(scope="module")
def inputs(models, tmp_path_factory) -> dict[str, str]:
    """Models without dropout, a teacher, 19 rows, and 19 texts."""
    folder = tmp_path_factory.mktemp("inputs")
    found = {name: models[name] for name in ("with_head", "without_dropout")}
    sizes = {"vocab_size": len(AutoTokenizer.from_pretrained(models["bert"])), "hidden_size": 32}
    sizes |= {"max_position_embeddings": 40, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    candidates = ["attention-4", "feed_forward-37", "convolution-3", "identity"]
    torch.manual_seed(0)
    built = {
        "searched": SearchedBertForMaskedLM(SearchedBertConfig(operators=candidates, **sizes)),
        "supernet": SupernetBertForMaskedLM(
            SupernetBertConfig(num_hidden_layers=3, candidate_operators=candidates, **sizes)
        ),
    }
    teacher = BertForSequenceClassification.from_pretrained(models["with_head"])
    torch.nn.init.normal_(teacher.classifier.weight)  # so that it answers with some confidence
    teacher.config.id2label, teacher.config.label2id = (
        dict(enumerate(LABELS)),
        {name: i for i, name in enumerate(LABELS)},
    )
    built["teacher"] = teacher
    for name, model in built.items():
        found[name] = str(shutil.copytree(models["bert"], folder / name))
        model.save_pretrained(found[name])
    with open(TRAIN, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[:20]  # the first names the columns
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (folder / "texts.txt").write_text("\n\n".join(row[0] for row in rows[1:]))
    (folder / "dev_texts.txt").write_text("\n\n".join(row[1] for row in rows[1:6]))
    return found | {name: str(folder / name) for name in ("rows.csv", "texts.txt", "dev_texts.txt")}


def line_of(name: str, inputs: dict[str, str], folder: Path, processes: int) -> tuple[str, list[str]]:
    """The script of a run, and its options."""
    script, model, batch_size, more = RUNS[name]
    more = {"learning_rate": 0.1, "max_grad_norm": 1e9, "num_train_epochs": 2} | more
    if script.endswith("mlm"):
        more |= {"train_file": inputs["texts.txt"], "validation_file": inputs["dev_texts.txt"]}
        more["per_device_eval_batch_size"] = 4 // processes
    else:
        more["train_file"] = inputs["rows.csv"]
    if more.pop("teacher", False):
        more["teacher_model_name_or_path"] = inputs["teacher"]
    more["per_device_train_batch_size"] = batch_size // processes
    return script, options(inputs[model], folder / name, **more)


@pytest.fixture(scope="module")
def two(inputs, models, tmp_path_factory) -> tuple[Path, list[dict]]:
    """The folder of the runs on two processes, and what each process saw of them."""
    folder = tmp_path_factory.mktemp("two")
    lines = {name: line_of(name, inputs, folder, 2) for name in RUNS}
    lines["seeds"] = (
        "run_glue_no_trainer",
        options(inputs["with_head"], folder / "seeds", max_train_steps=1, seeds=[1, 2]),
    )
    by_length = {"num_train_epochs": 3, "train_sampling_strategy": "group_by_length"} | TRAINER
    lines["by_length"] = ("run_glue", options(models["bert"], folder / "by_length", **by_length))
    (folder / "lines.json").write_text(json.dumps(lines))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*command, "-m", "tests.examples.two_processes", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stderr[-8000:]
    (folder / "stderr.txt").write_text(ended.stderr)
    return folder, [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


def history(folder: Path) -> list[dict[str, float]]:
    """What was logged of losses and gradients; nothing of the loop on Accelerate, which keeps no such file."""
    path = folder / "trainer_state.json"
    entries = json.loads(path.read_text())["log_history"] if path.is_file() else []
    logged = ("loss", "norm", "distance")
    return [{key: value for key, value in entry.items() if key.endswith(logged)} for entry in entries]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_equal_one(name, inputs, two, tmp_path, monkeypatch):
    monkeypatch.setattr(run_glue_no_trainer, "get_optimizer", sgd)
    script, line = line_of(name, inputs, tmp_path, 1)
    one = SCRIPTS[script].main(line)
    folder, ranks = two
    assert same_weights(tmp_path / name, folder / name, atol=1e-6)
    scores = {key: value for key, value in one.items() if not key.endswith(("_second", "runtime", "flos"))}
    assert any(key.endswith("loss") for key in scores)
    for rank in ranks:
        assert rank[name]["results"] == pytest.approx(rank[name]["results"] | scores, rel=1e-5)
    for mine, theirs in zip(history(tmp_path / name), history(folder / name), strict=True):
        assert theirs == pytest.approx(mine, rel=1e-4)


def test_models_are_searched_for_unused_parameters_only_where_there_are_some(two):
    folder, ranks = two
    assert "find_unused_parameters=True was specified" not in (folder / "stderr.txt").read_text()
    for rank in ranks:
        assert {name: run["finds_unused"] for name, run in rank.items()} == {
            "loop": [False],
            "loop_supernet": [True],
            "trainer": [False],
            "trainer_supernet": [True],
            "child": [False],
            "child_as_bert": [False],
            "supernet": [],  # which is not wrapped
            "seeds": [False, False],
            "by_length": [False],
        }


def test_seeds_on_two_processes(two):
    folder, ranks = two
    assert ranks[0]["seeds"]["results"] == ranks[1]["seeds"]["results"]
    assert ranks[0]["seeds"]["results"]["seeds"] == [1, 2]
    assert all((folder / "seeds" / f"seed-{seed}" / "model.safetensors").is_file() for seed in (1, 2))


def test_rows_sorted_by_length_are_seen_once_an_epoch(two):
    """With dropout, which draws from the generator that the order must not be drawn from."""
    _, ranks = two
    batches = zip(*(rank["by_length"]["batches"] for rank in ranks), strict=True)
    steps = [[*first, *second] for first, second in batches]
    assert [len(rows) for rows in steps] == [8, 8, 4] * 3
    epochs = [sorted(chain(*steps[start : start + 3])) for start in (0, 3, 6)]
    assert epochs[0] == epochs[1] == epochs[2]
