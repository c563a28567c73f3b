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
"""The elements of the hidden states in order of importance: the widest network stays, narrower ones keep the first."""

import pytest
import torch
from transformers import BertForMaskedLM

from hf_supernet import SupernetBertForMaskedLM, to_bert
from hf_supernet.models.supernet_bert import magnitude_of_hidden, order_hidden

from .conftest import bert_config, largest_difference, make_batch, randomise
from .test_narrower import SUPERNETS, make_supernet, pooled_output


BATCH = make_batch()


@pytest.mark.parametrize("name", [*SUPERNETS, "untied of one size"])
def test_the_widest_network_stays_as_it_is(name):
    fields = {}
    if name == "untied of one size":
        name, fields = "masked-lm", {"tie_word_embeddings": False}
    supernet = make_supernet(name, **fields).double()
    full, small = ("H32:A4-F37-C5-A2", "H32:A2-C3-I-F8"), "H12:A4-F37-C5-A2"
    expected = [pooled_output(supernet, architecture=architecture) for architecture in (*full, small)]
    order = magnitude_of_hidden(supernet).argsort(descending=True)
    words = supernet.get_input_embeddings().weight.detach().clone()
    scores = magnitude_of_hidden(supernet)
    order_hidden(supernet, scores)
    found = [pooled_output(supernet, architecture=architecture) for architecture in (*full, small)]
    if name == "encoder":  # whose outputs are those elements
        expected[:2] = [outputs[:, order] for outputs in expected[:2]]
    assert all(largest_difference(one, two) < 1e-9 for one, two in zip(found[:2], expected[:2], strict=True))
    assert largest_difference(found[2], expected[2]) > 1e-3
    torch.testing.assert_close(magnitude_of_hidden(supernet), scores.sort(descending=True).values)
    if supernet.config.embedding_size == 32:
        child = supernet.extract_child(small)
        assert torch.equal(child.get_input_embeddings().weight, words[:, order[:12]])


def test_large_weights_come_first():
    """An element comes in front whether what reads it is large or what writes it."""
    supernet = make_supernet()
    layer = supernet.base_model.encoder.layer[1]["feed_forward-37"]
    with torch.no_grad():
        layer.intermediate.weight[:, 3] *= 50
        layer.output.weight[7] *= 50
    before = magnitude_of_hidden(supernet)
    assert set(before.topk(2).indices.tolist()) == {3, 7} and before.shape == (32,)
    column = layer.intermediate.weight[:, 3].clone()
    order_hidden(supernet, before)
    assert any(torch.equal(layer.intermediate.weight[:, first], column) for first in (0, 1))


def test_an_ordered_bert_is_exported_as_the_same_network():
    bert = randomise(BertForMaskedLM(bert_config(hidden_size=24)))
    supernet = SupernetBertForMaskedLM.from_bert(
        bert, ["A4", "A2", "F37"], weight_sharing="sliced", hidden_sizes=[24, 12], plain_children=True
    ).eval()
    order_hidden(supernet, magnitude_of_hidden(supernet))
    exported = to_bert(supernet.extract_child())
    assert not torch.equal(exported.get_input_embeddings().weight, bert.get_input_embeddings().weight)
    assert largest_difference(exported(**BATCH).logits, bert(**BATCH).logits) < 1e-5


def test_slips():
    supernet = make_supernet()
    for scores in (torch.ones(31), torch.full((32,), float("nan"))):
        with pytest.raises(ValueError, match="`scores` must be 32 finite numbers, one for each element"):
            order_hidden(supernet, scores)
    one_size = make_supernet(hidden_sizes=None)
    for call in (magnitude_of_hidden, lambda model: order_hidden(model, torch.ones(32))):
        with pytest.raises(ValueError, match="matters where `hidden_sizes` are searched; here they are not"):
            call(one_size)
