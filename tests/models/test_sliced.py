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
import copy
import itertools

import pytest
import torch
from peft import LoraConfig
from torch import nn
from transformers import BertForMaskedLM

from hf_supernet import (
    Architecture,
    Evaluator,
    Operator,
    SupernetBertForMaskedLM,
    SupernetBertForSequenceClassification,
    to_bert,
)
from hf_supernet.costs import count_parameters, operator_parameters
from hf_supernet.evaluation.interference import gradient_similarities
from hf_supernet.models.searched_bert.modeling_searched_bert import build_operator
from hf_supernet.peft import add_lora
from hf_supernet.training.alignment import AlignmentLoss

from .conftest import (
    LENGTH,
    bert_config,
    check_checkpointing,
    largest_difference,
    make_batch,
    make_masked_labels,
    randomise,
    sample_architectures,
    supernet_config,
)


BATCH = make_batch()
LABELS = make_masked_labels(BATCH)
HEAD_SIZE = 6
CANDIDATES = ["F19", "A4", "C3", "A1", "I", "F37", "C7", "C5", "A3", "F8"]
TRANSFORM = {"kernel_transform": True}
LARGEST = "A4-F37-C7-A4"


def sliced_config(**fields):
    sharing = {"weight_sharing": "sliced", "attention_head_size": HEAD_SIZE, "candidate_operators": CANDIDATES}
    return supernet_config(**(sharing | fields))


def make_supernet(model_class=SupernetBertForMaskedLM, **fields) -> nn.Module:
    return randomise(model_class(sliced_config(**fields)))


def cut_by_hand(layer: nn.ModuleDict, operator: Operator) -> dict[str, torch.Tensor]:
    """The weights that a small operator has according to the documentation, written out."""
    largest = {"attention": "attention-4", "feed_forward": "feed_forward-37", "convolution": "convolution-7"}
    weights = dict(layer[largest[operator.kind]].named_parameters())
    if operator.kind == "convolution":
        kernel = weights["depthwise.weight"]
        for size in (5, 3):
            if size >= operator.size:
                kernel = kernel[:, :, 1:-1]
                if (transform := getattr(layer[f"convolution-{size}"].depthwise, "transform", None)) is not None:
                    kernel = torch.einsum("oi,hcix->hcox", transform, kernel)
        weights["depthwise.weight"] = kernel
        return weights
    count = operator.size * (HEAD_SIZE if operator.kind == "attention" else 1)
    for name in ("self.query", "self.key", "self.value") if operator.kind == "attention" else ("intermediate",):
        weights |= {
            f"{name}.weight": weights[f"{name}.weight"][:count],
            f"{name}.bias": weights[f"{name}.bias"][:count],
        }
    weights["output.weight"] = weights["output.weight"][:, :count]
    return weights


# ---- Operators ----


