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
"""LoRA: what is adapted, what is trained, and that adapted and merged models are the same network."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SupernetBertForMaskedLM,
    SupernetBertForSequenceClassification,
)
from hf_supernet.export import export_child
from hf_supernet.peft import add_lora, export_adapter, merge_lora

from .models.conftest import child_config, largest_difference, make_batch, randomise, supernet_config
from .training.conftest import make_supernet, trainer_maker


TOLERANCE = 1e-4  # logits differ by more than 0.1 without the adapters
PLAIN = ["attention-4", "feed_forward-37", "attention-4", "feed_forward-37"]


def make_child(model_class=SearchedBertForSequenceClassification, **fields):
    return randomise(model_class(child_config(**fields)))


def make_adapted(model, **fields) -> PeftModel:
    """With adapters (and a head) that were drawn, as if they were trained: LoRA starts as no change."""
    adapted = add_lora(model, LoraConfig(**({"r": 3, "lora_alpha": 7} | fields))).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return adapted


def trained_names(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def logits_of(model: nn.Module, **arguments) -> torch.Tensor:
    with torch.no_grad():
        return model(**make_batch(), **arguments).logits


# ---- What is adapted ----


@pytest.mark.parametrize(
    "model", [make_child(), randomise(SupernetBertForMaskedLM(supernet_config()))], ids=["child", "supernet"]
)
def test_peft_knows_what_to_adapt(model):
    operators = {
        name: module
        for name, module in model.named_modules()
        if type(module).__name__ in ("SearchedBertAttention", "SearchedBertFeedForward", "SearchedBertConvolution")
    }
    projections = {
        f"{name}.{part}"
        for name, operator in operators.items()
        for part, module in operator.named_modules()
        if isinstance(module, nn.Linear)
    }
    assert len(operators) > 4
    adapted = get_peft_model(model, LoraConfig(r=2))
    assert set(adapted.base_model.targeted_module_names) == projections
    assert all(".lora_" in name for name in trained_names(adapted))


@pytest.mark.parametrize(
    ("model_class", "heads"),
    [
        (SearchedBertModel, set()),
        (SearchedBertForMaskedLM, set()),
        (SearchedBertForSequenceClassification, {"searched_bert.pooler", "classifier"}),
        (SearchedBertForTokenClassification, {"classifier"}),
        (SearchedBertForMultipleChoice, {"searched_bert.pooler", "classifier"}),
        (SearchedBertForQuestionAnswering, {"qa_outputs"}),
    ],
)
def test_a_new_head_is_trained_with_the_adapters(model_class, heads):
    trained = trained_names(add_lora(make_child(model_class), LoraConfig(r=2)))
    others = {name.removeprefix("base_model.model.") for name in trained if ".lora_" not in name}
    assert {name.partition(".modules_to_save.")[0] for name in others} == heads
    assert len(others) == 2 * len(heads)


def test_a_new_head_is_saved_with_the_adapters(tmp_path):
    """From a checkpoint without it: what is drawn for pooler and classifier when it is loaded again does not matter."""
    make_child(SearchedBertForMaskedLM).save_pretrained(tmp_path / "base")
    adapted = make_adapted(AutoModelForSequenceClassification.from_pretrained(tmp_path / "base"))
    folder = export_adapter(adapted, tmp_path / "adapter")
    torch.manual_seed(1)
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    assert largest_difference(logits_of(PeftModel.from_pretrained(base, folder)), logits_of(adapted)) < TOLERANCE


def test_all_linear_and_models_of_others():
    adapted = add_lora(make_child(SearchedBertForMaskedLM), LoraConfig(r=2, target_modules="all-linear"))
    assert "cls.transform.dense" in adapted.base_model.targeted_module_names
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 37}
    bert = make_adapted(BertForSequenceClassification(BertConfig(vocab_size=99, **sizes)))
    assert {name.rpartition(".")[2] for name in bert.base_model.targeted_module_names} == {"query", "value"}
    assert largest_difference(logits_of(bert), logits_of(merge_lora(bert))) < TOLERANCE


# ---- Merged and not ----


@pytest.mark.parametrize("operators", [None, PLAIN], ids=["searched", "plain"])
def test_a_child_with_adapters_merged_and_saved(operators, tmp_path):
    child = make_child(num_labels=3, **({"operators": operators} if operators else {}))
    before = logits_of(child)
    child.save_pretrained(tmp_path / "base")
    adapted = make_adapted(AutoModelForSequenceClassification.from_pretrained(tmp_path / "base"))
    expected = logits_of(adapted)
    assert largest_difference(expected, before) > 0.1

    merged = merge_lora(adapted)
    assert largest_difference(logits_of(merged), expected) < TOLERANCE
    assert trained_names(merged) == {name for name, _ in merged.named_parameters()}
    assert torch.equal(logits_of(adapted), expected)

    loaded = AutoModelForSequenceClassification.from_pretrained(export_child(merged, None, tmp_path / "merged"))
    assert loaded.config.model_type == ("bert" if operators else "searched-bert")
    assert largest_difference(logits_of(loaded), expected) < TOLERANCE

    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    assert largest_difference(logits_of(base), before) < TOLERANCE  # training left it as it was
    for _ in range(2):  # the second takes the place of the first
        folder = export_adapter(adapted, tmp_path / "adapter")
    assert largest_difference(logits_of(PeftModel.from_pretrained(base, folder)), expected) < TOLERANCE
    card = (folder / "README.md").read_text()
    assert "LoRA adapters for `base`, a `SearchedBertForSequenceClassification`" in card
    assert str(tmp_path) not in card and "More Information Needed" not in card


@pytest.mark.parametrize("model_class", [SupernetBertForMaskedLM, SupernetBertForSequenceClassification])
def test_a_path_with_adapters_is_the_merged_child(model_class):
    supernet = randomise(model_class(supernet_config()))
    before = logits_of(supernet)
    adapted = make_adapted(supernet)
    assert largest_difference(logits_of(adapted), before) > 0.1
    seen = []
    for architecture in ("A4-C3-F37-C5", "A4-C3-I-F37", "C5-A2-A4-F37"):
        seen.append(logits_of(adapted, architecture=architecture))
        child = merge_lora(adapted, architecture)
        assert largest_difference(logits_of(child), seen[-1]) < TOLERANCE
        assert trained_names(child) == {name for name, _ in child.named_parameters()}
    assert min(largest_difference(seen[0], other) for other in seen[1:]) > 0.01
    with pytest.raises(ValueError, match=r"has adapters, a child has none: call `hf_supernet.peft.merge_lora`"):
        adapted.extract_child("A4-C3-F37-C5")


# ---- Training ----


def test_a_step_trains_the_adapters_of_its_path():
    adapted = make_adapted(SupernetBertForSequenceClassification(supernet_config()))
    labels = torch.tensor([0, 1, 1, 0])
    adapted(**make_batch(), labels=labels, architecture="A4-C3-I-F37").loss.backward()
    with_gradient = {name for name, parameter in adapted.named_parameters() if parameter.grad is not None}
    on_path = (
        "layer.0.attention-4.",
        "layer.1.convolution-3.",
        "layer.3.feed_forward-37.",
        ".modules_to_save.",
    )
    assert with_gradient == {name for name in trained_names(adapted) if any(part in name for part in on_path)}


def test_the_trainer_of_supernets_trains_adapters(tmp_path):
    adapted = make_adapted(make_supernet())
    before = {name: parameter.clone() for name, parameter in adapted.named_parameters()}
    trainer_maker(tmp_path)(model=adapted.get_base_model(), sampler="fair", max_steps=2).train()
    moved = {name for name, parameter in adapted.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == trained_names(adapted)  # fair: each candidate was on a path


# ---- What would be idle, or wrong ----

CONVOLUTIONS = ["convolution-3", "feed_forward-37", "convolution-5"]


@pytest.mark.parametrize(
    ("make", "targets", "message"),
    [
        (
            lambda: make_child(operators=CONVOLUTIONS),
            ["query", "value"],
            r"Nothing in this SearchedBertForSequenceClassification \(C3-F37-C5\) matches `query`, `value`: there would"
            r" be nothing to train. The linear projections it has are `classifier`, `dense`, `intermediate`, `output`,"
            r" `pointwise`\.",
        ),
        (lambda: make_child(), ["query", "pointwize"], r"matches `pointwize`: there would"),
        (lambda: make_child(), r".*\.gate", r"matches `target_modules`: there would"),
        (lambda: make_child(operators=["identity"]), None, r"\(I\) matches `target_modules`: there would"),
        (
            lambda: make_child(SearchedBertForMaskedLM),
            ["query", "decoder"],
            r"has 'cls.decoder', whose weight is also that of 'searched_bert.embeddings.word_embeddings': merged",
        ),
        (
            lambda: make_child(),
            ["depthwise"],
            r"depthwise', a depthwise convolution: .* cannot merge one. Leave it out",
        ),
        (
            lambda: SupernetBertForMaskedLM(supernet_config()),
            ["query", "value"],
            r"A step that trains feed_forward-37-feed_forward-37-feed_forward-37-feed_forward-37 would have no adapter to"
            r" train: `target_modules` match nothing in `feed_forward-37`\.",
        ),
    ],
)
def test_targets_that_would_be_idle_or_wrong(make, targets, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        add_lora(model, LoraConfig(r=32, target_modules=targets))
    assert len(trained_names(model)) == len(list(model.parameters()))  # nothing is frozen


def test_an_untied_decoder_and_a_layer_without_a_bare_candidate_are_fine():
    child = make_child(SearchedBertForMaskedLM, tie_word_embeddings=False)
    adapted = make_adapted(child, target_modules=["decoder"])
    assert largest_difference(logits_of(adapted), logits_of(merge_lora(adapted))) < TOLERANCE
    candidates = [["convolution-3", "attention-4"], ["attention-4", "attention-2"]]
    supernet = SupernetBertForMaskedLM(supernet_config(num_hidden_layers=2, candidate_operators=candidates))
    add_lora(supernet, LoraConfig(r=2, target_modules=["query"]))


def test_a_projection_that_is_a_slice_is_refused():
    class Sliced(nn.Module):
        def __init__(self, parent: nn.Linear):
            super().__init__()
            self.parent = [parent]

    child = make_child()
    child.set_submodule("searched_bert.encoder.layer.0.self.query", Sliced(nn.Linear(32, 32)))
    with pytest.raises(ValueError, match=r"Target module Sliced\(\) is not supported"):
        add_lora(child, LoraConfig(r=2))


def test_other_slips(tmp_path):
    adapted = make_adapted(make_child())
    with pytest.raises(ValueError, match="has adapters already"):
        add_lora(adapted, LoraConfig(r=2))
    with pytest.raises(ValueError, match="SearchedBertForSequenceClassification has only one"):
        merge_lora(adapted, "A4")
    (tmp_path / "adapter_config.json").touch()
    (tmp_path / "checkpoint-10").mkdir()
    with pytest.raises(FileExistsError, match=r"holds other files \(checkpoint-10\)"):
        export_adapter(adapted, tmp_path)
    with pytest.raises(ValueError, match="layer 0 is attention-8, allowed there are"):
        merge_lora(make_adapted(SupernetBertForMaskedLM(supernet_config())), "A8-A8-A8-A8")
