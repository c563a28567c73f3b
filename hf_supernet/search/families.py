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
"""Proposals in families that begin alike, so that evaluating a generation as a trie takes fewer operator calls."""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from ..architecture import Architecture
from ..path_counting import IDENTITY
from .constraints import FeasibleSpace
from .variation import ArchitectureProblem, StepwiseMutation, generator_from


def share_beginnings(
    feasible: FeasibleSpace,
    architectures: Sequence[Architecture],
    family_size: int,
    num_layers: int,
    generator: random.Random,
) -> list[Architecture]:
    """
    Makes families of architectures that are neighbours in the order of a trie, so that they are alike in front already:
    a one-point crossover of each member with the head of its family, which is a random one of them.

    Args:
        feasible ([`FeasibleSpace`]):
            The space with its constraints. Heads are repaired first, since their beginnings are to stay.
        architectures (`Sequence[Architecture]`):
            Members of the space.
        family_size (`int`):
            How many make a family. Two hidden sizes have nothing in common, and are in no family together.
        num_layers (`int`):
            How many leading layers a family has in common. With identities only at the end, they are no more than the
            head and the member have operators.
        generator (`random.Random`):
            The source of all draws.

    Returns:
        `list[Architecture]`: in the order of `architectures`.
    """
    changed = list(architectures)
    for family in _families(architectures, family_size):
        head = feasible.repair(architectures[generator.choice(family)], generator)
        ends = feasible.search_space.identity_placement == "end"
        for index in family:
            member = architectures[index]
            common = min(num_layers, _depth(head), _depth(member)) if ends else num_layers
            changed[index] = Architecture(head.operators[:common] + member.operators[common:], head.hidden_size)
    return changed


def _families(architectures: Sequence[Architecture], family_size: int) -> Iterator[list[int]]:
    """The positions of the members of each family."""
    by_size: dict[int | None, list[int]] = {}
    for index in sorted(range(len(architectures)), key=lambda index: architectures[index].operators):
        by_size.setdefault(architectures[index].hidden_size, []).append(index)
    for members in by_size.values():
        for start in range(0, len(members), family_size):
            yield members[start : start + family_size]


def _depth(architecture: Architecture) -> int:
    return sum(operator != IDENTITY for operator in architecture)


class FamilyMutation(StepwiseMutation):
    """
    [`StepwiseMutation`], and then [`share_beginnings`], which is a change by itself: none is forced before it. (With one step
    at least, as without families, a search comes less far with as many evaluations.)

    Args:
        probability (`float`):
            As for [`StepwiseMutation`]; only with 0 each takes one step, so that there is something new.
        family_size (`int`):
            How many make a family.
        num_layers (`int`):
            How many leading layers a family has in common.
    """

    def __init__(self, probability: float, family_size: int, num_layers: int):
        super().__init__(probability, least_steps=0 if probability > 0 else 1)
        self.family_size = family_size
        self.num_layers = num_layers

    def _do(self, problem: ArchitectureProblem, X: np.ndarray, *args, random_state=None, **kwargs) -> np.ndarray:
        mutated = problem.decode(super()._do(problem, X, *args, random_state=random_state, **kwargs))
        generator = generator_from(random_state)
        return problem.encode(
            share_beginnings(problem.feasible, mutated, self.family_size, self.num_layers, generator)
        )


__all__ = ["FamilyMutation", "share_beginnings"]
