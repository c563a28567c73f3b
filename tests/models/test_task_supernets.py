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
"""Supernets of a task, from a checkpoint that was fine-tuned for it: its own answers first, then training and children."""

import datasets
import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    default_data_collator,
)

from hf_supernet import (
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetTrainer,
    SupernetTrainingArguments,
    to_bert,
)
from hf_supernet.data.glue import load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.data.tokenization import train_tokenizer
from hf_supernet.export import export_child
from hf_supernet.models.supernet_bert import magnitude_importance, order_by_importance

from ..data.test_glue import TRAIN, VALIDATION
from .conftest import bert_config, largest_difference, make_batch, randomise


BATCH = make_batch()
CANDIDATES = ["attention-4", "attention-2", "feed_forward-37", "feed_forward-12", "identity"]
SLICED = {"candidate_operators": CANDIDATES, "weight_sharing": "sliced", "hidden_sizes": [12, 24]}
LARGEST = "H24:A4-F37-A4-F37-A4-F37"
PLAIN = "H12:A2-F12-I-I-A2-F12"
OTHER = "H12:A4-F37-A2-F12-I-F37"
TASKS = {
    "classification": (BertForSequenceClassification, SupernetBertForSequenceClassification, 3),
    "span": (BertForQuestionAnswering, SupernetBertForQuestionAnswering, 2),
}


def make_bert(name: str, **fields) -> nn.Module:
    bert_class, _, labels = TASKS[name]
    return randomise(bert_class(bert_config(hidden_size=24, num_labels=labels, **fields)))


def logits(model: nn.Module, **arguments) -> torch.Tensor:
    with torch.no_grad():
        outputs = model(**BATCH, **arguments)
    return outputs.logits if "logits" in outputs else torch.stack([outputs.start_logits, outputs.end_logits], dim=-1)


@pytest.mark.parametrize("name", TASKS)
def test_the_largest_child_is_the_checkpoint(name, tmp_path):
    bert = make_bert(name)
    bert.save_pretrained(tmp_path)
    supernet = TASKS[name][1].from_bert(str(tmp_path), **SLICED).eval()
    assert str(supernet.resolve_architecture(None)) == LARGEST
    assert torch.equal(logits(supernet), logits(bert)) and torch.equal(logits(supernet.extract_child()), logits(bert))
    exported, weights = to_bert(supernet.extract_child()), bert.state_dict()
    assert type(exported) is type(bert) and exported.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in exported.state_dict().items())
    order_by_importance(supernet, magnitude_importance(supernet))
    assert largest_difference(logits(to_bert(supernet.extract_child())), logits(bert)) < 1e-5


@pytest.mark.parametrize("name", TASKS)
def test_exported_children_answer_as_their_paths(name, tmp_path):
    """Also with weights that a training could have left: no slice is the checkpoint's any more."""
    bert_class, supernet_class, _ = TASKS[name]
    supernet = randomise(supernet_class.from_bert(make_bert(name), **SLICED), seed=1)
    for architecture, loaded_class in ((PLAIN, bert_class), (OTHER, supernet_class.child_class)):
        folder = export_child(supernet, architecture, tmp_path / architecture[-3:])
        loaded, info = loaded_class.from_pretrained(folder, output_loading_info=True)
        assert not any(info.values())
        assert largest_difference(logits(loaded), logits(supernet, architecture=architecture)) < 1e-5


def train(model: nn.Module, folder, rows: datasets.Dataset, collator, **options) -> SupernetTrainer:
    arguments = SupernetTrainingArguments(
        str(folder), max_steps=6, per_device_train_batch_size=10, learning_rate=1e-3, logging_steps=3, use_cpu=True,
        sampler_kwargs={"num_paths": 2}, eval_random_children=1, save_strategy="no", disable_tqdm=True,
        dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = SupernetTrainer(
        model, arguments, train_dataset=rows, eval_dataset=rows, data_collator=collator, **options
    )
    trainer.train()
    return trainer


def test_a_classifier_is_trained_on_a_task_of_glue(tmp_path):
    data_arguments = GlueDataArguments(task_name="mrpc", train_file=TRAIN, validation_file=VALIDATION)
    data = load_glue_data(data_arguments, ["train", "validation"], cache_dir=str(tmp_path / "cache"))
    tokenizer = train_tokenizer(data.splits["train"]["sentence1"][:], vocab_size=99)
    bert = BertForSequenceClassification(bert_config(hidden_size=24))
    bert.config.update(data.label_config(bert.config, trains=True))
    supernet = SupernetBertForSequenceClassification.from_bert(bert, **SLICED)
    rows = data.tokenize(data.splits["train"], tokenizer, supernet.config, data_arguments)

    def scores(predictions) -> dict[str, float]:
        return data.score(predictions.predictions, predictions.label_ids, supernet.config)

    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    trainer = train(supernet, tmp_path / "run", rows, DataCollatorWithPadding(tokenizer), compute_metrics=scores)
    moved = {key for key, value in supernet.state_dict().items() if not torch.equal(value, before[key])}
    assert {"classifier.weight", "supernet_bert.pooler.dense.weight"} <= moved
    metrics = trainer.evaluate()
    names = {"eval_loss", "eval_accuracy", "eval_f1", "eval_smallest_loss", "eval_largest_accuracy"}
    assert names <= metrics.keys() and np.isfinite(metrics["eval_loss"])
    assert supernet.extract_child(PLAIN).config.id2label == {0: "not_equivalent", 1: "equivalent"}


def test_a_supernet_that_marks_answers_is_trained(tmp_path):
    """The answer is the token 7, wherever it stands: a few steps say more than chance."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(8, 99, (20, 9), generator=generator)
    places = torch.randint(0, 9, (20,), generator=generator)
    ids[torch.arange(20), places] = 7
    rows = datasets.Dataset.from_dict(
        {"input_ids": ids.tolist(), "start_positions": places.tolist(), "end_positions": places.tolist()}
    )
    bert = BertForQuestionAnswering(bert_config(hidden_size=24))
    supernet = SupernetBertForQuestionAnswering.from_bert(bert, **SLICED)
    trainer = train(supernet, tmp_path, rows, default_data_collator)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] < 1.1 * np.log(9)
    metrics = trainer.evaluate()
    assert metrics["eval_largest_loss"] < np.log(9) and np.isfinite(metrics["eval_smallest_loss"])


def test_spans_can_not_be_counted_over_several_batches(tmp_path):
    """The loss would be too large by the number of batches, and nothing would say so."""
    supernet = SupernetBertForQuestionAnswering.from_bert(
        BertForQuestionAnswering(bert_config(hidden_size=24)), **SLICED
    )
    args = SupernetTrainingArguments(str(tmp_path), gradient_accumulation_steps=2, report_to="none")
    with pytest.raises(
        ValueError, match=r"`gradient_accumulation_steps` is 2, .* in start_positions and end_positions"
    ):
        SupernetTrainer(supernet, args, train_dataset=[{"input_ids": [1]}])
