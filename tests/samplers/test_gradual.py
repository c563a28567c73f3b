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
import json
from collections import Counter

import pytest
from scipy.stats import chisquare

from hf_supernet.samplers import GradualSampler
from hf_supernet.search_space import SearchSpace


UNEQUAL = SearchSpace([["A2", "F37", "I"], ["C3"], ["A2", "C3"], ["A2", "F37", "C3", "I"]])
END = SearchSpace([["A2", "F37", "I"], ["A2", "I"], ["A2", "F37", "I"]], "end")


def chain(sampler, steps):
    drawn = [sampler.sample(step) for step in range(steps)]
    assert all(len(architectures) == 1 for architectures in drawn)
    return [architectures[0] for architectures in drawn]


def reachable(space, start, changes):
    """Everything that a chain can come to, by brute force."""
    seen, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        found = {other for other in space if other.distance(here) == changes} - seen
        seen |= found
        waiting += found
    return seen


@pytest.mark.parametrize(("space", "changes"), [(UNEQUAL, 1), (UNEQUAL, 2), (UNEQUAL, 3), (END, 1)])
def test_adjacent_steps_differ_in_exactly_that_many_operators(space, changes):
    architectures = chain(GradualSampler(space, seed=1, num_modified=changes), 300)
    distances = [one.distance(two) for one, two in itertools.pairwise(architectures)]
    assert set(distances) == {changes}
    assert all(architecture in space for architecture in architectures)


def test_every_layer_with_a_choice_is_modified_equally_often():
    architectures = chain(GradualSampler(UNEQUAL, seed=1), 2001)
    layers = Counter(one.first_difference(two) for one, two in itertools.pairwise(architectures))
    assert set(layers) == {0, 2, 3}
    assert chisquare([layers[layer] for layer in (0, 2, 3)]).pvalue > 1e-3


@pytest.mark.parametrize("step", [0, 1, 2, 7])
def test_every_path_is_equally_likely_at_every_step(step):
    """Over seeds, since the steps of one chain are alike."""
    counts = Counter(GradualSampler(UNEQUAL, seed=seed).sample(step)[0] for seed in range(1500))
    assert chisquare([counts[path] for path in UNEQUAL]).pvalue > 1e-3


def test_marginals_of_one_long_chain_are_uniform():
    # Every 12th step, so that what is counted is nearly independent.
    architectures = chain(GradualSampler(UNEQUAL, seed=1), 12_000)[::12]
    for layer, candidates in enumerate(UNEQUAL.candidates):
        counts = Counter(architecture[layer] for architecture in architectures)
        assert len(candidates) == 1 or chisquare([counts[operator] for operator in candidates]).pvalue > 1e-3


def test_with_identities_at_the_end_visits_follow_the_number_of_neighbours():
    counts = Counter(chain(GradualSampler(END, seed=1), 20_000)[::10])
    paths = list(END)
    degrees = [len(END.neighbours(path)) for path in paths]
    expected = [degree * 2000 / sum(degrees) for degree in degrees]
    assert len(set(degrees)) > 1
    assert chisquare([counts[path] for path in paths], expected).pvalue > 1e-3


def test_resume_needs_no_replay(monkeypatch):
    sampler = GradualSampler(UNEQUAL, seed=1)
    architectures = chain(sampler, 101)
    state = json.loads(json.dumps(sampler.state_dict()))
    assert (state["step"], state["architecture"]) == (100, str(architectures[100]))
    after = [sampler.sample(step) for step in range(100, 110)]
    resumed = GradualSampler(UNEQUAL, seed=1)
    resumed.load_state_dict(state)
    monkeypatch.setattr(SearchSpace, "sample", lambda *args: pytest.fail("the chain was replayed from its first step"))
    assert [resumed.sample(step) for step in range(100, 110)] == after


def test_a_step_in_order_costs_one_draw(monkeypatch):
    sampler, calls = GradualSampler(UNEQUAL, seed=1), []
    sampler.sample(50)
    mutate = SearchSpace.mutate
    monkeypatch.setattr(SearchSpace, "mutate", lambda *args: calls.append(1) or mutate(*args))
    for step in (50, 51, 51, 52, 51, 49, 52):
        sampler.sample(step)
    assert len(calls) == 2


def test_state_before_the_first_step():
    sampler = GradualSampler(UNEQUAL, seed=1)
    state = sampler.state_dict()
    first = sampler.sample(0)
    sampler.sample(30)
    sampler.load_state_dict(state)
    assert sampler.sample(0) == first


def test_wrong_states():
    sampler = GradualSampler(UNEQUAL, seed=1)
    sampler.sample(3)
    state = sampler.state_dict()
    with pytest.raises(ValueError, match="`num_modified` is 2 in the state and 1 here"):
        sampler.load_state_dict(GradualSampler(UNEQUAL, seed=1, num_modified=2).state_dict())
    with pytest.raises(ValueError, match=r"missing: \['architecture'\]"):
        sampler.load_state_dict({key: value for key, value in state.items() if key != "architecture"})
    for damage in ({"architecture": "A2-C3"}, {"architecture": None}, {"step": -1}):
        with pytest.raises(ValueError, match=r"layers|string|step"):
            sampler.load_state_dict({**state, **damage})
    assert sampler.state_dict() == state


@pytest.mark.parametrize(
    "sizes", [(2,), (3,), (2, 2), (2, 3), (3, 3), (2, 2, 2), (2, 2, 3), (2, 2, 2, 2), (1, 2, 4, 3)]
)
def test_accepts_what_reaches_the_whole_space(sizes):
    space = SearchSpace([["A2", "F37", "C3", "I"][:size] for size in sizes])
    for changes in range(1, len(space.searched_layers) + 1):
        if reachable(space, next(iter(space)), changes) == set(space):
            GradualSampler(space, num_modified=changes)
        else:
            with pytest.raises(ValueError, match="never reached"):
                GradualSampler(space, num_modified=changes)


@pytest.mark.parametrize("changes", [0, 4, True, 1.0])
def test_wrong_number_of_changes(changes):
    with pytest.raises(ValueError, match="`num_modified` must lie in 1 to 3"):
        GradualSampler(UNEQUAL, num_modified=changes)


def test_only_one_change_with_identities_at_the_end():
    with pytest.raises(ValueError, match="must be 1 with `identity_placement='end'`"):
        GradualSampler(END, num_modified=2)


def test_a_space_without_a_choice():
    with pytest.raises(ValueError, match="1 to 0"):
        GradualSampler(SearchSpace([["A2"], ["I"]]))
