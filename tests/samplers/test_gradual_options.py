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

"""The options of gradual sampling: restarts, layers in even order, several paths a step."""

import itertools
import json
import math
from collections import Counter

import pytest
from scipy.stats import binomtest, chisquare

from hf_supernet.samplers import GradualSampler, UniformSampler, make_sampler
from hf_supernet.search_space import SearchSpace


UNEQUAL = SearchSpace([["A2", "F37", "I"], ["C3"], ["A2", "C3"], ["A2", "F37", "C3", "I"]])
WIDE = SearchSpace([["A2", "F37", "C3"]] * 6)
END = SearchSpace([["A2", "F37", "I"], ["A2", "I"], ["A2", "F37", "I"]], "end")
OPTIONS = [
    {"restart_probability": 0.3},
    {"layer_order": "even"},
    {"num_paths": 3},
    {"num_modified": 2, "restart_probability": 0.3, "layer_order": "even", "num_paths": 3},
]


def chain(space, places, **options):
    sampler = GradualSampler(space, **{"seed": 1, **options})
    steps = range(math.ceil(places / sampler.num_paths))
    return [architecture for step in steps for architecture in sampler.sample(step)][:places]


def modified(architectures):
    """The sets of layers that change from each architecture to the next."""
    return [
        {layer for layer, (a, b) in enumerate(zip(one, two, strict=True)) if a != b}
        for one, two in itertools.pairwise(architectures)
    ]


