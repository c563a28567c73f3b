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
"""Fair sampling: every candidate of every layer equally often."""

from typing import TypeVar

from ..architecture import Architecture
from ..search_space import SearchSpace
from .base import ArchitectureSampler, check_anywhere, check_step


Choice = TypeVar("Choice")


class FairSampler(ArchitectureSampler):
    """
    As many paths a step as the longest list has candidates, such that each candidate of each layer is trained exactly
    once; the gradients of the paths are applied in one update.

    [FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture
    Search](https://huggingface.co/papers/1907.01845) (Chu et al., ICCV 2021).

    The paper sums the gradients of the paths; [`SupernetTrainer`] takes the mean of their losses, so that a learning rate
    and a threshold for clipping mean the same as with one path.

    The paper has equally many candidates in each layer. Ours goes on to unequal lists: each layer deals one random
    permutation of its candidates after another, across the steps. In a layer with n candidates, m being the largest
    number, each candidate is trained equally often within every n / gcd(m, n) steps; within one step, the numbers of two
    candidates differ by 2 at the most. Where the hidden size is searched, it is dealt as the candidates of another layer: each
    size is trained as often as the others. (Ours too.)

    Args:
        search_space ([`SearchSpace`]):
            The space; it has to have `identity_placement="anywhere"`.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.

    Raises:
        ValueError: for a space whose identities stand at the end.
    """

    name = "fair"

    def __init__(self, search_space: SearchSpace, seed: int = 0):
        super().__init__(search_space, seed)
        check_anywhere(search_space, "Fair sampling")
        self.num_paths = max(map(len, (*search_space.candidates, search_space.hidden_sizes)))

    def sample(self, step: int) -> list[Architecture]:
        check_step(step)
        dealt = [self._deal(layer, candidates, step) for layer, candidates in enumerate(self.search_space.candidates)]
        sizes = self._deal("hidden_size", self.search_space.hidden_sizes or (None,), step)
        return [Architecture(operators, size) for operators, size in zip(zip(*dealt, strict=True), sizes, strict=True)]

    def _deal(self, gene: int | str, candidates: tuple[Choice, ...], step: int) -> list[Choice]:
        """What a layer, or the hidden size, is in the paths of this step: a piece of an endless row of permutations."""
        start = step * self.num_paths
        first, offset = divmod(start, len(candidates))
        last = (start + self.num_paths - 1) // len(candidates)
        row: list[Choice] = []
        for block in range(first, last + 1):
            permutation = list(candidates)
            self.generator(gene, block).shuffle(permutation)
            row += permutation
        return row[offset : offset + self.num_paths]


__all__ = ["FairSampler"]
