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
"""What pymoo's algorithms need to work on architectures: sampling, crossover, mutation, repair, no doubles."""

import random

import numpy as np
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling

from ..architecture import Architecture
from ..path_counting import IDENTITY
from ..search_space import SearchSpace
from .constraints import FeasibleSpace
from .encoding import PathEncoding, row_keys


_ATTEMPTS_PER_ARCHITECTURE = 20


class ArchitectureProblem(Problem):
    """
    A search space as pymoo sees it: an integer for each layer; see [`PathEncoding`].

    Args:
        feasible ([`FeasibleSpace`]):
            The space with its constraints.
        n_obj (`int`, *optional*, defaults to 1):
            The number of objectives.
    """

    def __init__(self, feasible: FeasibleSpace, n_obj: int = 1):
        self.feasible = feasible
        self.search_space = feasible.search_space
        self.encoding = PathEncoding(feasible)
        self.encode, self.decode = self.encoding.encode, self.encoding.decode
        upper = self.encoding.sizes - 1
        super().__init__(n_var=len(upper), n_obj=n_obj, xl=np.zeros_like(upper), xu=upper, vtype=int)


def generator_from(random_state: np.random.Generator) -> random.Random:
    """A generator of the kind that search spaces draw with, seeded by pymoo's."""
    return random.Random(int(random_state.integers(2**63)))


class FeasibleSampling(Sampling):
    """Distinct architectures within the constraints; fewer than asked for where there are not as many."""

    def _do(self, problem: ArchitectureProblem, n_samples: int, *args, random_state=None, **kwargs) -> np.ndarray:
        generator = generator_from(random_state)
        drawn: dict[Architecture, None] = {}
        for _ in range(n_samples * _ATTEMPTS_PER_ARCHITECTURE):
            drawn[problem.feasible.sample(generator)] = None
            if len(drawn) == n_samples:
                break
        return problem.encode(list(drawn))


def recombine(
    search_space: SearchSpace, one: Architecture, two: Architecture, generator: random.Random
) -> Architecture:
    """
    A child of two architectures: each layer from one of them, at random, and the hidden size, where that is searched.

    With identities only at the end, it has the depth of one of the two, and in front of that no identity.
    """
    size = generator.choice((one, two)).hidden_size if search_space.hidden_sizes else None
    if search_space.identity_placement == "anywhere":
        return Architecture(tuple(generator.choice(pair) for pair in zip(one, two, strict=True)), size)
    depth = sum(operator != IDENTITY for operator in generator.choice((one, two)))
    pairs = [[item for item in pair if item != IDENTITY] for pair in zip(one, two, strict=True)]
    operators = tuple(generator.choice(pair) for pair in pairs[:depth])
    return Architecture(operators + (IDENTITY,) * (len(one) - depth), size)


class LayerCrossover(Crossover):
    """[`recombine`] of two parents to one child."""

    def __init__(self, **kwargs):
        super().__init__(n_parents=2, n_offsprings=1, **kwargs)

    def _do(self, problem: ArchitectureProblem, X: np.ndarray, *args, random_state=None, **kwargs) -> np.ndarray:
        generator = generator_from(random_state)
        parents = zip(problem.decode(X[0]), problem.decode(X[1]), strict=True)
        children = [recombine(problem.search_space, one, two, generator) for one, two in parents]
        return problem.encode(children)[None]


def _change_once(search_space: SearchSpace, architecture: Architecture, generator: random.Random) -> Architecture:
    others = [size for size in search_space.hidden_sizes if size != architecture.hidden_size]
    if others and generator.randrange(len(search_space) + 1) == 0:
        return Architecture(architecture.operators, generator.choice(others))
    if search_space.operator_space.num_paths() == 1:  # only the hidden size is searched
        return architecture
    return search_space.mutate(architecture, 1, generator)


class StepwiseMutation(Mutation):
    """
    Changes one operator after the other, each time to a random neighbour in the search space. Where hidden sizes are
    searched, they have the share of one layer in the changes.

    Args:
        probability (`float`):
            The mean number of steps as a share of the layers.
        least_steps (`int`, *optional*, defaults to 1):
            The least number of steps.
    """

    def __init__(self, probability: float, least_steps: int = 1):
        super().__init__()
        self.probability = probability
        self.least_steps = least_steps

    def _do(self, problem: ArchitectureProblem, X: np.ndarray, *args, random_state=None, **kwargs) -> np.ndarray:
        if problem.search_space.num_paths() == 1:
            return X
        generator = generator_from(random_state)
        steps = np.maximum(self.least_steps, random_state.binomial(X.shape[1], self.probability, size=len(X)))
        mutated = []
        for architecture, count in zip(problem.decode(X), steps, strict=True):
            for _ in range(count):
                architecture = _change_once(problem.search_space, architecture, generator)
            mutated.append(architecture)
        return problem.encode(mutated)


class FeasibleRepair(Repair):
    """
    Changes what misses a constraint until it keeps all; see [`FeasibleSpace.repair`].

    Args:
        first_layer (`int`, *optional*, defaults to 0):
            The layers in front of it stay as they are wherever changes behind are enough.
    """

    def __init__(self, first_layer: int = 0):
        super().__init__()
        self.first_layer = first_layer

    def _do(self, problem: ArchitectureProblem, X: np.ndarray, random_state=None, **kwargs) -> np.ndarray:
        generator = generator_from(random_state)
        return problem.encode(
            [problem.feasible.repair(item, generator, self.first_layer) for item in problem.decode(X)]
        )


class UnseenOnly(DuplicateElimination):
    """Lets each row pass once in a whole search. What has passed goes into `seen` by [`UnseenOnly.add`]."""

    def __init__(self):
        super().__init__()
        self.seen: set[bytes] = set()

    def add(self, rows: np.ndarray) -> None:
        self.seen.update(row_keys(rows))

    def do(self, pop, *others, **kwargs):
        taken = self.seen | {key for other in others if len(other) for key in row_keys(other.get("X"))}
        kept = []
        for index, key in enumerate(row_keys(pop.get("X"))):
            kept += [] if key in taken else [index]
            taken.add(key)
        return pop[kept]


__all__ = [
    "ArchitectureProblem",
    "FeasibleRepair",
    "FeasibleSampling",
    "LayerCrossover",
    "StepwiseMutation",
    "UnseenOnly",
    "recombine",
]
