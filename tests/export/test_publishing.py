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
import torch
import yaml
from huggingface_hub import constants

import hf_supernet.models.searched_bert as searched_bert
from hf_supernet import (
    SearchedBertForSequenceClassification,
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    make_sampler,
)
from hf_supernet.cards.sections import split_card
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.export import (
    CardFacts,
    export_child,
    publish_child,
    publish_collection,
    publish_search_result,
    publish_supernet,
)
from hf_supernet.export.search_card import search_card, search_section
from hf_supernet.models.searched_bert.modeling_searched_bert import AUTO_MAP
from hf_supernet.search import SearchResult
from hf_supernet.training.card import SupernetFacts, supernet_card_text
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
        "settings": {
            "strategy": "random",
            "constraints": {
                "parameters": {"minimum": None, "maximum": 6000},
                "latency": {"minimum": 0.001, "maximum": 0.0065},
            },
            "dev_data": "5ae8",
        },
        "versions": {"torch": "2"},
        "device": {"name": "a | b", "system": "Linux-6"},
        "supernet": "/data/somebody/supernet",
        "supernet_settings": {"sampler": {"name": "uniform", "seed": 3}, "alignment": None},
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


def test_no_local_path_goes_out(make_child, supernet, result, tokenizer, hub, tmp_path):
    """Neither from what was saved here, nor from what a stranger's files already had."""
    home = str(tmp_path)
    labels = {0: "/people/person/place_lived", 1: "/business/company"}  # labels, though they look like paths
    child = make_child(MIXED, SearchedBertForSequenceClassification, id2label=labels)
    facts = CardFacts(name=str(tmp_path / "run" / "child"))
    folder = export_child(child, None, tmp_path / "run" / "child", tokenizer=tokenizer, facts=facts)
    assert home in (folder / "README.md").read_text()  # by which it loads here
    for name, more in {
        "config.json": {"_name_or_path": f"{home}/run/supernet"},
        "tokenizer_config.json": {"special_tokens_map_file": f"{home}/cache/map.json", "name_or_path": "user/bert"},
        "all_results.json": {"eval_loss": 0.5, "command": f"python x.py --output_dir {home}/run"},
    }.items():
        values = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        (folder / name).write_text(json.dumps(values | more))
    card = FineTuningCard("child", f"{home}/run/start", False, "SST-2", "sst2", hyperparameters={"seed": 1})
    card.describe(child, tokenizer)
    card.write(folder)
    assert home in (folder / "config.json").read_text() and home in (folder / "all_results.json").read_text()

    supernet.save_pretrained(tmp_path / "run" / "supernet")
    text = supernet_card_text(supernet, "supernet", SupernetFacts(started_from=f"{home}/bert"))
    (tmp_path / "run" / "supernet" / "README.md").write_text(text)
    (tmp_path / "run" / "supernet" / "supernet_settings.json").write_text(json.dumps({"from": f"{home}/x"}))
    result.info["supernet"] = result.info["settings"]["table"] = f"{home}/run/supernet"
    result.save(tmp_path / "run" / "search")
    (tmp_path / "run" / "search" / "chosen.json").write_text(json.dumps({"architecture": "A4-A4-C3", "at": home}))

    publish_child(folder, "user/child")
    publish_supernet(tmp_path / "run" / "supernet", "user/net", search_result=tmp_path / "run" / "search")
    publish_search_result(tmp_path / "run" / "search", "user/search")
    contents = {path.name: path.read_bytes() for path in hub.folder.iterdir()}
    assert len(contents) > 15 and not [name for name, content in contents.items() if home.encode() in content]
    config = json.loads(read(hub, "user/child", "config.json"))
    assert config["_name_or_path"] == "supernet" and list(config["id2label"].values()) == list(labels.values())
    tokens = json.loads(read(hub, "user/child", "tokenizer_config.json"))
    assert (tokens["special_tokens_map_file"], tokens["name_or_path"]) == ("map.json", "user/bert")
    assert json.loads(read(hub, "user/child", "all_results.json"))["command"] == "python x.py --output_dir run"
    assert "starting from `start`" in read(hub, "user/child") and "come from `bert`" in read(hub, "user/net")


