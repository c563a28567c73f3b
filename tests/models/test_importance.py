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
from transformers import BertForMaskedLM

from hf_supernet import SupernetBertForMaskedLM, SupernetBertForSequenceClassification, to_bert
from hf_supernet.models.supernet_bert.importance import (
    gradient_importance,
    magnitude_importance,
    order_by_importance,
)
from hf_supernet.models.supernet_bert.ordering import order_slices

from .conftest import bert_config, largest_difference, make_batch, make_masked_labels, randomise, supernet_config


BATCHES = [make_batch(seed=seed) for seed in range(3)]
BATCHES = [batch | {"labels": make_masked_labels(batch)} for batch in BATCHES]
BATCH = {name: value for name, value in BATCHES[0].items() if name != "labels"}
LARGEST = "A4-F37-C5-F37"
IMPORTANT_UNITS = {3, 8, 11, 20, 25, 30, 35, 36}
IMPORTANT_HEADS = {1, 3}


def make_supernet(model_class=SupernetBertForMaskedLM, **fields) -> nn.Module:
    sharing = {"weight_sharing": "sliced", "attention_head_size": 6, "default_architecture": LARGEST}
    candidates = {"candidate_operators": ["A4", "A2", "F37", "F8", "C5", "C3"]}
    return randomise(model_class(supernet_config(**sharing | candidates | fields)))


def measure(name: str, supernet: nn.Module) -> dict[tuple[int, str], torch.Tensor]:
    return magnitude_importance(supernet) if name == "magnitude" else gradient_importance(supernet, BATCHES)


def first_of(importance: dict[tuple[int, str], torch.Tensor], layer: int, kind: str, count: int) -> set[int]:
    return set(importance[layer, kind].topk(count).indices.tolist())


