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
"""What of the paths of this machine is for other people: the last part."""

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id


_PATH_IN_TEXT = re.compile(r"(?<![\w.:/~])(?:~|/[\w.@+-]+)(?:/[\w.@+*-]+)+/?|(?<!\w)[A-Za-z]:\\[^\s\"']+")


def is_local(name: str) -> bool:
    """Whether the name of a model or a data set is that of a folder: one that is here, or no name that the Hub could have."""
    if Path(os.path.expanduser(name)).exists():
        return True
    try:
        validate_repo_id(name)
    except HFValidationError:
        return True
    return False


def public_name(name: str) -> str:
    """A name on the Hub as it is, and of a folder the last part."""
    return _last_part(name) if is_local(name) else name


def public_values(values: Any) -> Any:
    """
    Values of a JSON file without the folders that they name: of each path the last part.

    Args:
        values (`Any`):
            Lists and dictionaries are looked into, their keys are not. A text is a path where it is an absolute one, or
            has a slash and is here; within a longer text, absolute paths are found where they have no blanks.
    """
    if isinstance(values, dict):
        return {key: public_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [public_values(value) for value in values]
    if not isinstance(values, str):
        return values
    if _is_path(values):
        return _last_part(values)
    return _PATH_IN_TEXT.sub(lambda match: _last_part(match[0]), values)


def _is_path(text: str) -> bool:
    if text.startswith(("/", "~/")) or PureWindowsPath(text).is_absolute():
        return True
    try:
        return "/" in text and Path(text).exists()
    except OSError:  # too long for a name
        return False


def _last_part(path: str) -> str:
    if path.startswith((".", "~")):
        path = str(Path(os.path.expanduser(path)).resolve())
    windows = PureWindowsPath(path).is_absolute() and "\\" in path
    return (PureWindowsPath(path) if windows else PurePosixPath(path)).name or path


__all__ = ["is_local", "public_name", "public_values"]
