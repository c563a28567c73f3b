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
"""Costs and constrained sampling where the hidden size is searched too: one table, and one count, for each size."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .architecture import Architecture
from .constrained_sampling import ConstrainedSampler, CostTable, OutOfReachError, check_limits
from .union_sampling import UnionSampler


if TYPE_CHECKING:
    from .search_space import SearchSpace


@dataclass(frozen=True)
class SizedCostTable:
    """
    What architectures cost in a search space with several hidden sizes: a [`CostTable`] for each of them.

    Args:
        tables (`tuple[CostTable, ...]`):
            In the order of the space's `hidden_sizes`.

    Example:

    ```python
    >>> from hf_supernet.search_space import SearchSpace, SizedCostTable

    >>> space = SearchSpace([["attention-2", "feed_forward-64"]] * 4, hidden_sizes=[32, 48])
    >>> depth = SizedCostTable.from_function(space, lambda size: CostTable(((size, 2 * size),) * 4))
    >>> space.cost("H48:A2-A2-F64-A2", depth)
    240
    ```
    """

    tables: tuple[CostTable, ...]

    @classmethod
    def from_function(cls, search_space: "SearchSpace", table: Callable[[int], CostTable]) -> "SizedCostTable":
        """The tables that `table` makes of each hidden size."""
        return cls(tuple(table(size) for size in search_space.hidden_sizes))

    def check(self, search_space: "SearchSpace") -> None:
        """Raises a `ValueError` where the tables are not one for each hidden size of `search_space`."""
        if len(self.tables) != len(search_space.hidden_sizes):
            raise ValueError(
                f"There are costs for {len(self.tables)} hidden sizes, but the search space has"
                f" {len(search_space.hidden_sizes)}."
            )
        for table in self.tables:
            table.check(search_space.operator_space)

    def by_size(self, search_space: "SearchSpace") -> dict[int, CostTable]:
        """The table of each hidden size."""
        self.check(search_space)
        return dict(zip(search_space.hidden_sizes, self.tables, strict=True))


class SizedConstrainedSampler(UnionSampler):
    """
    Draws uniformly from the architectures of all hidden sizes whose total cost lies within bounds.

    Every hidden size has its own [`ConstrainedSampler`]; a number among all that they count says which of them draws.

    Build it by [`SearchSpace.within`].

    Args:
        search_space ([`SearchSpace`]):
            A space with several hidden sizes.
        cost_table ([`SizedCostTable`]):
            The costs at each of them.
        minimum, maximum (`int`, *optional*):
            The least and the greatest total cost permitted.

    Raises:
        ValueError: for a bound that is not finite, and where no architecture lies within the bounds; the message names
            what can be reached.
    """

    def __init__(
        self,
        search_space: "SearchSpace",
        cost_table: SizedCostTable,
        minimum: int | None = None,
        maximum: int | None = None,
    ):
        check_limits(minimum, maximum)
        self.search_space = search_space
        self.cost_table = cost_table
        parts, gaps = [], []
        for size, table in cost_table.by_size(search_space).items():
            try:
                sampler = ConstrainedSampler(search_space.operator_space, table, minimum, maximum)
            except OutOfReachError as error:
                gaps.append(f"with hidden size {size}: {error}")
                continue
            parts.append((sampler, functools.partial(_at_size, size)))
        super().__init__(parts, f"No architecture lies within the bounds. {' '.join(gaps)}")


def _at_size(size: int, architecture: Architecture) -> Architecture:
    return Architecture(architecture.operators, size)


@functools.lru_cache(maxsize=8)
def sized_constrained_sampler(
    search_space: "SearchSpace", cost_table: SizedCostTable, minimum: int | None, maximum: int | None
) -> SizedConstrainedSampler:
    """The [`SizedConstrainedSampler`] of these arguments; the last ones are kept, since a search asks for them again."""
    return SizedConstrainedSampler(search_space, cost_table, minimum, maximum)


__all__ = ["SizedConstrainedSampler", "SizedCostTable"]
