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
"""Which folders may be replaced by what is written, and folders that are filled with whole files."""

from pathlib import Path

import pytest

from hf_supernet.files import UNFINISHED, check_replaceable, filling_folder, removing_if_empty


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


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, content: str, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


MODEL = ("weights", "config.json", "code/a.py")


def test_filling_replaces_what_is_written_and_leaves_the_rest(tmp_path):
    folder = tmp_path / "run"
    write(folder, "old", *MODEL, "code/b.py", "checkpoint-1/weights", f"{UNFINISHED}/of a run that was killed")
    with filling_folder(folder) as temporary:
        assert list(temporary.iterdir()) == []
        write(temporary, "new", *MODEL)
        assert {(folder / name).read_text() for name in MODEL} == {"old"}
    assert contents(folder) == dict.fromkeys(MODEL, "new") | {"checkpoint-1/weights": "old"}


def test_what_was_not_written_to_the_end_leaves_the_folder_as_it_was(tmp_path):
    for folder in (tmp_path / "new", tmp_path / "there"):
        before = {}
        if folder.name == "there":
            write(folder, "old", *MODEL)
            before = contents(folder)
        with pytest.raises(RuntimeError), filling_folder(folder) as temporary:
            write(temporary, "new", *MODEL[:2])
            raise RuntimeError
        assert contents(folder) == before and not (folder / UNFINISHED).exists()


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_mixture_of_old_and_new_files_is_without_its_config(tmp_path, monkeypatch, moved):
    """As left by a process that dies when it has moved so many files."""
    write(tmp_path, "old", *MODEL)
    replace, calls = Path.replace, []

    def replace_or_die(self, target):
        if len(calls) == moved:
            raise KeyboardInterrupt
        calls.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_or_die)
    with pytest.raises(KeyboardInterrupt), filling_folder(tmp_path) as temporary:
        write(temporary, "new", *MODEL)
    assert len(calls) == moved and not (tmp_path / "config.json").exists()


def test_without_the_last_file_an_old_one_stays(tmp_path):
    write(tmp_path, "old", *MODEL)
    with filling_folder(tmp_path) as temporary:
        write(temporary, "new", "weights")
    assert contents(tmp_path) == {"weights": "new", "config.json": "old", "code/a.py": "old"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_folders_that_stay_empty_are_taken_away_after_an_error(tmp_path, error):
    def end_with_error(*made: str) -> set[str]:
        with pytest.raises(error), removing_if_empty(tmp_path / "a" / "b"):
            for name in made:
                (tmp_path / name).mkdir(parents=True, exist_ok=True)
            raise error
        return {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}

    assert end_with_error() == end_with_error("a") == end_with_error("a/b") == set()
    assert end_with_error("a/b", "a/c") == {"a", "a/c"}
    (tmp_path / "a" / "b").mkdir()
    assert end_with_error("a/b") == {"a", "a/b", "a/c"}  # it was there before
