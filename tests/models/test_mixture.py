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
"""Linear layers whose weights are a mixture of experts for each architecture."""

import functools
import threading

import peft
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import BertForMaskedLM

from hf_supernet import (
    Architecture,
    SupernetBertForMaskedLM,
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetBertModel,
)
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.models.supernet_bert import magnitude_importance, magnitude_of_hidden
from hf_supernet.models.supernet_bert.mixture import MixedLinear, on_path
from hf_supernet.models.supernet_bert.sliced import parameters_read
from hf_supernet.peft import add_lora
from hf_supernet.training import AlignmentLoss
from hf_supernet.training.rested_slices import trained_slices

from .conftest import (
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
SLICED = {
    "weight_sharing": "sliced",
    "attention_head_size": 6,
    "candidate_operators": ["A4", "A2", "F37", "F8", "C5", "C3", "I"],
}
SIZED = SLICED | {"hidden_sizes": [16, 32], "kernel_transform": True}
BY_LAYER = {"mixture": "layer"}
BY_NEURON = {"mixture": "neuron", "expert_operators": "all", "num_experts": 3, "router_hidden_size": 9}
MIXTURES = {
    "layer": BY_LAYER,
    "neuron": BY_NEURON,
    "layer, sliced": SLICED | BY_LAYER | {"expert_operators": "all"},
    "neuron, hidden sizes": SIZED | BY_NEURON,
    "plain children": BY_NEURON | {"candidate_operators": ["A4", "A2", "F37", "F8", "I"], "plain_children": True},
}


def make_supernet(model_class=SupernetBertForMaskedLM, **fields) -> nn.Module:
    return randomise(model_class(supernet_config(**fields)))


@functools.cache
def shared_supernet(name: str) -> SupernetBertForMaskedLM:
    """One for all tests that do not change its weights."""
    return make_supernet(**MIXTURES[name])


def mixed_parts(model: nn.Module) -> list[tuple[str, MixedLinear]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, MixedLinear)]


def give_experts_the_weights_of(plain: nn.Module, model: nn.Module) -> None:
    weights = plain.state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".router." not in name:
                before, is_expert, behind = name.partition(".experts.")
                parameter.copy_(weights[f"{before}.{behind.partition('.')[2]}" if is_expert else name])


def gradients(model: nn.Module, architecture: Architecture) -> dict[str, torch.Tensor]:
    """Of all weights, those of experts summed under the name that a plain projection's have."""
    model.zero_grad()
    model(**BATCH, labels=LABELS, architecture=architecture).loss.backward()
    found: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            before, is_expert, behind = name.partition(".experts.")
            name = f"{before}.{behind.partition('.')[2]}" if is_expert else name
            found[name] = found.get(name, 0) + parameter.grad
    return found


# ---- The plain supernet ----


@pytest.mark.parametrize(
    "fields",
    [
        {"mixture": "layer", "num_experts": 1, "expert_operators": "all"},
        {"mixture": "neuron", "num_experts": 1},
        BY_LAYER,
        SIZED | BY_NEURON,
    ],
    ids=["one expert", "one expert a neuron", "equal experts", "equal experts, sliced"],
)
def test_one_expert_or_equal_ones_are_the_plain_supernet(fields):
    plain = make_supernet(**{name: fields[name] for name in fields if name in SIZED})
    model = make_supernet(**fields)
    give_experts_the_weights_of(plain, model)
    for architecture in sample_architectures(plain, 4):
        expected = plain(**BATCH, architecture=architecture).logits
        torch.testing.assert_close(model(**BATCH, architecture=architecture).logits, expected, rtol=1e-4, atol=1e-4)
        mine, theirs = gradients(model, architecture), gradients(plain, architecture)
        routers = {name for name in mine if ".router." in name}
        assert mine.keys() - routers == theirs.keys()
        for name, gradient in mine.items():  # which of equal experts counts for more is all the same
            wanted = theirs.get(name, torch.zeros_like(gradient))
            torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mixture", ["layer", "neuron"])
def test_a_constant_router_makes_one_supernet_of_the_experts(mixture):
    """Whose weights are the same mixture for all architectures."""
    model, plain = make_supernet(mixture=mixture), make_supernet()
    with torch.no_grad():
        for _, part in mixed_parts(model):
            part.router.output.weight.zero_()
    weights = model.state_dict()
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            before, _, leaf = name.rpartition(".")
            if name in weights:
                parameter.copy_(weights[name])
                continue
            shares = model.get_submodule(before).router.output.bias.view(-1, 2).softmax(-1)
            shares = shares.unsqueeze(-1) if leaf == "weight" else shares
            experts = torch.stack([weights[f"{before}.experts.{index}.{leaf}"] for index in range(2)], dim=1)
            parameter.copy_((shares * experts).sum(1) if leaf == "weight" else (shares * experts.T.T).sum(1))
    for architecture in sample_architectures(plain, 4):
        expected = plain(**BATCH, architecture=architecture).logits
        torch.testing.assert_close(model(**BATCH, architecture=architecture).logits, expected, rtol=1e-4, atol=1e-4)


