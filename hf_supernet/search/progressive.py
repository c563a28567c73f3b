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
"""ProgressiveSearch: from simple children to complex ones, a surrogate choosing which of the next are measured."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..search_space import SearchSpace
from .constraints import Constraint
from .objectives import LOSS, Objective
from .surrogate import SurrogateSearch
from .vectorised_nsga2 import best_first


class ProgressiveSearch(SurrogateSearch):
    r"""
    Begins with children that differ in few layers from the simplest one. In each step the best that were measured are
    expanded, a layer at a time; a predictor, fitted on all that was measured, says which of the expansions are measured
    next.

    Based on [Progressive Neural Architecture Search](https://huggingface.co/papers/1712.00559), where complexity is the
    number of blocks of a cell. Here it is the number of layers that differ from the child with the fewest operators that
    keeps the constraints: so it is the depth, where layers may be identities. When any complexity is allowed, and where
    the paper ends, the search goes on from the best children of any complexity.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures measured in a generation, and of those expanded.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What the search is for.
        steps (`int`, *optional*, defaults to 6):
            The number of generations in which complexity grows to all layers.

    Raises:
        ValueError: where constraints contradict each other, and for steps below 1.
    """

    name = "progressive"

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
        steps: int = 6,
    ):
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {steps}.")
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self.steps = steps
        layers = search_space.operator_space
        depth = CostTable.from_function(layers, lambda operator: int(operator.kind != "identity"))
        size = min(search_space.hidden_sizes, default=None)
        simplest = self.feasible.repair(Architecture(layers.cheapest(depth).operators, size), self._draws)
        self._simplest = self.encoding.encode([simplest])
        self._step = 0

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"steps": self.steps}

    def complexity(self, rows: np.ndarray) -> np.ndarray:
        """The number of layers in which rows differ from the simplest child; a hidden size counts as one."""
        return (rows != self._simplest).sum(axis=1)

    def first_rows(self) -> np.ndarray:
        self._step = 1
        rows = self._simplest
        for _ in range(self._limit()):
            rows = np.unique(np.concatenate([rows, self._sample(self.encoding.neighbours(rows))]), axis=0)
            rows = rows[self.complexity(rows) <= self._limit()]
        return np.concatenate([self._simplest, self._sample(rows[self.encoding.violations(rows) == 0])])

    def candidates(self) -> np.ndarray:
        before = self._limit()
        self._step += 1
        beam = self.best_measured(self.population_size)
        found = beam[:0]
        # Two rounds at least: with one operator made larger and another smaller, a limit can be kept.
        for _ in range(max(2, self._limit() - before)):
            expanded = self.encoding.neighbours(beam)
            expanded = expanded[self.complexity(expanded) <= self._limit()]
            found = np.unique(np.concatenate([found, expanded]), axis=0)
            beam = self._best(expanded, self.population_size)
        return self._best(found[~self.is_measured(found)], self.population_size)

    def _limit(self) -> int:
        """The greatest complexity of this step."""
        return math.ceil(len(self.encoding.sizes) * min(self._step, self.steps) / self.steps)

    def _best(self, rows: np.ndarray, count: int) -> np.ndarray:
        if not len(rows):
            return rows
        return rows[best_first(self.predict(rows), self.encoding.violations(rows), count)]

    def _sample(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.generator.permutation(len(rows))[: self.population_size]]


__all__ = ["ProgressiveSearch"]
