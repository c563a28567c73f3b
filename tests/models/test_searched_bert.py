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

import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    pipeline,
)

from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SupernetBertForMaskedLM,
)
from hf_supernet.models.searched_bert.modeling_searched_bert import SearchedBertOperator

from .conftest import (
    LENGTH,
    OPERATORS,
    VOCAB_SIZE,
    child_config,
    largest_difference,
    make_batch,
    make_masked_labels,
    randomise,
    supernet_config,
)


BATCH = make_batch()
TOKEN_LABELS = torch.randint(0, 5, (4, LENGTH)).where(make_masked_labels(BATCH) != -100, -100)
# name: head, fields of its configuration, labels of the four rows (some ignored)
TASKS = {
    "masked-lm": (SearchedBertForMaskedLM, {}, {"labels": make_masked_labels(BATCH)}),
    "classification": (
        SearchedBertForSequenceClassification,
        {"num_labels": 3},
        {"labels": torch.tensor([2, 0, -100, 1])},
    ),
    "regression": (
        SearchedBertForSequenceClassification,
        {"num_labels": 1},
        {"labels": torch.tensor([0.5, -2.0, 1.5, 3.0])},
    ),
    "several-values": (
        SearchedBertForSequenceClassification,
        {"num_labels": 2, "problem_type": "regression"},
        {"labels": torch.tensor([[0.5, 1.0], [-2.0, 0.0], [1.5, 2.0], [3.0, -1.0]])},
    ),
    "multi-label": (
        SearchedBertForSequenceClassification,
        {"num_labels": 3},
        {"labels": torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])},
    ),
    "tokens": (SearchedBertForTokenClassification, {"num_labels": 5}, {"labels": TOKEN_LABELS}),
    "span": (
        SearchedBertForQuestionAnswering,
        {},
        {"start_positions": torch.tensor([1, 3, 0, 2]), "end_positions": torch.tensor([2, 3, 3, 8])},
    ),
    "choice": (SearchedBertForMultipleChoice, {}, {"labels": torch.tensor([1, 0, -100, 1])}),
}
AUTO_CLASSES = {
    SearchedBertModel: AutoModel,
    SearchedBertForMaskedLM: AutoModelForMaskedLM,
    SearchedBertForMultipleChoice: AutoModelForMultipleChoice,
    SearchedBertForQuestionAnswering: AutoModelForQuestionAnswering,
    SearchedBertForSequenceClassification: AutoModelForSequenceClassification,
    SearchedBertForTokenClassification: AutoModelForTokenClassification,
}


