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
from collections import Counter

import pytest
from scipy.stats import chisquare

from hf_supernet.samplers import UniformSampler
from hf_supernet.search_space import SearchSpace


@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_paths_are_equally_likely(placement):
    space = SearchSpace([["A2", "F37", "I"], ["A2", "I"], ["A2", "F37", "I"]], placement)
    sampler = UniformSampler(space, seed=1)
    drawn = [sampler.sample(step) for step in range(3000)]
    assert all(len(architectures) == 1 for architectures in drawn)
    counts = Counter(architectures[0] for architectures in drawn)
    assert set(counts) <= set(space)
    assert chisquare([counts[path] for path in space]).pvalue > 1e-3


def test_neighbouring_steps_and_seeds_are_unrelated():
    space = SearchSpace([["A2", "F37", "C3", "I"]] * 8)
    for pairs in (
        [(UniformSampler(space, 0).sample(step), UniformSampler(space, 0).sample(step + 1)) for step in range(300)],
        [(UniformSampler(space, seed).sample(0), UniformSampler(space, seed + 1).sample(0)) for seed in range(300)],
    ):
        distances = [one[0].distance(two[0]) for one, two in pairs]
        assert abs(sum(distances) / len(distances) - 6) < 0.3