# ---- Mixtures ----


@pytest.mark.parametrize("mixture", ["layer", "neuron"])
def test_weights_are_those_of_the_formula(mixture):
    model = make_supernet(**BY_NEURON | {"mixture": mixture})
    architecture = Architecture.from_string("A4-F37-C3-A2")
    encoding = torch.from_numpy(model.search_space.encode(architecture))
    part = model.base_model.encoder.layer[1]["feed_forward-37"].output
    with on_path(model.base_model.encode_path(architecture)):
        weight, bias = part.mix()
    router = part.router
    units = (router.hidden.weight @ encoding + router.hidden.bias).clamp(min=0)
    scores = router.output.weight @ units + router.output.bias
    assert scores.shape == ((3,) if mixture == "layer" else (32 * 3,))
    for neuron in range(32):
        shares = (scores if mixture == "layer" else scores[3 * neuron : 3 * neuron + 3]).softmax(0)
        expected = sum(share * expert.weight[neuron] for share, expert in zip(shares, part.experts, strict=True))
        torch.testing.assert_close(weight[neuron], expected)
        expected = sum(share * expert.bias[neuron] for share, expert in zip(shares, part.experts, strict=True))
        torch.testing.assert_close(bias[neuron], expected)


def test_weights_depend_on_the_whole_architecture():
    for fields, differs in (({}, False), (BY_LAYER, True)):
        model = make_supernet(**fields)
        states = [
            model(**BATCH, architecture=f"F37-A4-C3-{last}", output_hidden_states=True).hidden_states
            for last in ("A4", "A2")
        ]
        assert torch.equal(states[0][0], states[1][0])
        assert torch.equal(states[0][1], states[1][1]) != differs
        assert model.config.shares_prefixes != differs


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        (BY_LAYER, {"feed_forward-37.intermediate", "feed_forward-37.output"}),
        (
            BY_LAYER | {"expert_operators": "all", "candidate_operators": ["A4", "F37", "C3"]},
            {
                *("attention-4.self.query", "attention-4.self.key", "attention-4.self.value", "attention-4.output"),
                *("feed_forward-37.intermediate", "feed_forward-37.output", "convolution-3.pointwise"),
            },
        ),
    ],
)
def test_which_projections_have_experts(fields, parts):
    model = make_supernet(**fields)
    assert {name.split(".", 3)[3] for name, _ in mixed_parts(model.base_model)} == parts
    assert len(mixed_parts(model)) == 4 * len(parts)


@pytest.mark.parametrize("name", MIXTURES)
def test_a_child_has_the_mixed_weights_and_the_logits_of_its_path(name):
    model = shared_supernet(name)
    for architecture in sample_architectures(model, 4):
        child = model.extract_child(architecture)
        assert largest_difference(child(**BATCH).logits, model(**BATCH, architecture=architecture).logits) < 1e-5
        assert not any("expert" in name or "router" in name for name in child.state_dict())
        assert not {"mixture", *BY_NEURON} & set(child.config.to_dict())


@pytest.mark.parametrize(
    "model_class", [SupernetBertModel, SupernetBertForSequenceClassification, SupernetBertForQuestionAnswering]
)
def test_children_with_other_heads(model_class):
    model = make_supernet(model_class, **SIZED | BY_NEURON)
    for architecture in ("H32:A4-F8-C3-I", "H16:A2-F37-C5-F8"):
        expected = model(**BATCH, architecture=architecture).to_tuple()
        for mine, theirs in zip(model.extract_child(architecture)(**BATCH).to_tuple(), expected, strict=True):
            assert largest_difference(mine, theirs) < 1e-5


def test_children_equal_their_paths_under_autocast():
    """Weights are mixed in full precision, as those of the child were."""
    model = shared_supernet("neuron")
    architecture = Architecture.from_string("F37-A4-C3-F37")
    child = model.extract_child(architecture)
    with torch.autocast("cpu", torch.bfloat16):
        expected = child(**BATCH).logits
        assert largest_difference(model(**BATCH, architecture=architecture).logits, expected) < 1e-5


def test_children_on_the_meta_device():
    """Where nothing is computed, for counts."""
    with torch.device("meta"):
        model = SupernetBertForMaskedLM(supernet_config(**MIXTURES["neuron"]))
    child = model.extract_child("F37-A4-C3-F37")
    assert child.num_parameters() == shared_supernet("neuron").extract_child("F37-A4-C3-F37").num_parameters()


