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
import random

import pytest
import torch

from hf_supernet import Architecture, SearchSpace
from hf_supernet.search import Constraint, FeasibleSpace, PeakMemory
from hf_supernet.search.latency_measuring import build_child
from hf_supernet.search.peak_memory import LiveTensors
from hf_supernet.search.timing import model_call

from .conftest import tiny_config


def test_tensors_count_while_they_live():
    known = torch.zeros(100)
    with LiveTensors([known]) as tensors:
        one = torch.zeros(1000)
        view = one[:10]
        two = known.view(10, 10) + 1
        assert tensors.live == 4 * 1100
        del one
        assert tensors.live == 4 * 1100 and len(view)
        del view, two
        torch.zeros(500)
    assert tensors.live == 0 and tensors.peak == 4 * 1100


@pytest.mark.parametrize("head", [None, "masked-lm"])
def test_the_peak_is_that_of_the_whole_child(head):
    config = tiny_config(candidate_operators=["attention-4", "feed_forward-96", "convolution-3", "identity"])
    memory = PeakMemory(config, batch_size=3, sequence_length=17, head=head)
    found = set()
    for text in ("A4-I-I-I-I-I", "C3-C3-A4-C3-A4-I", "A4-F96-C3-F96-A4-C3", "I-I-I-I-I-I"):
        model = build_child(config, Architecture.from_string(text), head)
        call = model_call(model, memory.settings)
        with torch.no_grad(), LiveTensors([*model.parameters(), *model.buffers()]) as tensors:
            call()
        weights = sum(4 * parameter.numel() for parameter in model.parameters())
        assert memory(Architecture.from_string(text)) == pytest.approx(weights + tensors.peak, rel=0.01), text
        found.add(tensors.peak)
    assert head is not None or len(found) > 1  # a wide feed-forward needs more


def test_hidden_sizes_and_dtypes():
    config = tiny_config(hidden_sizes=[16, 32], weight_sharing="sliced", attention_head_size=8)
    memory, half = (PeakMemory(config, sequence_length=17, dtype=dtype) for dtype in ("float32", "bfloat16"))
    small, large = (Architecture.from_string(f"H{size}:A4-I-I-C3-I-I") for size in (16, 32))
    assert memory(small) < memory(large) and half(large) < 0.6 * memory(large)


def test_as_a_constraint():
    config = tiny_config()
    space, memory = SearchSpace.from_config(config), PeakMemory(config, sequence_length=17)
    values = [memory(space.sample(random.Random(seed))) for seed in range(20)]
    limit = sorted(values)[3]
    feasible = FeasibleSpace(space, [Constraint(memory, maximum=limit)])
    drawn = [feasible.sample(random.Random(seed)) for seed in range(10)]
    assert all(memory(item) <= limit for item in drawn) and memory.format(1000) == "1,000 bytes peak-memory"


def test_what_cannot_be():
    with pytest.raises(ValueError, match="`sequence_length` 41 is more than `max_position_embeddings` 40"):
        PeakMemory(tiny_config(), sequence_length=41)
    with pytest.raises(ValueError, match=r"`head` must be one of None.*; got 'mlm'"):
        PeakMemory(tiny_config(), sequence_length=17, head="mlm")
