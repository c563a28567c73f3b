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
"""Drawing from several spaces at once as from one: a number among all that they count says which of them draws."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence

from .architecture import Architecture
from .constrained_sampling import MAX_ATTEMPTS, ConstrainedSampler, OutOfReachError
from .path_counting import check_generator


class UnionSampler:
    """
    Draws uniformly from the architectures that several samplers know, each in the form that a function gives it.

    Args:
        parts (`Sequence[tuple[ConstrainedSampler, Callable[[Architecture], Architecture]]]`):
            The samplers, and what makes of their paths those that are drawn; no two make the same.
        why_none (`str`):
            What to say where there are no samplers.

    Raises:
        ValueError: where there are no samplers.
    """

    def __init__(
        self, parts: Sequence[tuple[ConstrainedSampler, Callable[[Architecture], Architecture]]], why_none: str
    ):
        if not parts:
            raise OutOfReachError(why_none)
        self._parts = list(parts)
        samplers = [sampler for sampler, _ in self._parts]
        self.minimum = min(sampler.minimum for sampler in samplers)
        self.maximum = max(sampler.maximum for sampler in samplers)
        self._ends = list(itertools.accumulate(sampler.num_numbers for sampler in samplers))

    @property
    def is_exact(self) -> bool:
        """Whether no draw is ever rejected."""
        return all(sampler.is_exact for sampler, _ in self._parts)

    @property
    def num_paths(self) -> int | None:
        """The number of architectures within the bounds; `None` where costs had to be rounded."""
        return self._ends[-1] if self.is_exact else None

    def sample(self, generator: random.Random) -> Architecture:
        """
        Draws one architecture, uniformly over those within the bounds.

        Raises:
            RuntimeError: where rounded costs do not resolve bounds this narrow.
            TypeError: where `generator` is no `random.Random`.
        """
        check_generator(generator)
        for _ in range(MAX_ATTEMPTS):
            number = generator.randrange(self._ends[-1])
            index = bisect_right(self._ends, number)
            sampler, finish = self._parts[index]
            drawn = sampler.numbered(number - (self._ends[index - 1] if index else 0))
            if drawn is not None:
                return finish(drawn)
        raise RuntimeError(
            f"{MAX_ATTEMPTS} draws gave no architecture that costs {self.minimum} to {self.maximum}; widen the bounds."
        )


__all__ = ["UnionSampler"]
