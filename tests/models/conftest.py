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
"""Tiny configurations, models with random norms and biases, and padded batches, for all tests of models."""

import random

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertTokenizer

from hf_supernet import Architecture, SearchedBertConfig, SupernetBertConfig


VOCAB_SIZE = 99
LENGTH = 11
SIZES = {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "max_position_embeddings": 40}
OPERATORS = ["attention-4", "convolution-3", "feed_forward-37", "identity", "attention-2", "convolution-7"]
CANDIDATES = ["attention-4", "attention-2", "feed_forward-37", "convolution-3", "convolution-5", "identity"]


def child_config(**fields) -> SearchedBertConfig:
    return SearchedBertConfig(**(SIZES | {"operators": OPERATORS} | fields))


def supernet_config(**fields) -> SupernetBertConfig:
    return SupernetBertConfig(**(SIZES | {"num_hidden_layers": 4, "candidate_operators": CANDIDATES} | fields))


def bert_config(**fields) -> BertConfig:
    sizes = {"num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 37}
    return BertConfig(**(SIZES | sizes | fields))


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draws all weights anew, those of norms and biases too, large enough for attention to be far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + ("Norm.weight" in name))
    return model.eval()


def sample_architectures(model: nn.Module, count: int, seed: int = 0) -> list[Architecture]:
    generator = random.Random(seed)
    return [model.search_space.sample(generator) for _ in range(count)]


def make_batch(padding_side: str = "right", seed: int = 0) -> dict[str, torch.Tensor]:
    """Four rows of 11, 7, 4 and 9 tokens, with padding that is not the padding token, so that it would be noticed."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([11, 7, 4, 9])
    attention_mask = (torch.arange(LENGTH) < lengths[:, None]).long()
    if padding_side == "left":
        attention_mask = attention_mask.flip(1)
    shape = (len(lengths), LENGTH)
    return {
        "input_ids": torch.randint(1, VOCAB_SIZE, shape, generator=generator),
        "attention_mask": attention_mask,
        "token_type_ids": torch.randint(0, 2, shape, generator=generator),
    }


def make_masked_labels(batch: dict[str, torch.Tensor], seed: int = 1) -> torch.Tensor:
    """Labels at about a third of the real tokens, at different numbers of them in each row."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(1, VOCAB_SIZE, batch["input_ids"].shape, generator=generator)
    kept = (torch.rand(labels.shape, generator=generator) < 0.35) & batch["attention_mask"].bool()
    kept[0, :2] = True
    return labels.where(kept, -100)


def largest_difference(one: torch.Tensor, two: torch.Tensor) -> float:
    assert one.shape == two.shape
    return (one.float() - two.float()).abs().max().item()


def check_checkpointing(
    supernet: nn.Module, batch: dict[str, torch.Tensor], labels: torch.Tensor, paths: list[str]
) -> None:
    """Gradients of two paths before one backward pass are those without activation checkpointing."""

    def gradients() -> list[torch.Tensor | None]:
        torch.manual_seed(0)
        supernet.train().zero_grad()
        losses = [supernet(**batch, labels=labels, architecture=path).loss for path in paths]
        sum(losses).backward()
        return [None if parameter.grad is None else parameter.grad.clone() for parameter in supernet.parameters()]

    plain = gradients()
    supernet.activation_checkpointing_enable()
    for one, two in zip(gradients(), plain, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two)


@pytest.fixture(params=["right", "left"])
def batch(request) -> dict[str, torch.Tensor]:
    return make_batch(request.param)


@pytest.fixture(scope="session")
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{index}" for index in range(VOCAB_SIZE - 5))]
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
