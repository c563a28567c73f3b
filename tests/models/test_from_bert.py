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
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from hf_supernet import (
    Architecture,
    SupernetBertForMaskedLM,
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetBertModel,
)
from hf_supernet.models.supernet_bert import from_bert

from .conftest import (
    SIZES,
    bert_config,
    largest_difference,
    make_batch,
    make_masked_labels,
    randomise,
    sample_architectures,
)


BATCH = make_batch()
LABELS = make_masked_labels(BATCH)
PAIRS = {
    "encoder": (BertModel, SupernetBertModel),
    "masked-lm": (BertForMaskedLM, SupernetBertForMaskedLM),
    "classification": (BertForSequenceClassification, SupernetBertForSequenceClassification),
    "span": (BertForQuestionAnswering, SupernetBertForQuestionAnswering),
}
BERT_PATH = "A4-F37-A4-F37-A4-F37"


def make_bert(name: str = "masked-lm", **fields) -> nn.Module:
    return randomise(PAIRS[name][0](bert_config(num_labels=2 if name == "span" else 3, **fields)))


@pytest.fixture
def supernet() -> SupernetBertForMaskedLM:
    return SupernetBertForMaskedLM.from_bert(make_bert())


def assert_same_outputs(bert: nn.Module, model: nn.Module, inputs: dict[str, torch.Tensor], **arguments) -> None:
    """The padded positions are compared too: BERT computes the same there."""
    expected, outputs = bert(**inputs).to_tuple(), model(**inputs, **arguments).to_tuple()
    assert len(outputs) == len(expected)
    for mine, theirs in zip(outputs, expected, strict=True):
        assert largest_difference(mine, theirs) < 1e-5


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_the_path_of_bert_is_bert(name, implementation, batch, tmp_path):
    bert = make_bert(name, attn_implementation=implementation)
    supernet = PAIRS[name][1].from_bert(bert)
    assert supernet.config.default_architecture == BERT_PATH
    assert supernet.config._attn_implementation == implementation
    for inputs in (batch, {"input_ids": batch["input_ids"]}):
        assert_same_outputs(bert, supernet, inputs)
        assert_same_outputs(bert, supernet, inputs, architecture=BERT_PATH)
        assert_same_outputs(bert, supernet.extract_child(BERT_PATH), inputs)
    bert.save_pretrained(tmp_path)
    assert_same_outputs(bert, PAIRS[name][1].from_bert(str(tmp_path)).eval(), batch)


def test_the_gradients_are_berts_too(supernet):
    bert = make_bert()
    bert(**BATCH, labels=LABELS).loss.backward()
    supernet(**BATCH, labels=LABELS).loss.backward()
    block, layers = bert.bert.encoder.layer[1], supernet.supernet_bert.encoder.layer
    pairs = [
        (block.attention.self.key.weight, layers[2]["attention-4"].self.key.weight),
        (block.output.LayerNorm.weight, layers[3]["feed_forward-37"].LayerNorm.weight),
        (bert.get_input_embeddings().weight, supernet.get_input_embeddings().weight),
        (bert.cls.predictions.bias, supernet.cls.bias),
    ]
    for theirs, mine in pairs:
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_what_is_taken_over_from_the_configuration():
    fields = {"layer_norm_eps": 1e-6, "hidden_act": "relu", "hidden_dropout_prob": 0.3, "classifier_dropout": 0.2}
    bert = make_bert("classification", pad_token_id=None, problem_type="regression", **fields).to(torch.bfloat16)
    supernet = SupernetBertForSequenceClassification.from_bert(bert.train())
    config = supernet.config
    assert all(getattr(config, name) == value for name, value in (fields | SIZES).items())
    assert config.pad_token_id is None and supernet.get_input_embeddings().padding_idx is None
    assert config.num_labels == 3 and config.problem_type == "regression"
    assert config.num_hidden_layers == 6 and config.embedding_size == 32
    assert supernet.dtype == torch.bfloat16 and supernet.training
    assert supernet.config.architectures is None or "Bert" not in supernet.config.architectures[0].removeprefix(
        "Supernet"
    )


def test_the_head_that_bert_does_not_have_is_new(supernet):
    bert = randomise(BertForPreTraining(bert_config()))
    masked_lm = SupernetBertForMaskedLM.from_bert(bert)
    assert largest_difference(masked_lm(**BATCH).logits, bert(**BATCH).prediction_logits) < 1e-5
    encoder = SupernetBertModel.from_bert(bert)
    expected = bert.bert(**BATCH).pooler_output
    assert largest_difference(encoder(**BATCH).pooler_output, expected) < 1e-5
    classifier = SupernetBertForSequenceClassification.from_bert(bert)
    assert largest_difference(classifier.base_model(**BATCH).pooler_output, expected) < 1e-5
    assert classifier.classifier.bias.abs().max() == 0


OTHER_HEADS = [BertForTokenClassification, BertForMultipleChoice, BertForQuestionAnswering]


@pytest.mark.parametrize("bert_class", OTHER_HEADS, ids=lambda bert_class: bert_class.__name__)
def test_another_head_is_not_taken_for_the_own_one(bert_class, tmp_path, monkeypatch):
    """The first two are called `classifier`, as that of a sequence classifier is."""
    bert = randomise(bert_class(bert_config(num_labels=3)))
    bert.save_pretrained(tmp_path)
    warned = []
    monkeypatch.setattr(from_bert.logger, "warning", warned.append)
    for source in (bert, str(tmp_path)):
        for name in ("classification", "masked-lm"):
            supernet = PAIRS[name][1].from_bert(source).eval()
            assert supernet.config.num_labels == 3
            expected = bert.base_model(**BATCH).last_hidden_state
            assert largest_difference(supernet.base_model(**BATCH).last_hidden_state, expected) < 1e-5
            bias = supernet.classifier.bias if name == "classification" else supernet.cls.bias
            assert bias.abs().max() == 0
    for head in ("classifier.weight, classifier.bias", "cls.bias"):
        assert any(head in text and "have to be trained" in text for text in warned)


