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
"""Samplers in spaces whose hidden size is searched too."""

import collections
import itertools

import pytest

from hf_supernet.plain_space import PlainBertSpace
from hf_supernet.samplers import make_sampler
from hf_supernet.search_space import CostTable, SearchSpace, SizedCostTable


LAYERS = [["A2", "F8", "I"]] * 3
SIZES = (8, 16)
SPACE = SearchSpace(LAYERS, hidden_sizes=SIZES)
ONE_SIZE = SearchSpace(LAYERS, hidden_sizes=[16])


@pytest.mark.parametrize("sizes", [SIZES, (8, 16, 24, 32)])
def test_fair_trains_sizes_and_candidates_equally_often(sizes):
    space = SearchSpace(LAYERS, hidden_sizes=sizes)
    sampler = make_sampler("fair", space, seed=1)
    paths = [path for step in range(12) for path in sampler.sample(step)]
    assert all(path in space for path in paths)
    assert len(sampler.sample(0)) == max(3, len(sizes))
    assert set(collections.Counter(path.hidden_size for path in paths).values()) == {len(paths) // len(sizes)}
    for layer in range(3):
        assert set(collections.Counter(path[layer] for path in paths).values()) == {len(paths) // 3}
    assert len({str(path) for path in paths}) > 20  # sizes and operators are dealt independently


def test_gradual_changes_the_size_where_it_restarts():
    with pytest.raises(
        ValueError, match=r"never the hidden size, of which this space has several \(8, 16\).*Set `rest"
    ):
        make_sampler("gradual", SPACE)
    sampler = make_sampler("gradual", SPACE, seed=1, restart_probability=0.2)
    paths = [sampler.sample(step)[0] for step in range(300)]
    sizes = collections.Counter(path.hidden_size for path in paths)
    assert min(sizes[size] for size in SIZES) > 75
    changes = sum(a.hidden_size != b.hidden_size for a, b in itertools.pairwise(paths))
    assert 15 < changes < 50  # half of the restarts


def test_gradual_fair_is_refused():
    with pytest.raises(ValueError, match=r"Gradual and fair sampling changes one operator .*Use the 'sandwich', the"):
        make_sampler("gradual-fair", SPACE)


def test_in_a_space_of_plain_children():
    """Which is not the product of its candidates."""
    layers = [["A4", "A8", "C3", "I"], ["F16", "F8", "C3", "I"]] * 2
    space = PlainBertSpace(layers, hidden_sizes=[16, 32], hidden_size=32, attention_head_size=4)
    for name in ("fair", "gradual-fair"):
        with pytest.raises(ValueError, match="leads out of this space: it has only some of the combinations"):
            make_sampler(name, space)
    largest, smallest = space.dearest(costs := sizes_as_costs(space)), space.cheapest(costs)
    assert (str(largest), str(smallest)) == ("H32:A8-F16-A8-F16", "H16:A4-F8-I-I")
    options = {"sandwich": {"largest": largest, "smallest": smallest}, "gradual": {"restart_probability": 0.5}}
    for name in ("sandwich", "gradual", "uniform"):
        sampler = make_sampler(name, space, **options.get(name, {}))
        assert all(path in space for step in range(30) for path in sampler.sample(step))


def sizes_as_costs(space: SearchSpace) -> SizedCostTable:
    costs = tuple(tuple(operator.size for operator in candidates) for candidates in space.candidates)
    return SizedCostTable.from_function(space, lambda size: CostTable(costs, base=size * 100))


@pytest.mark.parametrize("name", ["fair", "gradual", "gradual-fair", "uniform"])
def test_one_size_is_that_of_every_path(name):
    """The operators are drawn as without it."""
    plain, sized = (make_sampler(name, space, seed=1) for space in (SearchSpace(LAYERS), ONE_SIZE))
    for step in range(6):
        assert [f"H16:{path}" for path in plain.sample(step)] == [str(path) for path in sized.sample(step)]
