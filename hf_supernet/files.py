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
"""Writing files so that they are there whole or not at all."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


UNFINISHED = "_unfinished"
"""Where [`filling_folder`] writes, inside the folder to fill. A Trainer pushes nothing that begins with an underscore."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """
    Gives a temporary name beside `path` to write to, and moves what was written into place at the end.

    Args:
        path (`str` or `os.PathLike`):
            The file to write; its folder is made where it is not there. If the body raises, `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def removing_if_empty(path: str | os.PathLike) -> Iterator[None]:
    """
    Takes away the folders that the body made and left empty, if it raises.

    Args:
        path (`str` or `os.PathLike`):
            A folder; where it is not there yet, it and those above it that are not there either.
    """
    path = Path(path)
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # it was not made, or is not empty
                folder.rmdir()
        raise


@contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """
    Gives a new folder under a temporary name beside `path`, which takes the place of `path` at the end.

    Args:
        path (`str` or `os.PathLike`):
            The folder to write, or to replace with all that is in it. If the body raises, it stays as it was.
    """
    path = Path(path)
    suffix = uuid.uuid4().hex[:8]
    temporary, aside = (path.with_name(f".{path.name}.{suffix}.{kind}") for kind in ("new", "old"))
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.rename(aside)
        try:
            temporary.rename(path)
        except OSError:
            if aside.exists():
                aside.rename(path)
            raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    if aside.exists():
        shutil.rmtree(aside)


@contextmanager
def filling_folder(path: str | os.PathLike, last: str = "config.json") -> Iterator[Path]:
    """
    Gives an empty folder to write to, and at the end moves each file from it into `path`, where other files stay.

    Args:
        path (`str` or `os.PathLike`):
            The folder to fill; it is made where it is not there. If the body raises, its files stay as they were.
        last (`str`, *optional*, defaults to `"config.json"`):
            The file without which the others can't be used. An old one is taken away first, and the new one comes last:
            a folder that was left while files were being exchanged holds no mixture that could be loaded.
    """
    path = Path(path)
    temporary = path / UNFINISHED
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    temporary.mkdir(parents=True)
    try:
        yield temporary
        written = sorted(temporary.iterdir(), key=lambda entry: entry.name == last)
        if any(entry.name == last for entry in written):
            (path / last).unlink(missing_ok=True)
        for entry in written:
            target = path / entry.name
            if target.is_dir():
                shutil.rmtree(target)
            entry.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(directory: str | os.PathLike, patterns: Sequence[str]) -> None:
    """
    Checks that a folder may be replaced without a loss: it is not there, is empty, or was written for the same.

    Args:
        directory (`str` or `os.PathLike`):
            The folder that is to be written.
        patterns (`Sequence[str]`):
            The files that are written there, with wildcards. The first is always there: it tells an earlier result
            from a folder that has, say, a tokenizer of its own in it.

    Raises:
        FileExistsError: where it holds anything else, or is a file.
    """
    directory = Path(directory)
    if not directory.exists():
        return
    if not directory.is_dir():
        raise FileExistsError(f"{directory} is a file. Name a folder.")
    entries = sorted(directory.iterdir())
    foreign = [path.name for path in entries if path.is_dir() or not any(path.match(name) for name in patterns)]
    if entries and not any(path.match(patterns[0]) for path in entries):
        foreign = foreign or [path.name for path in entries]
    if foreign:
        names = ", ".join(foreign[:3]) + (", ..." if foreign[3:] else "")
        raise FileExistsError(f"{directory} would be replaced, and holds other files ({names}). Name another folder.")


def write_json(path: str | os.PathLike, values: Any) -> None:
    """Writes `values` as indented JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


__all__ = [
    "UNFINISHED",
    "check_replaceable",
    "filling_folder",
    "removing_if_empty",
    "replacing",
    "replacing_folder",
    "write_json",
]
