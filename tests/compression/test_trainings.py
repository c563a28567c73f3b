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
"""Lengths and schedules of trainings, the parts of the data, and when a checkpoint counts as fine-tuned."""

import pytest
import torch
from datasets import Dataset
from transformers import (
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    Trainer,
    TrainingArguments,
    get_scheduler,
)

from hf_supernet import SearchedBertConfig, SearchedBertForSequenceClassification
from hf_supernet.compression import CheckpointArguments, CompressionTrainingArguments, TaskDataArguments
from hf_supernet.compression.checkpoint import load_checkpoint
from hf_supernet.compression.task_data import TaskData, prepare_task
from hf_supernet.compression.trainings import constant_end, steps_for, supernet_steps
from hf_supernet.data.glue import GlueData, load_glue_data

from ..data.test_glue import TRAIN, VALIDATION
from .conftest import bert_config


VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "cat", "dog", "train"]


@pytest.mark.parametrize(
    ("rows", "options", "epochs"),
    [
        (20, {}, 3),
        (21, {"gradient_accumulation_steps": 4}, 0.5),
        (21, {"dataloader_drop_last": True}, 1.5),
        (3, {"gradient_accumulation_steps": 2}, 1),
    ],
)
def test_steps_are_counted_as_by_a_trainer(rows, options, epochs, tmp_path):
    args = TrainingArguments(
        str(tmp_path), per_device_train_batch_size=4, num_train_epochs=epochs, use_cpu=True, **options
    )
    trainer = Trainer(torch.nn.Linear(1, 1), args, train_dataset=[{"x": 0}] * rows, data_collator=list)
    expected = trainer.set_initial_training_values(args, trainer.get_train_dataloader())[-1]
    assert steps_for(rows, args, epochs) == expected


def test_rows_that_make_no_batch(tmp_path):
    args = TrainingArguments(str(tmp_path), per_device_train_batch_size=4, dataloader_drop_last=True, use_cpu=True)
    with pytest.raises(ValueError, match=r"3 training rows are less than one batch of 4, .* nothing would be trained"):
        steps_for(3, args, 2)


def test_steps_of_a_supernet(tmp_path):
    args = CompressionTrainingArguments(output_dir=str(tmp_path), num_train_epochs=2, use_cpu=True)
    assert supernet_steps(65, args) == 6
    args.max_steps = 7
    assert supernet_steps(65, args) == 7


@pytest.mark.parametrize(("steps", "warmup"), [(200, 20), (7, 1), (1, 0)])
def test_a_learning_rate_with_a_constant_end(steps, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    kwargs = constant_end(steps, warmup)
    scheduler = get_scheduler("warmup_stable_decay", optimizer, warmup, steps, scheduler_specific_kwargs=kwargs)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) == rates[warmup] == 1
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    if steps >= 10:
        assert rates[-(steps // 10) :] == [0.05] * (steps // 10) and rates[-steps // 10 - 1] > 0.05


@pytest.fixture
def data(tmp_path) -> GlueData:
    return load_glue_data(data_arguments(), ["train", "validation"], cache_dir=str(tmp_path / "cache"))


def data_arguments(**options) -> TaskDataArguments:
    return TaskDataArguments(task_name="mrpc", train_file=TRAIN, validation_file=VALIDATION, **options)


def tokenizer() -> BertTokenizer:
    return BertTokenizer(vocab={word: index for index, word in enumerate(VOCABULARY)})


def parts(data: GlueData, **options) -> TaskData:
    return prepare_task(data, data_arguments(overwrite_cache=True, **options), tokenizer(), bert_config())


def test_rows_are_held_out_of_the_training_rows_alone(data):
    def in_words(row: dict, number: int) -> dict:
        """Five cats and dogs that say which row it is."""
        return {"sentence1": " ".join("cat" if number >> bit & 1 else "dog" for bit in range(5))}

    def numbers(part: Dataset) -> list[int]:
        cat = VOCABULARY.index("cat")
        return [sum((token == cat) << bit for bit, token in enumerate(ids[1:6])) for ids in part["input_ids"]]

    data.splits["train"] = data.splits["train"].map(in_words, with_indices=True)
    task, again, other = (parts(data, search_samples=4, subset_seed=seed) for seed in (0, 0, 1))
    train, search = numbers(task.train), numbers(task.search)
    assert len(search) == 4 and sorted(train + search) == list(range(20)) and train == sorted(train)
    assert task.fingerprint == again.fingerprint != other.fingerprint
    assert len(task.validation[""]) == 7
    assert len(parts(data).search) == 2 and len(parts(data, max_train_samples=5).search) == 1
    with pytest.raises(
        ValueError, match="`search_samples` is 20, of 20 training rows: none would be left to train on"
    ):
        parts(data, search_samples=20)


def test_when_a_checkpoint_counts_as_fine_tuned(data, tmp_path):
    unnamed = {"id2label": None, "label2id": None, "num_labels": 2}
    entailment = {
        "id2label": {0: "entailment", 1: "not_entailment"},
        "label2id": {"entailment": 0, "not_entailment": 1},
    }
    swapped = {"id2label": {0: "equivalent", 1: "not_equivalent"}, "label2id": {"equivalent": 0, "not_equivalent": 1}}
    three = {"id2label": {i: str(i) for i in range(3)}, "label2id": {str(i): i for i in range(3)}}
    cases = {
        "named": (BertForSequenceClassification(bert_config()), True),
        "swapped": (BertForSequenceClassification(bert_config(**swapped)), True),
        "unnamed": (BertForSequenceClassification(bert_config(**unnamed)), True),
        "entailment": (BertForSequenceClassification(bert_config(**entailment)), False),
        "three": (BertForSequenceClassification(bert_config(**three)), False),
        "tokens": (BertForTokenClassification(bert_config()), False),
        "masked": (BertForMaskedLM(bert_config()), False),
    }
    for name, (model, expected) in cases.items():
        model.save_pretrained(tmp_path / name)
        tokenizer().save_pretrained(tmp_path / name)
        checkpoint = load_checkpoint(CheckpointArguments(str(tmp_path / name)), data_arguments(), data)
        assert checkpoint.is_fine_tuned == expected, name
        labels = ["equivalent", "not_equivalent"] if name == "swapped" else ["not_equivalent", "equivalent"]
        assert list(checkpoint.model.config.id2label.values()) == labels
        if expected:
            assert torch.equal(checkpoint.model.classifier.weight, model.classifier.weight)


def test_a_checkpoint_that_is_no_bert(data, tmp_path):
    config = SearchedBertConfig(vocab_size=99, hidden_size=24, operators=["attention-4"])
    SearchedBertForSequenceClassification(config).save_pretrained(tmp_path / "searched")
    BertForMaskedLM(bert_config(is_decoder=True)).save_pretrained(tmp_path / "decoder")
    for name, kind in (("searched", "a 'searched-bert' model"), ("decoder", "a decoder")):
        with pytest.raises(ValueError, match=f"{name}' is {kind}, and a compression starts from a BERT encoder"):
            load_checkpoint(CheckpointArguments(str(tmp_path / name)), data_arguments(), data)


def test_a_checkpoint_without_its_tokenizer(data, tmp_path):
    BertForSequenceClassification(bert_config()).save_pretrained(tmp_path / "alone")
    with pytest.raises(
        ValueError, match=r"no tokens but special ones \(.*\[MASK\].*\): .* Pass one as `tokenizer_name`"
    ):
        load_checkpoint(CheckpointArguments(str(tmp_path / "alone")), data_arguments(), data)
