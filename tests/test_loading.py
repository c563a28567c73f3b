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
"""Loading by name: what is missing, damaged, not trained or too short is said in words."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
)

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.hub import publish_files
from hf_supernet.loading import check_length, load_config, load_trained, naming_damaged_weights


SIZES = {"vocab_size": 11, "hidden_size": 8, "max_position_embeddings": 16}


@pytest.fixture
def child(tmp_path) -> str:
    folder = tmp_path / "child"
    SearchedBertForMaskedLM(SearchedBertConfig(operators=["attention-2", "identity"], **SIZES)).save_pretrained(folder)
    return str(folder)


def test_a_model_that_is_not_there(tmp_path, child):
    for name in ("./m/nix", str(tmp_path / "nowhere")):
        with pytest.raises(
            OSError, match=rf"no model '{name}': neither a folder with a `config\.json`, nor found on the"
        ):
            load_config(name)
    with pytest.raises(OSError, match=r"There is no supernet '\./m/nix': neither a folder"):
        load_config("./m/nix", "supernet")
    with pytest.raises(OSError, match=rf"There is no model in the folder '{tmp_path}': it has no `config\.json`"):
        load_config(str(tmp_path))
    assert load_config(child, num_labels=3).num_labels == 3


def test_models_of_the_hub(child, hub, tmp_path):
    publish_files({"config.json": Path(child, "config.json")}, "---\nlicense: mit\n---\n", "child", "user/child")
    assert load_config("user/child", cache_dir=tmp_path / "cache").operators == ["attention-2", "identity"]
    with pytest.raises(
        OSError, match=r"no model 'user/nix': neither a folder .* on the Hub \(user/nix is not a local fol"
    ):
        load_config("user/nix", cache_dir=tmp_path / "cache")


def test_weights_that_would_be_random(tmp_path, child):
    model = load_trained(AutoModelForMaskedLM, child, "fill-mask")
    expected = SearchedBertForMaskedLM.from_pretrained(child).state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())
    bert = BertConfig(num_hidden_layers=1, num_attention_heads=2, intermediate_size=9, **SIZES)
    BertForSequenceClassification(bert).save_pretrained(tmp_path / "classifier")
    for auto_class, name in (
        (AutoModelForSequenceClassification, child),
        (AutoModelForMaskedLM, str(tmp_path / "classifier")),
    ):
        with pytest.raises(ValueError, match=rf"'{name}' has no weights for a task: cl\w*\.\S+, .* would be random"):
            load_trained(auto_class, name, "a task")
    with pytest.raises(ValueError, match=r"no weights for a task: pooler\.\S+, \S+ would be random"):
        load_trained(AutoModel, child, "a task")
    load_trained(AutoModel, child, "a task", unneeded="pooler")


def test_damaged_weights_while_loading(child):
    file = f"{child}/model.safetensors"
    with open(file, "r+b") as weights:
        weights.truncate(100)
    with pytest.raises(ValueError, match=rf"^{file} is damaged or not whole.*Copy it anew"):
        load_trained(AutoModelForMaskedLM, child, "a task")


def test_a_length_without_positions():
    config = SearchedBertConfig(operators=["identity"], **SIZES)
    check_length(16, config)
    with pytest.raises(ValueError, match="`max_seq_length` 17 is more than the 16 tokens that the model reads"):
        check_length(17, config)
    del config.max_position_embeddings
    check_length(17, config)


def test_damaged_weights_are_named(tmp_path):
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        save_file({"weight": torch.ones(3)}, tmp_path / name)
    file = tmp_path / "model-00002-of-00002.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with (
        pytest.raises(ValueError, match=rf"^{file} is damaged or not whole.*Copy it anew"),
        naming_damaged_weights(str(tmp_path)),
    ):
        load_file(file)
    with (
        pytest.raises(ValueError, match=r"'some/model' is damaged.*hf download some/model"),
        naming_damaged_weights("some/model"),
    ):
        load_file(file)


def test_other_errors_pass(tmp_path):
    with pytest.raises(KeyError), naming_damaged_weights(str(tmp_path)):
        raise KeyError
