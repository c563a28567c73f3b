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
"""Parameters and multiply-adds of an architecture in closed form, without building the model."""

from collections.abc import Callable

from .architecture import Architecture
from .constrained_sampling import CostTable
from .models.searched_bert.configuration_searched_bert import Operator, SearchedBertBaseConfig
from .search_space import SearchSpace
from .sized_costs import SizedCostTable


HEADS = ("masked-lm", "sequence-classification", "token-classification", "question-answering", "multiple-choice")
"""The heads a child can have; `None` stands for the bare [`SearchedBertModel`] with its pooler."""

_POOLED_HEADS = (None, "sequence-classification", "multiple-choice")


def operator_parameters(operator: Operator, config: SearchedBertBaseConfig) -> int:
    """The number of parameters of one operator, its LayerNorm included."""
    hidden = config.hidden_size
    if operator.kind == "identity":
        return 0
    if operator.kind == "attention":
        inner = operator.size * config.head_size_of(operator)
        return 3 * _linear(hidden, inner) + _linear(inner, hidden) + 2 * hidden
    if operator.kind == "feed_forward":
        return _linear(hidden, operator.size) + _linear(operator.size, hidden) + 2 * hidden
    return hidden * operator.size + hidden + _linear(hidden, hidden) + 2 * hidden


def operator_multiply_adds(operator: Operator, config: SearchedBertBaseConfig, sequence_length: int) -> int:
    """
    The multiply-adds of one operator for one sequence of `sequence_length` tokens, padding included.

    Matrix products and convolutions count, as in PyTorch's `FlopCounterMode` (which counts two operations for each);
    biases, norms, activations and the softmax do not.
    """
    hidden, length = config.hidden_size, sequence_length
    if operator.kind == "identity":
        return 0
    if operator.kind == "attention":
        inner = operator.size * config.head_size_of(operator)
        return 4 * length * hidden * inner + 2 * length * length * inner
    if operator.kind == "feed_forward":
        return 2 * length * hidden * operator.size
    return length * hidden * operator.size + length * hidden * hidden


def count_parameters(config: SearchedBertBaseConfig, architecture: Architecture | str, head: str | None = None) -> int:
    """
    The number of parameters of a child, shared ones counted once.

    Args:
        config ([`SearchedBertConfig`] or [`SupernetBertConfig`]):
            The sizes. Its own operators or candidates do not matter.
        architecture (`Architecture` or `str`):
            The operators.
        head (`str`, *optional*):
            One of `HEADS`. Defaults to the bare model with its pooler.

    Returns:
        `int`: the number of parameters of the child as a module.

    Raises:
        ValueError: for an unknown head, and an architecture that does not fit `config`; where that has several hidden
            sizes, an architecture names one.

    Example:

    ```python
    >>> from hf_supernet import SearchedBertConfig
    >>> from hf_supernet.costs import count_parameters

    >>> bert_base = SearchedBertConfig(hidden_size=768)
    >>> count_parameters(bert_base, "-".join(["A12-F3072"] * 12))
    109482240
    ```
    """
    operators, config = _check(config, architecture)
    return sum(operator_parameters(operator, config) for operator in operators) + _base_parameters(config, head)


def count_multiply_adds(
    config: SearchedBertBaseConfig,
    architecture: Architecture | str,
    sequence_length: int,
    head: str | None = None,
    num_predictions: int | None = None,
) -> int:
    """
    The multiply-adds of a child's forward pass over one sequence; see [`operator_multiply_adds`] for what counts.

    Args:
        config ([`SearchedBertConfig`] or [`SupernetBertConfig`]):
            The sizes. Its own operators or candidates do not matter.
        architecture (`Architecture` or `str`):
            The operators.
        sequence_length (`int`):
            The number of tokens, padding included.
        head (`str`, *optional*):
            One of `HEADS`. Defaults to the bare model with its pooler. A multiple-choice head is counted for one choice.
        num_predictions (`int`, *optional*, defaults to `sequence_length`):
            With the masked-LM head: how many positions go through it. About 15 % of a sequence where only labelled
            positions are predicted.

    Returns:
        `int`: the number of multiply-adds.

    Raises:
        ValueError: for an unknown head, an architecture that does not fit `config`, and lengths that cannot be.
    """
    operators, config = _check(config, architecture)
    base = _base_multiply_adds(config, sequence_length, head, num_predictions)
    return sum(operator_multiply_adds(operator, config, sequence_length) for operator in operators) + base


