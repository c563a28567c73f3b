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

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments, pipeline

from hf_supernet import Architecture

from .conftest import (
    MAGIC_AT,
    logs_of,
    loss_by_hand,
    make_collator,
    make_dataset,
    make_supernet,
    make_tokenizer,
    parameters_on,
    set_anchor,
)


def accuracy(prediction) -> dict[str, float]:
    labelled = prediction.label_ids != -100
    return {"accuracy": float((prediction.predictions == prediction.label_ids)[labelled].mean())}


METRICS = {"compute_metrics": accuracy, "preprocess_logits_for_metrics": lambda logits, labels: logits.argmax(-1)}


def test_evaluation_does_not_change_the_training(make_trainer):
    arguments = MAGIC_AT | {"logging_steps": 1, "max_steps": 4}
    watched = make_trainer("watched", options=METRICS, eval_strategy="steps", eval_steps=1, **arguments)
    watched.train()
    alone = make_trainer("alone", **arguments)
    alone.train()
    weights = alone.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in watched.model.state_dict().items())
    for name in ("loss", "task_loss", "alignment_loss", "anchor"):
        assert logs_of(watched, name) == logs_of(alone, name)
    assert len(logs_of(watched, "eval_anchor_accuracy")) == 4


def test_evaluation_equals_children_one_by_one(make_trainer):
    """With `compute_metrics`, and before any training."""
    trainer = make_trainer(options=METRICS, eval_random_children=2, per_device_eval_batch_size=6, **MAGIC_AT)
    set_anchor(trainer)
    metrics = trainer.evaluate()
    children = trainer.evaluation_children()
    assert list(children) == ["smallest", "largest", "anchor", "random_0", "random_1"]
    assert str(children["smallest"]) == "I-I-I-I" and str(children["largest"]) == "A4-A4-A4-A4"
    rows = list(trainer.eval_dataset)
    losses = {name: loss_by_hand(trainer.model, rows, child) for name, child in children.items()}
    batch = make_collator().frozen()(rows)
    labelled = batch["labels"] != -100
    scores = {}
    with torch.no_grad():
        for name, child in children.items():
            found = trainer.model(**batch, architecture=child).logits.argmax(-1)
            scores[name] = (found == batch["labels"])[labelled].float().mean().item()
    assert len(set(losses.values())) == 5
    for metric, values in (("loss", losses), ("accuracy", scores)):
        assert metrics[f"eval_{metric}"] == pytest.approx(np.mean(list(values.values())), rel=1e-5)
        for name in ("smallest", "largest", "anchor"):
            assert metrics[f"eval_{name}_{metric}"] == pytest.approx(values[name], rel=1e-5)
        random_mean = (values["random_0"] + values["random_1"]) / 2
        assert metrics[f"eval_random_{metric}"] == pytest.approx(random_mean, rel=1e-5)
    assert trainer.evaluation_children() == children
    assert trainer.evaluate()["eval_loss"] == metrics["eval_loss"]


def test_evaluation_of_several_sets_with_workers_that_stay(make_trainer):
    sets = {"web": make_dataset(9, seed=2), "books": make_dataset(12, seed=3)}
    alone = make_trainer("alone", options=METRICS)
    expected = {f"eval_{name}_": alone.evaluate(data) for name, data in sets.items()}
    trainer = make_trainer(
        options=METRICS | {"eval_dataset": sets},
        dataloader_num_workers=1,
        dataloader_persistent_workers=True,
        **MAGIC_AT,
    )
    metrics = trainer.evaluate()
    for prefix, values in expected.items():
        for name in ("loss", "accuracy", "smallest_loss", "largest_accuracy"):
            assert metrics[f"{prefix}{name}"] == pytest.approx(values[f"eval_{name}"])
    assert metrics["eval_web_accuracy"] != metrics["eval_books_accuracy"]
    with pytest.raises(ValueError, match="needs an `eval_dataset`"):
        make_trainer("none", options={"eval_dataset": None}).evaluate()


