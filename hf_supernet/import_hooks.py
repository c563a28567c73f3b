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
"""Doing something when a package is imported that may not be installed, or not be wanted."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _AfterImport(MetaPathFinder):
    """Finds nothing by itself: it has the loader that others find call back when it has loaded the module."""

    def __init__(self, name: str, callback: Callable[[], object]):
        self.name = name
        self.callback = callback
        self.is_asking_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name or self.is_asking_others:
            return None
        self.is_asking_others = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.is_asking_others = False
        if spec is not None and spec.loader is not None:
            self._watch(spec.loader)
        return spec

    def _watch(self, loader) -> None:
        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # what is left is the method of the loader's class
            loader.exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self.callback()

        loader.exec_module = exec_module


def after_import(name: str, callback: Callable[[], object]) -> None:
    """
    Calls `callback` when `name` has been imported: at once where it is there already, else at the end of its first import.

    Args:
        name (`str`):
            A package on the top level. It need not be installed, and is not imported here.
        callback (`Callable[[], object]`):
            Called once, without arguments.
    """
    if name in sys.modules:
        callback()
    else:
        sys.meta_path.insert(0, _AfterImport(name, callback))


__all__ = ["after_import"]
