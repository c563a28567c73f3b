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
"""Residual branches that start at zero."""

import itertools

import pytest
import torch

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM


PROJECTIONS = ("output.weight", "pointwise.weight")
SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "max_position_embeddings": 16}
SEPARATE = {"candidate_operators": ["attention-2", "feed_forward-24", "convolution-3", "identity"]}
SLICED = {
    "candidate_operators": ["attention-2", "attention-1", "feed_forward-24", "feed_forward-8", "convolution-5", "convolution-3"],
    "weight_sharing": "sliced",
    "attention_head_size": 8,
    "hidden_sizes": [8, 16],
}  # fmt: skip


def make(config: dict, **options) -> SupernetBertForMaskedLM:
    torch.manual_seed(0)
    return SupernetBertForMaskedLM(SupernetBertConfig(**SIZES, **config, **options)).eval()


@pytest.mark.parametrize("config", [SEPARATE, SLICED])
def test_each_branch_adds_nothing_and_can_learn(config):
    model = make(config, zero_init_branches=True)
    inputs = torch.arange(14).reshape(2, 7)
    base = model.base_model
    paths = ["A2-F24-C3", "C3-C3-F24"] if config is SEPARATE else ["H16:A2-F24-C3", "H8:C5-A1-F8"]
    for path in paths:
        states = base(inputs, architecture=path, output_hidden_states=True).hidden_states
        for before, after in itertools.pairwise(states):  # a norm of what is normed
            torch.testing.assert_close(after, torch.nn.functional.layer_norm(before, before.shape[-1:], eps=1e-12))
        model.zero_grad()
        model(inputs, architecture=path, labels=inputs).loss.backward()
        gradients = [
            weight.grad
            for name, weight in model.named_parameters()
            if name.endswith(PROJECTIONS) and weight.grad is not None
        ]
        assert len(gradients) == 3 and all(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("config", [SEPARATE, SLICED])
def test_all_else_is_drawn_as_without_it(config, tmp_path):
    plain, zero = make(config), make(config, zero_init_branches=True)
    zeros = set()
    for (name, mine), theirs in zip(zero.named_parameters(), plain.parameters(), strict=True):
        if name.endswith(PROJECTIONS):
            zeros.add(name)
            assert not mine.any() and theirs.any()
        else:
            assert torch.equal(mine, theirs), name
    assert len(zeros) == 3 * 3
    plain.config.zero_init_branches = True  # weights that are loaded are not drawn
    plain.save_pretrained(tmp_path)
    loaded = SupernetBertForMaskedLM.from_pretrained(tmp_path)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert not hasattr(zero.extract_child().config, "zero_init_branches")
