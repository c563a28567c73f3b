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
"""EvolutionarySearch: pymoo's genetic algorithm on architectures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.termination import NoTermination

from ..architecture import Architecture
from ..search_space import SearchSpace
from .objectives import Constraint
from .strategy import SearchStrategy
from .variation import (
    ArchitectureProblem,
    FeasibleRepair,
    FeasibleSampling,
    LayerCrossover,
    StepwiseMutation,
    UnseenOnly,
)


class EvolutionarySearch(SearchStrategy):
    r"""
    Evolves a population of architectures toward the least loss, by pymoo's genetic algorithm.

    Based on the search of [Single Path One-Shot Neural Architecture Search with Uniform
    Sampling](https://huggingface.co/papers/1904.00420): a random population; the better ones are crossed layer by layer
    and mutated; nothing outside the constraints is evaluated. We differ in three points: parents are chosen by binary
    tournament among the best `population_size` seen so far, each child is crossed and then mutated, and one that misses
    a constraint is repaired, where the paper throws it away.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of survivors, and of architectures evaluated in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        crossover_probability (`float`, *optional*, defaults to 0.5):
            How often a child has two parents.
        mutation_probability (`float`, *optional*, defaults to 0.1):
            The mean number of changes that a mutation makes, as a share of the layers; it makes one at least.

    Raises:
        ValueError: where constraints contradict each other, and for arguments out of range.

    Example:

    ```python
    >>> constraint = Constraint(ParameterCost(model.config), maximum=5_000_000)
    >>> search = EvolutionarySearch(model.search_space, [constraint], population_size=20)
    >>> result = run_search(search, Evaluator(model, batches), costs=[constraint.cost], generations=10)
    >>> child = model.extract_child(result.best()["architecture"])
    ```
    """

    name = "evolutionary"

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        crossover_probability: float = 0.5,
        mutation_probability: float = 0.1,
    ):
        for name, value in (("crossover", crossover_probability), ("mutation", mutation_probability)):
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}_probability` must lie in 0 to 1, got {value}.")
        super().__init__(search_space, constraints, population_size, seed)
        self.crossover_probability = crossover_probability
        self.mutation_probability = mutation_probability
        self._problem = ArchitectureProblem(self.feasible)
        self._unseen = UnseenOnly()
        self._algorithm = GA(
            pop_size=population_size,
            sampling=FeasibleSampling(),
            crossover=LayerCrossover(prob=crossover_probability),
            mutation=StepwiseMutation(mutation_probability),
            repair=FeasibleRepair(),
            eliminate_duplicates=self._unseen,
        )
        self._algorithm.setup(self._problem, termination=NoTermination(), seed=seed, verbose=False)
        self._proposed = None

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {
            "crossover_probability": self.crossover_probability,
            "mutation_probability": self.mutation_probability,
        }

    def ask(self) -> list[Architecture]:
        self._proposed = self._algorithm.ask()
        if self._proposed is None:  # mating finds nothing new any more
            return []
        rows = self._proposed.get("X")
        self._unseen.add(rows)
        return self._problem.decode(rows)

    def tell(self, losses: Mapping[Architecture, float]) -> None:
        values = np.array([[losses[item]] for item in self._problem.decode(self._proposed.get("X"))])
        # A child whose loss is not a number loses against every other.
        self._proposed.set("F", np.nan_to_num(values, nan=np.inf, posinf=np.inf))
        self._algorithm.tell(infills=self._proposed)


__all__ = ["EvolutionarySearch"]
