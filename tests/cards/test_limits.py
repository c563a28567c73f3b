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
from tokenizers import normalizers
from torch import nn
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, RobertaConfig, RobertaModel

from hf_supernet import (
    SearchedBertConfig,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
)
from hf_supernet.cards.architecture import blank_copy
from hf_supernet.cards.limits import model_limits


SIZES = {"vocab_size": 40, "hidden_size": 32, "operators": ["attention-4", "convolution-3"]}
NAMES = {0: "negative", 1: "positive"}


@pytest.mark.parametrize(
    ("model_class", "fields", "expected"),
    [
        (SearchedBertForQuestionAnswering, {}, "Its answers are passages of the text"),
        (SearchedBertForMultipleChoice, {}, "one of the choices that it is given"),
        (
            SearchedBertForSequenceClassification,
            {"id2label": NAMES},
            "the text one of its labels, `negative`, `positive`,",
        ),
        (SearchedBertForSequenceClassification, {}, "the text one of its 2 labels,"),
        (SearchedBertForSequenceClassification, {"num_labels": 1}, "Its answer is one number"),
        (SearchedBertForTokenClassification, {"id2label": NAMES}, "each token one of its labels, `negative`"),
        (SearchedBertForTokenClassification, {"num_labels": 21}, "each token one of its 21 labels"),
    ],
)
def test_what_it_is_for(model_class, fields, expected):
    first, *others = model_limits(model_class(SearchedBertConfig(**SIZES, **fields)))
    assert expected in first
    assert others == ["It reads at most 512 tokens at a time, special tokens included."]


def test_other_models():
    bert = BertForMaskedLM(BertConfig(vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
    assert "fills in masked tokens" in model_limits(bert)[0]
    roberta = RobertaModel(RobertaConfig(vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
    assert "a vector for each token" in model_limits(roberta, language=["en", "de"])[0]
    assert "Language: `en`, `de` only." in model_limits(roberta, language=["en", "de"])


@pytest.mark.parametrize(
    ("normalizer", "expected"),
    [
        (normalizers.BertNormalizer(), "lower-cases all text and drops accents: `US` and `us` are"),
        (normalizers.Lowercase(), "lower-cases all text: `US` and `us` are"),
        (
            normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
            "drops accents: `résumé` and `resume` are",
        ),
        (normalizers.NFC(), None),
        (None, None),
    ],
)
def test_what_the_tokenizer_makes_equal(normalizer, expected):
    tokenizer = BertTokenizer(vocab={"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4})
    tokenizer.backend_tokenizer.normalizer = normalizer
    limits = model_limits(SearchedBertForMultipleChoice(SearchedBertConfig(**SIZES)), tokenizer)
    assert len(limits) == 2 + (expected is not None)
    assert expected is None or f"Its tokenizer {expected} the same to it." in limits


def test_a_blank_copy_has_the_shape_and_no_weights():
    model = SearchedBertForSequenceClassification(SearchedBertConfig(**SIZES, num_labels=3))
    model.base_model.encoder.layer[0].register_parameter("adapter", nn.Parameter(torch.ones(2)))
    blank = blank_copy(model)
    assert type(blank) is type(model) and {parameter.device.type for parameter in blank.parameters()} == {"meta"}
    assert {name: p.shape for name, p in blank.named_parameters()} == {
        name: p.shape for name, p in model.named_parameters() if not name.endswith("adapter")
    }
