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
from pathlib import Path

import pytest

from hf_supernet.local_paths import is_local, public_name, public_values


@pytest.mark.parametrize("name", ["user/name", "bert-base-uncased", "google-bert/bert-base-uncased"])
def test_names_on_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_local(name) and public_name(name) == name
    (tmp_path / name).mkdir(parents=True)
    assert is_local(name) and public_name(name) == Path(name).name


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("/home/somebody/runs/child", "child"),
        ("/home/somebody/runs/child/", "child"),
        ("runs/today/child", "child"),
        ("./child", "child"),
        ("../runs", "runs"),
        ("~/child", "child"),
        ("C:\\Users\\somebody\\child", "child"),
    ],
)
def test_folders_that_need_not_be_here(name, last, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_local(name) and public_name(name) == last


def test_where_we_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert public_name(".") == tmp_path.name


def test_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "supernet").mkdir(parents=True)
    values = {
        "folder": f"{tmp_path}/runs/supernet",
        "blanks": "/home/Some Body/my runs/supernet",
        "relative": "runs/supernet",
        "hub": "user/name",
        "command": f"python run.py --train_file '{tmp_path}/text/*.parquet' ~/model --rate 1/s and/or https://a.org/b/c",
        "windows": ["D:\\data\\text.csv", "from C:\\Users\\me\\x to there"],
        "nested": [{"path": Path("/a/b").as_posix(), "count": 3, "none": None, "share": 0.5, "flag": True}],
        "/keys/stay": "a | b",
        "slash": "/",
        "long": "x/" * 3000,
    }
    assert public_values(values) == {
        "folder": "supernet",
        "blanks": "supernet",
        "relative": "supernet",
        "hub": "user/name",
        "command": "python run.py --train_file '*.parquet' model --rate 1/s and/or https://a.org/b/c",
        "windows": ["text.csv", "from x to there"],
        "nested": [{"path": "b", "count": 3, "none": None, "share": 0.5, "flag": True}],
        "/keys/stay": "a | b",
        "slash": "/",
        "long": "x/" * 3000,
    }
