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
"""Supernets whose hidden size is searched: the narrower networks are slices of the widest."""

import itertools

import pytest
import torch
from torch import nn
from transformers import BertForMaskedLM

from hf_supernet import (
    Evaluator,
    SupernetBertForMaskedLM,
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetBertModel,
    to_bert,
)
from hf_supernet.costs import count_parameters
from hf_supernet.evaluation.interference import gradient_similarities
from hf_supernet.export import plain_bert_obstacle
from hf_supernet.models.supernet_bert import magnitude_importance, order_by_importance

from .conftest import (
    bert_config,
    largest_difference,
    make_batch,
    make_masked_labels,
    randomise,
    sample_architectures,
    supernet_config,
)


BATCH = make_batch()
LABELS = make_masked_labels(BATCH)
SIZES = [20, 32, 12]
CANDIDATES = ["A4", "A2", "F37", "F8", "C5", "C3", "I"]
SUPERNETS = {
    "encoder": (SupernetBertModel, {}, None),
    "masked-lm": (SupernetBertForMaskedLM, {}, "masked-lm"),
    "untied": (
        SupernetBertForMaskedLM,
        {"embedding_size": 14, "tie_word_embeddings": False, "kernel_transform": True},
        "masked-lm",
    ),
    "classification": (SupernetBertForSequenceClassification, {"num_labels": 3}, "sequence-classification"),
    "span": (SupernetBertForQuestionAnswering, {}, "question-answering"),
}


def make_supernet(name: str = "masked-lm", **fields) -> nn.Module:
    model_class, own_fields, _ = SUPERNETS[name]
    sharing = {"weight_sharing": "sliced", "attention_head_size": 6, "hidden_sizes": SIZES}
    return randomise(model_class(supernet_config(candidate_operators=CANDIDATES, **(sharing | own_fields | fields))))


def pooled_output(model: nn.Module, **arguments) -> torch.Tensor:
    outputs = model(**BATCH, **arguments)
    if hasattr(outputs, "start_logits"):
        return torch.stack([outputs.start_logits, outputs.end_logits], dim=-1)
    return outputs.pooler_output if hasattr(outputs, "pooler_output") else outputs.logits


@pytest.mark.parametrize("name", SUPERNETS)
def test_children_have_the_outputs_of_their_paths_and_survive_saving(name, tmp_path):
    supernet = make_supernet(name)
    supernet.save_pretrained(tmp_path)
    loaded, info = type(supernet).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()) and loaded.search_space == supernet.search_space
    architectures = sample_architectures(supernet, 14)
    assert {architecture.hidden_size for architecture in architectures} == set(SIZES)
    seen = []
    for architecture in architectures:
        child = supernet.extract_child(architecture)
        expected = pooled_output(supernet, architecture=architecture)
        assert child.config.hidden_size == architecture.hidden_size
        assert largest_difference(pooled_output(child), expected) < 1e-5
        assert largest_difference(pooled_output(loaded, architecture=architecture), expected) < 1e-5
        assert child.num_parameters() == count_parameters(supernet.config, architecture, SUPERNETS[name][2])
        if expected.shape == (seen[-1].shape if seen else None):
            assert largest_difference(expected, seen[-1]) > 1e-3
        seen.append(expected)
    child.save_pretrained(tmp_path / "child")
    reloaded = type(child).from_pretrained(tmp_path / "child")
    assert largest_difference(pooled_output(reloaded), pooled_output(child)) < 1e-6
    assert "hidden_sizes" not in child.config.to_dict()


