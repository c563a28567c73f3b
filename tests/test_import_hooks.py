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
"""A callback when a package is imported, whether it is there already, comes later, or never."""

import importlib
import importlib.util
import sys

import pytest

from hf_supernet.import_hooks import after_import


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "a_late_package.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_late_package"
    sys.modules.pop("a_late_package", None)


def test_the_callback_runs_once_when_the_package_is_whole(package):
    finders, calls = list(sys.meta_path), []
    after_import(package, lambda: calls.append(sys.modules[package].value))
    assert importlib.util.find_spec(package) is not None  # a look whether it is installed is no import
    assert package not in sys.modules and calls == []
    module = importlib.import_module(package)
    assert calls == [1] and sys.meta_path == finders
    importlib.reload(module)
    assert calls == [1]
    after_import(package, lambda: calls.append("at once"))
    assert calls == [1, "at once"] and sys.meta_path == finders


def test_a_package_that_is_not_there_stays_missing():
    finders = list(sys.meta_path)
    after_import("a_package_that_nobody_has", pytest.fail)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_nobody_has"):
        importlib.import_module("a_package_that_nobody_has")
    sys.meta_path[:] = finders
