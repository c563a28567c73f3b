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
"""The architecture of a child for its card: what each layer is, what it weighs and what it computes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from ..architecture import Architecture
from ..costs import count_multiply_adds, operator_multiply_adds
from ..models.searched_bert import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SearchedBertPreTrainedModel,
)
from ..models.searched_bert.configuration_searched_bert import Operator


class Head(NamedTuple):
    """How a class is loaded, tagged on the Hub, counted and called."""

    auto_class: str
    pipeline_tag: str
    cost_head: str | None
    description: str


HEADS: dict[type[SearchedBertPreTrainedModel], Head] = {
    SearchedBertModel: Head("AutoModel", "feature-extraction", None, "An encoder"),
    SearchedBertForMaskedLM: Head("AutoModelForMaskedLM", "fill-mask", "masked-lm", "A masked language model"),
    SearchedBertForMultipleChoice: Head(
        "AutoModelForMultipleChoice", "multiple-choice", "multiple-choice", "A model for multiple choice"
    ),
    SearchedBertForQuestionAnswering: Head(
        "AutoModelForQuestionAnswering", "question-answering", "question-answering", "A model for question answering"
    ),
    SearchedBertForSequenceClassification: Head(
        "AutoModelForSequenceClassification", "text-classification", "sequence-classification", "A text classifier"
    ),
    SearchedBertForTokenClassification: Head(
        "AutoModelForTokenClassification", "token-classification", "token-classification", "A token classifier"
    ),
}
"""By the class of a child."""

_MEANINGS = {
    "attention": "attention with {size} heads",
    "feed_forward": "a feed-forward with {size} units",
    "convolution": "a separable convolution over {size} tokens",
    "identity": "nothing",
}


@dataclass(frozen=True)
class ArchitectureTable:
    """
    What a card says of an architecture.

    Args:
        name (`str`):
            The compact form.
        legend (`str`):
            What its letters mean.
        sequence_length (`int`):
            The number of tokens that multiply-adds are given for.
        rows (`list[tuple[str, str, int, int]]`):
            Label, operator, parameters and multiply-adds of the embeddings, of each layer, and of the head.
    """

    name: str
    legend: str
    sequence_length: int
    rows: list[tuple[str, str, int, int]]

    @property
    def parameters(self) -> int:
        """Of all of it."""
        return sum(parameters for _, _, parameters, _ in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of all of it."""
        return sum(multiply_adds for _, _, _, multiply_adds in self.rows)


def head_of(child: SearchedBertPreTrainedModel) -> Head:
    """
    How `child` is loaded, tagged, counted and called: by its class, or the one that it derives from.

    Args:
        child ([`SearchedBertModel`] or one of its heads):
            The model.

    Raises:
        ValueError: for a class with a head that hf_supernet does not know.
    """
    for parent in type(child).__mro__:
        if parent in HEADS:
            return HEADS[parent]
    known = ", ".join(known.__name__ for known in HEADS)
    raise ValueError(f"{type(child).__name__} has a head that no card is known for; known are {known}.")


def architecture_table(child: SearchedBertPreTrainedModel, sequence_length: int = 128) -> ArchitectureTable:
    """
    The layers of a child with their costs.

    Args:
        child ([`SearchedBertModel`] or one of its heads):
            The model. Its weights are not looked at: it may be on the device `"meta"`.
        sequence_length (`int`, *optional*, defaults to 128):
            The number of tokens that multiply-adds are given for; at most what the model reads.

    Returns:
        [`ArchitectureTable`]
    """
    config, base = child.config, child.base_model
    length = min(sequence_length, config.max_position_embeddings)
    operators = Architecture.from_operators(config.operators)
    costs = [operator_multiply_adds(operator, config, length) for operator in operators]
    parameters = [_num_parameters(module) for module in base.encoder.layer]
    projects = config.embedding_size != config.hidden_size
    embeddings_cost = length * config.embedding_size * config.hidden_size if projects else 0
    embeddings = _num_parameters(base.embeddings)
    total_cost = count_multiply_adds(config, operators, length, head_of(child).cost_head)
    if base is child and base.pooler is None:
        total_cost -= config.hidden_size**2  # the closed form of a bare encoder has its pooler
    head = (
        _num_parameters(child) - embeddings - sum(parameters),
        total_cost - embeddings_cost - sum(costs),
    )
    layers = zip(map(str, range(len(operators))), (f"`{it}`" for it in operators), parameters, costs, strict=True)
    rows = [("embeddings", "", embeddings, embeddings_cost), *layers, ("head", "", *head)]
    return ArchitectureTable(str(operators), operator_legend(operators), length, rows)


def operator_legend(operators: Iterable[Operator]) -> str:
    """What the letters of the compact form mean: those that occur in `operators`, each by its first operator."""
    examples: dict[str, Operator] = {}
    for operator in operators:
        examples.setdefault(operator.kind, operator)
    return ", ".join(
        f"`{Architecture.from_operators([operator])}` is {_MEANINGS[kind].format(size=operator.size)}"
        for kind, operator in examples.items()
    )


def blank_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A model as `model` was made: without weights in memory, and without what was added to its modules, such as adapters."""
    with torch.device("meta"):
        return type(model)(model.config)


def _num_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


__all__ = ["HEADS", "ArchitectureTable", "Head", "architecture_table", "blank_copy", "head_of", "operator_legend"]
