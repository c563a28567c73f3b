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
"""ShrinkingSearch: a pool of children in bins of size and latency, of which each bin drops the worse half again and again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..search_space import SearchSpace
from .constraints import Constraint
from .cost_models import AdditiveCost
from .objectives import LOSS, Objective
from .surrogate import SurrogateSearch
from .vectorised_nsga2 import best_first


class ShrinkingSearch(SurrogateSearch):
    r"""
    Keeps a pool of children in bins of their costs. In each generation the most promising of each bin are measured, and
    each bin drops the worse half of its children; when a bin has few left, children of those take the places of what is
    dropped. So that the search, whatever is best overall, knows good children of every size.

    Based on the progressive shrinking of [NAS-BERT](https://huggingface.co/papers/2105.14444), which drops children, not
    operators, for these differ in size too. We differ where the paper measures every child of a bin on a few batches,
    while it trains the supernet: here the weights are fixed, and what was not measured is judged by a predictor that
    learns from what was. What follows when a bin has shrunk is ours.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures measured in a generation, over all bins.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What the search is for.
        bin_costs (`Sequence[AdditiveCost]`, *optional*):
            The costs that span the bins, such as a [`ParameterCost`] and a [`LatencyCost`]. Without any, there is one
            bin.
        bins_per_cost (`int`, *optional*, defaults to 3):
            In how many bins the range of each of them is split, so that as many children of the pool are in each.
        pool_size (`int`, *optional*, defaults to 2048):
            The number of children at the start.

    Raises:
        ValueError: where constraints contradict each other, and for numbers below 1.
    """

    name = "shrinking"

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
        bin_costs: Sequence[AdditiveCost] = (),
        bins_per_cost: int = 3,
        pool_size: int = 2048,
    ):
        for name, value in (("bins_per_cost", bins_per_cost), ("pool_size", pool_size)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self.bin_costs = tuple(bin_costs)
        self.bins_per_cost = bins_per_cost
        self.pool_size = pool_size
        drawn = [self.feasible.sample(self._draws) for _ in range(pool_size)]
        self._pool = np.unique(self.encoding.encode(drawn), axis=0)
        shares = np.arange(1, bins_per_cost) / bins_per_cost
        self._edges = [np.quantile(self.encoding.costs(self._pool, cost), shares) for cost in self.bin_costs]

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {
            "bin_costs": [cost.name for cost in self.bin_costs],
            "bins_per_cost": self.bins_per_cost,
            "pool_size": self.pool_size,
        }

    def bins(self, rows: np.ndarray) -> np.ndarray:
        """The number of the bin of each row."""
        numbers = np.zeros(len(rows), dtype=np.int64)
        for cost, edges in zip(self.bin_costs, self._edges, strict=True):
            numbers = numbers * self.bins_per_cost + np.searchsorted(edges, self.encoding.costs(rows, cost), "right")
        return numbers

    def first_rows(self) -> np.ndarray:
        shuffled = self._pool[self.generator.permutation(len(self._pool))]
        return _in_turn(shuffled, self.bins(shuffled))

    def candidates(self) -> np.ndarray:
        self._shrink()
        is_new = ~self.is_measured(self._pool)
        rows = self._pool[is_new]
        if not len(rows):
            return rows
        order = best_first(self.predict(rows), np.zeros(len(rows)), len(rows))
        return _in_turn(rows[order], self.bins(rows[order]))

    def _shrink(self) -> None:
        """Each bin drops the worse half; one with fewer left than it is to measure gets children of those."""
        values, bins = self._known_or_predicted(self._pool), self.bins(self._pool)
        numbers = np.unique(bins)
        least = 4 * max(1, self.population_size // len(numbers))
        kept = []
        for number in numbers:
            here = np.flatnonzero(bins == number)
            count = max(len(here) // 2, least)
            order = best_first(values[here], np.zeros(len(here)), count)
            rows = self._pool[here][order]
            kept.append(rows if len(here) // 2 >= least else self._with_children(rows, number))
        self._pool = np.unique(np.concatenate(kept), axis=0)

    def _with_children(self, rows: np.ndarray, number: int) -> np.ndarray:
        """These rows and as many children of theirs in the same bin as there are among four times their number."""
        pairs = self.generator.integers(len(rows), size=(2, 4 * len(rows)))
        children = self.encoding.cross(rows[pairs[0]], rows[pairs[1]], self.generator)
        children = self.encoding.mutate(children, 1 / len(self.search_space), self.generator)
        is_fit = (self.bins(children) == number) & (self.encoding.violations(children) == 0)
        return np.concatenate([rows, children[is_fit]])

    def _known_or_predicted(self, rows: np.ndarray) -> np.ndarray:
        values = self.predict(rows)
        found = {row.tobytes(): value for row, value in zip(self.measured, self.values, strict=True)}
        worst = values.max(axis=0)
        for index, row in enumerate(rows):
            known = found.get(row.tobytes())
            if known is not None:
                values[index] = np.where(np.isnan(known), worst, known)
        return values


def _in_turn(rows: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Rows that stand in some order, one of each bin at a time."""
    turns = np.zeros(len(rows), dtype=np.int64)
    for number in np.unique(bins):
        here = bins == number
        turns[here] = np.arange(here.sum())
    return rows[np.argsort(turns, kind="stable")]


__all__ = ["ShrinkingSearch"]