@pytest.mark.parametrize("mixture", ["layer", "neuron"])
def test_a_slice_of_a_mixture_is_the_mixture_of_slices(mixture):
    model = make_supernet(**SLICED | BY_NEURON | {"mixture": mixture})
    layer = model.base_model.encoder.layer[2]
    with on_path(model.base_model.encode_path(Architecture.from_string("A4-F37-F8-I"))):
        for part in ("intermediate", "output"):
            small, large = (layer[f"feed_forward-{size}"].get_submodule(part) for size in (8, 37))
            (weight, bias), (whole, whole_bias) = small.mix(), large.mix()
            torch.testing.assert_close(weight, whole[: weight.shape[0], : weight.shape[1]])
            torch.testing.assert_close(bias, whole_bias[: len(bias)])
    assert not list(layer["feed_forward-8"].parameters())


# ---- Training ----


@pytest.mark.parametrize("name", MIXTURES)
def test_routers_and_experts_on_the_path_have_gradients(name):
    model = shared_supernet(name)
    architecture = next(a for a in sample_architectures(model, 20) if len(set(a.operators)) > 2)
    gradients(model, architecture)
    layers = model.base_model.network(architecture.hidden_size).encoder.layer
    on = {id(p) for i, operator in enumerate(architecture) for p in parameters_read(layers[i][str(operator)])}
    experts = routers = 0
    for name, parameter in model.base_model.encoder.named_parameters():
        assert (parameter.grad is not None) == (id(parameter) in on), name
        if parameter.grad is not None and not name.endswith("key.bias"):
            experts += ".experts." in name and bool(parameter.grad.abs().sum() > 1e-6)
            routers += ".router.output" in name and bool(parameter.grad.abs().sum() > 1e-6)
    assert experts >= 8 and routers >= 4


def test_checkpointed_passes_mix_the_weights_of_their_own_paths():
    """The first pass is repeated when the second has run."""
    check_checkpointing(make_supernet(**BY_NEURON), BATCH, LABELS, ["A4-F37-C3-F37", "A2-F37-F37-A4"])


def test_two_threads_run_two_architectures_at_once():
    """They meet in the middle of the same operator, twice."""
    model = make_supernet(**BY_LAYER)
    paths = ["F37-A4-F37-C3", "F37-F37-F37-A2"]
    with torch.no_grad():
        expected = {path: model(**BATCH, architecture=path).logits for path in paths}
    meeting = threading.Barrier(len(paths))

    def meet(*_) -> None:
        meeting.wait(timeout=60)

    operator = model.base_model.encoder.layer[0]["feed_forward-37"]
    for part in (operator.activation, operator.dropout):  # in front of the second projection and behind it
        part.register_forward_hook(meet)
    same = {}

    def run(path: str) -> None:
        with torch.no_grad():
            same[path] = torch.equal(model(**BATCH, architecture=path).logits, expected[path])

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == dict.fromkeys(paths, True)


def test_alignment_runs_the_anchor_from_the_embeddings():
    """Child and anchor begin alike, with other weights."""
    model = shared_supernet("layer")
    child, anchor = (Architecture.from_string(path) for path in ("F37-A4-F37-C3", "F37-A4-F37-A4"))
    states, targets = (
        model(**BATCH, architecture=path, output_hidden_states=True).hidden_states for path in (child, anchor)
    )
    loss = AlignmentLoss(normalized=False)
    mask = BATCH["attention_mask"]
    errors = [
        ((mine - theirs) ** 2).mean(-1)[mask.bool()].mean()
        for mine, theirs in zip(states[1:], targets[1:], strict=True)
    ]
    assert all(error > 0 for error in errors)
    found = loss(model, states, mask, child, anchor)
    torch.testing.assert_close(found, torch.stack(errors).mean())
    assert loss(model, states, mask, child, child) == 0


def test_what_slices_of_experts_a_step_trains():
    model = shared_supernet("neuron, hidden sizes")
    architecture = Architecture.from_string("H16:A2-F8-C3-I")
    gradients(model, architecture)
    masks = dict(trained_slices(model, [architecture]))
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter in masks:
            assert not parameter.grad[~masks[parameter]].any(), name
    part = model.base_model.encoder.layer[1]["feed_forward-37"].intermediate
    assert [int(masks[expert.weight].sum()) for expert in part.experts] == [8 * 16] * 3
    assert int(masks[part.router.output.bias].sum()) == 8 * 3
    assert masks[part.router.hidden.weight].all()


# ---- Evaluation ----