def test_nothing_is_said_where_nothing_is_new(monkeypatch):
    warned: list[str] = []
    monkeypatch.setattr(from_bert.logger, "warning", warned.append)
    for name, (_, supernet_class) in PAIRS.items():
        supernet_class.from_bert(make_bert(name))
        assert warned == [], name


def test_new_operators_add_nothing_at_first():
    """The same states as a BERT whose sub-layer is left out, its norm kept."""
    bert = make_bert()
    candidates = ["attention-4", "feed_forward-37", "attention-2", "feed_forward-19", "convolution-3", "identity"]
    supernet = SupernetBertForMaskedLM.from_bert(bert, candidate_operators=candidates)
    attention, feed_forward = (
        bert.bert.encoder.layer[1].attention.output.dense,
        bert.bert.encoder.layer[1].output.dense,
    )
    for layer, left_out, new in (
        (2, attention, ("A2", "F37", "F19", "C3")),
        (3, feed_forward, ("F19", "A2", "A4", "C3")),
    ):
        kept = {name: tensor.clone() for name, tensor in left_out.state_dict().items()}
        with torch.no_grad():
            for parameter in left_out.parameters():
                parameter.zero_()
        expected = bert(**BATCH, labels=LABELS)
        for operator in new:
            architecture = Architecture.from_string(BERT_PATH).replace(layer, operator)
            outputs = supernet(**BATCH, labels=LABELS, architecture=architecture)
            assert largest_difference(outputs.logits, expected.logits) < 1e-5
            assert abs(outputs.loss - expected.loss) < 1e-5
        left_out.load_state_dict(kept)


def test_new_operators_learn(supernet):
    architecture = Architecture.from_string("C3-F37-C5-C3-A4-C5")
    optimizer = torch.optim.AdamW(supernet.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        outputs = supernet(**BATCH, labels=LABELS, architecture=architecture)
        outputs.loss.backward()
        optimizer.step()
        losses.append(outputs.loss.item())
    assert losses == sorted(losses, reverse=True)
    for layer in (0, 2, 3, 5):
        new = supernet.base_model.encoder.layer[layer][str(architecture[layer])]
        assert all(parameter.grad.abs().max() > 0 for parameter in new.parameters())


def test_every_path_is_finite_and_of_a_sane_loss(supernet):
    base = supernet(**BATCH, labels=LABELS).loss
    for architecture in sample_architectures(supernet, 20):
        loss = supernet(**BATCH, labels=LABELS, architecture=architecture).loss
        assert loss.isfinite() and loss < 2 * base


def test_a_space_without_the_bert_itself():
    supernet = SupernetBertForMaskedLM.from_bert(make_bert(), candidate_operators=["attention-2", "identity"])
    assert supernet.config.default_architecture is None
    assert supernet(**BATCH).logits.isfinite().all()
    lists = [["attention-4"], ["feed_forward-37", "identity"]] * 3
    bert = make_bert()
    supernet = SupernetBertForMaskedLM.from_bert(bert, candidate_operators=lists, identity_placement="end")
    assert supernet.search_space.identity_placement == "end"
    assert_same_outputs(bert, supernet, BATCH)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda: RobertaForMaskedLM(RobertaConfig(**SIZES, num_hidden_layers=1, num_attention_heads=4)), {}, "a 'roberta' model"),
        (lambda: BertLMHeadModel(bert_config(is_decoder=True)), {}, "BertLMHeadModel is a decoder"),
        (make_bert, {"revision": "main"}, "revision: meant for `from_pretrained`, but `bert` is a model already"),
    ],
)  # fmt: skip
def test_what_is_no_bert_encoder(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        SupernetBertForMaskedLM.from_bert(make(), **arguments)


def test_a_folder_that_holds_no_bert(tmp_path):
    config = RobertaConfig(**SIZES, num_hidden_layers=1, num_attention_heads=4, intermediate_size=37)
    RobertaForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"starts from a BERT encoder; '{tmp_path}' is a 'roberta' model"):
        SupernetBertForMaskedLM.from_bert(str(tmp_path))
    BertLMHeadModel(bert_config(is_decoder=True)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"'{tmp_path}' is a decoder"):
        SupernetBertForMaskedLM.from_bert(tmp_path)


@pytest.mark.parametrize(
    ("bert", "error", "message"),
    [
        (None, TypeError, "`bert` must be a folder, a Hub id or a BERT model, got None"),
        (nn.Linear(1, 1), TypeError, r"a BERT model, got Linear\("),
        ("no/such/folder", OSError, "There is no BERT 'no/such/folder': neither a folder with a `config.json`, nor"),
        (Path("nowhere"), OSError, "There is no BERT 'nowhere'"),
    ],
)
def test_no_bert_at_all(bert, error, message):
    with pytest.raises(error, match=message):
        SupernetBertForMaskedLM.from_bert(bert)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["attention-5"], "5 heads do not divide `hidden_size` 32"),
        ([["attention-4"]] * 3, "has 3 lists for `num_hidden_layers` 6"),
        (["feedforward-37"], "Did you mean 'feed_forward'"),
    ],
)
def test_candidates_that_do_not_fit(candidates, message):
    with pytest.raises(StrictDataclassError, match=message):
        SupernetBertForMaskedLM.from_bert(make_bert(), candidate_operators=candidates)
