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
from torch.testing import assert_close
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from hf_supernet import (
    SearchedBertConfig,
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SupernetBertConfig,
    SupernetBertForMaskedLM,
)
from hf_supernet.export import plain_bert_obstacle, to_bert

from .conftest import PLAIN, randomise


HEADS = [
    (SearchedBertModel, BertModel),
    (SearchedBertForMaskedLM, BertForMaskedLM),
    (SearchedBertForMultipleChoice, BertForMultipleChoice),
    (SearchedBertForQuestionAnswering, BertForQuestionAnswering),
    (SearchedBertForSequenceClassification, BertForSequenceClassification),
    (SearchedBertForTokenClassification, BertForTokenClassification),
]


@torch.no_grad()
def outputs(model, batch):
    if "MultipleChoice" in type(model).__name__:
        batch = {name: torch.stack([value, value.flip(0)], dim=1) for name, value in batch.items()}
    return model(**batch).to_tuple()


@pytest.mark.parametrize(("child_class", "bert_class"), HEADS)
def test_gives_the_same_outputs_and_loads_as_a_plain_bert(child_class, bert_class, make_child, batch, tmp_path):
    child = make_child(PLAIN, child_class)
    bert = to_bert(child)
    assert type(bert) is bert_class
    expected = outputs(child, batch)
    assert_close(outputs(bert, batch), expected, rtol=0, atol=1e-5)

    bert.save_pretrained(tmp_path)
    loaded, info = bert_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded.config) is BertConfig
    assert_close(outputs(loaded.eval(), batch), expected, rtol=0, atol=1e-5)


def test_answers_of_a_model_that_was_a_classifier_before(make_child, batch):
    """Three classes in its configuration: an answer has a start and an end all the same."""
    child = make_child(PLAIN, SearchedBertForQuestionAnswering, num_labels=3)
    bert = to_bert(child)
    assert bert.config.num_labels == 2
    assert_close(outputs(bert, batch), outputs(child, batch), rtol=0, atol=1e-5)


def test_a_bert_comes_back_from_a_supernet_weight_by_weight():
    config = BertConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=37
    )
    bert = randomise(BertForMaskedLM(config))
    supernet = SupernetBertForMaskedLM.from_bert(bert)
    again = to_bert(supernet.extract_child("A4-F37-A4-F37-A4-F37"))
    expected = bert.state_dict()
    assert again.state_dict().keys() == expected.keys()
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert again.config.to_diff_dict().items() >= config.to_diff_dict().items()


def test_sdpa_and_eager_agree_after_loading(make_child, batch, tmp_path):
    child = make_child(PLAIN)
    to_bert(child).save_pretrained(tmp_path)
    expected = outputs(child, batch)
    for implementation in ("sdpa", "eager"):
        loaded = BertForMaskedLM.from_pretrained(tmp_path, attn_implementation=implementation).eval()
        assert_close(outputs(loaded, batch), expected, rtol=0, atol=1e-5)


def test_keeps_what_the_child_is_set_to(make_child):
    child = make_child(
        PLAIN,
        SearchedBertForSequenceClassification,
        id2label={0: "no", 1: "perhaps", 2: "yes"},
        label2id={"no": 0, "perhaps": 1, "yes": 2},
        problem_type="multi_label_classification",
        classifier_dropout=0.25,
        hidden_dropout_prob=0.15,
        attention_probs_dropout_prob=0.05,
        hidden_act="relu",
        layer_norm_eps=1e-6,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=3,
        type_vocab_size=3,
        attn_implementation="eager",
    )
    child = child.to(torch.bfloat16).train()
    bert = to_bert(child)
    for name in [
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "classifier_dropout",
        "hidden_dropout_prob",
        "hidden_act",
        "layer_norm_eps",
        "attention_probs_dropout_prob",
        "pad_token_id",
        "bos_token_id",
        "eos_token_id",
        "type_vocab_size",
        "vocab_size",
        "max_position_embeddings",
        "initializer_range",
        "tie_word_embeddings",
        "_attn_implementation",
    ]:
        assert getattr(bert.config, name) == getattr(child.config, name), name
    assert bert.config._attn_implementation == "eager"
    assert {parameter.dtype for parameter in bert.parameters()} == {torch.bfloat16}
    assert bert.dropout.p == 0.25
    assert bert.training
    assert not to_bert(child.eval()).training