def test_children_are_evaluated_one_by_one():
    model = shared_supernet("layer")
    paths = ["F37-A4-F37-C3", "F37-A4-F37-A4", "F37-A4-A2-A4", "A4-A4-F37-C3"]
    with torch.no_grad():
        expected = [model(**BATCH, labels=LABELS, architecture=path).loss.item() for path in paths]
    for stored in (None, 1):
        found = Evaluator(model, [BATCH | {"labels": LABELS}], max_stored=stored).evaluate(paths)
        assert list(found.values()) == pytest.approx(expected, rel=1e-5)


# ---- Saving and starting ----


def test_saves_and_loads(tmp_path):
    model = shared_supernet("neuron, hidden sizes")
    model.save_pretrained(tmp_path)
    loaded, info = SupernetBertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()) and loaded.config.mixture == "neuron"
    for architecture in sample_architectures(model, 2):
        outputs = (net(**BATCH, architecture=architecture).logits for net in (loaded, model))
        assert largest_difference(*outputs) < 1e-5


def test_new_experts_differ_and_new_routers_weigh_them_nearly_alike():
    model = SupernetBertForMaskedLM(supernet_config(**BY_NEURON, zero_init_branches=True))
    part = model.base_model.encoder.layer[0]["feed_forward-37"]
    first, second, _ = (expert.weight for expert in part.intermediate.experts)
    assert first.std().item() == pytest.approx(0.02, rel=0.2) and largest_difference(first, second) > 0.02
    assert not any(expert.weight.any() or expert.bias.any() for expert in part.output.experts)
    shares = part.intermediate.router(model.base_model.encode_path(Architecture.from_string("F37-A4-C3-A4")))
    assert shares.shape == (37, 3) and largest_difference(shares, torch.full((37, 3), 1 / 3)) < 0.02


@pytest.mark.parametrize("sharing", [{}, {"weight_sharing": "sliced", "hidden_sizes": [16, 32]}])
def test_from_bert_all_experts_are_berts(sharing):
    bert = randomise(BertForMaskedLM(bert_config()))
    path = "A4-F37-A4-F37-A4-F37"
    candidates = ["A4", "F37", "F8", "C3", "I"]
    model = SupernetBertForMaskedLM.from_bert(bert, candidates, **sharing, **BY_NEURON).eval()
    plain = SupernetBertForMaskedLM.from_bert(bert, candidates, **sharing).eval()
    size = "H32:" if sharing else ""
    assert model.config.default_architecture == plain.config.default_architecture == size + path
    assert largest_difference(model(**BATCH).logits, bert(**BATCH).logits) < 1e-4
    for architecture in sample_architectures(plain, 3):
        outputs = (net(**BATCH, architecture=architecture).logits for net in (model, plain))
        assert largest_difference(*outputs) < 1e-4


# ---- Refusals ----


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mixture": "token"}, "`mixture` must be one of None, layer, neuron; got 'token'"),
        ({"mixture": "layer", "expert_operators": "attention"}, "must be one of feed_forward, all; got 'attention'"),
        ({"mixture": "layer", "num_experts": 0}, "`num_experts` must be at least 1 and at most 256, got 0"),
        ({"mixture": "layer", "router_hidden_size": 0}, "`router_hidden_size` must be at least 1 .* got 0"),
        ({"num_experts": 3}, r"`num_experts` \(3\) is of a mixture of experts, and there is none: set `mixture`"),
        ({"expert_operators": "all"}, r"`expert_operators` \(all\) is of a mixture of experts, and there is none"),
        (
            {"mixture": "layer", "candidate_operators": ["A4", "C3"]},
            "no candidate is one of feed_forward, which have experts.* Set it to 'all'",
        ),
        (
            {"mixture": "layer", "num_experts": 256, "candidate_operators": ["F9999999"]},
            "The sizes are those of a model with 6.5.*e.11 parameters",
        ),
    ],
    ids=str,
)
def test_bad_configurations(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        supernet_config(**fields)


def test_an_operator_does_not_run_without_an_architecture():
    operator = shared_supernet("layer").base_model.encoder.layer[0]["feed_forward-37"]
    with pytest.raises(RuntimeError, match="Mixed weights are those of a whole architecture, and none is running"):
        operator(torch.zeros(1, 3, 32))


def test_adapters_are_refused():
    with pytest.raises(ValueError, match=r"adapters of its experts would have no effect.* Adapt a child"):
        add_lora(shared_supernet("layer"), peft.LoraConfig(r=2))


@pytest.mark.parametrize("measure", [magnitude_importance, magnitude_of_hidden])
def test_experts_have_no_common_order(measure):
    with pytest.raises(ValueError, match="`mixture` is 'neuron': each projection has 3 experts"):
        measure(shared_supernet("neuron, hidden sizes"))
