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
"""The two fine-tuning scripts, run as a user runs them; what needs no process of its own calls their `main`."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertTokenizer, pipeline

import hf_supernet.data.glue

from .glue_runs import (
    ROOT,
    SCRIPTS,
    TRAIN,
    VALIDATION,
    leave_killed_run,
    log_history,
    options,
    run,
    run_glue_no_trainer,
    same_weights,
    went_on_from,
)


pytestmark = pytest.mark.usefixtures("states_of_their_own")


@pytest.mark.parametrize("script", SCRIPTS)
def test_fine_tunes_a_searched_child(script, models, tmp_path):
    results = run(
        script, models["searched"], tmp_path / "out", max_train_steps=3, test_file=VALIDATION, do_predict=True
    )
    written = json.loads((tmp_path / "out" / "all_results.json").read_text())
    for name in ("eval_accuracy", "eval_f1", "eval_combined_score", "eval_samples"):
        assert written[name] == results[name]
    assert written["eval_samples"] == 7 and written["train_samples"] == 20
    assert written["train_loss"] == pytest.approx(0.69, abs=0.2)

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.model_type == "searched-bert"
    assert model.config.id2label == {0: "not_equivalent", 1: "equivalent"}
    before = load_file(Path(models["searched"]) / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    moved = [name for name in before.keys() & after.keys() if not torch.equal(before[name], after[name])]
    assert len(moved) > 10

    classify = pipeline("text-classification", model=str(tmp_path / "out"))
    table = (tmp_path / "out" / "predict_results_mrpc.txt").read_text().splitlines()
    answers = [
        classify({"text": row.sentence1, "text_pair": row.sentence2})["label"]
        for row in pd.read_csv(VALIDATION).itertuples()
    ]
    assert table == ["index\tprediction", *(f"{i}\t{answer}" for i, answer in enumerate(answers))]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(("tmp", "_", "."))]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_that_dies_while_it_saves_leaves_no_half_model(script, models, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def die(*args, **kwargs):
        raise Killed

    monkeypatch.setattr(BertTokenizer, "save_pretrained", die)
    with pytest.raises(Killed):
        run(script, models["searched"], tmp_path / "out", max_train_steps=1)
    assert not list((tmp_path / "out").rglob("*.safetensors")) and not list((tmp_path / "out").rglob("config.json"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_kind_of_metric(script, models, tmp_path):
    pairs = {"text_column_names": ["sentence1", "sentence2"]}
    for task, more, names in (
        ("stsb", {"label_column_name": "score"}, {"pearson", "spearmanr", "combined_score"}),
        ("cola", {"text_column_names": ["sentence1"]}, {"matthews_correlation"}),
        ("mnli", {**pairs, "validation_mismatched_file": TRAIN}, {"accuracy", "accuracy_mm"}),
        (None, {"text_column_names": ["sentence2"]}, {"accuracy"}),
    ):
        results = run(script, models["bert"], tmp_path / f"{task}", task_name=task, max_train_steps=1, **more)
        scores = {name.removeprefix("eval_") for name in results if name.startswith("eval_")}
        assert names <= scores
        assert not scores & ({"pearson", "accuracy", "f1", "matthews_correlation", "accuracy_mm"} - names)
        config = json.loads((tmp_path / f"{task}" / "config.json").read_text())
        assert len(config["id2label"]) == {"stsb": 1, "mnli": 3}.get(task, 2)


@pytest.mark.parametrize("script", SCRIPTS)
def test_task_from_the_hub(script, models, tmp_path, monkeypatch):
    """In the layout of `nyu-mll/glue`: named classes, two parts, and test splits whose labels are all -1."""
    features = Features(
        premise=Value("string"),
        hypothesis=Value("string"),
        label=ClassLabel(names=["entailment", "neutral", "contradiction"]),
        idx=Value("int32"),
    )

    def split(labels: list[int]) -> Dataset:
        rows = [{"premise": f"a {i}", "hypothesis": "b", "label": label, "idx": i} for i, label in enumerate(labels)]
        return Dataset.from_list(rows, features=features)

    hub = {"test_matched": split([-1] * 3), "test_mismatched": split([-1] * 2), "train": split([0, 1, 2, 0, 1])}
    hub |= {"validation_matched": split([2, 1, 0]), "validation_mismatched": split([0, 1])}
    asked = []

    def load_dataset(name, config_name, **kwargs):
        asked.append((name, config_name))
        return DatasetDict(hub)

    monkeypatch.setattr(hf_supernet.data.glue, "load_dataset", load_dataset)
    none = {"train_file": None, "validation_file": None}
    results = run(script, models["bert"], tmp_path, task_name="mnli", max_train_steps=1, do_predict=True, **none)
    assert asked == [("nyu-mll/glue", "mnli")]
    assert (results["eval_samples"], results["eval_samples_mm"]) == (3, 2)
    for ending, rows in (("", 3), ("_mm", 2)):
        table = (tmp_path / f"predict_results_mnli{ending}.txt").read_text().splitlines()
        assert len(table) == 1 + rows
        assert {line.split("\t")[1] for line in table[1:]} <= set(features["label"].names)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.datasets == ["nyu-mll/glue"]
    assert {result.dataset_split for result in card.data.eval_results} == {
        "validation_matched",
        "validation_mismatched",
    }


def test_lora_leaves_a_merged_model_and_its_adapters(models, tmp_path):
    setting = {"lora_r": 4, "max_train_steps": 4, "save_strategy": "steps", "save_steps": 2}
    run("trainer", models["searched"], tmp_path / "out", test_file=VALIDATION, do_predict=True, **setting)
    before = load_file(Path(models["searched"]) / "model.safetensors")
    after = load_file(tmp_path / "out" / "model.safetensors")
    changed = {name for name in before.keys() & after.keys() if not torch.equal(before[name], after[name])}
    projections = ("query", "key", "value", "output", "intermediate", "pointwise")
    assert changed == {name for name in before if name.endswith(tuple(f"{part}.weight" for part in projections))}
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    assert (tmp_path / "out" / "checkpoint-2" / "adapter_config.json").exists()
    assert "| LoRA rank | 4 |" in (tmp_path / "out" / "README.md").read_text()

    torch.manual_seed(1)  # the new head of the base is another one; the adapters bring theirs
    base = AutoModelForSequenceClassification.from_pretrained(models["searched"])
    answers = []
    for model in (
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "out"),
        PeftModel.from_pretrained(base, tmp_path / "out" / "adapter"),
    ):
        with torch.no_grad():
            answers.append(model.eval()(input_ids=torch.arange(5, 25).view(2, 10)).logits)
    torch.testing.assert_close(*answers, rtol=0, atol=1e-5)

    checkpoint = tmp_path / "out" / "checkpoint-2"
    run("trainer", models["searched"], tmp_path / "resumed", resume_from_checkpoint=checkpoint, **setting)
    assert same_weights(tmp_path / "out", tmp_path / "resumed")
    pushed = {"push_to_hub": True, "hub_model_id": "user/name", "hub_token": "none"}
    for slip, message in (
        ({"random_init": True}, "not with `random_init`"),
        ({"do_train": None}, "`lora_r` adds adapters to train, and there is no training"),
        (pushed, "`hub_strategy=every_save` would push adapters to where the merged model belongs"),
    ):
        with pytest.raises(ValueError, match=message):
            run("trainer", models["with_head"], tmp_path / "slip", lora_r=4, **slip)


@pytest.mark.parametrize("script", SCRIPTS)
def test_random_init_keeps_the_shape_and_nothing_else(script, models, tmp_path):
    for name, more in (("pretrained", {}), ("random", {"random_init": True}), ("again", {"random_init": True})):
        run(script, models["searched"], tmp_path / name, max_train_steps=1, learning_rate=0.0, **more)
    source = load_file(Path(models["searched"]) / "model.safetensors")
    name = next(name for name in source if name.endswith("word_embeddings.weight"))
    weights = {run: load_file(tmp_path / run / "model.safetensors")[name] for run in ("pretrained", "random")}
    assert torch.equal(weights["pretrained"], source[name])
    assert weights["random"].shape == source[name].shape
    assert not torch.equal(weights["random"], source[name])
    assert same_weights(tmp_path / "random", tmp_path / "again")  # by the seed

    card = (tmp_path / "random" / "README.md").read_text()
    assert "starting from random weights, with the configuration of `searched" in card
    assert "fine-tuned from" not in card and "base_model" not in card
    assert "starting from `searched" in (tmp_path / "pretrained" / "README.md").read_text()


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_card_states_what_was_measured_and_keeps_what_others_wrote(script, models, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "README.md").write_text("---\nlicense: mit\n---\n\nA word of my own.\n")
    for _ in range(2):
        results = run(script, models["bert"], output, max_train_steps=1, max_eval_samples=5)
    card = ModelCard.load(output / "README.md")
    assert card.data.license == "mit" and card.text.count("A word of my own.") == card.text.count("# out\n") == 1
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured == {name: round(results[f"eval_{name}"], 4) for name in ("accuracy", "f1")}
    assert "trained on GLUE MRPC (local files)" in card.text and "(5 rows)" in card.text
    assert str(tmp_path) not in card.content  # no paths of the machine it was trained on
    assert "| batch size | 4 |" in card.text


@pytest.mark.parametrize(("script", "lora"), [("trainer", {}), ("trainer", {"lora_r": 4}), ("no_trainer", {})])
def test_accumulated_batches_train_like_one_large_batch(script, lora, models, tmp_path, monkeypatch):
    """BERT's forward takes any keyword argument: left to itself the Trainer would not divide by the number of batches."""
    # Adam would not notice a gradient of the wrong size
    monkeypatch.setattr(
        run_glue_no_trainer, "get_optimizer", lambda model, args: torch.optim.SGD(model.parameters(), 0.1)
    )
    for name, size, accumulated in (("16x1", 16, 1), ("4x4", 4, 4)):
        sgd = {"optim": "sgd", "logging_steps": 1} if script == "trainer" else {}
        run(
            script,
            models["with_head"],
            tmp_path / name,
            max_train_steps=2,  # the second step is the rest of the epoch: 4 rows, one batch in both
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            learning_rate=0.1,
            max_grad_norm=1e9,
            **sgd,
            **lora,
        )
    assert same_weights(tmp_path / "16x1", tmp_path / "4x4", atol=1e-6)
    losses = [json.loads((tmp_path / name / "all_results.json").read_text())["train_loss"] for name in ("16x1", "4x4")]
    if script == "trainer":  # the mean of both steps' losses; the other script reports the mean of the batches
        assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_resumed_run_ends_with_the_same_weights(models, tmp_path):
    """With dropout and accumulation: in the middle of an epoch, at its last step, and after it."""
    setting = {"num_train_epochs": 2, "per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}
    whole = run("no_trainer", models["bert"], tmp_path / "whole", checkpointing_steps=1, **setting)
    steps = {folder.name for folder in (tmp_path / "whole").glob("step_*")}
    assert steps == {f"step_{n}" for n in range(1, 9)}  # 7 batches an epoch: 3 steps of two and one of one
    for step in (2, 4, 7):
        checkpoint = tmp_path / "whole" / f"step_{step}"
        resumed = run("no_trainer", models["bert"], tmp_path / "resumed", resume_from_checkpoint=checkpoint, **setting)
        assert resumed == whole
        assert same_weights(tmp_path / "whole", tmp_path / "resumed")
    with pytest.raises(ValueError, match=r"'seed': 1.*can't go on with the same batches"):
        run("no_trainer", models["bert"], tmp_path / "resumed", resume_from_checkpoint=checkpoint, seed=1, **setting)


def test_checkpoint_of_an_epoch_and_the_last_one(models, tmp_path):
    setting = {"num_train_epochs": 2, "checkpointing_steps": "epoch"}
    whole = run("no_trainer", models["bert"], tmp_path / "whole", **setting)
    assert {folder.name for folder in (tmp_path / "whole").glob("*step_*")} == {"step_5", "step_10"}
    (tmp_path / "resumed").mkdir()
    (tmp_path / "whole" / "step_5").rename(tmp_path / "resumed" / "step_5")
    resumed = run("no_trainer", models["bert"], tmp_path / "resumed", resume_from_checkpoint="last", **setting)
    assert resumed == whole
    assert same_weights(tmp_path / "whole", tmp_path / "resumed")
    assert (tmp_path / "resumed" / "step_10").is_dir()


def test_the_trainer_resumes(models, tmp_path):
    """From the newest checkpoint that is whole, between two logs."""
    setting = {"max_train_steps": 6, "save_strategy": "steps", "save_steps": 2, "logging_steps": 3}
    run("trainer", models["bert"], tmp_path / "whole", **setting)
    leave_killed_run(tmp_path / "whole", tmp_path / "resumed", 2)
    run("trainer", models["bert"], tmp_path / "resumed", resume_from_checkpoint="True", **setting)
    assert went_on_from(tmp_path / "resumed", tmp_path / "whole", 2)
    assert same_weights(tmp_path / "whole", tmp_path / "resumed")
    assert log_history(tmp_path / "whole") == log_history(tmp_path / "resumed")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"task_name": "mprc"}, ValueError, 'did you mean "mrpc"'),
        ({"train_file": "missing.csv"}, FileNotFoundError, 'there is no file "missing.csv"'),
        ({"validation_file": None}, ValueError, "pass `validation_file`"),
        ({"task_name": "qnli"}, ValueError, 'no column "question"'),
        ({"dataset_name": "some/data"}, ValueError, "give one of the two"),
        ({"train_file": None, "validation_file": None, "task_name": None}, ValueError, "No data is given"),
        ({"resume_from_checkpoint": "nowhere"}, FileNotFoundError, 'there is no folder "nowhere"'),
    ],
)
def test_slips_end_the_run_before_it_starts(script, more, error, message, models, tmp_path):
    with pytest.raises(error, match=message):
        run(script, models["bert"], tmp_path / "out", **more)
    assert not list((tmp_path / "out").glob("*"))


