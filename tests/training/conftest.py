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
"""A tiny supernet, tiny data, and a trainer of them: `make_trainer(folder, **arguments)`."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from transformers import BertTokenizer, PreTrainedModel, TrainerCallback

from hf_supernet import Architecture, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.data.masking import MaskingCollator
from hf_supernet.models.supernet_bert import SupernetBertPreTrainedModel
from hf_supernet.training import SupernetTrainer, SupernetTrainingArguments


MAGIC_AT = {"sampler": "gradual", "alignment_weight": 0.5, "anchor_interval": 2, "anchor_eval_samples": 9}
ANCHOR = "F37-I-A4-C3"


class Killed(RuntimeError):
    """What a run dies of in these tests."""


class KillAt(TrainerCallback):
    """Ends a run in the middle of it, as a kill signal would: nothing is tidied up."""

    def __init__(self, step: int):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise Killed


def make_tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{index}" for index in range(94))]
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)})


def make_dataset(size: int, seed: int = 0, length: int | None = None) -> datasets.Dataset:
    draw = random.Random(seed)
    rows = [[2, *(draw.randrange(5, 99) for _ in range(length or draw.randrange(5, 15))), 3] for _ in range(size)]
    return datasets.Dataset.from_dict({"input_ids": rows, "example_id": list(range(size))})


def make_collator() -> MaskingCollator:
    return MaskingCollator(make_tokenizer(), mlm_probability=0.3, seed=1)


def randomize(model: PreTrainedModel) -> PreTrainedModel:
    """Biases and norms that are not zeros and ones, which hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def make_supernet(
    dropout: float = 0.1, model_class: type[SupernetBertPreTrainedModel] = SupernetBertForMaskedLM, **config
) -> SupernetBertPreTrainedModel:
    torch.manual_seed(0)
    fields = {
        "vocab_size": 99,
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "candidate_operators": ["attention-4", "feed_forward-37", "convolution-3", "identity"],
        "max_position_embeddings": 32,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.2,  # children that differ by more than rounding
    }
    return randomize(model_class(SupernetBertConfig(**(fields | config))))


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., SupernetTrainer]:
    return trainer_maker(tmp_path)


def trainer_maker(parent: Path) -> Callable[..., SupernetTrainer]:
    """Makes trainers whose output folders lie in `parent`."""

    def make(
        folder: str = "run",
        model: SupernetBertForMaskedLM | None = None,
        dropout: float = 0.1,
        callbacks: list | None = None,
        train_dataset=None,
        options: dict[str, Any] | None = None,
        **arguments,
    ) -> SupernetTrainer:
        defaults = {
            "max_steps": 6,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-2,
            "save_strategy": "no",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            "use_cpu": True,
        }
        given = {
            "train_dataset": make_dataset(44) if train_dataset is None else train_dataset,
            "eval_dataset": make_dataset(20, seed=1),
            "data_collator": make_collator(),
            "callbacks": callbacks,
        }
        return SupernetTrainer(
            model or make_supernet(dropout),
            SupernetTrainingArguments(str(parent / folder), **(defaults | arguments)),
            **(given | (options or {})),
        )

    return make


def logs_of(trainer, name: str = "loss") -> list:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def set_anchor(trainer, architecture: str = ANCHOR) -> None:
    """Before training, so that the first step has an alignment loss too."""
    if trainer.anchor is not None:
        trainer.anchor.architecture = Architecture.from_string(architecture)


def parameters_on(model, architectures) -> set[str]:
    """Names of the parameters that the paths of `architectures` have, shared ones included."""
    names = set()
    for name, _ in model.named_parameters():
        _, layer, tail = name.partition(".encoder.layer.")
        index, _, tail = tail.partition(".")
        if not layer or any(tail.startswith(f"{architecture[int(index)]}.") for architecture in architectures):
            names.add(name)
    return names


def loss_by_hand(model, rows, architecture) -> float:
    """The mean over labels, one example at a time."""
    model.eval()
    collator, total, count = make_collator().frozen(), 0.0, 0
    with torch.no_grad():
        for row in rows:
            batch = collator([row])
            labels = (batch["labels"] != -100).sum()
            total, count = total + model(**batch, architecture=architecture).loss.item() * labels, count + labels
    return float(total / count)