@pytest.mark.parametrize("fields", [{}, TRANSFORM], ids=["plain", "transform"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", [name for name in CANDIDATES if name != "I"])
def test_a_sliced_operator_is_a_small_one_with_copied_weights(name, implementation, fields):
    supernet = make_supernet(attn_implementation=implementation, **fields).double()
    layer, operator = supernet.base_model.encoder.layer[1], Operator.from_string(name)
    small = build_operator(supernet.config, operator).double().eval()
    states = torch.randn(4, LENGTH, 32, dtype=torch.float64, requires_grad=True)
    token_mask = BATCH["attention_mask"].double().unsqueeze(-1)
    masks = (BATCH["attention_mask"].bool()[:, None, None], token_mask)
    if implementation == "eager":
        masks = ((1 - token_mask.transpose(1, 2).unsqueeze(1)) * -1e9, token_mask)
    outputs = (
        layer[str(operator)](states, *masks),
        torch.func.functional_call(small, cut_by_hand(layer, operator), (states, *masks)),
    )
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12)
    leaves = [states, *layer.parameters()]
    weighting = torch.randn(4, LENGTH, 32, dtype=torch.float64)
    mine, theirs = (torch.autograd.grad((out * weighting).sum(), leaves, allow_unused=True) for out in outputs)
    assert sum(gradient is not None for gradient in mine) > 6
    for one, two in zip(mine, theirs, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two, rtol=0, atol=1e-11)


def test_only_the_largest_of_a_kind_has_weights():
    names = {name.split(".")[0] for name, _ in make_supernet().base_model.encoder.layer[2].named_parameters()}
    assert names == {"attention-4", "feed_forward-37", "convolution-7"}
    layer = make_supernet(**TRANSFORM).base_model.encoder.layer[2]
    added = {name: tuple(value.shape) for name, value in layer.named_parameters() if "transform" in name}
    assert added == {"convolution-3.depthwise.transform": (3, 3), "convolution-5.depthwise.transform": (5, 5)}


def test_a_learned_kernel_starts_as_the_centre_and_is_learned():
    supernet = SupernetBertForMaskedLM(sliced_config(**TRANSFORM))
    layer = supernet.base_model.encoder.layer[0]
    centre = layer["convolution-7"].depthwise.weight[:, :, 2:-2]
    assert torch.equal(layer["convolution-3"].depthwise.weight, centre)
    supernet(**BATCH, labels=LABELS, architecture="C3-F8-A1-I").loss.backward()
    assert all(layer[name].depthwise.transform.grad.abs().max() > 0 for name in ("convolution-3", "convolution-5"))


# ---- The model ----


@pytest.mark.parametrize(
    ("model_class", "fields"),
    [
        (SupernetBertForMaskedLM, {}),
        (SupernetBertForMaskedLM, {"embedding_size": 12, "tie_word_embeddings": False} | TRANSFORM),
        (SupernetBertForSequenceClassification, {"num_labels": 3}),
    ],
)
def test_children_have_the_outputs_of_their_paths_and_survive_saving(model_class, fields, tmp_path):
    supernet = make_supernet(model_class, **fields)
    supernet.save_pretrained(tmp_path)
    loaded, info = model_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()) and loaded.search_space == supernet.search_space
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in supernet.state_dict().items())
    seen = []
    for architecture in sample_architectures(supernet, 12):
        child = supernet.extract_child(architecture)
        expected = supernet(**BATCH, architecture=architecture).logits
        assert largest_difference(child(**BATCH).logits, expected) < 1e-5
        assert largest_difference(loaded(**BATCH, architecture=architecture).logits, expected) < 1e-5
        head = "masked-lm" if model_class is SupernetBertForMaskedLM else "sequence-classification"
        assert child.num_parameters() == count_parameters(supernet.config, architecture, head)
        assert all(parameter.is_contiguous() and parameter.is_leaf for parameter in child.parameters())
        seen.append(expected)
    assert all(largest_difference(one, two) > 1e-3 for one, two in itertools.pairwise(seen))
    child.save_pretrained(tmp_path / "child")
    reloaded = type(child).from_pretrained(tmp_path / "child")
    assert largest_difference(reloaded(**BATCH).logits, child(**BATCH).logits) == 0
    assert not {"weight_sharing", "kernel_transform"} & set(child.config.to_dict())


@pytest.mark.parametrize("fields", [{}, TRANSFORM])
def test_children_equal_their_paths_under_autocast(fields):
    """A learned kernel is made in the precision in which it is stored."""
    model, path = make_supernet(**fields), "C3-C5-C3-C7"
    with torch.autocast("cpu", torch.bfloat16):
        child = model.extract_child(path)
        expected = child(**BATCH).logits
        assert largest_difference(model(**BATCH, architecture=path).logits, expected) < 1e-5
    assert {parameter.dtype for parameter in child.parameters()} == {torch.float32}


def test_a_child_owns_its_weights():
    supernet = make_supernet()
    before = copy.deepcopy(supernet.state_dict())
    for architecture in ("A1-F8-C3-A3", LARGEST):
        with torch.no_grad():
            for parameter in supernet.extract_child(architecture).parameters():
                parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_the_supernet_counts_shared_weights_once():
    supernet = make_supernet(num_hidden_layers=1)
    operators = sum(operator_parameters(Operator.from_string(text), supernet.config) for text in ("A4", "F37", "C7"))
    assert supernet.num_parameters() == count_parameters(supernet.config, "I", "masked-lm") + operators


