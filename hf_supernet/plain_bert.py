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
"""What a plain BERT can say: which sequences of operators are those of a `BertConfig`."""

from collections.abc import Iterable

from .models.bert_weights import bert_sublayer
from .models.searched_bert.configuration_searched_bert import Operator
from .path_counting import IDENTITY


def operators_obstacle(
    operators: Iterable[Operator], hidden_size: int, attention_head_size: int | None = None
) -> str | None:
    """
    Why a sequence of operators is no plain BERT.

    Identities do not count: what is left has to be attention and feed-forward in turn, all attentions alike and all
    feed-forwards alike, with heads that split the hidden size.

    Args:
        operators (`Iterable[Operator]`):
            From the first layer to the last.
        hidden_size (`int`):
            The hidden size.
        attention_head_size (`int`, *optional*):
            The size of one head; `None` where heads split the hidden size.

    Returns:
        `str` or `None`: the first thing that a `BertConfig` has no words for, with its layer; `None` for a plain BERT.
    """
    kept = [(layer, operator) for layer, operator in enumerate(operators) if operator != IDENTITY]
    if not kept:
        return "every layer is an identity, which leaves no BERT block"
    first: dict[str, tuple[int, Operator]] = {}
    for position, (layer, operator) in enumerate(kept):
        _, kind = bert_sublayer(position)
        if operator.kind != kind:
            return f"layer {layer} is `{operator}`, where a BERT block has its {kind.replace('_', '-')}"
        first_layer, first_operator = first.setdefault(kind, (layer, operator))
        if operator != first_operator:
            return (
                f"layer {layer} is `{operator}` and layer {first_layer} is `{first_operator}`, which are alike in BERT"
            )
        if kind == "attention" and not has_full_heads(operator, hidden_size, attention_head_size):
            return (
                f"layer {layer} is `{operator}` with heads of size {attention_head_size or hidden_size // operator.size},"
                " whose product is"
                f" `hidden_size` ({hidden_size}) in BERT"
            )
    if len(kept) % 2:
        return f"layer {kept[-1][0]} is `{kept[-1][1]}` with no feed-forward behind it to complete the BERT block"
    return None


def has_full_heads(attention: Operator, hidden_size: int, attention_head_size: int | None = None) -> bool:
    """Whether the heads of an attention make up the hidden size, as they do in BERT."""
    if attention_head_size is None:
        return hidden_size % attention.size == 0
    return attention.size * attention_head_size == hidden_size


__all__ = ["has_full_heads", "operators_obstacle"]
