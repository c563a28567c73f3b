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
"""Counting in a search space what cannot be counted layer by layer: distinct networks, and legal paths at a distance."""

import random
from collections.abc import Sequence

from .models.searched_bert.configuration_searched_bert import Operator


IDENTITY = Operator("identity")
Candidates = Sequence[Sequence[Operator]]


def minimum_depth(candidates: Candidates) -> int:
    """The number of layers up to the last one that cannot be an identity: from there on, all can."""
    return max((layer + 1 for layer, row in enumerate(candidates) if IDENTITY not in row), default=0)


def count_networks(candidates: Candidates) -> int:
    """
    The number of distinct sequences of operators that are left when the identities of a path are struck out.

    The layers are an automaton that reads such a sequence: its states are numbers of layers used up, and a layer that can
    be an identity may be passed over. One sequence can be read in several ways, so the automaton is made deterministic: a
    state is the set of all numbers of layers that the operators so far can have used up. Where two of them have only
    layers in between that can be passed over, the larger one adds nothing and is left out, so that sets stay small.
    """
    unskippable = [0]  # by number of layers used up: how many of these could not be passed over
    for row in candidates:
        unskippable.append(unskippable[-1] + (IDENTITY not in row))
    states, networks = {(0,): 1}, 0
    while states:
        following: dict[tuple[int, ...], int] = {}
        for state, count in states.items():
            if unskippable[state[-1]] == unskippable[-1]:
                networks += count
            for reached in _read_one_operator(candidates, state, unskippable):
                following[reached] = following.get(reached, 0) + count
        states = following
    return networks


def _read_one_operator(
    candidates: Candidates, state: tuple[int, ...], unskippable: list[int]
) -> list[tuple[int, ...]]:
    """For each operator that can come next, the set of numbers of layers used up behind it, in ascending order."""
    reached: dict[Operator, dict[int, int]] = {}
    for start in state:
        for layer in range(start, len(candidates)):
            for operator in candidates[layer]:
                if operator != IDENTITY:
                    firsts = reached.setdefault(operator, {})
                    group = unskippable[layer + 1]
                    firsts[group] = min(firsts.get(group, layer + 1), layer + 1)
            if IDENTITY not in candidates[layer]:
                break
    return [tuple(sorted(firsts.values())) for firsts in reached.values()]


def check_generator(generator: random.Random) -> None:
    """
    Checks the source of draws.

    Raises:
        TypeError: where it is no `random.Random`. The generators of PyTorch and NumPy draw numbers of 64 bits, and a space
            has more paths than that.
    """
    if not isinstance(generator, random.Random):
        kind = type(generator)
        raise TypeError(
            f"`generator` must be a `random.Random`, such as `random.Random(0)`, got {kind.__module__}.{kind.__qualname__}."
        )


class PathsAtDistance:
    """
    The legal paths that differ from `operators` in exactly `distance` layers, where identities stand only at the end.

    Args:
        candidates (`Sequence[Sequence[Operator]]`):
            The candidates of each layer.
        operators (`Sequence[Operator]`):
            A legal path.
        distance (`int`):
            The number of layers that differ.
    """

    def __init__(self, candidates: Candidates, operators: Sequence[Operator], distance: int):
        self.candidates = candidates
        self.operators = operators
        self.distance = distance
        self.minimum_depth = minimum_depth(candidates)
        length = len(candidates)
        # By layer: how many layers change if it and all behind it become identities.
        self._tails = [sum(operator != IDENTITY for operator in operators[layer:]) for layer in range(length)]
        # By layer and number of changes: the legal ways to go on from that layer, no identity having come before.
        self._counts: list[list[int]] = [[0] * (distance + 1) for _ in range(length)] + [[1] + [0] * distance]
        for layer in reversed(range(length)):
            for changes in range(distance + 1):
                self._counts[layer][changes] = sum(self._ways(layer, item, changes) for item in candidates[layer])

    def __len__(self) -> int:
        return self._counts[0][self.distance]

    def _ways(self, layer: int, operator: Operator, changes: int) -> int:
        if operator == IDENTITY:
            return int(layer >= self.minimum_depth and self._tails[layer] == changes)
        behind = changes - (operator != self.operators[layer])
        return self._counts[layer + 1][behind] if behind >= 0 else 0

    def sample(self, generator: random.Random) -> tuple[Operator, ...]:
        """Draws one of the paths, uniformly."""
        index, changes, drawn = generator.randrange(self._counts[0][self.distance]), self.distance, []
        for layer, row in enumerate(self.candidates):
            for operator in row:
                count = self._ways(layer, operator, changes)
                if index < count:
                    break
                index -= count
            if operator == IDENTITY:
                drawn += [IDENTITY] * (len(self.candidates) - layer)
                break
            changes -= operator != self.operators[layer]
            drawn.append(operator)
        return tuple(drawn)