def reachable_in_even_order(space, start, changes):
    """By brute force: from round to round, over all permutations of the layers and all choices of operators."""
    layers = space.searched_layers
    starts, waiting, seen = {start}, [start], {start}
    while waiting:
        begin = waiting.pop()
        for permutation in itertools.permutations(layers):
            here, walk = {begin}, itertools.cycle(permutation)
            for _ in range(math.lcm(changes, len(layers)) // changes):
                for layer in itertools.islice(walk, changes):
                    here = {
                        path.replace(layer, o) for path in here for o in space.candidates[layer] if o != path[layer]
                    }
                seen |= here
            waiting += here - starts
            starts |= here
    return seen


@pytest.mark.parametrize("space", [UNEQUAL, END])
def test_without_an_option_the_chain_is_the_old_one(space):
    plain = chain(space, 40)
    assert chain(space, 40, restart_probability=0, layer_order="random", num_paths=1) == plain
    assert chain(space, 40, restart_probability=0.2) != plain


# ---- Restarts ----


def test_a_restart_comes_with_its_probability_and_is_drawn_uniformly():
    architectures = chain(WIDE, 3000, restart_probability=0.25)
    distances = Counter(map(len, modified(architectures)))
    one_by_chance = 6 * 2 / 3**6  # a path drawn anew may be a neighbour too, or the same
    restarts = sum(number for distance, number in distances.items() if distance != 1)
    assert binomtest(restarts, 2999, 0.25 * (1 - one_by_chance)).pvalue > 1e-3
    expected = [math.comb(6, d) * 2**d for d in range(3, 7)]
    observed = [distances[d] for d in range(3, 7)]
    assert chisquare(observed, [sum(observed) * e / sum(expected) for e in expected]).pvalue > 1e-3


def test_what_is_modified_does_not_depend_on_whether_a_restart_was_drawn():
    layers = Counter(
        min(chosen) for chosen in modified(chain(WIDE, 3000, restart_probability=0.5)) if len(chosen) == 1
    )
    assert chisquare([layers[layer] for layer in range(6)]).pvalue > 1e-3


def test_certain_restarts_are_uniform_sampling():
    counts = Counter(chain(UNEQUAL, 2400, restart_probability=1))
    assert chisquare([counts[path] for path in UNEQUAL]).pvalue > 1e-3
    ours, theirs = (
        Counter(map(len, modified([path for step in range(1500) for path in sampler.sample(step)])))
        for sampler in (GradualSampler(WIDE, seed=1, restart_probability=1), UniformSampler(WIDE, seed=1))
    )
    assert sum(d * n for d, n in ours.items()) / 1499 == pytest.approx(4, abs=0.15)
    assert sum(d * n for d, n in theirs.items()) / 1499 == pytest.approx(4, abs=0.15)


def test_restarts_with_identities_at_the_end_are_legal():
    assert all(path in END for path in chain(END, 300, restart_probability=0.5))


def test_restarts_reach_what_modification_alone_does_not():
    space = SearchSpace([["A2", "F37"]] * 3)
    with pytest.raises(ValueError, match=r"never reached.*`restart_probability` above 0"):
        GradualSampler(space, num_modified=2)
    assert set(chain(space, 200, num_modified=2, restart_probability=0.2)) == set(space)


# ---- Layers in even order ----


@pytest.mark.parametrize(
    ("space", "changes"), [(UNEQUAL, 1), (UNEQUAL, 2), (WIDE, 1), (WIDE, 2), (WIDE, 4), (WIDE, 6)]
)
def test_every_layer_is_modified_equally_often_in_every_round(space, changes):
    layers = space.searched_layers
    steps = len(layers) // math.gcd(changes, len(layers))
    steps_modify = modified(chain(space, 30 * steps + 1, layer_order="even", num_modified=changes))
    assert all(len(chosen) == changes for chosen in steps_modify)
    for start in range(0, 30 * steps, steps):
        counts = Counter(layer for chosen in steps_modify[start : start + steps] for layer in chosen)
        assert counts == dict.fromkeys(layers, steps * changes // len(layers))


def test_the_order_of_the_layers_is_drawn_anew_in_every_round():
    layers = [chosen.pop() for chosen in modified(chain(WIDE, 6 * 400 + 1, layer_order="even"))]
    rounds = [layers[start : start + 6] for start in range(0, len(layers), 6)]
    for place in range(6):
        counts = Counter(order[place] for order in rounds)
        assert chisquare([counts[layer] for layer in range(6)]).pvalue > 1e-3
    assert len(set(map(tuple, rounds))) > 200


def test_with_several_changes_the_order_lasts_until_layers_and_steps_come_out_even():
    steps = modified(chain(WIDE, 3 * 100 + 1, layer_order="even", num_modified=2))
    rounds = [steps[start : start + 3] for start in range(0, 300, 3)]
    assert sum(one == two for one, two in itertools.pairwise(rounds)) < 10  # by chance 1 in 90


def test_the_new_operator_is_any_other_one_in_even_order_too():
    architectures = chain(UNEQUAL, 3001, layer_order="even")
    moves = Counter((one[3], two[3]) for one, two in itertools.pairwise(architectures) if one[3] != two[3])
    assert len(moves) == 12 and chisquare(list(moves.values())).pvalue > 1e-3


@pytest.mark.parametrize("step", [0, 1, 3, 7])
@pytest.mark.parametrize("changes", [1, 2])
def test_every_path_is_equally_likely_at_every_step_in_even_order(step, changes):
    """Over seeds, since the steps of one chain are alike."""
    samplers = (GradualSampler(UNEQUAL, seed, num_modified=changes, layer_order="even") for seed in range(1000))
    counts = Counter(sampler.sample(step)[0] for sampler in samplers)
    assert chisquare([counts[path] for path in UNEQUAL]).pvalue > 1e-3


@pytest.mark.parametrize(
    "sizes",
    [(2,), (3,), (2, 2), (2, 3), (3, 3), (2, 2, 2), (2, 2, 3), (2, 3, 3), (2, 2, 2, 2), (2, 2, 2, 3), (1, 2, 4)],
)
def test_accepts_what_reaches_the_whole_space_in_even_order(sizes):
    space = SearchSpace([["A2", "F37", "C3", "I"][:size] for size in sizes])
    for changes in range(1, len(space.searched_layers) + 1):
        if reachable_in_even_order(space, next(iter(space)), changes) == set(space):
            GradualSampler(space, num_modified=changes, layer_order="even")
        else:
            with pytest.raises(ValueError, match=r"'even'.*never reached"):
                GradualSampler(space, num_modified=changes, layer_order="even")


def test_even_order_needs_independent_layers():
    with pytest.raises(ValueError, match="`layer_order='even'` chooses in every layer independently of the others"):
        GradualSampler(END, layer_order="even")


# ---- Several paths a step ----


@pytest.mark.parametrize("options", [{}, {"layer_order": "even"}, {"num_modified": 2, "restart_probability": 0.3}])
def test_a_step_trains_the_next_members_of_the_chain(options):
    single = chain(UNEQUAL, 60, **options)
    sampler = GradualSampler(UNEQUAL, seed=1, num_paths=3, **options)
    assert [sampler.sample(step) for step in range(20)] == [single[i : i + 3] for i in range(0, 60, 3)]


def test_uniform_paths_of_a_step_are_independent():
    space = SearchSpace([["A2", "F37"], ["A2", "C3", "I"]])
    sampler = UniformSampler(space, seed=1, num_paths=2)
    steps = [sampler.sample(step) for step in range(1800)]
    assert [paths[:1] for paths in steps] == [UniformSampler(space, seed=1).sample(step) for step in range(1800)]
    counts = Counter(map(tuple, steps))
    assert chisquare([counts[pair] for pair in itertools.product(space, repeat=2)]).pvalue > 1e-3


# ---- All of them ----


@pytest.mark.parametrize("options", OPTIONS)
def test_is_a_function_of_the_step_and_resumes_without_replay(monkeypatch, options):
    sampler = GradualSampler(UNEQUAL, seed=3, **options)
    steps = [sampler.sample(step) for step in range(40)]
    for step in (31, 7, 7, 0, 39, 38):
        assert sampler.sample(step) == steps[step]
    sampler.sample(25)
    state = json.loads(json.dumps(sampler.state_dict()))
    assert state["step"] == 25 and state["architecture"] == str(steps[25][0])
    resumed = make_sampler("gradual", UNEQUAL, seed=3, **sampler.settings())
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    drawn = []
    following = GradualSampler._following
    monkeypatch.setattr(
        GradualSampler, "_following", lambda self, *args: drawn.append(args[1]) or following(self, *args)
    )
    assert [resumed.sample(step) for step in range(25, 40)] == steps[25:]
    assert min(drawn) > 25 * resumed.num_paths and len(drawn) == len(set(drawn))


def test_the_step_before_needs_no_replay(monkeypatch):
    sampler = GradualSampler(UNEQUAL, seed=1, num_paths=20)
    before = sampler.sample(7)
    sampler.sample(8)
    monkeypatch.setattr(GradualSampler, "_following", lambda *args: pytest.fail("the chain was replayed"))
    assert sampler.sample(7) == before


@pytest.mark.parametrize(
    ("saved", "here", "message"),
    [
        ({"layer_order": "even"}, {}, "`layer_order` is 'even' in the state and 'random' here"),
        ({}, {"num_paths": 2}, "`num_paths` is 1 in the state and 2 here"),
        (
            {"restart_probability": 0.1},
            {"restart_probability": 0.2},
            "`restart_probability` is 0.1 in the state and 0.2",
        ),
    ],
)
def test_a_state_with_other_options_is_refused(saved, here, message):
    with pytest.raises(ValueError, match=message):
        GradualSampler(UNEQUAL, **here).load_state_dict(GradualSampler(UNEQUAL, **saved).state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restart_probability": -0.1}, "`restart_probability` must lie in 0 to 1, got -0.1"),
        ({"restart_probability": 1.5}, "must lie in 0 to 1, got 1.5"),
        ({"restart_probability": math.nan}, "must lie in 0 to 1, got nan"),
        ({"restart_probability": True}, "must lie in 0 to 1, got True"),
        ({"restart_probability": "0.1"}, "must lie in 0 to 1, got '0.1'"),
        ({"layer_order": "odd"}, "`layer_order` must be one of random, even; got 'odd'"),
        ({"num_paths": 0}, "`num_paths`.* is a positive integer, got 0"),
        ({"num_paths": True}, "positive integer, got True"),
        ({"num_paths": 2.0}, "positive integer, got 2.0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        GradualSampler(UNEQUAL, **options)
    if "num_paths" in options:
        with pytest.raises(ValueError, match=message):
            UniformSampler(UNEQUAL, **options)
