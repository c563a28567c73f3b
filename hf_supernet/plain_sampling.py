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
"""Drawing plain BERTs within bounds on their cost."""

import functools
from typing import TYPE_CHECKING

from .constrained_sampling import ConstrainedSampler, CostTable, OutOfReachError, check_limits
from .sized_costs import SizedCostTable
from .union_sampling import UnionSampler


if TYPE_CHECKING:
    from .plain_space import PlainBertSpace


class PlainBertSampler(UnionSampler):
    """
    Draws uniformly from the plain architectures whose total cost lies within bounds; see [`UnionSampler`].

    Build it by [`PlainBertSpace.within`].

    Args:
        search_space ([`PlainBertSpace`]):
            The space.
        cost_table ([`CostTable`] or [`SizedCostTable`]):
            The costs, as for a [`SearchSpace`] with the same candidates.
        minimum, maximum (`int`, *optional*):
            The least and the greatest total cost permitted.

    Raises:
        ValueError: for a bound that is not finite, and where no architecture lies within the bounds; the message names
            what can be reached.
    """

    def __init__(
        self,
        search_space: "PlainBertSpace",
        cost_table: CostTable | SizedCostTable,
        minimum: int | None = None,
        maximum: int | None = None,
    ):
        check_limits(minimum, maximum)
        self.search_space = search_space
        self.cost_table = cost_table
        parts = []
        for shape, blocks, table in search_space.block_tables(cost_table):
            try:
                sampler = ConstrainedSampler(blocks, table, minimum, maximum)
            except OutOfReachError:
                continue
            parts.append((sampler, functools.partial(search_space.whole, shape)))
        least, most = search_space.cheapest(cost_table), search_space.dearest(cost_table)
        super().__init__(
            parts,
            f"No plain architecture costs between {minimum} and {maximum}: this space reaches"
            f" {search_space.cost(least, cost_table)} ('{least}') to {search_space.cost(most, cost_table)} ('{most}').",
        )


@functools.lru_cache(maxsize=8)
def plain_bert_sampler(
    search_space: "PlainBertSpace",
    cost_table: CostTable | SizedCostTable,
    minimum: int | None,
    maximum: int | None,
) -> PlainBertSampler:
    """The [`PlainBertSampler`] of these arguments; the last ones are kept, since a search asks for them again."""
    return PlainBertSampler(search_space, cost_table, minimum, maximum)


__all__ = ["PlainBertSampler", "plain_bert_sampler"]