def test_a_best_metric_that_no_evaluation_gives(make_trainer):
    """Found when the trainer is made; every name that is allowed is one that an evaluation has."""
    best = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2} | MAGIC_AT
    best |= {"load_best_model_at_end": True}
    with pytest.raises(ValueError, match=r'one of anchor_loss, .*; got "random_los" \(did you mean "random_loss"\?\)'):
        make_trainer(metric_for_best_model="random_los", **best)
    sets = {"web": make_dataset(5, seed=2), "books": make_dataset(6, seed=3)}
    with pytest.raises(ValueError, match=r'books_loss, .*; got "loss"'):
        make_trainer(options={"eval_dataset": sets}, metric_for_best_model="loss", **best)
    trainer = make_trainer(options={"eval_dataset": sets}, metric_for_best_model="eval_web_anchor_loss", **best)
    set_anchor(trainer)
    assert {f"eval_{name}" for name in trainer.loss_names()} <= trainer.evaluate().keys()
    trainer.train()
    assert trainer.state.best_metric == min(logs_of(trainer, "eval_web_anchor_loss")[1:])
    make_trainer(options=METRICS, metric_for_best_model="accurracy", **best)  # known at the first evaluation only
    make_trainer(metric_for_best_model="random_los", **MAGIC_AT)  # and never asked for


@pytest.mark.parametrize("empty", [{}, []])
def test_alignment_without_dev_data(make_trainer, empty):
    with pytest.raises(ValueError, match="`eval_dataset` is empty"):
        make_trainer("empty", options={"eval_dataset": empty}, **MAGIC_AT)


def test_predictions_are_the_default_childs(make_trainer):
    trainer = make_trainer(**MAGIC_AT)
    trainer.data_collator.set_epoch(3)  # as after three epochs: predictions keep the masks of evaluation
    data = make_dataset(5, seed=4, length=6)
    output = trainer.predict(data)
    batch = make_collator().frozen()(list(data))
    with torch.no_grad():
        expected = trainer.model.eval()(**batch, architecture="A4-A4-A4-A4")
    np.testing.assert_allclose(output.predictions, expected.logits.numpy(), rtol=1e-4, atol=1e-5)
    assert output.metrics["test_loss"] == pytest.approx(expected.loss.item(), rel=1e-5)


def test_stock_trainer_and_pipeline_use_the_default_child(tmp_path):
    model = make_supernet(default_architecture="F37-A4-I-C3")
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, use_cpu=True, disable_tqdm=True, save_strategy="no", dataloader_pin_memory=False,
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(model, arguments, make_collator(), make_dataset(16), make_dataset(8, seed=1))
    trainer.train()
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == parameters_on(model, [Architecture.from_string("F37-A4-I-C3")])
    assert trainer.evaluate()["eval_loss"] > 0
    model.eval()
    found = pipeline("fill-mask", model=model, tokenizer=make_tokenizer(), device="cpu")("w1 w2 [MASK] w3", top_k=1)[0]
    inputs = make_tokenizer()("w1 w2 [MASK] w3", return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs, architecture="F37-A4-I-C3").logits
    assert found["token"] == logits[0, 3].argmax()


def test_bf16_evaluation_outside_training(make_trainer):
    trainer = make_trainer(bf16_full_eval=True)
    exact = make_trainer("exact").evaluate()
    assert trainer.evaluate()["eval_loss"] == pytest.approx(exact["eval_loss"], rel=0.02)
    assert trainer.model.dtype == torch.bfloat16


def test_streams(make_trainer):
    rows, dev = make_dataset(44), make_dataset(20, seed=1)
    arguments = MAGIC_AT | {"max_steps": 3, "logging_steps": 1}
    streamed = make_trainer(
        "stream",
        train_dataset=rows.to_iterable_dataset(),
        options={"eval_dataset": dev.to_iterable_dataset()} | METRICS,
        **arguments,
    )
    streamed.train()
    listed = make_trainer("list", train_dataset=list(rows), train_sampling_strategy="sequential", **arguments)
    listed.train()
    assert logs_of(streamed) == logs_of(listed)
    assert streamed.evaluate()["eval_loss"] == pytest.approx(listed.evaluate()["eval_loss"])
