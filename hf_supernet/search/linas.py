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
"""LINASSearch: NSGA-II on predictors, whose population is measured, from which the predictors learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..search_space import SearchSpace
from .constraints import Constraint
from .objectives import LOSS, Objective
from .surrogate import SurrogateSearch
from .vectorised_nsga2 import best_first, evolve


class LINASSearch(SurrogateSearch):
    r"""
    Measures a population, fits a predictor of each objective on all that was measured, runs NSGA-II on the predictors
    alone, and measures the best that this found next.

    Based on [A Hardware-Aware System for Accelerating Deep Neural Network
    Optimization](https://huggingface.co/papers/2202.12954), its lightweight iterative search (LINAS). We differ in four
    points: predictors are chosen among three by cross-validated rank correlation, anew for each objective in each
    generation; what is free is computed, not predicted; NSGA-II on the predictors begins with the best children
    measured; and what it saw and was never measured takes the places of what was.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures measured in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What spans the front.
        inner_population_size (`int`, *optional*, defaults to 200):
            The population of NSGA-II on the predictors.
        inner_generations (`int`, *optional*, defaults to 50):
            For how many generations it runs, in each generation of the search.

    Raises:
        ValueError: where constraints contradict each other, and for sizes below 1.
    """

    name = "linas"

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
        inner_population_size: int = 200,
        inner_generations: int = 50,
    ):
        for name, value in (
            ("inner_population_size", inner_population_size),
            ("inner_generations", inner_generations),
        ):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self.inner_population_size = inner_population_size
        self.inner_generations = inner_generations

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {
            "inner_population_size": self.inner_population_size,
            "inner_generations": self.inner_generations,
        }

    def candidates(self) -> np.ndarray:
        start = self.best_measured(self.inner_population_size)
        rows, values, violations = evolve(
            self.encoding, self.predict, start, self.generator, self.inner_population_size, self.inner_generations
        )
        is_new = ~self.is_measured(rows)
        rows, values, violations = rows[is_new], values[is_new], violations[is_new]
        return rows[best_first(values, violations, self.population_size)]


__all__ = ["LINASSearch"]
