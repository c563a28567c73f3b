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
"""PlainBertSpace: those architectures of a supernet that a plain `BertConfig` can say."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .architecture import Architecture
from .constrained_sampling import CostTable
from .models.searched_bert.configuration_searched_bert import Operator
from .path_counting import IDENTITY, check_generator
from .plain_bert import operators_obstacle
from .plain_blocks import PlainBertShape, block_spaces, half_block, plain_shapes
from .plain_sampling import PlainBertSampler, plain_bert_sampler
from .search_space import SearchSpace
from .sized_costs import SizedCostTable


if TYPE_CHECKING:
    from .models.supernet_bert.configuration_supernet_bert import SupernetBertConfig


_WALKS = 100
"""How often a mutation that changes several things is tried."""


class PlainBertSpace(SearchSpace):
    """
    The architectures of a supernet that a plain `BertConfig` can say: what is found is exported as transformers' own BERT.

    A `BertConfig` has four numbers, `hidden_size`, `num_attention_heads`, `intermediate_size` and `num_hidden_layers`, and
    heads that make up the hidden size. So an architecture is plain where

    - layers 2i and 2i + 1 are an attention and a feed-forward, or both identities: a block that is left out;
    - all attentions are alike, and all feed-forwards;
    - number of heads times size of a head is the hidden size. Without an `attention_head_size`, that holds for all
      attentions. With one, as sliced weights need it, each hidden size has one number of heads: with fewer heads of that
      size an attention would be narrower than the network, which a `BertConfig` has no words for. Heads are searched then
      only along with the hidden size;
    - there is at least one block.

    What is searched is, then: the depth (which blocks are left out, or how many of the last, by `identity_placement`), the
    one feed-forward size, and the hidden size or, without an `attention_head_size`, the number of heads. A layer that is
    left over at the end, where their number is odd, can only be an identity.

    It takes the place of a [`SearchSpace`] in samplers and searches that change architectures by what the space offers
    ([`~PlainBertSpace.sample`], [`~PlainBertSpace.mutate`], [`~PlainBertSpace.neighbours`]); choosing an operator in a
    layer independently of the others leads out of it. Costs, constrained draws and encodings are those of a space with
    the same candidates.

    Args:
        candidates (`Sequence[Sequence[Operator | str]]`):
            The candidate operators of each layer, as for [`SearchSpace`]; there may be others than plain ones.
        identity_placement (`str`, *optional*, defaults to `"anywhere"`):
            `"anywhere"` or `"end"`.
        hidden_sizes (`Sequence[int]`, *optional*):
            The hidden sizes of the whole network, where that is searched too.
        hidden_size (`int`):
            The hidden size where it is not searched.
        attention_head_size (`int`, *optional*):
            The size of one head; `None` where heads split the hidden size.

    Raises:
        ValueError: as for [`SearchSpace`], and where no architecture is a plain BERT.

    Example:

    ```python
    >>> from hf_supernet import PlainBertSpace

    >>> candidates = [["attention-4", "identity"], ["feed_forward-64", "feed_forward-32", "identity"]] * 3
    >>> space = PlainBertSpace(candidates, "end", hidden_size=32)
    >>> [str(architecture) for architecture in space][:3]
    ['A4-F64-A4-F64-A4-F64', 'A4-F64-A4-F64-I-I', 'A4-F64-I-I-I-I']
    >>> space.num_paths()
    6
    ```
    """

    combines_freely = False

    def __init__(
        self,
        candidates: Sequence[Sequence[Operator | str]],
        identity_placement: str = "anywhere",
        hidden_sizes: Sequence[int] | None = None,
        *,
        hidden_size: int,
        attention_head_size: int | None = None,
    ):
        super().__init__(candidates, identity_placement, hidden_sizes)
        self.hidden_size = hidden_size
        self.attention_head_size = attention_head_size
        shapes = plain_shapes(self.candidates, self._sizes, hidden_size, attention_head_size)
        self._parts = [
            (shape, blocks)
            for shape in shapes
            for blocks in block_spaces(self.candidates, self.identity_placement, shape)
        ]
        self._ends = list(itertools.accumulate(blocks.num_paths() for _, blocks in self._parts))
        if not self._parts:
            heads = "" if attention_head_size is None else f" of size {attention_head_size}"
            sizes = ", ".join(map(str, self.hidden_sizes or (hidden_size,)))
            raise ValueError(
                f"No architecture of this space is a plain BERT: that takes an attention in every even layer whose"
                f" heads{heads} make up the hidden size ({sizes}), the same feed-forward in every odd one, or identities in"
                " both where the block may be left out."
            )

    @classmethod
    def from_config(cls, config: "SupernetBertConfig") -> "PlainBertSpace":
        """
        The plain architectures of a supernet, whether or not its configuration has `plain_children`.

        Raises:
            ValueError: where none is, as with embeddings of another size than the hidden states.
        """
        if config.embedding_size != config.hidden_size:
            raise ValueError(
                f"`embedding_size` is {config.embedding_size} and `hidden_size` is {config.hidden_size}, which are one in"
                " BERT: no child is a plain one."
            )
        return cls(
            config.layer_candidates,
            config.identity_placement,
            config.hidden_sizes,
            hidden_size=config.hidden_size,
            attention_head_size=config.attention_head_size,
        )

    # What is in the space

    def check(self, architecture: Architecture | str) -> Architecture:
        """
        Returns the architecture, read from its compact form where it is a string, if it belongs to the space.

        Raises:
            ValueError: where it does not; the message names the layer and what a plain BERT has there.
        """
        architecture = super().check(architecture)
        reason = half_block(architecture) or operators_obstacle(
            architecture, architecture.hidden_size or self.hidden_size, self.attention_head_size
        )
        if reason is not None:
            raise ValueError(f"'{architecture}' is no plain BERT: {reason}.")
        return architecture

    def default_architecture(self) -> Architecture:
        """The first architecture at the largest hidden size that has one."""
        shape, blocks = max(self._parts, key=lambda part: part[0].hidden_size or 0)  # the first of the largest
        return self.whole(shape, next(iter(blocks)))

    def num_paths(self) -> int:
        """The number of plain paths, at all hidden sizes together."""
        return self._ends[-1]

    def networks(self) -> Iterator[Architecture]:
        """
        Yields one path of each distinct network, shape after shape. Blocks are alike, so that of each shape there is one for each
        depth; where several blocks may be left out, it is the path without the last of them.
        """
        seen = set()
        for shape, blocks in self._parts:
            must = [number for number, row in enumerate(blocks.candidates) if IDENTITY not in row]
            may = [number for number, row in enumerate(blocks.candidates) if IDENTITY in row and len(row) > 1]
            for count in range(len(may) + 1):
                there = {*must, *may[:count]}
                path = self._build(shape, tuple(number in there for number in range(len(blocks))))
                if (shape, len(there)) not in seen and path in self:
                    seen.add((shape, len(there)))
                    yield path

    def num_networks(self) -> int:
        """The number of distinct networks."""
        return sum(1 for _ in self.networks())

    # Changing

    def neighbours(self, architecture: Architecture | str) -> list[Architecture]:
        """
        All architectures of the space that differ from this one in one thing: whether one block is there, the
        feed-forward size, the number of heads, or the hidden size (and with it the number of heads).
        """
        shape, kept = self._read(self.check(architecture))
        toggled = [tuple(one != (number == index) for index, one in enumerate(kept)) for number in range(len(kept))]
        shapes = dict.fromkeys(shape for shape, _ in self._parts)
        others = [(shape, flags) for flags in toggled]
        others += [(other, kept) for other in shapes if shape.distance(other) == 1]
        return [found for found in itertools.starmap(self._build, others) if found in self]

    def mutate(self, architecture: Architecture | str, k: int, generator: random.Random) -> Architecture:
        """
        Draws an architecture that differs from the given one in exactly `k` things: the feed-forward size, the number of
        heads, or whether one block is there; its hidden size is the same.

        In `k` steps, each to one of the [`~PlainBertSpace.neighbours`], uniformly, in what did not change yet.

        Args:
            architecture (`Architecture` or `str`):
                The architecture to start from.
            k (`int`):
                The number of things to change.
            generator (`random.Random`):
                The source of the draws.

        Raises:
            TypeError: where `generator` is no `random.Random`.
            ValueError: where the architecture is not in the space, and where none was found that differs in `k` things.
        """
        check_generator(generator)
        start = self.check(architecture)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"`k`, the number of things to change, is a positive integer, got {k!r}.")
        for _ in range(_WALKS):
            found = start
            for step in range(1, k + 1):
                near = [other for other in self.neighbours(found) if other.hidden_size == start.hidden_size]
                near = [other for other in near if self._distance(start, other) == step]
                if not near:
                    break
                found = near[generator.randrange(len(near))]
            else:
                return found
        raise ValueError(
            f"No plain architecture was found that differs from '{start}' in exactly {k} of feed-forward size, number of"
            " heads and blocks."
        )

    @property
    def max_changes(self) -> int:
        """The most things that [`~PlainBertSpace.mutate`] may change at once; from a given architecture it may be fewer."""
        shapes = {size: {shape[1:] for shape, _ in self._parts if shape.hidden_size == size} for size in self._sizes}
        sizes = max(sum(len(set(choices)) > 1 for choices in zip(*found, strict=True)) for found in shapes.values())
        left_out = [
            {operator == IDENTITY for _, blocks in self._parts for operator in blocks.candidates[number]}
            for number in range(len(self) // 2)
        ]
        return sizes + sum(len(found) > 1 for found in left_out)

    # Costs

    def within(
        self, cost_table: CostTable | SizedCostTable, minimum: int | None = None, maximum: int | None = None
    ) -> PlainBertSampler:
        """A sampler that draws uniformly from the plain paths whose cost lies in `minimum` to `maximum`."""
        return plain_bert_sampler(self, cost_table, minimum, maximum)

    def block_tables(
        self, cost_table: CostTable | SizedCostTable
    ) -> Iterator[tuple[PlainBertShape, SearchSpace, CostTable]]:
        """
        The space in parts, for what is counted over them: of each part the shape, a space with a layer for each block,
        and what its two candidates cost.
        """
        tables = self._tables(cost_table)
        for shape, blocks in self._parts:
            table = tables[shape.hidden_size]
            costs = [
                {operator: table.costs[layer][index] for operator, index in self._index[layer].items()}
                for layer in range(len(self))
            ]
            rest = sum(costs[layer][IDENTITY] for layer in range(2 * len(blocks), len(self)))
            rows = []
            for number, row in enumerate(blocks.candidates):
                pairs = [shape[1:] if operator != IDENTITY else (IDENTITY, IDENTITY) for operator in row]
                rows.append(tuple(costs[2 * number][one] + costs[2 * number + 1][two] for one, two in pairs))
            yield shape, blocks, CostTable(tuple(rows), table.base + rest)

    def whole(self, shape: PlainBertShape, blocks: Architecture) -> Architecture:
        """The architecture of a shape with the blocks that are no identity in `blocks`."""
        return self._build(shape, tuple(operator != IDENTITY for operator in blocks))

    # Saving

    def to_dict(self) -> dict:
        """The space as a dictionary that JSON can hold; [`SearchSpace.from_dict`] reads it."""
        sizes = {"hidden_size": self.hidden_size, "attention_head_size": self.attention_head_size}
        return super().to_dict() | {"plain_bert": sizes}

    @classmethod
    def from_dict(cls, values: dict) -> "PlainBertSpace":
        """The space that [`PlainBertSpace.to_dict`] wrote."""
        return cls(**{name: value for name, value in values.items() if name != "plain_bert"}, **values["plain_bert"])

    def __eq__(self, other) -> bool:
        if not isinstance(other, PlainBertSpace):
            return False if isinstance(other, SearchSpace) else NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = SearchSpace.__hash__

    def __repr__(self) -> str:
        return super().__repr__().replace("SearchSpace", "PlainBertSpace", 1)

    # Behind the scenes

    def _read(self, architecture: Architecture) -> tuple[PlainBertShape, tuple[bool, ...]]:
        """The shape of an architecture of the space, and which blocks are there."""
        kept = tuple(operator != IDENTITY for operator in architecture[: len(self) // 2 * 2 : 2])
        first = 2 * kept.index(True)
        return PlainBertShape(architecture.hidden_size, *architecture[first : first + 2]), kept

    def _build(self, shape: PlainBertShape, kept: tuple[bool, ...]) -> Architecture:
        blocks = (shape[1:] if is_there else (IDENTITY, IDENTITY) for is_there in kept)
        operators = tuple(itertools.chain.from_iterable(blocks)) + (IDENTITY,) * (len(self) % 2)
        return Architecture(operators, shape.hidden_size)

    def _distance(self, one: Architecture, two: Architecture) -> int:
        """The number of things in which two architectures of the space differ."""
        (first, kept), (second, others) = self._read(one), self._read(two)
        return first.distance(second) + sum(here != there for here, there in zip(kept, others, strict=True))

    def _path(self, index: int) -> Architecture:
        number = bisect_right(self._ends, index)
        shape, blocks = self._parts[number]
        return self.whole(shape, blocks._path(index - (self._ends[number - 1] if number else 0)))

    def _extreme(self, cost_table: CostTable | SizedCostTable, sign: int) -> Architecture:
        found = (
            self.whole(shape, blocks._extreme(table, sign)) for shape, blocks, table in self.block_tables(cost_table)
        )
        return min(found, key=lambda architecture: sign * self.cost(architecture, cost_table))


__all__ = ["PlainBertSpace"]