@pytest.mark.parametrize("name", ["masked-lm", "classification"])
def test_weights_are_the_first_rows_and_columns(name):
    supernet = make_supernet(name)
    own = {key.replace("supernet_bert", "searched_bert"): value for key, value in supernet.state_dict().items()}
    child = supernet.extract_child("H12:A2-F8-C3-I").state_dict()
    layers = "searched_bert.encoder.layer."
    expected = {
        "searched_bert.embeddings.word_embeddings.weight": own["searched_bert.embeddings.word_embeddings.weight"][
            :, :12
        ],
        "searched_bert.embeddings.LayerNorm.weight": own["searched_bert.embeddings.LayerNorm.weight"][:12],
        f"{layers}0.self.key.weight": own[f"{layers}0.attention-4.self.key.weight"][:12, :12],
        f"{layers}0.output.weight": own[f"{layers}0.attention-4.output.weight"][:12, :12],
        f"{layers}0.output.bias": own[f"{layers}0.attention-4.output.bias"][:12],
        f"{layers}0.LayerNorm.bias": own[f"{layers}0.attention-4.LayerNorm.bias"][:12],
        f"{layers}1.intermediate.weight": own[f"{layers}1.feed_forward-37.intermediate.weight"][:8, :12],
        f"{layers}1.output.weight": own[f"{layers}1.feed_forward-37.output.weight"][:12, :8],
        f"{layers}2.depthwise.weight": own[f"{layers}2.convolution-5.depthwise.weight"][:12, :, 1:4],
        f"{layers}2.pointwise.weight": own[f"{layers}2.convolution-5.pointwise.weight"][:12, :12],
    }
    if name == "masked-lm":
        expected |= {
            "cls.transform.dense.weight": own["cls.transform.dense.weight"][:12, :12],
            "cls.transform.LayerNorm.weight": own["cls.transform.LayerNorm.weight"][:12],
            "cls.decoder.weight": own["cls.decoder.weight"][:, :12],
            "cls.bias": own["cls.bias"],
        }
    else:
        expected |= {
            "searched_bert.pooler.dense.weight": own["searched_bert.pooler.dense.weight"][:12, :12],
            "classifier.weight": own["classifier.weight"][:, :12],
        }
    for key, value in expected.items():
        assert torch.equal(child[key], value), key


@pytest.mark.parametrize("name", ["masked-lm", "classification"])
def test_gradients_are_those_of_the_child(name):
    supernet = make_supernet(name).double()
    labels = LABELS if name != "classification" else torch.tensor([0, 2, 1, 1])
    for architecture in ("H12:A2-F8-C5-I", "H20:A4-C3-F37-A2"):
        child = supernet.extract_child(architecture)
        weights = dict(supernet.named_parameters())
        loss = supernet(**BATCH, labels=labels, architecture=architecture).loss
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        child(**BATCH, labels=labels).loss.backward()
        total = sum(parameter.grad.square().sum() for parameter in child.parameters())
        found = sum(gradient.square().sum() for gradient in gradients if gradient is not None)
        torch.testing.assert_close(found, total, rtol=1e-9, atol=0)
        size = child.config.hidden_size
        gradient = dict(zip(weights, gradients, strict=True))[
            "supernet_bert.encoder.layer.0.attention-4.LayerNorm.weight"
        ]
        torch.testing.assert_close(gradient[:size], child.base_model.encoder.layer[0].LayerNorm.weight.grad)
        assert gradient[size:].abs().max() == 0


def test_at_full_width_it_is_the_supernet_without_other_sizes():
    supernet, plain = make_supernet(), make_supernet(hidden_sizes=None)
    assert supernet.state_dict().keys() == plain.state_dict().keys()
    assert supernet.num_parameters() == plain.num_parameters()
    assert str(supernet.resolve_architecture(None)) == "H32:" + str(plain.resolve_architecture(None))
    for architecture in sample_architectures(plain, 4):
        expected = plain(**BATCH, architecture=architecture).logits
        assert torch.equal(supernet(**BATCH, architecture=f"H32:{architecture}").logits, expected)
    with pytest.raises(ValueError, match=r"'A4-F8-C3-I' names no hidden size; this search space has 20, 32, 12"):
        supernet(**BATCH, architecture="A4-F8-C3-I")


def test_states_attentions_and_other_implementations():
    supernet, architecture = make_supernet(), "H20:A2-I-A4-C3"
    expected = supernet(**BATCH, architecture=architecture, output_hidden_states=True)
    assert [state.shape[-1] for state in expected.hidden_states] == [20] * 5
    supernet.set_attn_implementation("eager")
    outputs = supernet(**BATCH, architecture=architecture, output_attentions=True)
    assert [attention.shape[1] for attention in outputs.attentions] == [2, 4]
    real = BATCH["attention_mask"].bool()
    assert largest_difference(outputs.logits[real], expected.logits[real]) < 1e-4


def test_resized_embeddings_are_followed():
    supernet = make_supernet()
    supernet.resize_token_embeddings(107)
    logits = supernet(**BATCH, architecture="H12:A2-F8-C3-I").logits
    assert logits.shape[-1] == 107
    child = supernet.extract_child("H12:A2-F8-C3-I")
    assert child.config.vocab_size == 107 and largest_difference(child(**BATCH).logits, logits) < 1e-5


