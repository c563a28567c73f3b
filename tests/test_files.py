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
"""Which folders may be replaced by what is written."""

import pytest

from hf_supernet.files import check_replaceable


PATTERNS = ("model.bin", "*.json")


def test_what_may_be_replaced(tmp_path):
    folder = tmp_path / "folder"
    check_replaceable(folder, PATTERNS)
    folder.mkdir()
    check_replaceable(folder, PATTERNS)
    for name in ("model.bin", "config.json"):
        (folder / name).touch()
    check_replaceable(folder, PATTERNS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["model.bin", "notes.txt"], r"folder would be replaced, and holds other files \(notes.txt\)\. Name another"),
        (["model.bin", "checkpoint-1/x.json"], r"other files \(checkpoint-1\)"),
        (["config.json"], r"other files \(config.json\)"),  # of whatever it is, not of the model that is written
        (["a", "b", "c", "d"], r"\(a, b, c, \.\.\.\)"),
    ],
)
def test_what_may_not(files, message, tmp_path):
    for name in files:
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(FileExistsError, match=message):
        check_replaceable(tmp_path / "folder", PATTERNS)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "model.bin").touch()
    with pytest.raises(FileExistsError, match=r"model.bin is a file\. Name a folder"):
        check_replaceable(tmp_path / "model.bin", PATTERNS)