def test_slices_follow_their_parent():
    """A copy, another type, other weights, and an optimizer's step."""
    supernet, architecture = make_supernet(), "A1-F8-C3-A3"
    twin = randomise(copy.deepcopy(supernet), seed=5)
    assert largest_difference(twin(**BATCH, architecture=architecture).logits, make_logits(5, architecture)) == 0
    assert largest_difference(supernet(**BATCH, architecture=architecture).logits, make_logits(0, architecture)) == 0
    supernet.load_state_dict(twin.state_dict(), assign=True)
    assert largest_difference(supernet(**BATCH, architecture=architecture).logits, make_logits(5, architecture)) == 0
    assert supernet.to(torch.bfloat16)(**BATCH, architecture=architecture).logits.dtype == torch.bfloat16


def make_logits(seed: int, architecture: str) -> torch.Tensor:
    model = randomise(SupernetBertForMaskedLM(sliced_config()), seed)
    return model(**BATCH, architecture=architecture).logits


def test_training_one_candidate_moves_the_others():
    supernet = make_supernet()
    before = supernet(**BATCH, architecture="A1-F8-C3-I").logits
    optimizer = torch.optim.AdamW(supernet.base_model.encoder.parameters(), lr=1e-3)
    supernet(**BATCH, labels=LABELS, architecture="A4-F37-C7-I").loss.backward()
    optimizer.step()
    assert largest_difference(supernet(**BATCH, architecture="A1-F8-C3-I").logits, before) > 1e-3


def test_padding_changes_nothing(batch):
    supernet = make_supernet(**TRANSFORM)
    real = batch["attention_mask"].bool()
    other = batch | {"input_ids": batch["input_ids"].where(real, 7)}
    for architecture in sample_architectures(supernet, 6):
        with_padding, changed = (supernet(**inputs, architecture=architecture).logits for inputs in (batch, other))
        assert largest_difference(with_padding[real], changed[real]) < 1e-5
    if real[2, 0]:  # padded on the right: positions are those of the row alone
        alone = {name: value[2:3, :4] for name, value in batch.items()}
        expected = supernet(**alone, architecture=architecture).logits
        assert largest_difference(with_padding[2:3, :4], expected) < 1e-5


def test_activation_checkpointing_of_two_paths_that_share_weights():
    supernet = SupernetBertForMaskedLM(sliced_config(**TRANSFORM))
    check_checkpointing(supernet, BATCH, LABELS, ["A4-F37-C3-I", "A1-I-C7-F8"])


def test_evaluation_of_prefixes_and_alignment():
    supernet = make_supernet()
    architectures = sample_architectures(supernet, 10)
    losses = Evaluator(supernet, [BATCH | {"labels": LABELS}]).evaluate(architectures)
    for architecture in architectures:
        expected = supernet.extract_child(architecture)(**BATCH, labels=LABELS).loss.item()
        assert losses[architecture] == pytest.approx(expected, abs=1e-5)
    child, anchor = Architecture.from_string("A4-F8-C3-A1"), Architecture.from_string("A4-F37-C5-A1")
    outputs = supernet(**BATCH, architecture=child, output_hidden_states=True)
    loss = AlignmentLoss()(supernet, outputs.hidden_states, BATCH["attention_mask"], child, anchor)
    loss.backward()
    gradient = supernet.base_model.encoder.layer[1]["feed_forward-37"].output.weight.grad
    assert gradient[:, :8].abs().max() > 0 == gradient[:, 8:].abs().max()


def test_compiled_operators_share_their_graphs():
    torch._dynamo.reset()
    supernet, graphs = make_supernet(**TRANSFORM), []
    architectures = sample_architectures(supernet, 24)
    with torch.no_grad():
        expected = [supernet(**BATCH, architecture=architecture).logits for architecture in architectures]
        supernet.compile_operators(backend=lambda graph, _: graphs.append(graph) or graph.forward)
        for architecture, logits in zip(architectures, expected, strict=True):
            assert largest_difference(supernet(**BATCH, architecture=architecture).logits, logits) < 1e-5
    assert len(graphs) == len(CANDIDATES) - 1
    torch._dynamo.reset()