def test_the_snippets_run_as_they_stand(supernet, result, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    publish_supernet(supernet, "user/net", search_result=result)
    publish_search_result(result, "user/search")
    for repo_id, repo_type in (("user/net", "model"), ("user/search", "dataset")):
        names = {}
        for block in read(hub, repo_id, repo_type=repo_type).split("```python\n")[1:]:
            exec(block.split("```")[0], names)
        assert names["result"].table.equals(result.table)
        if repo_type == "model":
            assert torch.equal(
                names["supernet"].base_model.embeddings.word_embeddings.weight, supernet.get_input_embeddings().weight
            )
            assert str(names["child"].config.operators[0]) == "attention-4"


def test_damaged_records_are_not_published(result, hub, tmp_path):
    result.save(tmp_path)
    (tmp_path / "chosen.json").write_text("{")
    with pytest.raises(ValueError, match=r"chosen.json' is damaged: .* Write it again, or take it away"):
        publish_search_result(tmp_path, "user/search")


def test_a_card_that_was_edited_by_hand(make_child, hub):
    """On the Hub, in the way of people: a licence, a paragraph above, a section below, and a tag of their own."""
    publish_child(
        make_child(MIXED), "user/child", facts=CardFacts(training={"steps": 10}, metadata={"tags": ["bert"]})
    )
    metadata, text = split_card(read(hub, "user/child"))
    metadata |= {"license": "mit", "tags": [*metadata["tags"], "mine"], "library_name": "of my own"}
    edited = f"---\n{yaml.safe_dump(metadata)}---\nWords above.\n{text}\n## Thanks\n\nTo all.\n"
    hub.edit("user/child", README_md=edited)
    facts = CardFacts(training={"steps": 20}, limits=["Not for poems."], metadata={"language": "en"})
    publish_child(make_child(PLAIN), "user/child", facts=facts)
    metadata, text = split_card(read(hub, "user/child"))
    assert metadata["license"] == "mit" and metadata["language"] == "en"
    assert metadata["library_name"] == "transformers"  # what the card makes, it makes again
    assert metadata["tags"] == ["hf_supernet", "neural-architecture-search", "bert", "mine"]
    order = [
        "Words above.",
        "child: begin -->",
        "# child",
        "| steps | 20 |",
        "Not for poems.",
        "child: end -->",
        "## Thanks",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "| steps | 10 |" not in text and "trust_remote_code" not in text  # it is a plain BERT now
    assert all(text.count(part) == 1 for part in ("# child\n", "## Limits", "## Architecture", "To all."))


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
    card = read(hub, "user/net")
    assert 'SupernetBertForMaskedLM.from_pretrained("user/net")' in card
    assert "| sampler | `gradual` (num_modified 1) |" in card and "@inproceedings{xu2022analyzing," in card
    assert "`US` and `us`" in card.partition("## Limits")[2]
    assert "3 children, evaluated with the shared weights. The least loss, 2.5000, is that of `A4-F37-F37`." in card
    assert "fair" not in card and "anchor" not in card and "None" not in card

    hub.edit("user/net", README_md=card.replace("# net\n", "# A name by hand\n") + "\nBy hand.\n")
    fair = make_sampler("fair", supernet.search_space, seed=7)
    result.table = result.table.head(1)
    publish_supernet(supernet, "user/net", **arguments | {"sampler": fair})
    card = read(hub, "user/net")
    assert "By hand." in card and "A name by hand" not in card  # inside our section
    assert "`fair`" in card and "gradual" not in card and "1 children" in card and "2.5000" not in card
    assert all(card.count(heading) == 1 for heading in ("## Search\n", "## Limits", "## Search space", "# net\n"))


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


def test_a_search_says_that_its_losses_are_calibrated(result):
    calibration = {"losses_alone": {"A4-A4-C3": 3.0, "A4-F37-F37": 2.5, "A4-C3-I": 3.1}, "worths": {"A4": -0.1}}
    calibrated = SearchResult(result.table, {**result.info, "calibration": calibration})
    card = str(search_card(calibrated, "user/search", chosen={"loss": 2.5, "calibration_children": 3}))
    assert "share in the supernet, calibrated by 3 children trained alone" in card
    assert "| dev loss | 2.5000 |\n| children trained alone that calibrate it | 3 |" in card
    assert "2.5000, calibrated by 3 children trained alone, is that of" in search_section(calibrated, "user/net")
    assert "calibrate" not in str(search_card(result, "user/search")) + search_section(result, "user/net")


def test_a_search_over_hidden_sizes_says_what_its_names_begin_with(result):
    sized = SearchResult(result.table.assign(architecture="H16:" + result.table["architecture"]), result.info)
    assert "the hidden size behind an `H`, then one operator a layer: " in str(search_card(sized, "user/search"))
    assert "hidden size" not in str(search_card(result, "user/search"))


def test_a_search(result, hub, tmp_path):
    result.save(tmp_path / "search")
    device = {"latency_measured": 0.0051, "latency_predicted": None, "latency_device": "a toaster"}
    (tmp_path / "search" / "chosen.json").write_text(json.dumps({"architecture": "A4-F37-F37"} | device))
    latencies = {"device": {"name": "a toaster"}, "settings": {"batch_size": 1, "sequence_length": 13}, "base": {}}
    (tmp_path / "search" / "latency_table.json").write_text(json.dumps(latencies))
    (tmp_path / "search" / "child").mkdir()
    planned = publish_search_result(tmp_path / "search", "user/search", dry_run=True)
    written = publish_search_result(tmp_path / "search", "user/search", private=True)
    assert planned.files == written.files == hub.files("user/search", repo_type="dataset")
    plotted = {"README.md", "pareto.png"}
    assert set(written.files) == plotted | {"chosen.json", "latency_table.json", "result.parquet", "search.json"}
    assert written.left_out == ("child",) and hub.repositories["dataset", "user/search"].private
    card = read(hub, "user/search", repo_type="dataset")
    for part in (
        "data_files: result.parquet",
        "3 of its children",
        "![pareto.png](pareto.png)",
        "| loss | parameters | latency (ms) | architecture |",
        "| 2.5000 | 5,678 | 3.00 | `A4-F37-F37` |\n| 3.2500 | 4,321 | 2.10 | `A4-A4-C3` |\n\n",
        "| strategy | random |",
        "| constraints | parameters at most 6,000; latency (ms) at least 1.00 and at most 6.50 |",
        "| dev data (fingerprint) | 5ae8 |",
        "| torch | 2 |",
        "| device | a \\| b |",
        "The supernet: `supernet`.",
        "`A4` is attention with 4 heads, `C3` is a separable convolution over 3 tokens, `F37` is a feed-forward with 37",
        'snapshot_download("user/search", repo_type="dataset")',
        "## The chosen child",
        "| architecture | `A4-F37-F37` |\n| latency, measured as a whole | 5.10 ms |\n| latency measured on | a toaster |",
        "## Latency\n\n| | |\n| --- | --- |\n| device | a toaster |\n| one batch | 1 x 13 tokens |\n\n",
        "- A latency is predicted from",
        "@inproceedings{guo2020single,",
    ):
        assert part in card, part
    for part in ("somebody", "| `multiply_adds`", "Linux", "None", "null", "xu2022", "\n\n\n"):
        assert part not in card, part
    assert json.loads(read(hub, "user/search", "search.json", repo_type="dataset"))["supernet"] == "supernet"
    plain = str(search_card(SearchResult(result.table.drop(columns="latency"), {}), "user/plain"))
    headings = [line for line in plain.splitlines() if line.startswith("#")]
    assert headings == ["# plain", "## How to load it", "## The best children", "## Columns", "## Limits"]
    assert "latency" not in plain and "supernet: " not in plain
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
