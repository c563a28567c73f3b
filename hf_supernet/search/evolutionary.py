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

from typing import Any

from pymoo.algorithms.soo.nonconvex.ga import GA

from .genetic import GeneticSearch


class EvolutionarySearch(GeneticSearch):
    r"""
    Evolves a population of architectures toward the best value of one objective, by pymoo's genetic algorithm.

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
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            One objective.
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

    Raises:
        ValueError: where constraints contradict each other, for several objectives, and for arguments out of range.

    Example:

    ```python
    >>> constraint = Constraint(ParameterCost(model.config), maximum=5_000_000)
    >>> search = EvolutionarySearch(model.search_space, [constraint], population_size=20)
    >>> result = run_search(search, [dev_loss(Evaluator(model, batches)), constraint.cost], generations=10)
    >>> child = model.extract_child(result.best()["architecture"])
    ```
    """

    name = "evolutionary"
    max_objectives = 1

    def _make_algorithm(self, **options: Any) -> GA:
        return GA(**options)


__all__ = ["EvolutionarySearch"]
