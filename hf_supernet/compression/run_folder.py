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
"""The folder of a run in stages: what a finished stage left is taken as it is, and a run with other settings is refused."""

import json
import logging
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from ..files import replacing_folder, write_json


logger = logging.getLogger(__name__)

SETTINGS_NAME = "settings.json"


class RunFolder:
    """
    The output folder of a run that goes on where it was.

    Each stage leaves a file or a folder, which appears whole or not at all. Started again, a run takes what is there and
    makes what is not; so a stage has to depend on its settings, its seed and the stages before it alone.

    Args:
        path (`str` or `Path`):
            The folder; it is made when the first thing is written.
        settings (`dict[str, Any]`):
            All on which the stages depend, as values that JSON can hold.
        late (`Collection[str]`, *optional*):
            The names of those settings on which only `open_stages` and what comes after them depend.
        open_stages (`Sequence[str]`, *optional*):
            Files and folders. Until the last of them is there, a run can go on with others of the `late` settings; what
            there is of these stages is then made anew.

    Attributes:
        changed (`bool`): whether the run goes on with others of the `late` settings.

    Raises:
        ValueError: where the folder holds a run with other settings, which the message names, or no run and other files, and
            where it is a file.
    """

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any],
        late: Collection[str] = (),
        open_stages: Sequence[str] = (),
    ):
        self.path = Path(path)
        self.settings = settings
        self.open_stages = open_stages
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"'{self.path}' is a file, and a run needs a folder: pass another `output_dir`.")
        found = self._read(SETTINGS_NAME)
        entries = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else []
        if found is None and entries:
            raise ValueError(
                f"'{self.path}' holds other files ({', '.join(entries[:3])}{', ...' if entries[3:] else ''}) and no run that"
                " could go on: pass another `output_dir`."
            )
        names = [] if found is None else _that_differ(found, settings)
        is_open = bool(open_stages) and not (self.path / open_stages[-1]).exists()
        self.changed = bool(names) and is_open and set(names) <= set(late)
        if names and not self.changed:
            if is_open:
                names = [name for name in names if name not in late]
            shown = "; ".join(f"`{name}` {found.get(name)!r}, now {settings.get(name)!r}" for name in names[:3])
            raise ValueError(
                f"'{self.path}' holds a run with other settings: {shown}{', and more' if names[3:] else ''}. Pass another"
                " `output_dir`, or delete the folder."
            )

    def claim(self) -> None:
        """
        Notes the settings in the folder. Before that, nothing should be written, so that a slip leaves no trace; and what a run
        with others of the late settings left is taken away.
        """
        if self.changed:
            for name in self.open_stages:
                for path in (self.path / name, self.path / f"{name}-checkpoints"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            write_json(self.path / SETTINGS_NAME, self.settings)
        self.json(SETTINGS_NAME.removesuffix(".json"), lambda: self.settings)

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """
        What a stage of the run found, of an earlier call or made now.

        Args:
            name (`str`):
                The file, without its ending.
            make (`Callable[[], Any]`):
                Makes what JSON can hold.
        """
        values = self._read(f"{name}.json")
        if values is None:
            write_json(self.path / f"{name}.json", make())
            values = self._read(f"{name}.json")
        else:
            logger.info(f"{self.path / name}.json is there already")
        return values

    def folder(self, name: str, make: Callable[[Path, Path], None]) -> Path:
        """
        The folder that a stage of the run leaves, of an earlier call or made now.

        Args:
            name (`str`):
                Of the folder.
            make (`Callable[[Path, Path], None]`):
                Called with a new folder to write to, which then gets the name, and a folder for checkpoints, which holds
                those of a call that was killed; it is taken away in the end.

        Returns:
            `Path`: the folder.
        """
        finished, checkpoints = self.path / name, self.path / f"{name}-checkpoints"
        if finished.exists():
            logger.info(f"{finished} is there already")
        else:
            for half in finished.parent.glob(f".{finished.name}.*.new"):  # of a process that was killed
                shutil.rmtree(half)
            with replacing_folder(finished) as folder:
                make(folder, checkpoints)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return finished

    def _read(self, name: str) -> Any:
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"'{path}' is damaged: {error}. Delete it, and this part is made again.") from error


def _that_differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names under which two runs have other settings."""
    return [name for name in sorted(one | other) if one.get(name) != other.get(name)]


__all__ = ["RunFolder"]