def parameter_table(
    config: SearchedBertBaseConfig, search_space: SearchSpace, head: str | None = None
) -> CostTable | SizedCostTable:
    """The costs whose totals are [`count_parameters`]; with a table for each hidden size, where there are several."""

    def table(config: SearchedBertBaseConfig) -> CostTable:
        base = _base_parameters(config, head)
        operators = search_space.operator_space
        return CostTable.from_function(operators, lambda operator: operator_parameters(operator, config), base)

    return _for_each_size(table, config, search_space)


def multiply_add_table(
    config: SearchedBertBaseConfig,
    search_space: SearchSpace,
    sequence_length: int,
    head: str | None = None,
    num_predictions: int | None = None,
) -> CostTable | SizedCostTable:
    """The costs whose totals are [`count_multiply_adds`]; with a table for each hidden size, where there are several."""

    def table(config: SearchedBertBaseConfig) -> CostTable:
        base = _base_multiply_adds(config, sequence_length, head, num_predictions)
        operators = search_space.operator_space
        return CostTable.from_function(
            operators, lambda operator: operator_multiply_adds(operator, config, sequence_length), base
        )

    return _for_each_size(table, config, search_space)


def _for_each_size(
    table: Callable[[SearchedBertBaseConfig], CostTable], config: SearchedBertBaseConfig, search_space: SearchSpace
) -> CostTable | SizedCostTable:
    if not search_space.hidden_sizes:
        return table(config)
    return SizedCostTable.from_function(search_space, lambda size: table(config.at_hidden_size(size)))


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _check(
    config: SearchedBertBaseConfig, architecture: Architecture | str
) -> tuple[Architecture, SearchedBertBaseConfig]:
    """The architecture, and the sizes around its operators."""
    if not isinstance(architecture, Architecture):
        architecture = Architecture.from_string(architecture)
    if getattr(config, "hidden_sizes", None):
        config = config.at_hidden_size(architecture.hidden_size)
    elif architecture.hidden_size not in (None, config.hidden_size):
        raise ValueError(f"'{architecture}' has another hidden size than the configuration ({config.hidden_size}).")
    for operator in set(architecture):
        config.check_operator(operator)
    return architecture, config


def _check_head(head: str | None) -> None:
    if head is not None and head not in HEADS:
        raise ValueError(f"`head` must be None or one of {', '.join(HEADS)}; got {head!r}.")


def _base_parameters(config: SearchedBertBaseConfig, head: str | None) -> int:
    """What all children have: embeddings, pooler and head."""
    _check_head(head)
    hidden, size = config.hidden_size, config.embedding_size
    embeddings = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    total = embeddings * size + 2 * size
    if size != hidden:
        total += _linear(size, hidden)
    if head in _POOLED_HEADS:
        total += _linear(hidden, hidden)
    if head == "masked-lm":
        total += _linear(hidden, size) + 2 * size + config.vocab_size
        if not config.tie_word_embeddings:
            total += _linear(size, config.vocab_size)
    elif head is not None:
        total += _linear(hidden, _num_outputs(config, head))
    return total


def _base_multiply_adds(
    config: SearchedBertBaseConfig, sequence_length: int, head: str | None, num_predictions: int | None
) -> int:
    _check_head(head)
    if not 1 <= sequence_length <= config.max_position_embeddings:
        raise ValueError(
            f"`sequence_length` must lie in 1 to `max_position_embeddings` {config.max_position_embeddings},"
            f" got {sequence_length}."
        )
    if num_predictions is not None and (head != "masked-lm" or not 0 <= num_predictions <= sequence_length):
        raise ValueError(
            f"`num_predictions` goes with the head 'masked-lm' and lies in 0 to `sequence_length` {sequence_length};"
            f" got {num_predictions} with the head {head!r}."
        )
    hidden, size = config.hidden_size, config.embedding_size
    total = 0 if size == hidden else sequence_length * size * hidden
    if head in _POOLED_HEADS:
        total += hidden * hidden
    if head == "masked-lm":
        predictions = sequence_length if num_predictions is None else num_predictions
        total += predictions * (hidden * size + size * config.vocab_size)
    elif head is not None:
        positions = 1 if head in _POOLED_HEADS else sequence_length
        total += positions * hidden * _num_outputs(config, head)
    return total


def _num_outputs(config: SearchedBertBaseConfig, head: str) -> int:
    return {"question-answering": 2, "multiple-choice": 1}.get(head, config.num_labels)


__all__ = [
    "HEADS",
    "count_multiply_adds",
    "count_parameters",
    "multiply_add_table",
    "operator_multiply_adds",
    "operator_parameters",
    "parameter_table",
]
