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
import random
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from hf_supernet.architecture import Architecture
from hf_supernet.models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from hf_supernet.search_space import CostTable, SearchSpace


MIXED = [["A2", "F37", "I"], ["F37", "C3"], ["A2", "I"], ["I"], ["C3", "A2", "F37", "I"]]
ENDING = [["A2", "F37"], ["A2", "I", "C3"], ["I", "F37", "C3", "A2"], ["C3", "I"]]
SPACES = [
    SearchSpace(MIXED),
    SearchSpace(ENDING, "end"),
    SearchSpace([["A2", "F37", "I"]] * 4, "end"),
    SearchSpace([["A2", "C3"]] * 3, "end"),
    SearchSpace([["A2"], ["I", "A2"], ["I"]], "end"),
]


def brute_force(space):
    """All legal paths, from the definition."""
    paths = [Architecture(operators) for operators in itertools.product(*space.candidates)]
    return [path for path in paths if space.identity_placement == "anywhere" or path == path.canonical()]


def random_space(generator, identity_placement="anywhere"):
    pool = ["A2", "F37", "C3", "I"][: generator.randint(2, 4)]
    if "I" not in pool:
        pool[-1] = "I"
    layers = [generator.sample(pool, generator.randint(1, len(pool))) for _ in range(generator.randint(1, 6))]
    return SearchSpace(layers, identity_placement)


def assert_uniform(drawn, expected):
    counts = Counter(drawn)
    assert set(counts) <= set(expected)
    assert chisquare([counts[item] for item in expected]).pvalue > 1e-3


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_enumerates_each_legal_path_once(space):
    assert list(space) == list(space.enumerate()) == brute_force(space)
    assert space.num_paths() == len(brute_force(space))
    assert space.num_networks() == len({path.canonical() for path in brute_force(space)})


def test_enumeration_is_lazy():
    space = SearchSpace([["A2", "F37", "C3", "C5"]] * 40)
    assert space.num_paths() == 4**40
    assert [str(path)[-3:] for path in itertools.islice(space, 3)] == ["-A2", "F37", "-C3"]


def test_counts_networks_of_many_random_spaces():
    generator = random.Random(0)
    for _ in range(300):
        space = random_space(generator)
        assert space.num_networks() == len({path.canonical() for path in space}), space.to_dict()


def test_counts_networks_of_large_spaces():
    operators = ["A2", "A4", "F37", "F64", "C3", "C5", "C7"]
    # With the identity everywhere, the networks are the sequences of up to 24 operators.
    assert SearchSpace([[*operators, "I"]] * 24).num_networks() == sum(7**depth for depth in range(25))
    assert SearchSpace([operators] * 24).num_networks() == 7**24
    alternating = SearchSpace([["A2", "A4", "I"], ["F37", "F64", "I"]] * 12)
    assert SearchSpace([["A2", "F37"], ["A2", "F37", "I"]] * 12).num_networks() == sum(2**n for n in range(12, 25))
    assert alternating.num_networks() < alternating.num_paths() == 3**24


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_samples_uniformly(space):
    generator = random.Random(0)
    assert_uniform([space.sample(generator) for _ in range(3000)], brute_force(space))


@pytest.mark.parametrize(
    ("generator", "name"), [(torch.Generator(), "torch.*Generator"), (7, "int"), (None, "NoneType")]
)
def test_draws_need_a_random_number_generator_of_python(generator, name):
    space = SPACES[0]
    table = CostTable.from_function(space, lambda operator: 1)
    message = rf"`generator` must be a `random.Random`, such as `random.Random\(0\)`, got .*{name}"
    for draw in (
        lambda: space.sample(generator),
        lambda: space.mutate(space.cheapest(table), 1, generator),
        lambda: space.sample_within(generator, table),
    ):
        with pytest.raises(TypeError, match=message):
            draw()


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_neighbours_are_all_at_distance_one(space):
    for path in brute_force(space):
        expected = [other for other in brute_force(space) if other.distance(path) == 1]
        assert Counter(space.neighbours(path)) == Counter(expected)


@pytest.mark.parametrize("space", [*SPACES, random_space(random.Random(4), "anywhere")], ids=repr)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_mutates_exactly_k_layers(space, k):
    generator = random.Random(0)
    for path in brute_force(space):
        possible = [other for other in brute_force(space) if other.distance(path) == k]
        if not possible:
            with pytest.raises(ValueError, match=f"{k} layers"):
                space.mutate(path, k, generator)
            continue
        drawn = {space.mutate(path, k, generator) for _ in range(50)}
        assert drawn <= set(possible)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_mutation_at_the_end_is_uniform(k):
    space = SPACES[1]
    for text in ("A2-A2-I-I", "F37-C3-A2-C3", "A2-C3-C3-I"):
        possible = [path for path in space if path.distance(Architecture.from_string(text)) == k]
        generator = random.Random(0)
        assert_uniform([space.mutate(text, k, generator) for _ in range(2000)], possible)


