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
"""What the scripts that fine-tune on GLUE start from, learn from, and repeat: architectures, teachers, MNLI models, seeds."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoTokenizer, BertForSequenceClassification, TrainerCallback

from hf_supernet import SearchedBertForSequenceClassification, SupernetBertConfig, SupernetBertForMaskedLM

from .glue_runs import SCRIPTS, TRAIN, log_history, run, run_glue, run_glue_no_trainer, same_weights


pytestmark = pytest.mark.usefixtures("states_of_their_own")
ARCHITECTURE = "A4-F37-I-C3"
MNLI = {"task_name": "mnli", "text_column_names": ["sentence1", "sentence2"]}
SGD_STEP = {"max_train_steps": 1, "learning_rate": 0.1, "max_grad_norm": 1e9}


class Killed(Exception):
    pass


@pytest.fixture
def sgd(monkeypatch):
    """One learning rate for a step of stochastic gradient descent: Adam would not notice a gradient of the wrong size."""

    def optimizer(model, args):
        return torch.optim.SGD(model.parameters(), args.learning_rate)

    monkeypatch.setattr(run_glue_no_trainer, "get_optimizer", optimizer)
    return {"trainer": {"optim": "sgd", "logging_steps": 1}, "no_trainer": {}}


@pytest.fixture(scope="module")
def teacher(models, tmp_path_factory) -> str:
    """A classifier of `mrpc` that answers with some confidence, and numbers its labels the other way round."""
    torch.manual_seed(5)
    model = BertForSequenceClassification.from_pretrained(models["without_dropout"])
    with torch.no_grad():
        model.classifier.weight.mul_(40)
    model.config.id2label = {0: "equivalent", 1: "not_equivalent"}
    model.config.label2id = {"equivalent": 0, "not_equivalent": 1}
    folder = tmp_path_factory.mktemp("teachers") / "teacher"
    shutil.copytree(models["without_dropout"], folder)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def supernet(models, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("supernets") / "supernet"
    shutil.copytree(models["bert"], folder)
    fields = json.loads((folder / "config.json").read_text())
    torch.manual_seed(6)
    config = SupernetBertConfig(
        vocab_size=fields["vocab_size"],
        hidden_size=32,
        max_position_embeddings=40,
        num_hidden_layers=4,
        candidate_operators=["attention-4", "feed_forward-37", "convolution-3", "identity"],
    )
    SupernetBertForMaskedLM(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_step_with_a_teacher_is_the_one_by_hand(script, models, teacher, sgd, tmp_path):
    student = BertForSequenceClassification.from_pretrained(models["with_head"]).train()  # there is no dropout in it
    tokenizer, rows = AutoTokenizer.from_pretrained(models["with_head"]), pd.read_csv(TRAIN, keep_default_na=False)
    batch = tokenizer(
        rows.sentence1.tolist(),
        rows.sentence2.tolist(),
        max_length=24,
        truncation=True,
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        answers = BertForSequenceClassification.from_pretrained(teacher).eval()(**batch).logits[:, [1, 0]] / 2
    logits = student(**batch).logits
    wanted, given = answers.softmax(-1), (logits / 2).softmax(-1)
    task_loss = F.cross_entropy(logits, torch.tensor(rows.label.tolist()))
    distance = 4 * (wanted * (wanted.log() - given.log())).sum(-1).mean()
    (0.4 * task_loss + 0.6 * distance).backward()

    given = {"teacher_model_name_or_path": teacher, "distillation_weight": 0.6, "distillation_temperature": 2.0}
    rows_a_batch = {"per_device_train_batch_size": 20}
    more = rows_a_batch | SGD_STEP | sgd[script]
    results = run(script, models["with_head"], tmp_path / "out", **given, **more)
    after = load_file(tmp_path / "out" / "model.safetensors")
    for name, parameter in student.named_parameters():
        torch.testing.assert_close(after[name], (parameter - 0.1 * parameter.grad).detach(), rtol=1e-4, atol=1e-6)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| teacher | teacher |" in card and "| distillation weight | 0.6 |" in card
    if script == "trainer":
        log = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"][0]
        assert log["task_loss"] == pytest.approx(task_loss.item(), abs=1e-5)
        assert log["teacher_distance"] == pytest.approx(distance.item(), abs=1e-5)
        assert log["loss"] == pytest.approx(0.4 * log["task_loss"] + 0.6 * log["teacher_distance"], abs=1e-4)
        # an evaluation has the loss of the task alone
        plain = run("trainer", str(tmp_path / "out"), tmp_path / "plain", do_train=None)
        assert results["eval_loss"] == pytest.approx(plain["eval_loss"], abs=1e-6)


@pytest.mark.parametrize("script", SCRIPTS)
def test_accumulated_batches_with_a_teacher(script, models, teacher, sgd, tmp_path):
    for name, size, accumulated in (("16x1", 16, 1), ("4x4", 4, 4)):
        more = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated}
        more |= SGD_STEP | {"max_train_steps": 2} | sgd[script]
        run(script, models["with_head"], tmp_path / name, teacher_model_name_or_path=teacher, **more)
    assert same_weights(tmp_path / "16x1", tmp_path / "4x4", atol=1e-6)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_regression_learns_from_a_teacher(script, models, tmp_path):
    stsb = {"task_name": "stsb", "label_column_name": "score", "max_train_steps": 1}
    run(script, models["with_head"], tmp_path / "teacher", ignore_mismatched_sizes=True, **stsb)
    run(script, models["bert"], tmp_path / "out", teacher_model_name_or_path=tmp_path / "teacher", **stsb)
    with pytest.raises(ValueError, match="The teacher answers with the labels a number, the student with"):
        run(script, models["bert"], tmp_path / "slip", teacher_model_name_or_path=tmp_path / "teacher")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_child_of_a_supernet(script, supernet, models, tmp_path):
    """A learning rate of zero leaves the child as it was extracted."""
    still = {"max_train_steps": 1, "learning_rate": 0.0, "architecture": ARCHITECTURE}
    run(script, supernet, tmp_path / "out", **still)
    model = SearchedBertForSequenceClassification.from_pretrained(tmp_path / "out")
    assert str(model.config.operators) == str(["attention-4", "feed_forward-37", "identity", "convolution-3"])
    assert model.config.id2label[1] == "equivalent"
    child = SupernetBertForMaskedLM.from_pretrained(supernet).extract_child(ARCHITECTURE)
    weights, tuned = child.base_model.state_dict(), model.base_model.state_dict()
    assert all(torch.equal(weights[name], tuned[name]) for name in weights)  # the pooler is new
    assert f"| architecture | `{ARCHITECTURE}` |" in (tmp_path / "out" / "README.md").read_text()
    for name, architecture, message in (
        (models["bert"], ARCHITECTURE, r'`architecture` names a child of a supernet, and ".*bert" is a bert model'),
        (supernet, "A4-F37-I-C5", r"has no such child\. .*layer 3 is convolution-5, allowed there are attention-4"),
        (supernet, "A4-F37", r"has no such child\. 'A4-F37' has 2 layers, but the search space has 4"),
    ):
        with pytest.raises(ValueError, match=message):
            run(script, name, tmp_path / "slip", **still | {"architecture": architecture})


@pytest.mark.parametrize("script", SCRIPTS)
def test_starting_from_a_model_of_mnli(script, supernet, models, tmp_path):
    child = {"architecture": ARCHITECTURE}
    run(script, supernet, tmp_path / "mnli", max_train_steps=2, **MNLI, **child)
    start = {"init_from": tmp_path / "mnli", "max_train_steps": 1, "learning_rate": 0.0}
    run(script, supernet, tmp_path / "rte", task_name="rte", **start, **child)
    run(script, supernet, tmp_path / "more", **start, **MNLI, **child)
    before, rte, more = (load_file(tmp_path / name / "model.safetensors") for name in ("mnli", "rte", "more"))
    body = [name for name in before if not name.startswith("classifier.")]
    assert all(torch.equal(before[name], rte[name]) for name in body)
    assert rte["classifier.weight"].shape == (2, 32)
    assert before.keys() == more.keys() and all(torch.equal(before[name], more[name]) for name in before)
    assert "starting from `mnli`" in (tmp_path / "rte" / "README.md").read_text()
    for slip, message in (
        ({"init_from": tmp_path / "nowhere"}, r'`init_from`: ".*nowhere" is no model'),
        ({"init_from": models["with_head"]}, 'with_head" is another network than the model: '),
        ({"random_init": True}, "Both `init_from` and `random_init` say"),
    ):
        with pytest.raises(ValueError, match=message):
            run(script, supernet, tmp_path / "slip", task_name="rte", **child, **start | slip)


@pytest.mark.parametrize("script", SCRIPTS)
def test_several_seeds(script, models, tmp_path, monkeypatch):
    """Each is the run alone; one that was killed goes on from its checkpoint; what is finished is not run again."""
    steps = {"trainer": {"save_strategy": "steps", "save_steps": 1}, "no_trainer": {"checkpointing_steps": 1}}[script]
    setting = {"max_train_steps": 3, **steps}
    alone = {seed: run(script, models["bert"], tmp_path / f"alone-{seed}", seed=seed, **setting) for seed in (3, 5)}

    module, calls, kill = SCRIPTS[script], [], {5}
    name = "fine_tune" if script == "trainer" else "run_once"
    original = getattr(module, name)

    def counted(*arguments):
        args = arguments[-1]
        calls.append((args.seed, args.resume_from_checkpoint and Path(args.resume_from_checkpoint).name))
        if args.seed not in kill:
            return original(*arguments)
        original(*arguments)
        folder = Path(args.output_dir)  # as if it had died at its second step
        shutil.rmtree(next(folder.glob("*3")))
        (folder / "model.safetensors").unlink()
        raise Killed

    monkeypatch.setattr(module, name, counted)
    with pytest.raises(Killed):
        run(script, models["bert"], tmp_path / "seeds", seeds=[3, 5], **setting)
    kill.clear()
    summary = run(script, models["bert"], tmp_path / "seeds", seeds=[3, 5], **setting)
    assert calls == [(3, None), (5, None), (5, "checkpoint-2" if script == "trainer" else "step_2")]
    assert run(script, models["bert"], tmp_path / "seeds", seeds=[3, 5], **setting) == summary
    assert len(calls) == 3

    for seed in (3, 5):
        assert same_weights(tmp_path / f"alone-{seed}", tmp_path / "seeds" / f"seed-{seed}")
        assert summary["by_seed"][str(seed)]["eval_f1"] == alone[seed]["eval_f1"]
    assert not same_weights(tmp_path / "alone-3", tmp_path / "alone-5")
    written = json.loads((tmp_path / "seeds" / "all_results.json").read_text())
    assert written == summary and written["seeds"] == [3, 5]
    accuracies = torch.tensor([alone[seed]["eval_accuracy"] for seed in (3, 5)], dtype=torch.float64)
    assert written["eval_accuracy"] == pytest.approx(accuracies.mean().item())
    assert written["eval_accuracy_sd"] == pytest.approx(accuracies.std().item())
    for slip, message in (
        ({"learning_rate": 0.5}, r"seed-3 was run with other settings: `learning_rate` 0\.001, now 0\.5"),
        ({"resume_from_checkpoint": "there"}, '`resume_from_checkpoint`: "there" belongs to one of the `seeds`'),
        ({"push_to_hub": True}, "`seeds` gives several models, and `push_to_hub` takes one"),
    ):
        with pytest.raises(ValueError, match=message):
            run(script, models["bert"], tmp_path / "seeds", seeds=[3, 5], **setting | slip)


class KillBehind(TrainerCallback):
    def on_save(self, args, state, control, **kwargs):
        if state.global_step == 2:
            raise Killed


def test_early_stopping_counts_on_when_a_run_is_resumed(models, teacher, tmp_path, monkeypatch):
    """With a teacher and two seeds. Nothing is learned: the first evaluation is the best, the third ends the run."""
    setting = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1, "seeds": [1, 2]}
    setting |= {"load_best_model_at_end": True, "metric_for_best_model": "f1", "early_stopping_patience": 2}
    setting |= {
        "max_train_steps": 9,
        "learning_rate": 1e-12,
        "logging_steps": 3,
        "teacher_model_name_or_path": teacher,
    }
    run("trainer", models["bert"], tmp_path / "whole", **setting)

    stops = run_glue.EarlyStoppingArguments.callbacks
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(
            run_glue.EarlyStoppingArguments, "callbacks", lambda self, args: [*stops(self, args), KillBehind()]
        )
        run("trainer", models["bert"], tmp_path / "killed", **setting)
    run("trainer", models["bert"], tmp_path / "killed", **setting)
    for seed in ("seed-1", "seed-2"):
        folders = [tmp_path / name / seed for name in ("whole", "killed")]
        states = [json.loads((folder / "trainer_state.json").read_text()) for folder in folders]
        assert [state["global_step"] for state in states] == [3, 3]
        assert [state["best_global_step"] for state in states] == [1, 1]
        assert same_weights(*folders)
        assert same_weights(folders[0], folders[0] / "checkpoint-1")
        histories = [log_history(folder) for folder in folders]
        assert histories[0] == histories[1]
        assert [entry["step"] for entry in histories[0] if "teacher_distance" in entry] == [3]
    with pytest.raises(ValueError, match="there are none: pass `eval_strategy`"):
        run("trainer", models["bert"], tmp_path / "slip", early_stopping_patience=2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, r'must be one of accuracy, combined_score, f1, loss; got "acuracy" \(did you mean "accuracy"\?\)'),
        ({"task_name": "sst2", "text_column_names": "sentence1"}, r'must be one of accuracy, loss; got "acuracy"'),
        ({"prediction_loss_only": True}, r'must be one of loss; got "acuracy"'),
    ],
)
def test_a_best_metric_that_there_is_not(more, message, models, tmp_path, monkeypatch):
    monkeypatch.setattr(run_glue, "load_classifier", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(ValueError, match=f"`metric_for_best_model` {message}"):
        run("trainer", models["bert"], tmp_path, eval_strategy="epoch", metric_for_best_model="acuracy", **more)


def test_seeds_without_a_training(models, tmp_path):
    with pytest.raises(ValueError, match="`seeds` are those of a training, and there is none"):
        run("trainer", models["with_head"], tmp_path, seeds=[1, 2], do_train=None)