def test_padding_changes_nothing(batch):
    supernet = make_supernet()
    real = batch["attention_mask"].bool()
    other = batch | {"input_ids": batch["input_ids"].where(real, 7)}
    for architecture in ("H12:A2-F8-C3-A4", "H20:C5-A4-F37-I"):
        one, two = (supernet(**inputs, architecture=architecture).logits[real] for inputs in (batch, other))
        assert largest_difference(one, two) < 1e-5


@pytest.mark.parametrize("name", ["masked-lm", "classification"])
def test_children_of_several_sizes_are_evaluated_together(name):
    supernet = make_supernet(name)
    labels = LABELS if name == "masked-lm" else torch.tensor([0, 2, 1, 1])
    architectures = sample_architectures(supernet, 12)
    losses = Evaluator(supernet, [BATCH | {"labels": labels}]).evaluate(architectures)
    assert list(losses) == list(dict.fromkeys(architectures))
    for architecture, loss in losses.items():
        assert loss == pytest.approx(supernet(**BATCH, labels=labels, architecture=architecture).loss.item(), abs=1e-5)


def test_interference_is_measured_at_one_size():
    supernet, batch = make_supernet(), BATCH | {"labels": LABELS}
    found = gradient_similarities(supernet, "H12:A4-F8-C3-A2", "H12:A4-F37-C3-A2", batch)
    assert [shared.operator for shared in found] == ["attention-4", "convolution-3", "attention-2"]
    with pytest.raises(ValueError, match="have states of different sizes, which cannot be compared"):
        gradient_similarities(supernet, "H12:A4-F8-C3-A2", "H20:A4-F8-C3-A2", batch)


def test_activation_checkpointing_of_two_sizes_before_one_backward_pass():
    supernet = make_supernet("masked-lm", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()

    def gradients() -> list[torch.Tensor]:
        supernet.zero_grad()
        losses = [supernet(**BATCH, labels=LABELS, architecture=a).loss for a in ("H32:A4-F37-C3-I", "H12:A2-I-C5-F8")]
        sum(losses).backward()
        return [parameter.grad.clone() for parameter in supernet.parameters() if parameter.grad is not None]

    plain = gradients()
    supernet.activation_checkpointing_enable()
    for one, two in itertools.zip_longest(gradients(), plain):
        torch.testing.assert_close(one, two)


# ---- From BERT ----


@pytest.fixture(scope="module")
def bert() -> BertForMaskedLM:
    return randomise(BertForMaskedLM(bert_config(hidden_size=24)))


def test_from_bert_and_back(bert):
    supernet = SupernetBertForMaskedLM.from_bert(
        bert, ["A4", "A2", "F37", "F8"], weight_sharing="sliced", hidden_sizes=[24, 12]
    ).eval()
    assert supernet.config.default_architecture == "H24:A4-F37-A4-F37-A4-F37"
    exported, original = to_bert(supernet.extract_child()).state_dict(), bert.state_dict()
    assert exported.keys() == original.keys()
    assert all(torch.equal(value, original[name]) for name, value in exported.items())
    architecture = "H12:A2-F8-A2-F8-A2-F8"  # two heads of size 6: a plain BERT too
    narrow = to_bert(supernet.extract_child(architecture))
    assert narrow.config.hidden_size == 12 and narrow.config.num_attention_heads == 2
    assert plain_bert_obstacle(supernet.config, architecture) is None
    assert "whose product is `hidden_size` (12)" in plain_bert_obstacle(supernet.config, "H12:A4-F8-A4-F8-A4-F8")
    assert largest_difference(narrow(**BATCH).logits, supernet(**BATCH, architecture=architecture).logits) < 1e-5


def test_order_by_importance_at_every_size(bert):
    supernet = make_supernet()
    full, small = "H32:A4-F37-C5-F37", "H12:A4-F37-C5-F37"
    expected = [supernet(**BATCH, architecture=architecture).logits for architecture in (full, small)]
    order_by_importance(supernet, magnitude_importance(supernet))
    for architecture, logits in zip((full, small), expected, strict=True):
        assert largest_difference(supernet(**BATCH, architecture=architecture).logits, logits) < 1e-5