def test_mutation_anywhere_draws_layers_uniformly_then_candidates():
    space, generator = SPACES[0], random.Random(0)
    start = Architecture.from_string("A2-C3-I-I-I")
    drawn = [space.mutate(start, 1, generator) for _ in range(4000)]
    assert_uniform([path.first_difference(start) for path in drawn], [0, 1, 2, 4])
    assert_uniform([path[4].code for path in drawn if path.first_difference(start) == 4], ["C3", "A2", "F37"])
    pairs = [space.mutate(start, 2, generator) for _ in range(4000)]
    changed = [tuple(layer for layer in range(5) if path[layer] != start[layer]) for path in pairs]
    assert_uniform(changed, list(itertools.combinations([0, 1, 2, 4], 2)))


@pytest.mark.parametrize("k", [0, -1, True, 1.0])
def test_mutation_by_a_wrong_number(k):
    with pytest.raises(ValueError, match="positive integer"):
        SPACES[0].mutate("A2-C3-I-I-I", k, random.Random(0))


def test_mutation_by_more_layers_than_have_a_choice():
    with pytest.raises(ValueError, match="4 of 5 layers"):
        SPACES[0].mutate("A2-C3-I-I-I", 5, random.Random(0))
    with pytest.raises(ValueError, match="exactly 7 layers"):
        SPACES[1].mutate("A2-A2-I-I", 7, random.Random(0))


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_encoding_round_trip(space):
    encodings = [space.encode(path) for path in space]
    for path, encoded in zip(space, encodings, strict=True):
        assert encoded.dtype == np.float32
        assert encoded.sum() == len(space)
        assert space.decode(encoded) == path
    assert len(np.unique(encodings, axis=0)) == space.num_paths()


def test_encoding_is_layer_after_layer():
    assert SPACES[0].encode("F37-C3-I-I-A2").tolist() == [0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0]


def test_wrong_encodings():
    space = SPACES[1]
    encoded = space.encode("A2-A2-I-I")
    with pytest.raises(ValueError, match=r"shape \(11,\), got \(10,\)"):
        space.decode(encoded[1:])
    for layer, change in ((0, [0.5, 0.5]), (0, [1, 1]), (0, [0, 0]), (0, [2, 0])):
        wrong = encoded.copy()
        wrong[:2] = change
        with pytest.raises(ValueError, match=f"layer {layer}"):
            space.decode(wrong)
    misplaced = encoded.copy()
    misplaced[-2:] = [1, 0]
    with pytest.raises(ValueError, match="identity of layer 2"):
        space.decode(misplaced)


def test_check():
    assert SPACES[0].check("A2-C3-I-I-I") == Architecture.from_string("A2-C3-I-I-I")
    assert "A2-C3-I-I-I" in SPACES[0]
    assert Architecture.from_string("A2-C3-I-I-I") in SPACES[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A2-A2-I", "3 layers, but the search space has 4"),
        ("A2-F37-I-I", "layer 1 is feed_forward-37, allowed there are attention-2, identity, convolution-3"),
        ("A2-I-A2-I", "identity of layer 1 .* 'A2-A2-I-I'"),
        ("H32:A2-A2-I-I", "one hidden size"),
        ("A2-A2-I-X", "layer 3 is 'X'"),
    ],
)
def test_check_names_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        SPACES[1].check(text)
    assert text not in SPACES[1]
    for method in (SPACES[1].neighbours, SPACES[1].encode):
        with pytest.raises(ValueError, match=message):
            method(text)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "at least one layer"),
        ([["A2"], []], "Layer 1 has no candidate"),
        ([["A2"], ["A2", "attention-2"]], "Layer 1 names a candidate operator twice: attention-2"),
        ([["A2"], ["A2", "B3"]], "Layer 1: .*'B3'"),
        ([["A2", 3]], "Layer 0: .*got 3"),
        (["attention-2", "identity"], "one list a layer, got 'attention-2'"),
    ],
)
def test_wrong_candidates(candidates, message):
    with pytest.raises(ValueError, match=message):
        SearchSpace(candidates)


def test_wrong_placement():
    with pytest.raises(ValueError, match="anywhere, end; got 'start'"):
        SearchSpace([["A2"]], "start")
    with pytest.raises(ValueError, match="No architecture is legal"):
        SearchSpace([["I"], ["A2"]], "end")


def test_value_semantics():
    space = SPACES[0]
    again = SearchSpace.from_dict(space.to_dict())
    assert again == space
    assert hash(again) == hash(space)
    assert again.fingerprint == space.fingerprint
    others = [SearchSpace(MIXED[::-1]), SearchSpace(MIXED[:4]), *SPACES[1:]]
    assert all(other != space and other.fingerprint != space.fingerprint for other in others)
    assert SearchSpace(SPACES[2].candidates) != SPACES[2]
    assert repr(space) == "SearchSpace(5 layers, 48 paths, identity_placement='anywhere')"
    assert space.to_dict()["candidates"][1] == ["feed_forward-37", "convolution-3"]


def test_from_config():
    config = SupernetBertConfig(
        hidden_size=32,
        num_hidden_layers=3,
        candidate_operators=["attention-2", "feed_forward-37", "identity"],
        identity_placement="end",
    )
    assert SearchSpace.from_config(config) == SearchSpace([["A2", "F37", "I"]] * 3, "end")
