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

from hf_supernet.samplers import FairSampler
from hf_supernet.search_space import SearchSpace


EQUAL = SearchSpace([["A2", "F37", "C3"], ["F37", "I", "C5"], ["A2", "F37", "I"]])
UNEQUAL = SearchSpace([["A2", "F37", "C3", "C5"], ["A2", "F37", "I"], ["A2", "I"], ["C3"]])


def test_each_candidate_exactly_once_a_step():
    sampler = FairSampler(EQUAL, seed=1)
    for step in range(50):
        paths = sampler.sample(step)
        assert len(paths) == 3
        for layer, candidates in enumerate(EQUAL.candidates):
            assert Counter(path[layer] for path in paths) == Counter(candidates)


def test_unequal_lists_are_balanced_over_a_cycle():
    sampler = FairSampler(UNEQUAL, seed=1)
    cycles = (1, 3, 1, 1)  # n / gcd(4, n) steps
    for start in range(30):
        for layer, (candidates, cycle) in enumerate(zip(UNEQUAL.candidates, cycles, strict=True)):
            steps = range(start * cycle, (start + 1) * cycle)
            counts = Counter(path[layer] for step in steps for path in sampler.sample(step))
            assert counts == dict.fromkeys(candidates, 4 * cycle // len(candidates))


def test_within_a_step_unequal_lists_are_nearly_balanced():
    sampler = FairSampler(UNEQUAL, seed=1)
    for step in range(50):
        paths = sampler.sample(step)
        assert len(paths) == 4
        for layer, candidates in enumerate(UNEQUAL.candidates):
            counts = [sum(path[layer] == operator for path in paths) for operator in candidates]
            assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize("space", [EQUAL, UNEQUAL])
def test_each_path_is_equally_likely(space):
    """Permutations are drawn anew for every layer: the first path of a step can be any."""
    sampler = FairSampler(space, seed=1)
    for place in (0, sampler.num_paths - 1):
        counts = Counter(sampler.sample(step)[place] for step in range(2000))
        assert chisquare([counts[path] for path in space]).pvalue > 1e-3


def test_refuses_identities_at_the_end():
    with pytest.raises(ValueError, match=r"independently of the others.*'uniform'"):
        FairSampler(SearchSpace([["A2", "I"]] * 2, "end"))
