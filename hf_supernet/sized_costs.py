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
import itertools
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .architecture import Architecture
from .constrained_sampling import MAX_ATTEMPTS, ConstrainedSampler, CostTable, OutOfReachError, check_limits
from .path_counting import check_generator


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


class SizedConstrainedSampler:
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
        self._samplers: dict[int, ConstrainedSampler] = {}
        gaps = []
        for size, table in cost_table.by_size(search_space).items():
            try:
                self._samplers[size] = ConstrainedSampler(search_space.operator_space, table, minimum, maximum)
            except OutOfReachError as error:
                gaps.append(f"with hidden size {size}: {error}")
        if not self._samplers:
            raise OutOfReachError(f"No architecture lies within the bounds. {' '.join(gaps)}")
        self.minimum = min(sampler.minimum for sampler in self._samplers.values())
        self.maximum = max(sampler.maximum for sampler in self._samplers.values())
        self._ends = list(itertools.accumulate(sampler.num_numbers for sampler in self._samplers.values()))

    @property
    def is_exact(self) -> bool:
        """Whether no draw is ever rejected."""
        return all(sampler.is_exact for sampler in self._samplers.values())

    @property
    def num_paths(self) -> int | None:
        """The number of architectures within the bounds; `None` where costs had to be rounded."""
        return self._ends[-1] if self.is_exact else None

    def sample(self, generator: random.Random) -> Architecture:
        """
        Draws one architecture, uniformly over those within the bounds.

        Raises:
            RuntimeError: where rounded costs do not resolve bounds this narrow.
            TypeError: where `generator` is no `random.Random`.
        """
        check_generator(generator)
        for _ in range(MAX_ATTEMPTS):
            number = generator.randrange(self._ends[-1])
            index = bisect_right(self._ends, number)
            size, sampler = list(self._samplers.items())[index]
            drawn = sampler.numbered(number - (self._ends[index - 1] if index else 0))
            if drawn is not None:
                return Architecture(drawn.operators, size)
        raise RuntimeError(
            f"{MAX_ATTEMPTS} draws gave no architecture that costs {self.minimum} to {self.maximum}; widen the bounds."
        )


@functools.lru_cache(maxsize=8)
def sized_constrained_sampler(
    search_space: "SearchSpace", cost_table: SizedCostTable, minimum: int | None, maximum: int | None
) -> SizedConstrainedSampler:
    """The [`SizedConstrainedSampler`] of these arguments; the last ones are kept, since a search asks for them again."""
    return SizedConstrainedSampler(search_space, cost_table, minimum, maximum)


__all__ = ["SizedConstrainedSampler", "SizedCostTable"]
