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
"""Supernets of which every child is a plain BERT: sampled, searched, exported, and the checkpoint itself among them."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import BertForMaskedLM

from hf_supernet import (
    PlainBertSpace,
    SearchSpace,
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    export_child,
    make_sampler,
    to_bert,
)
from hf_supernet.costs import parameter_table
from hf_supernet.models.supernet_bert import magnitude_importance, order_by_importance
from hf_supernet.samplers import SandwichSampler
from hf_supernet.search import Constraint, ParameterCost, RandomSearch

from .conftest import bert_config, largest_difference, make_batch, randomise, supernet_config


BATCH = make_batch()
CANDIDATES = ["attention-4", "attention-2", "feed_forward-37", "feed_forward-12", "convolution-3", "identity"]
SLICED = {"candidate_operators": CANDIDATES, "weight_sharing": "sliced", "plain_children": True}
LARGEST = "A4-F37-A4-F37-A4-F37"


@pytest.fixture(scope="module")
def bert() -> BertForMaskedLM:
    return randomise(BertForMaskedLM(bert_config(hidden_size=24)))


@torch.no_grad()
def logits(model, **arguments) -> torch.Tensor:
    return model(**BATCH, **arguments).logits


@pytest.mark.parametrize(("sizes", "prefix"), [(None, ""), ([12, 24], "H24:")])
@pytest.mark.parametrize("placement", ["anywhere", "end"])
def test_from_bert_and_back(sizes, prefix, placement, bert):
    supernet = SupernetBertForMaskedLM.from_bert(bert, **SLICED, hidden_sizes=sizes, identity_placement=placement)
    supernet.eval()
    space = supernet.search_space
    assert isinstance(space, PlainBertSpace) and space == SearchSpace.from_config(supernet.config)
    assert str(space.dearest(parameter_table(supernet.config, space))) == prefix + LARGEST
    assert str(supernet.resolve_architecture(None)) == prefix + LARGEST
    again, weights = to_bert(supernet.extract_child()), bert.state_dict()
    assert again.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    assert again.config.to_diff_dict().items() >= bert.config.to_diff_dict().items()
    order_by_importance(supernet, magnitude_importance(supernet))
    ordered = to_bert(supernet.extract_child())
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    assert not torch.equal(ordered.get_parameter(name), bert.get_parameter(name))
    assert largest_difference(logits(ordered), logits(bert)) < 1e-5


@pytest.mark.parametrize("sizes", [None, [12, 24]])
def test_every_architecture_is_exported_as_bert(sizes, bert, tmp_path):
    supernet = SupernetBertForMaskedLM.from_bert(bert, **SLICED, hidden_sizes=sizes)
    randomise(supernet, seed=2)
    for architecture in list(supernet.search_space)[:: 3 if sizes else 1]:
        exported = to_bert(supernet.extract_child(architecture))
        assert largest_difference(logits(exported), logits(supernet, architecture=architecture)) < 1e-5
        assert exported.config.num_hidden_layers == sum(operator.kind == "attention" for operator in architecture)
        assert exported.config.hidden_size == (architecture.hidden_size or 24)
    smallest = supernet.search_space.cheapest(parameter_table(supernet.config, supernet.search_space))
    loaded = BertForMaskedLM.from_pretrained(export_child(supernet, smallest, tmp_path / "child")).eval()
    assert largest_difference(logits(loaded), logits(supernet, architecture=smallest)) < 1e-5


def test_heads_are_searched_where_they_split_the_hidden_size():
    config = supernet_config(candidate_operators=CANDIDATES, plain_children=True)
    supernet = randomise(SupernetBertForMaskedLM(config))
    assert {str(architecture[0]) for architecture in supernet.search_space} > {"attention-4", "attention-2"}
    for architecture in list(supernet.search_space)[::3]:
        exported = to_bert(supernet.extract_child(architecture))
        assert largest_difference(logits(exported), logits(supernet, architecture=architecture)) < 1e-5


def test_paths_outside_the_space_are_refused_here_and_run_elsewhere(bert):
    path = "A4-F37-C3-F12-I-I"
    supernet = SupernetBertForMaskedLM.from_bert(bert, **SLICED)
    with pytest.raises(ValueError, match="layer 2 is `convolution-3`, where a BERT block has its attention"):
        supernet(**BATCH, architecture=path)
    whole = SupernetBertForMaskedLM.from_bert(bert, **SLICED | {"plain_children": False})
    assert type(whole.search_space) is SearchSpace and path in whole.search_space
    assert whole.state_dict().keys() == supernet.state_dict().keys()
    plain = PlainBertSpace.from_config(whole.config)  # for a search in a supernet that was trained on all of its space
    assert plain == supernet.search_space and all(path in whole.search_space for path in plain)


def test_samplers_and_searches_take_the_space(bert):
    supernet = SupernetBertForMaskedLM.from_bert(bert, **SLICED, hidden_sizes=[12, 24])
    space, table = supernet.search_space, parameter_table(supernet.config, supernet.search_space)
    assert {path for step in range(30) for path in make_sampler("uniform", space).sample(step)} <= set(space)
    sandwich = make_sampler("sandwich", space, **SandwichSampler.options_for(supernet.config, space))
    for step in range(10):
        drawn = sandwich.sample(step)
        assert drawn[:2] == [space.dearest(table), space.cheapest(table)] and set(drawn) <= set(space)
    cost = ParameterCost(supernet.config)
    limit = sorted(map(cost, space))[len(list(space)) // 2]
    strategy = RandomSearch(space, [Constraint(cost, maximum=limit)], population_size=5)
    found = strategy.ask()
    assert len(set(found)) == 5 and all(path in space and cost(path) <= limit for path in found)


def test_saved_with_the_supernet(bert, tmp_path):
    supernet = SupernetBertForMaskedLM.from_bert(bert, **SLICED)
    supernet.save_pretrained(tmp_path)
    loaded = SupernetBertForMaskedLM.from_pretrained(tmp_path)
    assert loaded.config.plain_children and loaded.search_space == supernet.search_space
    assert "plain_children" not in supernet.extract_child().config.to_dict()
    config = SupernetBertConfig(hidden_size=24, num_hidden_layers=2, candidate_operators=[["I", "A4"], ["F8", "I"]])
    config.plain_children = True
    assert str(SupernetBertForMaskedLM(config).resolve_architecture(None)) == "A4-F8"  # not the first candidates


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"embedding_size": 12}, "`embedding_size` is 12 and `hidden_size` is 32, which are one in BERT: no child"),
        ({"attention_head_size": 6}, r"whose heads of size 6 make up the hidden size \(32\)"),
        ({"default_architecture": "A4-F37-A2-F37"}, "layer 2 is `attention-2` and layer 0 is `attention-4`"),
    ],
)
def test_configurations_without_plain_children(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        supernet_config(**{"candidate_operators": CANDIDATES, "plain_children": True} | fields)