def test_copies_the_weights_and_draws_nothing(make_child):
    child = make_child(PLAIN)
    state = torch.get_rng_state()
    bert = to_bert(child)
    assert torch.equal(torch.get_rng_state(), state)
    before = child.searched_bert.embeddings.word_embeddings.weight.clone()
    with torch.no_grad():
        for parameter in bert.parameters():
            parameter.zero_()
    assert torch.equal(child.searched_bert.embeddings.word_embeddings.weight, before)
    assert all(parameter.requires_grad for parameter in bert.parameters())


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_are_tied_where_the_child_ties_them(tied, make_child, batch):
    child = make_child(PLAIN, tie_word_embeddings=tied)
    bert = to_bert(child)
    assert (bert.cls.predictions.decoder.weight is bert.bert.embeddings.word_embeddings.weight) is tied
    assert bert.num_parameters() == child.num_parameters()
    assert_close(outputs(bert, batch), outputs(child, batch), rtol=0, atol=1e-5)


def test_a_resized_child_and_one_without_a_pooler(make_child, batch):
    child = make_child(PLAIN)
    child.resize_token_embeddings(103)
    bert = to_bert(child)
    assert bert.config.vocab_size == 103
    assert_close(outputs(bert, batch), outputs(child, batch), rtol=0, atol=1e-5)
    assert to_bert(make_child(PLAIN, SearchedBertModel, add_pooling_layer=False)).pooler is None


OBSTACLES = [
    ("A4-F64-C5-F64", {}, "layer 2 is `convolution-5`, where a BERT block has its attention"),
    ("I-A4-I-A4-F64", {}, "layer 3 is `attention-4`, where a BERT block has its feed-forward"),
    ("F64-A4", {}, "layer 0 is `feed_forward-64`, where a BERT block has its attention"),
    ("A4-F64-A4", {}, "layer 2 is `attention-4` with no feed-forward behind it"),
    ("A4-F64-A2-F64", {}, "layer 2 is `attention-2` and layer 0 is `attention-4`"),
    ("I-A4-F64-A4-F128", {}, "layer 4 is `feed_forward-128` and layer 2 is `feed_forward-64`"),
    ("A2-F64", {"attention_head_size": 8}, "layer 0 is `attention-2` with heads of size 8, .* `hidden_size` \\(32\\)"),
    ("A4-F64", {"embedding_size": 16}, "`embedding_size` is 16 and `hidden_size` is 32"),
    ("I-I", {}, "every layer is an identity"),
]


@pytest.mark.parametrize(("architecture", "fields", "message"), OBSTACLES)
def test_says_what_a_bert_config_cannot(architecture, fields, message, make_child):
    operators = architecture.split("-")
    with pytest.raises(ValueError, match=message) as raised:
        to_bert(make_child(operators, **fields))
    # The same answer from a supernet's configuration, before there is a child.
    candidates = [[operator] for operator in operators]
    supernet = SupernetBertConfig(
        hidden_size=32, num_hidden_layers=len(operators), candidate_operators=candidates, **fields
    )
    assert plain_bert_obstacle(supernet, architecture) in str(raised.value)


def test_a_head_size_that_splits_the_hidden_size_is_no_obstacle(make_child, batch):
    child = make_child(PLAIN, attention_head_size=8)
    assert_close(outputs(to_bert(child), batch), outputs(child, batch), rtol=0, atol=1e-5)
    assert plain_bert_obstacle(SearchedBertConfig(hidden_size=64)) is None


def test_refuses_what_is_no_child():
    supernet = SupernetBertForMaskedLM(SupernetBertConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2))
    with pytest.raises(TypeError, match=r"SupernetBertForMaskedLM.*`extract_child` first"):
        to_bert(supernet)
