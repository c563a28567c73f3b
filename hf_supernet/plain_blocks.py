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
"""Plain BERTs as blocks: which shapes candidates allow, and which blocks of a shape there can be."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .architecture import Architecture
from .models.searched_bert.configuration_searched_bert import Operator
from .path_counting import IDENTITY, Candidates, minimum_depth
from .plain_bert import has_full_heads
from .search_space import SearchSpace


class PlainBertShape(NamedTuple):
    """What all blocks of a plain BERT have in common."""

    hidden_size: int | None
    attention: Operator
    feed_forward: Operator

    def distance(self, other: "PlainBertShape") -> int:
        """In how many of width (the hidden size with its heads) and feed-forward size two shapes differ."""
        return (self[:2] != other[:2]) + (self.feed_forward != other.feed_forward)


def plain_shapes(
    candidates: Candidates, sizes: Sequence[int | None], hidden_size: int, attention_head_size: int | None
) -> Iterator[PlainBertShape]:
    """
    The shapes that candidates allow.

    Args:
        candidates (`Sequence[Sequence[Operator]]`):
            Of each layer.
        sizes (`Sequence[int | None]`):
            The hidden sizes; `None` where that is not searched.
        hidden_size (`int`):
            The hidden size then.
        attention_head_size (`int`, *optional*):
            The size of one head; `None` where heads split the hidden size.

    Yields:
        [`PlainBertShape`]: each once.
    """
    attentions = dict.fromkeys(item for row in candidates[::2] for item in row if item.kind == "attention")
    feed_forwards = dict.fromkeys(item for row in candidates[1::2] for item in row if item.kind == "feed_forward")
    for size in sizes:
        for attention in attentions:
            if has_full_heads(attention, size or hidden_size, attention_head_size):
                yield from (PlainBertShape(size, attention, feed_forward) for feed_forward in feed_forwards)


def block_spaces(candidates: Candidates, identity_placement: str, shape: PlainBertShape) -> Iterator[SearchSpace]:
    """
    The choices of blocks with a shape, at least one of them there, as search spaces with a layer for each block: the
    attention stands for a block that is there, the identity for one that is not. So all that spaces can do (count, draw,
    keep bounds) is done with blocks too. Each space has the paths whose first block is a certain one.
    """
    rows = []
    for one, two in zip(candidates[::2], candidates[1::2], strict=False):
        whole = [shape.attention] if shape.attention in one and shape.feed_forward in two else []
        rows.append(whole + ([IDENTITY] if IDENTITY in one and IDENTITY in two else []))
    if not all(rows) or (len(candidates) % 2 and IDENTITY not in candidates[-1]):
        return
    ends = identity_placement == "end"
    for first in range(1 if ends else len(rows)):
        behind = rows[first + 1 :]
        if ends and any(row == [IDENTITY] for row in behind[: minimum_depth(behind)]):
            return
        if shape.attention in rows[first]:
            yield SearchSpace([[IDENTITY]] * first + [[shape.attention]] + behind, identity_placement)
        if IDENTITY not in rows[first]:
            return


def half_block(architecture: Architecture) -> str | None:
    """What is wrong with where the identities of an architecture are, if anything: a block is there whole or not at all."""
    for layer in range(0, len(architecture) - 1, 2):
        pair = architecture[layer : layer + 2]
        if pair.count(IDENTITY) == 1:
            missing = pair.index(IDENTITY)
            return (
                f"layer {layer + missing} is `identity`, but layer {layer + 1 - missing} is `{pair[1 - missing]}`; a block"
                " is left out whole"
            )
    if len(architecture) % 2 and architecture[-1] != IDENTITY:
        return f"layer {len(architecture) - 1} is `{architecture[-1]}`, with no layer behind it to complete the block"
    return None


__all__ = ["PlainBertShape", "block_spaces", "half_block", "plain_shapes"]
