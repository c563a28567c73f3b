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
"""Starting from a classifier that was fine-tuned on another task."""

import pytest
import torch
from transformers import BertForSequenceClassification

from hf_supernet.models.searched_bert import SearchedBertForSequenceClassification
from hf_supernet.training.trained_classifiers import label_positions, load_trained_classifier, take_over

from ..models.conftest import child_config
from .test_distillation import make_classifier


def assert_same_body(model, source) -> None:
    mine, theirs = model.base_model.state_dict(), source.base_model.state_dict()
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


@pytest.mark.parametrize(
    "labels",
    [("entailment", "not_entailment"), ("similarity",), ("red", "green", "blue"), ("LABEL_0", "LABEL_1", "LABEL_2")],
)
def test_other_labels_get_a_head_of_their_own(labels):
    """Of another number, of another kind, and where only the number is the same."""
    source, model = make_classifier(), make_classifier(labels, seed=1)
    drawn = model.classifier.weight.detach().clone()
    assert take_over(model, source, "mnli") is False
    assert_same_body(model, source)
    assert torch.equal(model.classifier.weight, drawn)


def test_the_same_labels_keep_the_head_in_the_order_of_the_model():
    source, model = make_classifier(), make_classifier(("contradiction", "entailment", "neutral"), seed=1)
    with torch.no_grad():
        source.classifier.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert take_over(model, source, "mnli") is True
    assert_same_body(model, source)
    assert torch.equal(model.classifier.weight, source.classifier.weight[[2, 0, 1]])
    assert model.classifier.bias.tolist() == [3.0, 1.0, 2.0]
    batch = {"input_ids": torch.randint(5, 99, (3, 7))}
    logits = [m.eval()(**batch).logits for m in (model, source)]
    torch.testing.assert_close(logits[0], logits[1][:, [2, 0, 1]])


def test_a_regression_goes_on_as_one():
    source, model = make_classifier(("a",)), make_classifier(("b",), seed=1)
    assert take_over(model, source, "stsb") is True
    assert torch.equal(model.classifier.weight, source.classifier.weight)


def test_a_searched_child():
    source = SearchedBertForSequenceClassification(child_config())
    model = SearchedBertForSequenceClassification(child_config())
    model.config.id2label = {0: "yes", 1: "no"}
    assert not torch.equal(model.base_model.pooler.dense.weight, source.base_model.pooler.dense.weight)
    assert take_over(model, source, "mnli") is False
    assert_same_body(model, source)
    other = SearchedBertForSequenceClassification(
        child_config(operators=["attention-8", *child_config().operators[1:]])
    )
    with pytest.raises(ValueError, match=r'"mnli" is another network than the model: operators \['):
        take_over(model, other, "mnli")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_attention_heads": 2}, "num_attention_heads 2 instead of 4"),  # the same weights, another network
        ({"num_hidden_layers": 2, "vocab_size": 98}, "num_hidden_layers 2 instead of 1; vocab_size 98 instead of 99"),
    ],
)
def test_another_network_is_refused(fields, message):
    with pytest.raises(ValueError, match=f'`init_from`: "mnli" is another network than the model: {message}'):
        take_over(make_classifier(), make_classifier(**fields), "mnli")


def test_what_is_not_the_network():
    """What acts in training only, and what a Trainer changes in a config."""
    source = make_classifier(hidden_dropout_prob=0.3, use_cache=False, pad_token_id=1, bos_token_id=2)
    assert not take_over(make_classifier(("a", "b")), source, "mnli")


def test_what_is_no_trained_classifier(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r'`init_from`: ".*empty" is no model'):
        load_trained_classifier(str(tmp_path / "empty"), "init_from")
    make_classifier().bert.save_pretrained(tmp_path / "body")
    with pytest.raises(ValueError, match=r"was not fine-tuned as a classifier, it lacks the weights classifier\.bias"):
        load_trained_classifier(str(tmp_path / "body"), "init_from")
    make_classifier().save_pretrained(tmp_path / "whole")
    assert isinstance(load_trained_classifier(str(tmp_path / "whole"), "init_from"), BertForSequenceClassification)


def test_positions_of_labels():
    wanted = make_classifier(("Yes", "no")).config
    assert label_positions(make_classifier(("no", "yes")).config, wanted) == [1, 0]
    assert label_positions(make_classifier(("no", "maybe")).config, wanted) is None