@pytest.mark.parametrize("name", ["magnitude", "gradient"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_reordering_changes_no_output_of_the_largest(name, implementation):
    supernet = make_supernet(attn_implementation=implementation)
    weights = {key: value.clone() for key, value in supernet.state_dict().items()}
    largest, small = (supernet(**BATCH, architecture=a).logits for a in (LARGEST, "A2-F8-C5-F37"))
    importance = measure(name, supernet)
    order_by_importance(supernet, importance)
    assert largest_difference(supernet(**BATCH, architecture=LARGEST).logits, largest) < 1e-5
    assert largest_difference(supernet(**BATCH, architecture="A2-F8-C5-F37").logits, small) > 1e-3
    moved = {
        key.split("encoder.layer.")[1] for key, value in supernet.state_dict().items() if not value.equal(weights[key])
    }
    assert {key.split(".")[1] for key in moved} == {"attention-4", "feed_forward-37"}
    assert not any("LayerNorm" in key or key.endswith("output.bias") for key in moved)
    layers = {int(key.split(".")[0]) for key in moved}
    assert layers == ({0, 1, 2, 3} if name == "magnitude" else {0, 1, 3})  # the path has a convolution at 2
    again = measure(name, supernet)
    for place, scores in importance.items():
        torch.testing.assert_close(again[place], scores.sort(descending=True).values, rtol=1e-3, atol=1e-6)


def test_a_reordered_bert_is_exported_as_the_same_network():
    bert = randomise(BertForMaskedLM(bert_config(hidden_size=24)))
    supernet = SupernetBertForMaskedLM.from_bert(bert, ["A4", "A2", "F37", "F8"], weight_sharing="sliced").eval()
    order_by_importance(supernet, gradient_importance(supernet, BATCHES))
    exported = to_bert(supernet.extract_child())
    assert not torch.equal(
        exported.bert.encoder.layer[0].intermediate.dense.weight, bert.bert.encoder.layer[0].intermediate.dense.weight
    )
    assert largest_difference(exported(**BATCH).logits, bert(**BATCH).logits) < 1e-5


@pytest.mark.parametrize("name", ["magnitude", "gradient"])
def test_slices_keep_the_important_part(name):
    """All but some heads and units are next to nothing: the small child is the large one, if it keeps those."""
    supernet = make_supernet()
    attention, feed_forward = (
        supernet.base_model.encoder.layer[0]["attention-4"],
        supernet.base_model.encoder.layer[1]["feed_forward-37"],
    )
    faint_units = [unit for unit in range(37) if unit not in IMPORTANT_UNITS]
    faint_heads = [column for column in range(24) if column // 6 not in IMPORTANT_HEADS]
    with torch.no_grad():
        for faint, writer, readers in (
            (faint_units, feed_forward.output, [feed_forward.intermediate]),
            (faint_heads, attention.output, [attention.self.query, attention.self.key, attention.self.value]),
        ):
            writer.weight[:, faint] *= 1e-4
            for reader in readers:
                reader.weight[faint] *= 0.3
    expected = supernet(**BATCH, architecture=LARGEST).logits
    assert largest_difference(supernet.extract_child("A2-F8-C5-F37")(**BATCH).logits, expected) > 0.1
    kept = feed_forward.intermediate.weight[sorted(IMPORTANT_UNITS)].clone()
    importance = measure(name, supernet)
    assert first_of(importance, 0, "attention", 2) == IMPORTANT_HEADS
    assert first_of(importance, 1, "feed_forward", 8) == IMPORTANT_UNITS
    order_by_importance(supernet, importance)
    child = supernet.extract_child("A2-F8-C5-F37")
    assert largest_difference(child(**BATCH).logits, expected) < 1e-2
    rows = child.base_model.encoder.layer[1].intermediate.weight
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, kept.tolist()))


def test_the_gradient_sees_what_the_magnitude_does_not():
    """Units that are never active have the largest weights of all."""
    supernet = make_supernet()
    module, idle = supernet.base_model.encoder.layer[1]["feed_forward-37"], [0, 5, 9]
    with torch.no_grad():
        module.intermediate.bias[idle] = -200
    assert first_of(magnitude_importance(supernet), 1, "feed_forward", 3) == set(idle)
    scores = gradient_importance(supernet, BATCHES)[1, "feed_forward"]
    assert set(scores.topk(3, largest=False).indices.tolist()) == set(idle) and scores[idle].max() < 1e-6


@pytest.mark.parametrize("name", ["magnitude", "gradient"])
def test_new_heads_and_units_come_behind_those_of_bert(name):
    """Those that `from_bert` adds have random weights that nothing reads yet, however weak the others are."""
    bert = randomise(BertForMaskedLM(bert_config(hidden_size=24)))
    with torch.no_grad():
        for module in bert.bert.encoder.modules():
            if isinstance(module, nn.Linear):
                module.weight *= 1e-3
                module.bias *= 1e-3
    candidates = [["A6", "A4"], ["F50", "F37"]] * 3
    supernet = SupernetBertForMaskedLM.from_bert(bert, candidates, weight_sharing="sliced").eval()
    for (_, kind), scores in measure(name, supernet).items():
        own = {"attention": 4, "feed_forward": 37}[kind]
        assert (scores[:own] > 0).all() and (scores[own:] == 0).all()


def test_frozen_weights_matter_and_stay_frozen():
    supernet = make_supernet()
    expected = measure("gradient", supernet)
    for frozen in (supernet.base_model.encoder.layer[0], supernet):
        frozen.requires_grad_(False)
        found = measure("gradient", supernet)
        assert all(torch.equal(found[place], scores) for place, scores in expected.items())
        assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert all(parameter.grad is None for parameter in supernet.parameters())


@pytest.mark.parametrize("model_class", [SupernetBertForMaskedLM, SupernetBertForSequenceClassification])
def test_the_score_is_the_derivative_by_a_factor_in_front_of_a_head(model_class):
    supernet = make_supernet(model_class)
    batches = BATCHES
    if model_class is SupernetBertForSequenceClassification:
        batches = [batch | {"labels": torch.tensor([0, 1, 1, 0])} for batch in BATCHES]
    name = f"{supernet.base_model_prefix}.encoder.layer.0.attention-4.output.weight"
    weight = supernet.get_parameter(name).detach()
    expected = torch.zeros(4)
    for batch in batches:
        factors = torch.ones(4, requires_grad=True)
        scaled = {name: weight * factors.repeat_interleave(6)}
        loss = torch.func.functional_call(supernet, scaled, kwargs=batch | {"architecture": LARGEST}).loss
        expected += torch.autograd.grad(loss, factors)[0].abs() / len(batches)
    scores = gradient_importance(supernet, iter(batches), architecture="A2-F8-C3-F8")
    torch.testing.assert_close(scores[0, "attention"], expected, rtol=1e-4, atol=1e-6)
    assert set(scores) == {(0, "attention"), (1, "feed_forward"), (3, "feed_forward")}


def test_measuring_leaves_no_trace():
    supernet = make_supernet().train()
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    measure("magnitude", supernet), measure("gradient", supernet)
    assert supernet.training and all(parameter.grad is None for parameter in supernet.parameters())
    assert all(torch.equal(value, before[key]) for key, value in supernet.state_dict().items())


def test_slips():
    supernet = make_supernet()
    separate = make_supernet(weight_sharing="separate")
    for call in (magnitude_importance, lambda model: order_by_importance(model, {})):
        with pytest.raises(ValueError, match=r"matters with `weight_sharing='sliced'`; this model has 'separate'"):
            call(separate)
    with pytest.raises(ValueError, match="`batches` is empty"):
        gradient_importance(supernet, [])
    with pytest.raises(ValueError, match="`importance` must be one of gradient, magnitude; got 'size'"):
        order_slices(supernet, "size")
    with pytest.raises(ValueError, match="A batch needs `labels`; this one has input_ids"):
        gradient_importance(supernet, [BATCH])
    with pytest.raises(ValueError, match="No attention and no feed-forward of 'C5-C5-C5-C5' has a smaller candidate"):
        gradient_importance(supernet, BATCHES, "C3-C3-C5-C5")
    layers = [["A4"], ["F37", "F8"], ["A4"], ["F8"]]
    plain = make_supernet(
        candidate_operators=layers, plain_children=True, attention_head_size=8, default_architecture=None
    )
    with pytest.raises(ValueError, match="'A4-F37-A4-F8' is no path of this space: with `plain_children`, give all"):
        gradient_importance(plain, BATCHES)
    with pytest.raises(ValueError, match=r"scores for \(0, 'convolution'\), but .* one of \(0, 'attention'\), "):
        order_by_importance(supernet, {(0, "convolution"): torch.ones(5)})
    for scores in (torch.ones(3), torch.tensor([1.0, float("nan"), 0.0, 0.0])):
        with pytest.raises(ValueError, match="must be 4 finite numbers, one for each head or unit of `attention-4`"):
            order_by_importance(supernet, {(0, "attention"): scores})
