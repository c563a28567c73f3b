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
"""Stages of a run: each is made once, whole or not at all, and only by one set of settings."""

import json

import pytest

from hf_supernet.compression.run_folder import RunFolder


def test_a_stage_is_made_once(tmp_path):
    calls = []

    def make() -> dict:
        calls.append("json")
        return {"rate": 0.1, "sizes": (1, 2)}

    for _ in range(2):
        run = RunFolder(tmp_path, {})
        run.claim()
        assert run.json("found", make) == {"rate": 0.1, "sizes": [1, 2]}
    assert calls == ["json"]


def test_a_killed_stage_leaves_its_checkpoints_and_no_folder(tmp_path):
    run = RunFolder(tmp_path / "run", {"seed": 1})

    def make(folder, checkpoints) -> None:
        (folder / "half").touch()
        if not checkpoints.exists():
            checkpoints.mkdir(parents=True)
            raise KeyboardInterrupt
        (folder / "whole").touch()

    with pytest.raises(KeyboardInterrupt):
        run.folder("models/child", make)
    assert [path.name for path in (tmp_path / "run" / "models").iterdir()] == ["child-checkpoints"]
    (tmp_path / "run" / "models" / ".child.0123abcd.new").mkdir()  # as a process leaves it that is killed outright
    folder = run.folder("models/child", make)
    assert sorted(path.name for path in folder.iterdir()) == ["half", "whole"]
    assert [path.name for path in folder.parent.iterdir()] == ["child"]
    assert run.folder("models/child", lambda *_: pytest.fail("made again")) == folder


def test_other_settings_are_refused(tmp_path):
    run = RunFolder(tmp_path / "run", {"seed": 1, "learning_rate": 0.1})
    assert not run.path.exists()
    run.claim()
    RunFolder(run.path, {"learning_rate": 0.1, "seed": 1})
    with pytest.raises(
        ValueError, match=r"holds a run with other settings: `seed` 1, now 2\. Pass another `output_dir`"
    ):
        RunFolder(run.path, {"seed": 2, "learning_rate": 0.1})
    many = dict.fromkeys("abcd", 0)
    with pytest.raises(ValueError, match="`a` None, now 0; `b` None, now 0; `c` None, now 0, and more"):
        RunFolder(run.path, many | run.settings)


def test_late_settings_can_change_until_their_stages_are_there(tmp_path):
    def begin(**changes) -> RunFolder:
        return RunFolder(tmp_path / "run", {"seed": 1, "budget": 2, **changes}, {"budget"}, ["search", "found.json"])

    run = begin()
    run.claim()
    run.folder("supernet", lambda folder, checkpoints: (folder / "weights").touch())
    run.folder("search", lambda folder, checkpoints: (folder / "half").touch())
    with pytest.raises(ValueError, match=r"other settings: `seed` 1, now 2\. Pass another"):
        begin(seed=2, budget=3)
    again = begin(budget=3)
    # Nothing is touched before all is known to be in order.
    assert again.changed and (run.path / "search").exists()
    again.claim()
    assert not (run.path / "search").exists() and (run.path / "supernet" / "weights").exists()
    assert not begin(budget=3).changed
    again.json("found", dict)
    with pytest.raises(ValueError, match=r"other settings: `budget` 3, now 2\. Pass another"):
        begin()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "child").mkdir()
    with pytest.raises(ValueError, match=r"holds other files \(child\) and no run that could go on: pass another"):
        RunFolder(tmp_path, {})
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file' is a file, and a run needs a folder: pass another `output_dir`"):
        RunFolder(tmp_path / "file", {})


def test_a_damaged_file_is_named(tmp_path):
    run = RunFolder(tmp_path, {})
    (tmp_path / "found.json").write_text(json.dumps({"a": 1})[:-1])
    with pytest.raises(ValueError, match=r"found\.json' is damaged: .* Delete it, and this part is made again"):
        run.json("found", dict)
