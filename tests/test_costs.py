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
import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SupernetBertConfig,
)
from hf_supernet.architecture import Architecture
from hf_supernet.costs import (
    count_multiply_adds,
    count_parameters,
    multiply_add_table,
    operator_multiply_adds,
    operator_parameters,
    parameter_table,
)
from hf_supernet.models.searched_bert import Operator, SearchedBertConfig
from hf_supernet.search_space import SearchSpace


MODELS = {
    None: SearchedBertModel,
    "masked-lm": SearchedBertForMaskedLM,
    "sequence-classification": SearchedBertForSequenceClassification,
    "token-classification": SearchedBertForTokenClassification,
    "question-answering": SearchedBertForQuestionAnswering,
    "multiple-choice": SearchedBertForMultipleChoice,
}
SIZES = {
    "plain": {},
    "head_size": {"attention_head_size": 5},
    "embedding_size": {"embedding_size": 24, "num_labels": 3},
    "untied": {"tie_word_embeddings": False, "embedding_size": 24},
}
ARCHITECTURES = ["A4", "F37", "C5", "I", "A2-F37-C3-I-A8-C7-F64"]


def make_config(**sizes):
    return SupernetBertConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=5,
        max_position_embeddings=41,
        candidate_operators=["attention-2", "attention-4", "feed_forward-37", "convolution-3", "identity"],
        **sizes,
    )


def build(config, architecture, head):
    with torch.device("meta"):
        return MODELS[head](config.child_config(Architecture.from_string(architecture).operators)).eval()


def count_flops(model, shape):
    inputs = torch.zeros(shape, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("head", MODELS)
def test_parameters_equal_the_module(head, sizes):
    config = make_config(**SIZES[sizes])
    for architecture in ARCHITECTURES:
        model = build(config, architecture, head)
        expected = sum(parameter.numel() for parameter in model.parameters())
        assert count_parameters(config, architecture, head=head) == expected
        assert count_parameters(model.config, architecture, head=head) == expected


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("head", MODELS)
def test_multiply_adds_equal_the_module(head, sizes, attention):
    config, batch, length = make_config(**SIZES[sizes]), 3, 17
    for architecture in ARCHITECTURES:
        model = build(config, architecture, head)
        model.set_attn_implementation(attention)
        shape = (batch, 2, length) if head == "multiple-choice" else (batch, length)
        sequences = shape[0] * (shape[1] if len(shape) == 3 else 1)
        expected = 2 * sequences * count_multiply_adds(config, architecture, length, head=head)
        assert count_flops(model, shape) == expected


def test_multiply_adds_with_padding_and_labelled_positions():
    """Labelled positions cannot be found on the meta device: this runs for real, where sdpa's kernel is not counted."""
    config = make_config()
    model = SearchedBertForMaskedLM(config.child_config(Architecture.from_string("A2-C3-F37").operators)).eval()
    model.set_attn_implementation("eager")
    tokens, mask = torch.ones(1, 17, dtype=torch.long), torch.ones(1, 17, dtype=torch.long)
    mask[:, 11:] = 0
    labels = torch.full((1, 17), -100)
    labels[0, [2, 5, 9]] = 7
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=tokens, attention_mask=mask, labels=labels, prediction_positions="labelled")
    expected = count_multiply_adds(config, "A2-C3-F37", 17, head="masked-lm", num_predictions=3)
    assert counter.get_total_flops() == 2 * expected


def test_operators_equal_the_module():
    config = make_config(attention_head_size=5)
    for operator in map(Operator.from_string, ["A3", "F37", "C5", "I"]):
        module = build(config, operator.code, None).encoder.layer[0]
        assert operator_parameters(operator, config) == sum(p.numel() for p in module.parameters())
        states = torch.zeros(1, 13, 32, device="meta")
        with FlopCounterMode(display=False) as counter:
            module(states)
        assert 2 * operator_multiply_adds(operator, config, 13) == counter.get_total_flops()


def test_sums_are_additive_and_tables_agree():
    config = make_config(embedding_size=24)
    space, generator = SearchSpace.from_config(config), random.Random(0)
    parameters = parameter_table(config, space, head="masked-lm")
    work = multiply_add_table(config, space, 17, head="masked-lm", num_predictions=3)
    for architecture in [space.sample(generator) for _ in range(20)]:
        assert space.cost(architecture, parameters) == count_parameters(config, architecture, head="masked-lm")
        expected = count_multiply_adds(config, architecture, 17, head="masked-lm", num_predictions=3)
        assert space.cost(architecture, work) == expected


def test_bert_base():
    config = SearchedBertConfig(hidden_size=768)
    architecture = "-".join(["A12-F3072"] * 12)
    assert count_parameters(config, architecture) == 109_482_240
    assert count_parameters(config, architecture, head="masked-lm") == 109_514_298


def test_wrong_arguments():
    config = make_config()
    with pytest.raises(ValueError, match=r"one of masked-lm, .*got 'mlm'"):
        count_parameters(config, "A2", head="mlm")
    with pytest.raises(ValueError, match="3 heads do not divide"):
        count_parameters(config, "A2-A3")
    with pytest.raises(ValueError, match="another hidden size"):
        count_multiply_adds(config, "H64:A2", 17)
    assert count_multiply_adds(config, "H32:A2", 17) == count_multiply_adds(config, "A2", 17)
    for length in (0, 42):
        with pytest.raises(ValueError, match=f"`sequence_length` .*41, got {length}"):
            count_multiply_adds(config, "A2", length)
    with pytest.raises(ValueError, match="got 18 with the head 'masked-lm'"):
        count_multiply_adds(config, "A2", 17, head="masked-lm", num_predictions=18)
    with pytest.raises(ValueError, match="got 3 with the head None"):
        count_multiply_adds(config, "A2", 17, num_predictions=3)
