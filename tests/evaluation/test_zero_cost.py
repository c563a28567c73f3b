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
"""Zero-cost proxies against computations by hand."""

import pytest
import torch
from torch import nn

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.evaluation.zero_cost import grad_norm, synflow


SIZE, LENGTH = 8, 5


def make_child(*operators: str, positive: bool = False) -> SearchedBertForMaskedLM:
    """Biases and norms that are not zeros and ones; for hand computations, weights that are positive already."""
    torch.manual_seed(0)
    config = SearchedBertConfig(
        vocab_size=19, hidden_size=SIZE, operators=list(operators), max_position_embeddings=LENGTH
    )
    child = SearchedBertForMaskedLM(config).double()
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
            if positive:
                parameter.abs_()
    return child


def make_batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    input_ids = torch.randint(5, 19, (3, LENGTH))
    labels = torch.where(torch.rand(3, LENGTH) < 0.5, input_ids, -100)
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": labels}


def test_grad_norm_by_hand():
    child, batch = make_child("attention-2", "convolution-3", "feed_forward-7", "identity").eval(), make_batch()
    child(**batch).loss.backward()
    operators = child.base_model.encoder.layer
    matrices = [
        *(operators[0].self.query, operators[0].self.key, operators[0].self.value, operators[0].output),
        *(operators[1].depthwise, operators[1].pointwise, operators[2].intermediate, operators[2].output),
    ]
    expected = sum(matrix.weight.grad.square().sum().sqrt().item() for matrix in matrices)
    child.zero_grad()
    assert grad_norm(child.train(), batch) == pytest.approx(expected)
    assert child.training and all(parameter.grad is None for parameter in child.parameters())


def test_synflow_of_a_feed_forward_by_hand():
    child = make_child("feed_forward-7", positive=True)
    layer = child.base_model.encoder.layer[0]
    first, second = layer.intermediate, layer.output
    ones = torch.ones(SIZE, dtype=torch.float64)
    inner = first.weight @ ones
    flows = [
        (second.weight @ inner).sum(),  # through the first matrix
        (second.weight @ first.bias).sum(),
        (second.weight @ (inner + first.bias)).sum(),  # through the second
        second.bias.sum(),
    ]
    assert synflow(child, LENGTH) == pytest.approx(LENGTH * sum(flow.item() for flow in flows))


def test_synflow_of_an_attention_by_hand():
    """All positions are alike: each reads their mean, so that queries and keys pass nothing on."""
    child = make_child("attention-2", positive=True)
    layer = child.base_model.encoder.layer[0]
    value, output = layer.self.value, layer.output
    ones = torch.ones(SIZE, dtype=torch.float64)
    flows = [
        (output.weight @ value.weight @ ones).sum(),
        (output.weight @ value.bias).sum(),
        (output.weight @ (value.weight @ ones + value.bias)).sum(),
        output.bias.sum(),
    ]
    assert synflow(child, LENGTH) == pytest.approx(LENGTH * sum(flow.item() for flow in flows))


def test_synflow_of_a_residual_pair_by_hand():
    """The second operator reads what the first one adds to its input."""
    child = make_child("convolution-1", "convolution-1", positive=True)
    with torch.no_grad():
        for layer in child.base_model.encoder.layer:
            layer.depthwise.bias.zero_()
            layer.pointwise.bias.zero_()
    one, two = (layer.pointwise.weight * layer.depthwise.weight.flatten() for layer in child.base_model.encoder.layer)
    ones = torch.ones(SIZE, dtype=torch.float64)
    through_one = (one @ ones + two @ one @ ones).sum().item()
    through_two = (two @ (ones + one @ ones)).sum().item()
    assert synflow(child, LENGTH) == pytest.approx(2 * LENGTH * (through_one + through_two))


def test_synflow_takes_signs_for_nothing_and_changes_nothing():
    child = make_child("attention-2", "convolution-3", "feed_forward-7")
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    score = synflow(child, LENGTH)
    assert score > 0 and all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())
    assert isinstance(child.base_model.encoder.layer[2].LayerNorm, nn.LayerNorm)
    with torch.no_grad():
        for parameter in child.base_model.encoder.parameters():
            parameter.neg_()
    assert synflow(child, LENGTH) == pytest.approx(score)


def test_identities_alone():
    child = make_child("identity", "identity")
    assert grad_norm(child, make_batch()) == synflow(child, LENGTH) == 0.0


def test_no_labels():
    batch = make_batch()
    del batch["labels"]
    with pytest.raises(ValueError, match=r"needs `labels`; this one has input_ids, attention_mask"):
        grad_norm(make_child("attention-2"), batch)