def test_slips_of_one_script(models, tmp_path):
    with pytest.raises(ValueError, match="nothing to do: pass at least one of `do_train`"):
        run("trainer", models["bert"], tmp_path, do_train=None, do_eval=None)
    with pytest.raises(ValueError, match='"epoch" or a number of steps, got "weekly"'):
        run("no_trainer", models["bert"], tmp_path, checkpointing_steps="weekly")
    with pytest.raises(FileNotFoundError, match="has no checkpoint"):
        run("no_trainer", models["bert"], tmp_path, resume_from_checkpoint="last")
    with pytest.raises(ValueError, match="`max_train_steps` must be at least 1, got 0"):
        run("no_trainer", models["bert"], tmp_path, max_train_steps=0)


@pytest.mark.parametrize("script", SCRIPTS)
def test_damaged_weights(script, models, tmp_path):
    shutil.copytree(models["searched"], tmp_path / "damaged")
    file = tmp_path / "damaged" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged/model\.safetensors is damaged or not whole"):
        run(script, str(tmp_path / "damaged"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_tokenizer_of_another_model(models, tmp_path):
    tokenizer = BertTokenizer(vocab={f"[unused{i}]": i for i in range(999)})
    tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(ValueError, match="it is not the tokenizer of this model"):
        run("trainer", models["bert"], tmp_path / "out", tokenizer_name=tmp_path / "other")


def run_commands(*commands: list[str]) -> None:
    """All at once: most of what they do is to import."""
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    options = {"cwd": ROOT, "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with ExitStack() as stack:
        started = [stack.enter_context(subprocess.Popen(command, **options)) for command in commands]
        for process in started:
            stack.callback(process.kill)  # of no effect on one that is over
        for process in started:
            output, _ = process.communicate(timeout=900)
            assert process.returncode == 0, output[-3000:]


@pytest.mark.slow
def test_as_commands(models, tmp_path):
    """Each script with `python`, one of them with a file of options, and with `accelerate launch`."""
    settings = {"do_train": True, "do_eval": True, "max_steps": 1, "save_strategy": "no"}
    line = options(models["bert"], tmp_path / "trainer_launched", **settings)
    given = {"model_name_or_path": models["bert"], "output_dir": str(tmp_path / "trainer"), "task_name": "mrpc"}
    given |= {"train_file": TRAIN, "validation_file": VALIDATION, "cache_dir": str(tmp_path / "cache"), **settings}
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(given))
    loop = {
        name: options(models["searched"], tmp_path / name, max_train_steps=1) for name in ("loop", "loop_launched")
    }
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    run_commands(
        [sys.executable, "examples/run_glue.py", str(tmp_path / "options.yaml")],
        [*launch, "examples/run_glue.py", *line],
        [sys.executable, "examples/run_glue_no_trainer.py", *loop["loop"]],
        [*launch, "examples/run_glue_no_trainer.py", *loop["loop_launched"]],
    )
    for name in ("trainer", "trainer_launched", "loop", "loop_launched"):
        assert "eval_f1" in json.loads((tmp_path / name / "all_results.json").read_text())
        assert (tmp_path / name / "model.safetensors").is_file()
