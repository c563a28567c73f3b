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
import json
from pathlib import Path

import pandas as pd
import pytest

import hf_supernet.models.searched_bert as searched_bert
from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM, make_sampler
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.export import (
    CardFacts,
    export_child,
    publish_child,
    publish_collection,
    publish_search_result,
    publish_supernet,
)
from hf_supernet.models.searched_bert.modeling_searched_bert import AUTO_MAP
from hf_supernet.search import SearchResult
from hf_supernet.training.checkpoints import write_supernet_state
from tests.hub_server import HubServer

from .conftest import MIXED, PLAIN, randomise


CODE_FILES = {"configuration_searched_bert.py", "modeling_searched_bert.py"}
CHILD_FILES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture
def supernet() -> SupernetBertForMaskedLM:
    sizes = {"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 41, "num_hidden_layers": 3}
    candidates = ["attention-4", "feed_forward-37", "convolution-3"]
    return randomise(SupernetBertForMaskedLM(SupernetBertConfig(**sizes, candidate_operators=candidates)))


@pytest.fixture
def result() -> SearchResult:
    rows = {
        "architecture": ["A4-A4-C3", "F37-A4-C3", "A4-F37-F37"],
        "loss": [3.25, float("nan"), 2.5],
        "parameters": [4321, 1234, 5678],
        "latency": [0.0021, 0.001, 0.003],
        "generation": [0, 0, 1],
    }
    info = {
        "settings": {"strategy": "random", "seed": 3, "constraints": {}},
        "versions": {"torch": "2"},
        "device": {"name": "a | b"},
        "supernet": "/data/somebody/supernet",
    }
    return SearchResult(pd.DataFrame(rows), info)


def read(hub: HubServer, repo_id: str, path: str = "README.md", **kwargs) -> str:
    return hub.read(repo_id, path, **kwargs).decode()


def test_a_folder_of_a_child(make_child, tokenizer, hub, tmp_path):
    folder = export_child(make_child(MIXED), None, tmp_path / "child", tokenizer=tokenizer)
    for name in ("training_args.bin", "pytorch_model.bin", "checkpoint-3/optimizer.pt", "eval_results.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    # The code of a stranger's repository, saved again, is not handed on.
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil/code--model.Evil"}}))
    (folder / "modeling_searched_bert.py").write_text("raise SystemExit")

    planned = publish_child(folder, "user/mixed", dry_run=True)
    written = publish_child(folder, "user/mixed")
    assert planned.files == written.files == hub.files("user/mixed")
    assert set(written.files) == CHILD_FILES | CODE_FILES | {
        "eval_results.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert written.left_out == ("checkpoint-3", "pytorch_model.bin", "training_args.bin")
    package = Path(searched_bert.__file__).parent
    assert all(hub.read("user/mixed", name) == (package / name).read_bytes() for name in CODE_FILES)
    assert json.loads(read(hub, "user/mixed", "config.json")) == config
    assert config["auto_map"] == AUTO_MAP
    card = read(hub, "user/mixed")
    assert "begin -->\n# mixed\n" in card and "# child" not in card
    assert card.count('from_pretrained("user/mixed", trust_remote_code=True)') == 2


def test_a_fine_tuned_child_keeps_its_sections(make_child, hub, tmp_path):
    folder = export_child(make_child(PLAIN), None, tmp_path / "sst2")
    (folder / "README.md").write_text("Words by hand.\n")
    FineTuningCard("sst2", "child", False, "SST-2", "sst2", metrics={"eval_accuracy": 0.5}).write(folder)
    publish_child(folder, "user/tuned")
    assert set(hub.files("user/tuned")) == CHILD_FILES
    card = read(hub, "user/tuned")
    assert "Words by hand." in card and "\n# tuned\n" in card and 'model="user/tuned")' in card
    assert "- name: tuned" in card and "child: begin" not in card
    hub.edit("user/tuned", README_md=card.replace("Words by hand.", "Words on the Hub."))
    FineTuningCard("sst2", "child", False, "SST-2", "sst2", metrics={"eval_accuracy": 0.75}).write(folder)
    publish_child(folder, "user/tuned")
    card = read(hub, "user/tuned")
    assert "Words on the Hub." in card and "Words by hand." not in card and "0.7500" in card and "0.5000" not in card


def test_a_child_takes_the_place_of_another(make_child, hub, tmp_path):
    mixed = make_child(MIXED)
    folder = export_child(mixed, None, tmp_path / "child")
    (folder / "model.safetensors").unlink()
    mixed.save_pretrained(folder, max_shard_size="20KB")
    publish_child(folder, "user/child")
    shards = {name for name in hub.files("user/child") if "-of-" in name}
    assert len(shards) > 1
    written = publish_child(make_child(PLAIN), "child", facts=CardFacts(description="Now a BERT."))
    assert written.repo_id == "user/child" and set(hub.files("user/child")) == CHILD_FILES
    assert set(written.deleted) == shards | CODE_FILES | {"model.safetensors.index.json"}
    assert "Now a BERT." in read(hub, "user/child")


def test_what_is_no_child(make_child, supernet, hub, tmp_path):
    folder = export_child(make_child(MIXED), None, tmp_path / "child")
    with pytest.raises(TypeError, match="That is a supernet: `publish_supernet` publishes it"):
        publish_child(supernet, "user/a")
    supernet.save_pretrained(tmp_path / "supernet")
    with pytest.raises(ValueError, match="holds a 'supernet-bert' model, not a child"):
        publish_child(tmp_path / "supernet", "user/a")
    with pytest.raises(ValueError, match=r"has no card \(`README.md`\). Publish the model itself"):
        publish_supernet(tmp_path / "supernet", "user/a")
    with pytest.raises(ValueError, match="holds no supernet; `publish_child` publishes a child"):
        publish_supernet(folder, "user/a")
    with pytest.raises(ValueError, match=r"There is no model in .*: `config\.json` is missing"):
        publish_child(tmp_path, "user/a")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"not whole: model.safetensors is missing. Only safetensors count"):
        publish_child(folder, "user/a")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"not whole: model-00001-of-00002.safetensors is missing"):
        publish_child(folder, "user/a")
    assert hub.repositories == {}


def test_a_supernet(supernet, result, tokenizer, hub):
    sampler = make_sampler("gradual", supernet.search_space, seed=7)
    arguments = {"tokenizer": tokenizer, "sampler": sampler, "search_result": result}
    planned = publish_supernet(supernet, "user/net", dry_run=True, **arguments)
    written = publish_supernet(supernet, "user/net", **arguments)
    assert planned.files == written.files == hub.files("user/net")
    assert set(written.files) == CHILD_FILES | {
        *("supernet_settings.json", "tokenizer.json", "tokenizer_config.json"),
        *("search/pareto.png", "search/result.parquet", "search/search.json"),
    }
    assert json.loads(read(hub, "user/net", "supernet_settings.json")) == {
        "search_space": supernet.search_space.to_dict(),
        "sampler": {"name": "gradual", "seed": 7, **sampler.settings()},
    }
    assert 'SupernetBertForMaskedLM.from_pretrained("user/net")' in read(hub, "user/net")


def test_the_output_folder_of_a_training(supernet, hub, tmp_path):
    supernet.save_pretrained(tmp_path / "run")
    (tmp_path / "run" / "README.md").write_text("By hand.\n")
    (tmp_path / "run" / "checkpoint-2").mkdir()
    sampler = make_sampler("uniform", supernet.search_space, seed=5)
    write_supernet_state(tmp_path / "run" / "checkpoint-2", {"sampler": sampler.state_dict()})
    publish_supernet(tmp_path / "run", "user/net")
    settings = {"search_space": supernet.search_space.to_dict(), "sampler": {"name": "uniform", "seed": 5}}
    assert json.loads(read(hub, "user/net", "supernet_settings.json")) == settings
    (tmp_path / "run" / "supernet_settings.json").write_text('{"sampler": "as it was saved"}')
    publish_supernet(tmp_path / "run", "user/net")
    assert json.loads(read(hub, "user/net", "supernet_settings.json")) == {"sampler": "as it was saved"}


def test_a_search(result, hub, tmp_path):
    result.save(tmp_path / "search")
    (tmp_path / "search" / "chosen.json").write_text("{}")
    (tmp_path / "search" / "child").mkdir()
    planned = publish_search_result(tmp_path / "search", "user/search", dry_run=True)
    written = publish_search_result(tmp_path / "search", "user/search", private=True)
    assert planned.files == written.files == hub.files("user/search", repo_type="dataset")
    assert set(written.files) == {"README.md", "chosen.json", "pareto.png", "result.parquet", "search.json"}
    assert written.left_out == ("child",) and hub.repositories["dataset", "user/search"].private
    card = read(hub, "user/search", repo_type="dataset")
    for part in (
        "data_files: result.parquet",
        "3 of its children",
        "![pareto.png](pareto.png)",
        "| loss | parameters | latency (ms) | architecture |",
        "| 2.5000 | 5,678 | 3.00 | `A4-F37-F37` |\n| 3.2500 | 4,321 | 2.10 | `A4-A4-C3` |\n\n",
        "| strategy | random |",
        "| torch | 2 |",
        "| device: name | a \\| b |",
        'snapshot_download("user/search", repo_type="dataset")',
    ):
        assert part in card, part
    assert "somebody" not in card and "constraints" not in card and "| `multiply_adds`" not in card
    with pytest.raises(ValueError, match="evaluated nothing yet"):
        publish_search_result(SearchResult(result.table.head(0), {}), "user/empty")
    with pytest.raises(FileNotFoundError, match="There is no search result in"):
        publish_search_result(tmp_path, "user/empty")


def test_a_collection_holds_all(make_child, supernet, result, hub):
    published = [
        publish_child(make_child(MIXED), "user/a"),
        publish_supernet(supernet, "user/b"),
        publish_search_result(result, "user/c"),
    ]
    planned = publish_collection("A search", published, dry_run=True)
    assert hub.collections == {} and planned.url is None
    with hub.failing("/items", after=1), pytest.raises(Exception, match="500"):
        publish_collection("A search", published, description="What was found.")
    for _ in range(2):
        written = publish_collection("A search", published, description="What was found.")
    assert len(hub.collections) == 1
    (collection,) = hub.collections.values()
    held = [(item["type"], item["id"]) for item in collection["items"]]
    assert held == [("model", "user/a"), ("model", "user/b"), ("dataset", "user/c")] == list(planned.items)
    assert written.url == f"{hub.url}/collections/{collection['slug']}"
    assert collection["description"] == "What was found." and not collection["private"]
    assert "dataset  user/c" in str(planned) and "would be written" in str(planned)
    with pytest.raises(ValueError, match="at least one publication"):
        publish_collection("Nothing", [])
