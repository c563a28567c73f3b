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
"""A repository of a stranger is data: what cannot be a model is an error, before memory is taken or a pickle is read."""

import json
import re

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForMaskedLM

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM, SupernetBertConfig, SupernetBertForMaskedLM

from .conftest import bert_config, child_config, supernet_config


HUGE = 10**12


@pytest.fixture
def child_folder(tmp_path):
    SearchedBertForMaskedLM(child_config()).save_pretrained(tmp_path / "child")
    return tmp_path / "child"


def change_config(folder, **fields):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": HUGE}, r"a model with 3.2e\+13 parameters; at most 1e\+10 are allowed"),
        ({"hidden_size": HUGE}, "The sizes are those of a model with"),
        ({"embedding_size": HUGE}, "The sizes are those of a model with"),
        ({"max_position_embeddings": HUGE}, "The sizes are those of a model with"),
        ({"type_vocab_size": HUGE}, "The sizes are those of a model with"),
        ({"operators": ["feed_forward-999999999"] * 6}, "The sizes are those of a model with"),
        ({"operators": ["convolution-999999999"] * 6}, "The sizes are those of a model with"),
        ({"operators": ["attention-999999999"] * 6, "attention_head_size": 64}, "The sizes are those of a model"),
        ({"operators": ["feed_forward-" + "9" * 5000] * 6}, "Cannot read the operator"),
        ({"operators": ["identity"] * 4097, "num_hidden_layers": 4097}, "names 4097 operators; at most 4096"),
        (
            {"num_labels": 2**16 + 1, "id2label": None},
            "`num_labels` must be an integer from 1 to 65536, got 65537",
        ),
        ({"num_labels": "3", "id2label": None}, "`num_labels` must be an integer from 1 to 65536, got '3'"),
        (
            {"num_labels": 2**16, "id2label": {str(i): f"name {i}" for i in range(5)}},
            "`num_labels` is 65536, but `id2label` has 5 names: leave one of them out",
        ),
        ({"id2label": ["a", "b"]}, r"`id2label` maps whole numbers to names, got \['a', 'b'\]"),
        ({"id2label": {"one": "a"}}, "`id2label` maps whole numbers to names"),
        ({"operators": 6}, "Field 'operators' expected a list, got int"),
        ({"operators": [["identity"]] * 6}, "Invalid item at index 0 in list 'operators'"),
        ({"hidden_size": 32.0}, "Field 'hidden_size' expected int, got float"),
        ({"hidden_size": True}, "Field 'hidden_size' expected int, got bool"),
        ({"hidden_act": {"gelu": 1}}, "Field 'hidden_act' expected str, got dict"),
        ({"dtype": "load"}, "`dtype` must be one of bfloat16, float16, float32, float64; got 'load'"),
        ({"torch_dtype": 32}, "`torch_dtype` must be one of"),
        ({"layer_norm_eps": float("nan")}, "`layer_norm_eps` must be a number from 0, got nan"),
        ({"initializer_range": float("inf")}, "`initializer_range` must be a number from 0, got inf"),
        ({"operators": ["../../weights-4"] * 6}, r"Unknown operator kind '../../weights'"),
        ({"operators": ["attention-../4"] * 6}, "Cannot read the operator 'attention-../4'"),
        ({"operators": ["__class__-3"] * 6}, "Unknown operator kind '__class__'"),
        ({"validate_sizes": None}, "`validate_sizes` is a method of SearchedBertConfig and cannot be a field"),
        ({"transformers_weights": "../secret.safetensors"}, "must reference a file inside the model directory"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_configuration_that_cannot_be(fields, message, child_folder):
    change_config(child_folder, **fields)
    with pytest.raises((StrictDataclassError, ValueError), match=message):
        AutoModelForMaskedLM.from_pretrained(child_folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_hidden_layers": 4097}, "`num_hidden_layers` must be at least 1 and at most 4096, got 4097"),
        ({"candidate_operators": ["feed_forward-99999999", "identity"]}, "The sizes are those of a model with"),
        (
            {"candidate_operators": [f"convolution-{2 * i + 1}" for i in range(20000)] * 2},
            "names a candidate .* twice",
        ),
        ({"candidate_operators": {"0": ["identity"]}}, "candidate_operators"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_supernet_that_cannot_be(fields, message, tmp_path):
    supernet_config().save_pretrained(tmp_path)
    change_config(tmp_path, **fields)
    with pytest.raises(StrictDataclassError, match=message):
        AutoConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("model_class", [SearchedBertForMaskedLM, SupernetBertForMaskedLM])
def test_memory_is_not_taken_for_more_than_the_files_hold(model_class, tmp_path):
    config = child_config() if model_class is SearchedBertForMaskedLM else supernet_config()
    model_class(config).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    change_config(tmp_path, vocab_size=3 * 10**6)
    with pytest.raises(ValueError, match=rf"describes [0-9,]+ parameters, and its weights' files have {size:,} bytes"):
        AutoModelForMaskedLM.from_pretrained(tmp_path, ignore_mismatched_sizes=True)


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "{}/model.safetensors", "part/model.safetensors", "model.bin"]
)
def test_an_index_that_names_other_files(name, child_folder, tmp_path):
    name, weights = name.format(tmp_path), child_folder / "model.safetensors"
    for target in (tmp_path / "model.safetensors", child_folder / "part" / "model.safetensors"):
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(weights.read_bytes())
    torch.save({}, child_folder / "model.bin")
    weights.unlink()
    index = {"metadata": {}, "weight_map": {"cls.bias": name}}
    (child_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=rf"names '{re.escape(name)}'; allowed are safetensors files beside it"):
        AutoModelForMaskedLM.from_pretrained(child_folder)


def test_pickled_weights_are_neither_read_nor_written(child_folder, tmp_path):
    model = SearchedBertForMaskedLM.from_pretrained(child_folder)
    model.save_pretrained(tmp_path / "again", safe_serialization=False)
    assert not [path for path in (tmp_path / "again").iterdir() if path.suffix in (".bin", ".pt", ".pth", ".pkl")]
    torch.save(model.state_dict(), child_folder / "pytorch_model.bin")
    (child_folder / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"no file named model\.safetensors found"):
        AutoModelForMaskedLM.from_pretrained(child_folder)
    with pytest.raises(ValueError, match="reads safetensors alone, and `use_safetensors=False` asks for pickled"):
        AutoModelForMaskedLM.from_pretrained(child_folder, use_safetensors=False)
    bert_config().save_pretrained(tmp_path / "bert")
    torch.save({}, tmp_path / "bert" / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"no file named model\.safetensors found"):
        SupernetBertForMaskedLM.from_bert(tmp_path / "bert")


def test_large_models_are_allowed():
    operators = ["attention-32", "feed_forward-16384"] * 48
    child = SearchedBertConfig(vocab_size=250_000, hidden_size=2048, operators=operators)
    supernet = SupernetBertConfig(
        hidden_size=1024, num_hidden_layers=48, candidate_operators=["attention-16", "feed_forward-4096", "identity"]
    )
    assert len(child.operators) == 96 and len(supernet.layer_candidates) == 48
