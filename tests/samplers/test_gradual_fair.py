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
import itertools
from collections import Counter

import pytest
from scipy.stats import chisquare

from hf_supernet.samplers import GradualFairSampler
from hf_supernet.search_space import SearchSpace


THREE = SearchSpace([["A2", "F37", "C3"], ["C5"], ["F37", "I", "C5"], ["A2", "F37", "I"]])
FOUR = SearchSpace([["A2", "F37", "C3", "I"]] * 5)
ONE_LAYER = SearchSpace([["A2", "F37", "C3"]])
SPACES = [THREE, FOUR, ONE_LAYER]


def chain(space, steps, seed=1):
    sampler = GradualFairSampler(space, seed)
    drawn = [sampler.sample(step) for step in range(steps)]
    assert all(len(architectures) == 1 for architectures in drawn)
    return [architectures[0] for architectures in drawn]


def changes_of(architectures, layer):
    """The steps at which the layer has another operator than at the step before."""
    return [
        step for step, (one, two) in enumerate(itertools.pairwise(architectures), start=1) if one[layer] != two[layer]
    ]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", [1, 2])
def test_adjacent_steps_differ_in_exactly_one_operator(space, seed):
    architectures = chain(space, 600, seed)
    assert {one.distance(two) for one, two in itertools.pairwise(architectures)} == {1}
    assert all(architecture in space for architecture in architectures)


@pytest.mark.parametrize("space", SPACES)
def test_every_layer_changes_every_so_many_steps_at_its_own_phase(space):
    architectures, layers = chain(space, 300), space.searched_layers
    phases = set()
    for layer in layers:
        steps = changes_of(architectures, layer)
        assert {two - one for one, two in itertools.pairwise(steps)} == {len(layers)}
        phases.add(steps[0] % len(layers))
    assert phases == set(range(len(layers)))


@pytest.mark.parametrize("space", SPACES)
def test_within_each_round_of_a_layer_its_candidates_are_trained_equally_often(space):
    layers = space.searched_layers
    architectures = chain(space, 1200)
    for layer in layers:
        candidates = space.candidates[layer]
        length = len(layers) * len(candidates)
        (start,) = {step % length for step in _round_starts(architectures, layer, len(candidates))}
        for begin in range(start, len(architectures) - length, length):
            counts = Counter(architecture[layer] for architecture in architectures[begin : begin + length])
            assert counts == dict.fromkeys(candidates, len(layers))


def _round_starts(architectures, layer, size):
    """Of all ways to cut the changes of a layer into rounds, the ones that give permutations; the first of each round."""
    changes = changes_of(architectures, layer)
    operators = [architectures[step][layer] for step in changes]
    fitting = [
        first
        for first in range(size)
        if all(len(set(operators[i : i + size])) == size for i in range(first, len(operators) - size + 1, size))
    ]
    return [step for first in fitting for step in changes[first::size]]


@pytest.mark.parametrize("space", SPACES)
def test_after_any_number_of_steps_the_updates_of_candidates_are_nearly_equal(space):
    layers, counts = space.searched_layers, Counter()
    for architecture in chain(space, 700):
        counts.update(enumerate(architecture))
        for layer in layers:
            numbers = [counts[layer, operator] for operator in space.candidates[layer]]
            assert max(numbers) - min(numbers) < 2 * len(layers)


@pytest.mark.parametrize("step", [0, 1, 8, 9, 10, 50])
def test_every_path_is_equally_likely_at_every_step(step):
    """Over seeds: so all pairs of operators at two layers come together, and equally often."""
    counts = Counter(GradualFairSampler(THREE, seed).sample(step)[0] for seed in range(1500))
    assert chisquare([counts[path] for path in THREE]).pvalue > 1e-3


def test_one_run_meets_every_path():
    counts = Counter(chain(THREE, 27 * 200))
    assert set(counts) == set(THREE) and min(counts.values()) > 100


@pytest.mark.parametrize("space", [FOUR, ONE_LAYER])
def test_a_round_begins_with_any_operator_but_the_last_one(space):
    size = len(space.candidates[0])
    sampler = GradualFairSampler(space, seed=1)
    rounds = [sampler._permutation(0, number) for number in range(3000)]
    borders = Counter((one[-1], two[0]) for one, two in itertools.pairwise(rounds))
    assert len(borders) == size * (size - 1) and chisquare(list(borders.values())).pvalue > 1e-3
    # Every second round, which are independent, as those in a row are not.
    for part in (rounds[::2], rounds[1::2]):
        orders = Counter(map(tuple, part))
        expected = list(itertools.permutations(space.candidates[0]))
        assert chisquare([orders[order] for order in expected]).pvalue > 1e-3


def test_a_late_step_needs_no_replay():
    sampler = GradualFairSampler(FOUR, seed=1)
    one, two = sampler.sample(10**9)[0], sampler.sample(10**9 + 1)[0]
    assert one.distance(two) == 1


@pytest.mark.parametrize(
    ("candidates", "placement", "message"),
    [
        ([["A2", "F37", "I"]] * 2, "end", "Gradual and fair sampling chooses in every layer independently"),
        ([["A2", "F37", "I"], ["A2", "F37"]], "anywhere", r"the layers have \[3, 2\].*'gradual'.*'fair'"),
        ([["A2", "F37"], ["A2", "I"], ["C3"]], "anywhere", "at least 3 candidates in a layer: two can only alternate"),
        ([["A2"], ["I"]], "anywhere", r"the layers have \[1, 1\]"),
    ],
)
def test_spaces_that_it_refuses(candidates, placement, message):
    with pytest.raises(ValueError, match=message):
        GradualFairSampler(SearchSpace(candidates, placement))
