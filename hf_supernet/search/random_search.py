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
"""RandomSearch: the baseline that every other strategy has to beat."""

import random
from collections.abc import Sequence

from ..architecture import Architecture
from ..search_space import SearchSpace
from .constraints import Constraint
from .objectives import LOSS, Objective
from .strategy import SearchStrategy


_ATTEMPTS_PER_ARCHITECTURE = 20


class RandomSearch(SearchStrategy):
    """
    Proposes random architectures within the constraints, none twice.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What the search is for; it changes no draw.
    """

    name = "random"

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
    ):
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self._generator = random.Random(seed)
        self._seen: set[Architecture] = set()

    def propose(self) -> list[Architecture]:
        proposed = []
        for _ in range(self.population_size * _ATTEMPTS_PER_ARCHITECTURE):
            architecture = self.feasible.sample(self._generator)
            if architecture not in self._seen:
                self._seen.add(architecture)
                proposed.append(architecture)
            if len(proposed) == self.population_size:
                break
        return proposed


__all__ = ["RandomSearch"]
