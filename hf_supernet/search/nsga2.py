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
"""NSGA2Search: pymoo's NSGA-II on architectures."""

from typing import Any

from pymoo.algorithms.moo.nsga2 import NSGA2

from .genetic import GeneticSearch


class NSGA2Search(GeneticSearch):
    r"""
    Evolves a population of architectures toward the Pareto front of several objectives, by pymoo's NSGA-II.

    Based on [A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II](https://doi.org/10.1109/4235.996017): the
    fronts that survive first, and within the last one the children with the most room around them. Constraints are not
    left to the selection, as there: a child that misses one is repaired before it is evaluated.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of survivors, and of architectures evaluated in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What spans the front.
        crossover_probability (`float`, *optional*, defaults to 0.5):
            How often a child has two parents.
        mutation_probability (`float`, *optional*, defaults to 0.1, and with families to 0.03):
            The mean number of changes that a mutation makes, as a share of the layers; without families it makes one at
            least.
        family_size (`int`, *optional*, defaults to 1):
            How many children of a generation begin alike, so that evaluating it takes fewer operator calls; 1: they do
            so only by chance.
        shared_layers (`float`, *optional*, defaults to 0.8):
            How many leading layers a family has in common, as a share of the layers.

    Example:

    ```python
    >>> objectives = [dev_loss(Evaluator(model, batches)), ParameterCost(model.config)]
    >>> result = run_search(NSGA2Search(model.search_space, objectives=objectives), objectives, generations=20)
    >>> result.pareto_front()
    ```
    """

    name = "nsga2"

    def _make_algorithm(self, **options: Any) -> NSGA2:
        return NSGA2(**options)


__all__ = ["NSGA2Search"]
