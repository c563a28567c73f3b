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
import pytest
import torch
from torch import nn

from hf_supernet import Operator, SupernetBertForMaskedLM
from hf_supernet.models.searched_bert.modeling_searched_bert import SearchedBertIdentity, build_operator

from .conftest import (
    CANDIDATES,
    LENGTH,
    child_config,
    largest_difference,
    make_batch,
    randomise,
    sample_architectures,
    supernet_config,
)


@pytest.mark.parametrize("operator", ["convolution-3", "convolution-7"])
def test_the_convolution_is_a_separable_one_of_the_size_named(operator):
    config = child_config()
    module = randomise(build_operator(config, Operator.from_string(operator)))
    kernel, size = int(operator[-1]), config.hidden_size
    counted = {name: value.numel() for name, value in module.named_parameters()}
    assert counted["depthwise.weight"] == kernel * size and counted["pointwise.weight"] == size**2
    states = torch.randn(2, LENGTH, size)
    padded = nn.functional.pad(states, (0, 0, kernel // 2, kernel // 2))
    depthwise = module.depthwise.weight.flatten(1)  # (hidden, kernel)
    change = sum(padded[:, shift : shift + LENGTH] * depthwise[:, shift] for shift in range(kernel))
    change = module.pointwise(nn.functional.gelu(change + module.depthwise.bias))
    assert largest_difference(module(states), module.LayerNorm(states + change)) < 1e-5


# ---- Compilation ----


def test_compiled_operators_share_their_graphs():
    torch._dynamo.reset()
    batch = make_batch()
    candidates = [*CANDIDATES, "feed_forward-19", "feed_forward-23", "convolution-7", "attention-8"]
    supernet = randomise(SupernetBertForMaskedLM(supernet_config(candidate_operators=candidates, num_hidden_layers=6)))
    architectures = sample_architectures(supernet, 40)
    with torch.no_grad():
        expected = [supernet(**batch, architecture=architecture).logits for architecture in architectures]
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    supernet.compile_operators(backend=backend)
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        for architecture, logits in zip(architectures, expected, strict=True):
            assert largest_difference(supernet(**batch, architecture=architecture).logits, logits) < 1e-5
    assert len(graphs) == len(candidates) - 1 > 8  # one for each, none for the identity; 8 is torch's own limit
    assert not torch._dynamo.utils.counters["unimplemented"] and not torch._dynamo.utils.counters["graph_break"]
    assert torch._dynamo.utils.counters["frames"] == {"total": len(graphs), "ok": len(graphs)}
    assert not any(
        module._compiled_call_impl for module in supernet.modules() if isinstance(module, SearchedBertIdentity)
    )
    torch._dynamo.reset()
