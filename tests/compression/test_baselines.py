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
"""The models that a compressed child is compared with are what they are called."""

import copy
import itertools
from functools import partial

import pytest
import torch

from hf_supernet import SearchSpace
from hf_supernet.compression.baselines import config_of, narrower, random_children, shallower, untrained_child
from hf_supernet.compression.budget import cost_models
from hf_supernet.compression.choice_arguments import BudgetArguments, SpaceArguments
from hf_supernet.compression.choosing import Measuring
from hf_supernet.compression.supernet import supernet_config, supernet_options
from hf_supernet.search import Constraint, LatencySettings

from ..models.conftest import largest_difference
from .conftest import bert_config


BATCH = {"input_ids": torch.arange(2, 20).view(2, 9), "attention_mask": torch.ones(2, 9, dtype=torch.long)}


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(**BATCH).logits


def loss_of(best: str):
    """By which one child is better than all others."""
    return lambda child: float(str(child) != best)


def test_blocks_are_dropped_from_the_end_or_between_those_that_stay(classifier):
    found = list(map(str, shallower(classifier.config, loss_of("I-I-I-I-A4-F40"))))
    assert found == ["A4-F40-A4-F40-I-I", "A4-F40-I-I-A4-F40", "I-I-I-I-A4-F40", "A4-F40-I-I-I-I"]
    found = list(map(str, shallower(classifier.config, loss_of("A4-F40-I-I-A4-F40"))))
    assert found == ["A4-F40-I-I-A4-F40", "A4-F40-A4-F40-I-I", "A4-F40-I-I-I-I", "I-I-I-I-A4-F40"]
    children = sorted(shallower(classifier.config, loss_of("")), key=str)
    for child, kept in zip(children, ([0, 1], [0, 2], [0], [2]), strict=True):
        blocks, shorter = classifier.bert.encoder.layer, copy.deepcopy(classifier)
        shorter.bert.encoder.layer = torch.nn.ModuleList(blocks[index] for index in kept)
        assert torch.equal(logits(untrained_child(classifier, child)), logits(shorter))


def test_narrower_ones_keep_the_same_share_of_heads_and_units_and_then_of_all(classifier):
    found = [(item.hidden_size, *map(str, item[:2])) for item in narrower(classifier.config)]
    sizes = [
        ("attention-3", "feed_forward-30"),
        ("attention-2", "feed_forward-20"),
        ("attention-1", "feed_forward-10"),
    ]
    assert found == [(None, *size) for size in sizes] + [(18, *sizes[0]), (12, *sizes[1]), (6, *sizes[2])]
    for architecture in narrower(classifier.config):
        assert all(len(set(architecture[kind::2])) == 1 for kind in (0, 1))
        child = untrained_child(classifier, architecture)
        assert child.config.hidden_size == (architecture.hidden_size or 24)
        assert largest_difference(logits(child), logits(classifier)) > 1e-3


def test_what_is_left_out_of_a_narrower_one_has_the_least_magnitude(classifier):
    """Heads and units that do nothing, wherever they are, are the first to go."""
    with torch.no_grad():
        for index, block in enumerate(classifier.bert.encoder.layer):
            head = slice(6 * index, 6 * index + 6)
            for projection in (block.attention.self.query, block.attention.self.key, block.attention.self.value):
                projection.weight[head] = projection.bias[head] = 0
            block.attention.output.dense.weight[:, head] = 0
            units = torch.arange(index, 40, 4)
            block.intermediate.dense.weight[units] = block.intermediate.dense.bias[units] = 0
            block.output.dense.weight[:, units] = 0
    child = untrained_child(classifier, next(narrower(classifier.config)))
    assert child.config.operators[:2] == ["attention-3", "feed_forward-30"]
    assert largest_difference(logits(child), logits(classifier)) < 1e-4


def test_random_children_use_the_budget():
    config = supernet_config(bert_config(), supernet_options(bert_config(), SpaceArguments(min_blocks=1)))
    costs, space = cost_models(config, 16), SearchSpace.from_config(config)
    limit = 13_000
    constraints = [Constraint(costs["parameters"], maximum=limit)]
    drawn = list(random_children(space, constraints, seed=0))
    assert len(set(drawn)) == len(drawn) == sum(costs["parameters"](item) <= limit for item in space)
    near = [costs["parameters"](item) >= 0.9 * limit for item in drawn]
    assert near == sorted(near, reverse=True) and any(near) and not all(near)
    behind = [costs["parameters"](item) for item in itertools.compress(drawn, (not one for one in near))]
    assert behind == sorted(behind, reverse=True)
    again, other = (next(random_children(space, constraints, seed)) for seed in (0, 3))
    assert drawn[0] == again != other


@pytest.mark.usefixtures("parameter_clock")
def test_the_largest_of_each_kind_within_the_budget(classifier):
    conditions = LatencySettings(sequence_length=8, repeats=2)

    def choose(kind, **limits) -> dict:
        measuring = Measuring(BudgetArguments(**limits), conditions, classifier)
        return measuring.choose(kind(classifier.config), lambda child: config_of(classifier.config, child))

    from_the_end = partial(shallower, loss=lambda child: child[-1].kind != "identity")
    assert choose(from_the_end, max_parameters=13_000) == {"architecture": "A4-F40-A4-F40-I-I"}
    assert choose(from_the_end, max_parameters=13_000, max_multiply_adds=50_000)["architecture"] == "A4-F40-I-I-I-I"
    found = choose(from_the_end, max_latency_ratio=0.6)
    assert found["architecture"] == "A4-F40-I-I-I-I" and 0.3 < found["latency_ratio"] < 0.6
    assert choose(narrower, max_parameters=13_700)["architecture"] == "A3-F30-A3-F30-A3-F30"
    assert choose(narrower, max_parameters=7_000)["architecture"] == "H12:A2-F20-A2-F20-A2-F20"
    assert choose(from_the_end, max_parameters=3_000) == {
        "architecture": None,
        "reason": "none keeps the budget (parameters 3,000)",
    }
    assert choose(from_the_end, max_latency_ratio=0.1)["reason"].startswith(
        "none keeps the budget (latency 0.1); the least latency measured is 0.3"
    )
