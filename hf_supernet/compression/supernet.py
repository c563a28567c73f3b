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
"""The supernet of a compression: a BERT with its narrower and shallower children, the parts that matter in front."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification

from ..models.supernet_bert import (
    SupernetBertConfig,
    SupernetBertForSequenceClassification,
    order_slices,
)
from ..models.supernet_bert.from_bert import bert_supernet_config
from .choice_arguments import SpaceArguments


_SHARES = (1, 3 / 4, 1 / 2, 1 / 4)


def supernet_options(bert: BertConfig, args: SpaceArguments) -> dict[str, Any]:
    """
    The arguments of `from_bert` that make the children of `args`.

    Layer 2i is an attention of one of the numbers of heads, layer 2i + 1 a feed-forward of one of the sizes; but in `min_blocks`
    blocks ([`spread_blocks`]), each may be an identity as well.

    Args:
        bert ([`~transformers.BertConfig`]):
            The checkpoint's sizes.
        args ([`SpaceArguments`]):
            The children.

    Returns:
        `dict[str, Any]`: `candidate_operators`, `hidden_sizes` (`None` where there is one), and so on.

    Raises:
        ValueError: for sizes that are larger than the checkpoint's, hidden sizes of a plain BERT that are no multiple of the size
            of a head, and more `min_blocks` than there are.
    """
    head_size = bert.hidden_size // bert.num_attention_heads
    sizes = _with_own("hidden_sizes", args.hidden_sizes or [], bert.hidden_size)
    units = _with_own(
        "feed_forward_sizes", args.feed_forward_sizes or _shares_of(bert.intermediate_size), bert.intermediate_size
    )
    if args.space == "plain":
        if wrong := [size for size in sizes if size % head_size]:
            raise ValueError(
                f"`hidden_sizes` has {wrong[0]}, which is no multiple of the {head_size} of one head, as it has to be in a plain"
                " BERT: choose a multiple, or `space='free'`."
            )
        heads = [size // head_size for size in sizes]
    else:
        own = bert.num_attention_heads
        heads = _with_own("head_counts", args.head_counts or _shares_of(own), own)
    blocks = bert.num_hidden_layers
    number = args.min_blocks if args.min_blocks is not None else -(-blocks // 2)
    if number > blocks:
        raise ValueError(f"`min_blocks` is {number}, and the checkpoint has {blocks} blocks: lower it.")
    kept = spread_blocks(number, blocks)
    block = [[f"attention-{number}" for number in heads], [f"feed_forward-{size}" for size in units]]
    return {
        "candidate_operators": [
            row if index in kept else [*row, "identity"] for index in range(blocks) for row in block
        ],
        "identity_placement": "anywhere",
        "weight_sharing": "sliced",
        "kernel_transform": False,
        "hidden_sizes": sizes if len(sizes) > 1 else None,
        "plain_children": args.space == "plain",
    }


def spread_blocks(number: int, blocks: int) -> list[int]:
    """
    Blocks at equal distances, the first and the last among them; of one alone, the last.

    (Our choice. A BERT that knows a task reads the class off its first token, where the last blocks collect it: children without
    them would have to learn that anew. Blocks in the middle are missed less, as in [Reducing Transformer Depth on Demand with
    Structured Dropout](https://huggingface.co/papers/1909.11556), where every other layer is left out.)

    Args:
        number (`int`):
            How many, at least 1.
        blocks (`int`):
            All there are.

    Returns:
        `list[int]`: indices, ascending.
    """
    if number == 1:
        return [blocks - 1]
    return [(2 * index * (blocks - 1) + number - 1) // (2 * (number - 1)) for index in range(number)]


def _shares_of(size: int) -> list[int]:
    return list(dict.fromkeys(max(1, round(share * size)) for share in _SHARES))


def _with_own(name: str, sizes: Sequence[int], own: int) -> list[int]:
    """The sizes with the checkpoint's, the largest first."""
    if sizes and max(sizes) > own:
        raise ValueError(
            f"`{name}` has {max(sizes)}, and the checkpoint {own}: children are parts of it. Leave it out."
        )
    return sorted({*sizes, own}, reverse=True)


def supernet_config(bert: BertConfig, options: Mapping[str, Any]) -> SupernetBertConfig:
    """The configuration of the supernet, without its weights; `options` are those of [`supernet_options`]."""
    choices = dict(options)
    return bert_supernet_config(bert, choices.pop("candidate_operators"), choices)


def make_supernet(
    reference: BertForSequenceClassification,
    options: Mapping[str, Any],
    importance: str = "magnitude",
    batches: Iterable[Mapping[str, torch.Tensor]] = (),
) -> SupernetBertForSequenceClassification:
    """
    A supernet that starts from a classifier: its largest child is that classifier.

    Args:
        reference ([`~transformers.BertForSequenceClassification`]):
            The classifier.
        options (`dict[str, Any]`):
            From [`supernet_options`].
        importance (`str`, *optional*, defaults to `"magnitude"`):
            What orders heads and feed-forward units, where there are several sizes of them: `"magnitude"` or `"gradient"`. The
            elements of the hidden states, where there are several hidden sizes, go by magnitude.
        batches (`Iterable[Mapping[str, torch.Tensor]]`, *optional*):
            With labels, for `"gradient"`.

    Returns:
        [`SupernetBertForSequenceClassification`]: in evaluation mode.
    """
    supernet = SupernetBertForSequenceClassification.from_bert(reference, **options).eval()
    order_slices(supernet, importance, batches)
    return supernet


__all__ = ["make_supernet", "spread_blocks", "supernet_config", "supernet_options"]