def test_interference_reads_the_gradients_of_shared_weights():
    supernet, batch = make_supernet(**TRANSFORM), BATCH | {"labels": LABELS}
    found = gradient_similarities(supernet, "A4-F8-C3-A1", "A3-F8-C3-A3", batch)
    assert [shared.operator for shared in found] == ["feed_forward-8", "convolution-3"]
    weights = list(supernet.base_model.encoder.layer[1]["feed_forward-37"].parameters())
    one, two = (
        torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, weights)])
        for loss in (supernet(**batch, architecture=a).loss for a in ("A4-F8-C3-A1", "A3-F8-C3-A3"))
    )
    expected = nn.functional.cosine_similarity(one, two, dim=0).item()
    assert found[0].gradient_similarity == pytest.approx(expected, abs=1e-5)


def test_adapters_are_for_children():
    with pytest.raises(ValueError, match=r"`weight_sharing='sliced'`, of which PEFT .* Adapt a child"):
        add_lora(make_supernet(), LoraConfig(r=2))


# ---- From BERT ----


@pytest.fixture(scope="module")
def bert() -> BertForMaskedLM:
    return randomise(BertForMaskedLM(bert_config(hidden_size=24)))


def from_bert(bert: nn.Module, candidates: list[str], **choices) -> SupernetBertForMaskedLM:
    return SupernetBertForMaskedLM.from_bert(bert, candidates, weight_sharing="sliced", **choices).eval()


def test_the_largest_child_is_the_original_bert_bit_for_bit(bert):
    supernet = from_bert(bert, ["A4", "A2", "A1", "F37", "F8", "C3", "I"])
    assert supernet.config.attention_head_size == 6
    exported = to_bert(supernet.extract_child("A4-F37-A4-F37-A4-F37"))
    original = bert.state_dict()
    assert exported.state_dict().keys() == original.keys()
    assert all(torch.equal(value, original[name]) for name, value in exported.state_dict().items())
    fields = ("num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_size", "vocab_size")
    assert all(getattr(exported.config, name) == getattr(bert.config, name) for name in fields)


@pytest.mark.parametrize("candidates", [["A4", "A2", "F37", "F8"], ["A2", "F8"], ["A9", "A2", "F50", "F8"]])
def test_small_children_are_slices_of_bert(bert, candidates):
    child = from_bert(bert, candidates).extract_child("A2-F8-A2-F8-A2-F8")
    for index, block in enumerate(bert.bert.encoder.layer):
        attention, feed_forward = child.base_model.encoder.layer[2 * index : 2 * index + 2]
        assert torch.equal(attention.self.key.weight, block.attention.self.key.weight[:12])
        assert torch.equal(attention.output.weight, block.attention.output.dense.weight[:, :12])
        assert torch.equal(attention.LayerNorm.weight, block.attention.output.LayerNorm.weight)
        assert torch.equal(feed_forward.intermediate.bias, block.intermediate.dense.bias[:8])
        assert torch.equal(feed_forward.output.weight, block.output.dense.weight[:, :8])
        assert torch.equal(feed_forward.output.bias, block.output.dense.bias)


def test_heads_and_units_beyond_berts_add_nothing_at_first(bert):
    supernet = from_bert(bert, ["A9", "A4", "F50", "F37", "C5", "C3"], kernel_transform=True)
    assert supernet.config.default_architecture == "A4-F37-A4-F37-A4-F37"
    expected = bert(**BATCH).logits
    for architecture in (None, "A9-F50-A9-F50-A9-F50", "A4-F50-A9-F37-A4-F50"):
        assert largest_difference(supernet(**BATCH, architecture=architecture).logits, expected) < 1e-5
    supernet(**BATCH, labels=LABELS, architecture="A9-F50-A9-C3-A9-F50").loss.backward()
    gradient = supernet.base_model.encoder.layer[1]["feed_forward-50"].output.weight.grad
    assert gradient[:, 37:].abs().max() > 0