def make_task(name: str, **fields) -> tuple[nn.Module, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A model with this head, its inputs and its labels."""
    model_class, task_fields, labels = TASKS[name]
    inputs = BATCH
    if name == "choice":
        inputs = {key: torch.stack([value, value.flip(0)], dim=1) for key, value in BATCH.items()}
    return randomise(model_class(child_config(**task_fields, **fields))), inputs, labels


# ---- The length of a sequence ----


@pytest.mark.parametrize("model_class", [SearchedBertForMaskedLM, SupernetBertForMaskedLM])
def test_a_sequence_that_is_too_long(model_class):
    model = model_class(child_config() if model_class is SearchedBertForMaskedLM else supernet_config())
    limit = model.config.max_position_embeddings
    assert model(torch.zeros(1, limit, dtype=torch.long)).logits.shape[1] == limit
    message = rf"A sequence of {limit + 1} tokens is longer than `max_position_embeddings` {limit}; truncate it"
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(1, limit + 1, dtype=torch.long))
    with pytest.raises(ValueError, match=message):
        model(inputs_embeds=torch.zeros(1, limit + 1, model.config.embedding_size))


def test_an_export_is_not_bound_to_a_length():
    """Beyond `max_position_embeddings` too: a comparison with it would be a guard, which the range contradicts."""
    model = SearchedBertModel(child_config()).eval()
    length = torch.export.Dim("length", min=2, max=10 * model.config.max_position_embeddings)
    program = torch.export.export(model, (), BATCH, dynamic_shapes={name: {1: length} for name in BATCH})
    inputs = {name: value[:, :5] for name, value in BATCH.items()}
    assert largest_difference(program.module()(**inputs).pooler_output, model(**inputs).pooler_output) < 1e-5


# ---- The heads ----


def test_an_export_without_a_mask():
    model = SearchedBertModel(child_config()).eval()
    ids = BATCH["input_ids"]
    size = torch.export.Dim.DYNAMIC
    program = torch.export.export(model, (ids,), dynamic_shapes=({0: size, 1: size},))
    other = torch.cat([ids, ids], dim=1)
    assert largest_difference(program.module()(other).pooler_output, model(other).pooler_output) < 1e-5


@pytest.mark.parametrize("task", TASKS)
def test_without_labels_there_is_no_loss_and_with_them_the_same_logits(task):
    model, inputs, labels = make_task(task)
    plain, scored = model(**inputs), model(**inputs, **labels)
    assert plain.loss is None and scored.loss.ndim == 0 and scored.loss.isfinite()
    for mine, theirs in zip(plain.to_tuple(), scored.to_tuple()[1:], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert isinstance(model(**inputs, return_dict=False), tuple)
    model.config.return_dict = False
    torch.testing.assert_close(model(**inputs, **labels), scored.to_tuple(), rtol=0, atol=0)


@pytest.mark.parametrize("task", TASKS)
def test_accumulated_losses_are_the_loss_of_the_whole_batch(task):
    model, inputs, labels = make_task(task)
    num_items = sum((value != -100).sum() for value in labels.values()) / len(labels)
    whole = model(**inputs, **labels).loss
    assert largest_difference(model(**inputs, **labels, num_items_in_batch=num_items).loss, whole) < 1e-6
    parts = 0
    for rows in (slice(0, 1), slice(1, 4)):
        part = {key: value[rows] for key, value in (inputs | labels).items()}
        parts = parts + model(**part, num_items_in_batch=int(num_items)).loss
    assert abs(parts - whole) < 1e-5 * abs(whole)


@pytest.mark.parametrize("task", TASKS)
def test_half_precision(task):
    model, inputs, labels = make_task(task)
    exact = model(**inputs, **labels)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(**inputs, **labels)
    mixed.loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)
    model.zero_grad()
    low = model.to(torch.bfloat16)(**inputs, **labels)
    low.loss.backward()
    assert low.to_tuple()[1].dtype == torch.bfloat16
    for outputs in (mixed, low):
        assert abs(outputs.loss - exact.loss) < 0.1 * abs(exact.loss) + 0.05
        assert not torch.equal(outputs.to_tuple()[1].float(), exact.to_tuple()[1])


@pytest.mark.parametrize("task", ["masked-lm", "classification", "tokens", "span", "choice"])
def test_saves_and_loads_through_the_auto_class(task, tmp_path):
    model, inputs, _ = make_task(task)
    model.save_pretrained(tmp_path)
    loaded, info = AUTO_CLASSES[type(model)].from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is type(model)
    assert not any(info.values())
    torch.testing.assert_close(loaded(**inputs).to_tuple(), model(**inputs).to_tuple(), rtol=0, atol=0)
    encoder = AutoModel.from_pretrained(tmp_path)
    assert type(encoder) is SearchedBertModel
    if task != "choice":
        torch.testing.assert_close(
            encoder(**inputs).last_hidden_state, model.base_model(**inputs).last_hidden_state, rtol=0, atol=0
        )


# ---- Attention implementations and recorded outputs ----


@pytest.mark.parametrize("head_size", [None, 6])
def test_sdpa_and_eager_agree(batch, head_size):
    model = randomise(SearchedBertModel(child_config(attention_head_size=head_size)))
    assert model.config._attn_implementation == "sdpa"
    fused = model(**batch).last_hidden_state
    model.set_attn_implementation("eager")
    assert model.config._attn_implementation == "eager"
    real = batch["attention_mask"].bool()
    assert largest_difference(model(**batch).last_hidden_state[real], fused[real]) < 1e-5


def test_attentions_and_hidden_states():
    model = randomise(SearchedBertForMaskedLM(child_config(attn_implementation="eager")))
    outputs = model(**BATCH, output_attentions=True, output_hidden_states=True)
    assert [attention.shape for attention in outputs.attentions] == [(4, 4, LENGTH, LENGTH), (4, 2, LENGTH, LENGTH)]
    assert all(attention.sum(-1).sub(1).abs().max() < 1e-5 for attention in outputs.attentions)
    assert all(attention[1, :, :, 7:].abs().max() == 0 for attention in outputs.attentions)
    states = outputs.hidden_states
    assert len(states) == len(OPERATORS) + 1
    assert torch.equal(states[0], model.base_model.embeddings(BATCH["input_ids"], BATCH["token_type_ids"]))
    assert torch.equal(states[-1], model.base_model(**BATCH).last_hidden_state)
    for layer, operator in enumerate(OPERATORS):
        assert torch.equal(states[layer], states[layer + 1]) == (operator == "identity")


@pytest.mark.filterwarnings(
    "ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning"
)  # until v6, tested too
@pytest.mark.parametrize("method", ["activation_checkpointing_enable", "gradient_checkpointing_enable"])
def test_activation_checkpointing_changes_nothing_but_memory(method):
    model = SearchedBertForMaskedLM(child_config())
    labels = make_masked_labels(BATCH)
    calls = []
    model.base_model.encoder.layer[2].intermediate.register_forward_hook(lambda *_: calls.append(1))

    def step() -> list[torch.Tensor]:
        torch.manual_seed(0)  # the same dropout
        model.zero_grad()
        loss = model.train()(**BATCH, labels=labels).loss
        loss.backward()
        return [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]

    plain = step()
    assert len(calls) == 1
    getattr(model, method)()
    torch.testing.assert_close(step(), plain)
    assert len(calls) == 3  # once forward, once more to recompute it


def test_operators_are_never_split_over_devices():
    model = SearchedBertModel(child_config())
    operators = {type(module).__name__ for module in model.modules() if isinstance(module, SearchedBertOperator)}
    assert operators - {"SearchedBertIdentity"} <= set(model._no_split_modules)


# ---- Embeddings ----


@pytest.mark.parametrize("fields", [{}, {"embedding_size": 12}, {"attention_head_size": 6}], ids=str)
def test_tied_embeddings_survive_saving_and_resizing(fields, tmp_path):
    model = randomise(SearchedBertForMaskedLM(child_config(**fields)))

    def assert_tied(model: nn.Module, size: int) -> None:
        assert model.cls.decoder.weight is model.get_input_embeddings().weight
        assert model.cls.decoder.bias is model.cls.bias
        assert model.config.vocab_size == size and model(**BATCH).logits.shape[-1] == size
        assert model.cls.bias.shape == (size,)

    assert_tied(model, VOCAB_SIZE)
    model.save_pretrained(tmp_path / "one")
    with safe_open(tmp_path / "one" / "model.safetensors", "pt") as weights:
        assert "cls.decoder.weight" not in weights.keys()  # noqa: SIM118 (not a dict)
    assert_tied(SearchedBertForMaskedLM.from_pretrained(tmp_path / "one"), VOCAB_SIZE)
    before = model(**BATCH).logits
    model.resize_token_embeddings(VOCAB_SIZE + 8)
    assert_tied(model, VOCAB_SIZE + 8)
    assert largest_difference(model(**BATCH).logits[..., :VOCAB_SIZE], before) == 0
    assert model(**BATCH, labels=BATCH["input_ids"] + 8).loss.isfinite()
    model.save_pretrained(tmp_path / "two")
    loaded = SearchedBertForMaskedLM.from_pretrained(tmp_path / "two")
    assert_tied(loaded, VOCAB_SIZE + 8)
    assert largest_difference(loaded(**BATCH).logits, model(**BATCH).logits) == 0


def test_an_untied_decoder_survives_saving_and_resizing(tmp_path):
    model = randomise(SearchedBertForMaskedLM(child_config(tie_word_embeddings=False)))
    assert model.cls.decoder.weight is not model.get_input_embeddings().weight
    for size in (VOCAB_SIZE, VOCAB_SIZE + 8):
        model.resize_token_embeddings(size)
        model.save_pretrained(tmp_path)
        loaded, info = SearchedBertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values())
        assert largest_difference(loaded(**BATCH).logits, model(**BATCH).logits) == 0


def test_sizes_of_embeddings_and_heads():
    model = SearchedBertForMaskedLM(child_config(embedding_size=12, attention_head_size=6))
    encoder = model.base_model
    assert encoder.embeddings.word_embeddings.weight.shape == (VOCAB_SIZE, 12)
    assert encoder.embeddings.projection.weight.shape == (32, 12)
    assert [encoder.encoder.layer[layer].self.query.out_features for layer in (0, 4)] == [24, 12]
    assert model.cls.transform.dense.weight.shape == (12, 32)
    assert sum(isinstance(module, nn.Identity) for module in SearchedBertModel(child_config()).modules()) == 1


def test_inputs_embeds():
    model = randomise(SearchedBertForMaskedLM(child_config()))
    inputs = dict(BATCH)
    embeds = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert largest_difference(model(**inputs, inputs_embeds=embeds).logits, model(**BATCH).logits) == 0
    for wrong in ({}, {"inputs_embeds": embeds, "input_ids": BATCH["input_ids"]}):
        with pytest.raises(ValueError, match="exactly one of `input_ids` and `inputs_embeds`"):
            model(**wrong)


# ---- Padding ----


@pytest.mark.parametrize(
    "operator", ["attention-4", "feed_forward-37", "convolution-1", "convolution-3", "convolution-21"]
)
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_padding_and_other_rows_change_no_real_token(batch, operator, implementation):
    config = child_config(operators=[operator, "convolution-5"], attn_implementation=implementation)
    model = randomise(SearchedBertModel(config))
    together = model(**batch).last_hidden_state
    changed = dict(batch, input_ids=batch["input_ids"].where(batch["attention_mask"].bool(), 7))
    assert not torch.equal(changed["input_ids"], batch["input_ids"])
    real = batch["attention_mask"].bool()
    assert largest_difference(model(**changed).last_hidden_state[real], together[real]) < 1e-6
    for row in range(len(real)):
        kept = real[row].nonzero().squeeze(-1)
        alone = {name: value[row : row + 1, kept] for name, value in batch.items()}
        positions = kept.unsqueeze(0)  # left padding shifts the positions, in BERT as here
        expected = model(**alone, position_ids=positions).last_hidden_state[0]
        assert largest_difference(expected, together[row, kept]) < 1e-5


def test_four_dimensional_masks_are_for_attention_alone():
    mask = BATCH["attention_mask"].bool()[:, None, None, :].expand(-1, 1, LENGTH, -1)
    model = randomise(SearchedBertModel(child_config(operators=["attention-4", "feed_forward-37"])))
    real = BATCH["attention_mask"].bool()
    expected = model(**BATCH).last_hidden_state
    inputs = BATCH | {"attention_mask": mask}
    assert largest_difference(model(**inputs).last_hidden_state[real], expected[real]) < 1e-6
    model = SearchedBertModel(child_config())
    with pytest.raises(ValueError, match=r"convolution needs an `attention_mask` of shape \(batch_size, seq"):
        model(**inputs)


# ---- The head on labelled positions alone ----


def test_labelled_positions_give_the_loss_and_the_gradients_of_all():
    model, inputs, labels = make_task("masked-lm")
    other = copy.deepcopy(model)
    full = model(**inputs, **labels)
    part = other(**inputs, **labels, prediction_positions="labelled")
    kept = labels["labels"] != -100
    assert part.logits.shape == (kept.sum(), VOCAB_SIZE)
    torch.testing.assert_close(part.logits, full.logits[kept])
    torch.testing.assert_close(part.loss, full.loss)
    full.loss.backward()
    part.loss.backward()
    for (name, one), two in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("num_items", [None, 3])
def test_no_label_at_all_is_the_same_for_both_heads(num_items):
    model, inputs, _ = make_task("masked-lm")
    labels = torch.full_like(inputs["input_ids"], -100)
    losses = []
    for positions in ("all", "labelled"):
        model.zero_grad()
        loss = model(**inputs, labels=labels, prediction_positions=positions, num_items_in_batch=num_items).loss
        loss.backward()
        gradient = model.cls.transform.dense.weight.grad
        assert num_items is None or gradient.abs().max() == 0
        losses.append(loss.detach())
    torch.testing.assert_close(losses[0], losses[1], equal_nan=True)
    assert losses[0].isnan() if num_items is None else losses[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prediction_positions": "labeled"}, "must be 'all' or 'labelled', got 'labeled'"),
        ({"prediction_positions": "labelled"}, "needs `labels`"),
    ],
)
def test_wrong_prediction_positions(arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchedBertForMaskedLM(child_config())(**BATCH, **arguments)


# ---- Pipelines ----


def test_pipelines(tokenizer):
    def make(task: str, model_class: type, **fields):
        torch.manual_seed(0)
        return pipeline(task, model=model_class(child_config(**fields)), tokenizer=tokenizer, device="cpu")

    assert len(make("fill-mask", SearchedBertForMaskedLM)("w1 [MASK] w2", top_k=3)) == 3
    classes = make("text-classification", SearchedBertForSequenceClassification, num_labels=3)(["w1 w2", "w3"])
    assert {result["label"] for result in classes} <= {"LABEL_0", "LABEL_1", "LABEL_2"}
    tokens = make("token-classification", SearchedBertForTokenClassification, num_labels=3)("w1 w2 w3")
    assert [token["word"] for token in tokens] == ["w1", "w2", "w3"]
    features = make("feature-extraction", SearchedBertModel)("w1 w2")
    assert torch.tensor(features).shape == (1, 4, 32)


def test_pipelines_answer_as_the_model_does(tokenizer):
    """Sentence vectors are means over tokens, as sentence-transformers has them: padding must not move them."""
    texts = ["w1 w2 [MASK] w3 w4", "w5 [MASK]"]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    model = randomise(SearchedBertForMaskedLM(child_config()))
    with torch.no_grad():
        logits = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id]
        states = model.searched_bert(**inputs).last_hidden_state
    answers = pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")(texts, top_k=1)
    assert [answer[0]["token"] for answer in answers] == logits.argmax(-1).tolist()
    mask = inputs["attention_mask"].unsqueeze(-1)
    pooled = (states * mask).sum(1) / mask.sum(1)
    extract = pipeline("feature-extraction", model=model.searched_bert, tokenizer=tokenizer, device="cpu")
    for text, vector in zip(texts, pooled, strict=True):
        assert largest_difference(torch.tensor(extract(text))[0].mean(0), vector) < 1e-5
