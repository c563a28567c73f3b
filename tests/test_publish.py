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
import pandas as pd
import pytest

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.export import export_child
from hf_supernet.publish import find_outputs, main, parse_arguments
from hf_supernet.search import SearchResult

from .hub_server import TOKEN


@pytest.fixture
def run(tmp_path):
    """The folders of a training and a search, as the scripts leave them."""
    sizes = {"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 41, "num_hidden_layers": 2}
    config = SupernetBertConfig(**sizes, candidate_operators=["attention-4", "convolution-3"])
    supernet = SupernetBertForMaskedLM(config)
    supernet.save_pretrained(tmp_path / "supernet")
    supernet.save_pretrained(tmp_path / "supernet" / "checkpoint-3")
    (tmp_path / "supernet" / "README.md").write_text("# supernet\n")
    (tmp_path / "supernet" / "training_args.bin").write_bytes(b"pickle")
    rows = {"architecture": ["A4-C3"], "loss": [1.0], "parameters": [1], "generation": [0]}
    SearchResult(pd.DataFrame(rows), {}).save(tmp_path / "search")
    export_child(supernet, "A4-C3", tmp_path / "search" / "child")
    return tmp_path


def test_a_run_is_published(run, hub, capsys, monkeypatch):
    folders = [str(run / "supernet"), str(run / "search")]
    options = ["--repo_id", "user/tiny", "--private", "--collection", "A run", "--token", TOKEN]
    monkeypatch.delenv("HF_TOKEN")
    main([*folders, *options, "--dry_run"])
    planned = capsys.readouterr().out
    assert hub.repositories == {} and hub.collections == {}
    main([*folders, *options, "--revision", "v1", "--commit_message", "First"])
    written = capsys.readouterr().out
    kinds = {("model", "user/tiny-supernet"), ("dataset", "user/tiny-search"), ("model", "user/tiny")}
    assert set(hub.repositories) == kinds
    assert all(repository.private for repository in hub.repositories.values())
    (collection,) = hub.collections.values()
    assert {(item["type"], item["id"]) for item in collection["items"]} == kinds and collection["private"]
    for kind, repo_id in kinds:
        files = hub.files(repo_id, "v1", kind)
        assert hub.repositories[kind, repo_id].branches["v1"][-1].message == "First"
        for path, size in files.items():
            assert f"{size:>15,}  {path}\n" in planned and f"{size:>15,}  {path}\n" in written
    assert "search/result.parquet" in hub.files("user/tiny-supernet", "v1")
    card = hub.read("user/tiny-search", "README.md", "v1", "dataset").decode()
    assert "The supernet: [user/tiny-supernet](https://huggingface.co/user/tiny-supernet)." in card
    assert planned.count("would be written") == 4 and "left out  training_args.bin" in planned
    assert "left out  checkpoint-3" in planned and written.count("written: http://127.0.0.1") == 4


def test_what_is_found(run, tmp_path):
    everything = {name: run / folder for name, folder in (("supernet", "supernet"), ("search", "search"))}
    everything["child"] = run / "search" / "child"
    assert find_outputs([run / "supernet", run / "search"]) == everything
    assert find_outputs([run / "search" / "child", run / "search"])["child"] == run / "search" / "child"
    assert set(find_outputs([run])) == {"supernet", "search"}
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere'"):
        find_outputs([run, tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no child, no supernet and no search in '.*empty'"):
        find_outputs([tmp_path / "empty"])
    (run / "search" / "child").rename(run / "one")
    export_child(SupernetBertForMaskedLM.from_pretrained(run / "supernet"), "C3-C3", run / "two")
    with pytest.raises(ValueError, match=r"two of a kind \(child\): '.*one' and '.*two'. Name the folder to publish"):
        find_outputs([run])


def test_help(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    assert "--dry_run" in capsys.readouterr().out
