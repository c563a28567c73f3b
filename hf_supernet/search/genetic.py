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
"""GeneticSearch: what the strategies have in common that are pymoo's genetic algorithms on architectures."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.core.termination import NoTermination

from ..architecture import Architecture
from ..search_space import SearchSpace
from .constraints import Constraint
from .families import FamilyMutation
from .objectives import LOSS, Objective
from .strategy import SearchStrategy
from .variation import (
    ArchitectureProblem,
    FeasibleRepair,
    FeasibleSampling,
    LayerCrossover,
    StepwiseMutation,
    UnseenOnly,
)


_FAILED = 1e300
"""Stands for each objective of a child that failed. Finite, so that differences are; beaten by every other child, so that
those that failed are the last front by themselves."""

_MUTATION, _MUTATION_OF_FAMILIES = 0.1, 0.03
"""A member of a family changes by its beginning already."""


class GeneticSearch(SearchStrategy):
    """
    Evolves a population by an algorithm of pymoo's: children of two parents, layer by layer, mutated, and repaired where
    they miss a constraint.

    Args:
        search_space ([`SearchSpace`]):
            Where to search; this and the next four as for [`SearchStrategy`].
        crossover_probability (`float`, *optional*, defaults to 0.5):
            How often a child has two parents.
        mutation_probability (`float`, *optional*, defaults to 0.1, and with families to 0.03):
            The mean number of changes that a mutation makes, as a share of the layers; without families it makes one at
            least.
        family_size (`int`, *optional*, defaults to 1):
            How many children of a generation begin alike, from the second generation on, so that evaluating it takes
            fewer operator calls; see [`share_beginnings`]. 1: they begin alike only by chance.
        shared_layers (`float`, *optional*, defaults to 0.8):
            How many leading layers a family has in common, as a share of the layers.
    """

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
        crossover_probability: float = 0.5,
        mutation_probability: float | None = None,
        family_size: int = 1,
        shared_layers: float = 0.8,
    ):
        if mutation_probability is None:
            mutation_probability = _MUTATION if family_size == 1 else _MUTATION_OF_FAMILIES
        for name, value in (
            ("crossover_probability", crossover_probability),
            ("mutation_probability", mutation_probability),
            ("shared_layers", shared_layers),
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must lie in 0 to 1, got {value}.")
        if family_size < 1:
            raise ValueError(f"`family_size` must be at least 1, got {family_size}.")
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self.crossover_probability = crossover_probability
        self.mutation_probability = mutation_probability
        self.family_size = family_size
        self.shared_layers = shared_layers
        self._problem = ArchitectureProblem(self.feasible, len(self.objectives))
        self._unseen = UnseenOnly()
        self._algorithm = self._make_algorithm(
            pop_size=population_size,
            sampling=FeasibleSampling(),
            crossover=LayerCrossover(prob=crossover_probability),
            eliminate_duplicates=self._unseen,
            **self._variation(),
        )
        self._algorithm.setup(self._problem, termination=NoTermination(), seed=seed, verbose=False)
        self._proposed = None

    def _variation(self) -> dict[str, Any]:
        """How children change before they are proposed."""
        if self.family_size == 1:
            return {"mutation": StepwiseMutation(self.mutation_probability), "repair": FeasibleRepair()}
        num_layers = round(self.shared_layers * len(self.search_space))
        return {
            "mutation": FamilyMutation(self.mutation_probability, self.family_size, num_layers),
            "repair": FeasibleRepair(num_layers),
        }

    @abstractmethod
    def _make_algorithm(self, **options: Any) -> GeneticAlgorithm:
        """The algorithm, with these parts."""

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {
            "crossover_probability": self.crossover_probability,
            "mutation_probability": self.mutation_probability,
            "family_size": self.family_size,
            "shared_layers": self.shared_layers,
        }

    def propose(self) -> list[Architecture]:
        self._proposed = self._algorithm.ask()
        if self._proposed is None:  # mating finds nothing new any more
            return []
        rows = self._proposed.get("X")
        self._unseen.add(rows)
        return self._problem.decode(rows)

    def learn(self, architectures: list[Architecture], values: np.ndarray) -> None:
        if self._proposed is not None:
            self._proposed.set("F", np.nan_to_num(values, nan=_FAILED))
            self._algorithm.tell(infills=self._proposed)


__all__ = ["GeneticSearch"]
