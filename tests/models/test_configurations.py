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
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hf_supernet import Architecture, SearchedBertConfig, SupernetBertConfig

from .conftest import SIZES, VOCAB_SIZE, child_config, supernet_config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"operators": ["atention-4"]}, "Unknown operator kind 'atention'.* Did you mean 'attention'"),
        ({"operators": ["attention-5"]}, "5 heads do not divide `hidden_size` 32"),
        ({"operators": ["convolution-4"]}, "odd kernel size.* got 4. Take 3 or 5"),
        ({"operators": ["feed_forward"]}, "needs a positive size"),
        ({"operators": ["identity-2"]}, "An identity has no size"),
        ({"operators": []}, "`operators` is empty"),
        ({"operators": ["identity"], "num_hidden_layers": 2}, "`num_hidden_layers` is 2, but `operators` names 1"),
        ({"hidden_dropout_prob": 1.0}, r"`hidden_dropout_prob` must lie in \[0, 1\)"),
        ({"attention_head_size": 0}, "`attention_head_size` must be at least 1"),
        ({"vocab_size": 0}, "`vocab_size` must be at least 1"),
        ({"hidden_size": 0}, "`hidden_size` must be at least 1"),
        ({"pad_token_id": VOCAB_SIZE}, "`pad_token_id` must lie in the vocabulary"),
        ({"hidden_size": "32"}, "hidden_size"),
    ],
    ids=str,
)
def test_bad_configurations_of_a_child(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        child_config(**fields)


def test_round_trip_of_a_child(tmp_path):
    config = child_config(attention_head_size=6, embedding_size=12, num_labels=3, problem_type="regression")
    config.save_pretrained(tmp_path)
    assert SearchedBertConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()
    assert SearchedBertConfig(**SIZES).num_hidden_layers == 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidate_operators": ["atention-4"]}, "Unknown operator kind 'atention'.* Did you mean 'attention'"),
        ({"candidate_operators": ["attention-5"]}, "5 heads do not divide `hidden_size` 32"),
        ({"candidate_operators": ["convolution-4"]}, "odd kernel size.* got 4. Take 3 or 5"),
        ({"candidate_operators": ["attention-4", "A4"]}, "Layer 0 names a candidate operator twice: attention-4"),
        ({"candidate_operators": []}, "Layer 0 has no candidate operator"),
        ({"candidate_operators": [["A4"], [], ["A4"], ["A4"]]}, "Layer 1 has no candidate operator"),
        ({"candidate_operators": [["A4"]] * 3}, "has 3 lists for `num_hidden_layers` 4"),
        ({"num_hidden_layers": 0}, "`num_hidden_layers` must be at least 1"),
        ({"weight_sharing": "mixed"}, "`weight_sharing` must be one of .* got 'mixed'"),
        (
            {"weight_sharing": "sliced"},
            "Layer 0 has attention-4, attention-2, which split .* set `attention_head_size`",
        ),
        ({"kernel_transform": True}, "`kernel_transform` .* goes with `weight_sharing='sliced'`, got 'separate'"),
        ({"hidden_sizes": [16, 24]}, "The largest of `hidden_sizes` must be `hidden_size` 32, .* got 16, 24"),
        ({"hidden_sizes": []}, "The largest of `hidden_sizes` must be .* got none"),
        ({"hidden_sizes": [16, 32]}, r"`hidden_sizes` \(16, 32\) goes with `weight_sharing='sliced'`, got 'separate'"),
        (
            {"hidden_sizes": [16, 32], "weight_sharing": "sliced", "candidate_operators": ["A4"]},
            "heads that split the hidden size would have another size",
        ),
        (
            {"hidden_sizes": [16, 32], "weight_sharing": "sliced", "attention_head_size": 8, "embedding_size": 16},
            "`embedding_size` 16 is one of `hidden_sizes`",
        ),
        ({"identity_placement": "front"}, "`identity_placement` must be one of anywhere, end; got 'front'"),
        ({"default_architecture": "A4-A4-A4-F9"}, "layer 3 is feed_forward-9, allowed there are attention-4"),
        ({"default_architecture": "A4-A4"}, "has 2 layers, but the search space has 4"),
        ({"default_architecture": "attention"}, "Cannot read the architecture"),
    ],
    ids=str,
)
def test_bad_configurations_of_a_supernet(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        supernet_config(**fields)


def test_round_trip_of_a_supernet(tmp_path):
    candidates = [["attention-4", "identity"], ["feed_forward-37"], ["convolution-3", "identity"], ["identity"]]
    config = supernet_config(candidate_operators=candidates, default_architecture="A4-F37-I-I", num_labels=3)
    config.save_pretrained(tmp_path)
    loaded = SupernetBertConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    assert [[str(operator) for operator in layer] for layer in loaded.layer_candidates] == candidates
    child = loaded.child_config(Architecture.from_string("A4-F37-I-I").operators)
    assert child.num_labels == 3 and all(getattr(child, name) == value for name, value in SIZES.items())


@pytest.mark.parametrize("load", [AutoConfig.from_pretrained, SearchedBertConfig.from_pretrained])
def test_a_number_of_labels_that_is_passed_replaces_the_names_of_another_number(load, tmp_path):
    names = {0: "no", 1: "perhaps", 2: "yes"}
    child_config(id2label=names, label2id={name: index for index, name in names.items()}).save_pretrained(tmp_path)
    assert load(tmp_path, num_labels=3).id2label == load(tmp_path).id2label == names
    for number in (1, 2, 5):
        config = load(tmp_path, num_labels=number)
        assert config.id2label == {index: f"LABEL_{index}" for index in range(number)}
        assert config.label2id == {f"LABEL_{index}": index for index in range(number)}
    assert load(tmp_path, num_labels=2, id2label={0: "no", 1: "yes"}).id2label == {0: "no", 1: "yes"}


def test_labels_of_two_numbers():
    with pytest.raises(ValueError, match="`num_labels` is 5, but `id2label` has 2 names: leave one of them out"):
        child_config(num_labels=5, id2label={0: "no", 1: "yes"})


def test_a_field_with_a_slip_is_an_error_and_an_unknown_one_is_kept():
    with pytest.raises(ValueError, match="Unknown field `candidate_operatorz`; did you mean `candidate_operators`"):
        SupernetBertConfig(candidate_operatorz=["attention-4"])
    assert SearchedBertConfig(a_field_of_a_later_version=3).a_field_of_a_later_version == 3


def test_unknown_activation():
    with pytest.raises(StrictDataclassError, match=r"Unknown `hidden_act` 'gellu'.*Did you mean 'gelu'"):
        SearchedBertConfig(hidden_act="gellu")
