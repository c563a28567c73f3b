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
"""Uniform sampling: one path a step."""

from ..architecture import Architecture
from .base import ArchitectureSampler, check_step


class UniformSampler(ArchitectureSampler):
    """
    One path a step, drawn uniformly and anew: the baseline of single-path training.

    [Single Path One-Shot Neural Architecture Search with Uniform Sampling](https://huggingface.co/papers/1904.00420)
    (SPOS; Guo et al., ECCV 2020).

    Args:
        search_space ([`SearchSpace`]):
            The space.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
    """

    name = "uniform"

    def sample(self, step: int) -> list[Architecture]:
        return [self.search_space.sample(self.generator(check_step(step)))]


__all__ = ["UniformSampler"]
