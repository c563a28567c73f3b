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

import collections

import pytest

from hf_supernet import SupernetBertConfig
from hf_supernet.samplers import SandwichSampler, make_sampler
from hf_supernet.search_space import SearchSpace


LAYERS = [["A2", "A4", "I"], ["F16", "F64", "F32"], ["C3"]]
PLAIN = SearchSpace(LAYERS)
SIZED = SearchSpace(LAYERS, hidden_sizes=[16, 48, 32])
MIXED = SearchSpace([["A4", "F64", "I"]] * 2, hidden_sizes=[16, 32])


@pytest.mark.parametrize(
    ("space", "largest", "smallest"),
    [
        (PLAIN, "A4-F64-C3", "I-F16-C3"),
        (SIZED, "H48:A4-F64-C3", "H16:I-F16-C3"),
        (SearchSpace(LAYERS[:1] * 3, "end"), "A4-A4-A4", "I-I-I"),
        (SearchSpace([["A2", "A4"], ["I", "F8"], ["I"]], "end"), "A4-F8-I", "A2-I-I"),
    ],
)
def test_largest_and_smallest_come_first(space, largest, smallest):
    sampler = SandwichSampler(space, seed=3)
    for step in range(5):
        paths = sampler.sample(step)
        assert [str(path) for path in paths[:2]] == [largest, smallest]
        assert len(paths) == 4 and all(path in space for path in paths)
    assert (str(sampler.largest), str(sampler.smallest)) == (largest, smallest)


def test_random_paths_are_uniform_over_the_whole_space():
    sampler = SandwichSampler(SIZED, num_random=3)
    counts = collections.Counter(str(path) for step in range(900) for path in sampler.sample(step)[2:])
    assert len(counts) == SIZED.num_paths() == 27
    assert min(counts.values()) > 60 and max(counts.values()) < 145  # 100 each on the mean
    assert sampler.sample(0)[2:] != sampler.sample(1)[2:]


def test_without_random_paths():
    assert [str(path) for path in SandwichSampler(PLAIN, num_random=0).sample(7)] == ["A4-F64-C3", "I-F16-C3"]


def test_candidates_of_several_kinds_need_the_sizes_of_the_model():
    with pytest.raises(ValueError, match="Which of attention, feed_forward in layer 0 is the largest depends on"):
        SandwichSampler(MIXED)
    config = SupernetBertConfig(
        hidden_size=32, hidden_sizes=[16, 32], attention_head_size=16, weight_sharing="sliced", num_hidden_layers=2,
        candidate_operators=["attention-4", "feed_forward-64", "identity"],
    )  # fmt: skip
    options = SandwichSampler.options_for(config, MIXED)  # 4 * 32 * 64 and 2 * 32 * 64 weights
    assert options == {"largest": "H32:A4-A4", "smallest": "H16:I-I"}
    sampler = SandwichSampler(MIXED, largest="H32:A4-F64", **{"smallest": options["smallest"]})
    assert [str(path) for path in sampler.sample(0)[:2]] == ["H32:A4-F64", "H16:I-I"]


def test_settings_are_part_of_the_state():
    sampler = SandwichSampler(PLAIN, num_random=1)
    assert sampler.settings() == {"num_random": 1, "largest": "A4-F64-C3", "smallest": "I-F16-C3"}
    for changed, message in (
        ({"num_random": 2}, "`num_random` is 1 in the state and 2 here"),
        ({"num_random": 1, "largest": "A2-F64-C3"}, "`largest` is 'A4-F64-C3' in the state and 'A2-F64-C3' here"),
    ):
        with pytest.raises(ValueError, match=message):
            SandwichSampler(PLAIN, **changed).load_state_dict(sampler.state_dict())
    again = make_sampler("sandwich", PLAIN, **sampler.settings())  # as they are read from a file
    assert again.sample(4) == sampler.sample(4)


@pytest.mark.parametrize("num_random", [-1, 1.5, True, "2"])
def test_wrong_number_of_random_paths(num_random):
    with pytest.raises(ValueError, match="`num_random`, the random paths of a step, is an integer from 0, got"):
        SandwichSampler(PLAIN, num_random=num_random)


def test_path_outside_the_space():
    with pytest.raises(ValueError, match="layer 0 is attention-8"):
        SandwichSampler(PLAIN, largest="A8-F64-C3")
