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
"""Where the supernets of a [`SplitTraining`] lie, and how far each of them is."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..files import write_json
from ..training.checkpoints import last_complete_checkpoint
from .leaf_checkpoints import is_there
from .split import Split


ROOT = "root"
SETTINGS_NAME = "split_training.json"
TRAINER_NAME = "trainer.json"
SPLIT_NAME = "split.json"


class TrainingFolder:
    """
    The supernets by their names: `"root"` is the whole one, and what `"root"` is split into are `"root.0"`, `"root.1"`, ... Each is
    trained in a folder of its name, and how it is split stands in `split.json` there.

    Args:
        path (`str` or `os.PathLike`):
            The folder of the training.
        steps (`Sequence[int]`):
            The optimizer steps of each stage; 0 for a first one without training.
        restarts (`bool`):
            Whether the supernets of the last stage begin anew.
    """

    def __init__(self, path: str | os.PathLike, steps: Sequence[int], restarts: bool):
        self.path = Path(path)
        self.steps = tuple(steps)
        self.restarts = restarts

    def of(self, node: str) -> Path:
        """The folder of a supernet."""
        return self.path / "supernets" / node

    # The schedule

    def is_leaf(self, node: str) -> bool:
        """Whether a supernet is of the last stage."""
        return _depth(node) == len(self.steps) - 1

    def starts_anew(self, node: str) -> bool:
        """Whether what a supernet is split into begins with weights alone: of another supernet, or of one that is not trained here."""
        restarts = self.restarts and _depth(node) == len(self.steps) - 2
        return restarts or self.last_step(node) == 0

    def last_step(self, node: str) -> int:
        """The step behind which a supernet's stage ends, counted as its learning rate is."""
        if self.restarts and self.is_leaf(node):
            return self.steps[-1]
        return sum(self.steps[: _depth(node) + 1])

    def total_steps(self, node: str) -> int:
        """The number of steps that the learning rate of a supernet is planned for."""
        if self.restarts:
            return self.steps[-1] if self.is_leaf(node) else sum(self.steps[:-1])
        return sum(self.steps)

    # How far it is

    def end(self, node: str) -> Path:
        """The checkpoint at the end of a supernet's stage."""
        return self.of(node) / f"{PREFIX_CHECKPOINT_DIR}-{self.last_step(node)}"

    def last_checkpoint(self, node: str) -> str | None:
        """The last complete checkpoint of a supernet, if there is one."""
        if not any(is_there(path) for path in self.of(node).glob(f"{PREFIX_CHECKPOINT_DIR}-*")):
            return None
        return last_complete_checkpoint(self.of(node))

    def is_begun(self, node: str) -> bool:
        """Whether there is what a supernet's training begins with."""
        parent = node.rpartition(".")[0]
        if not parent or self.starts_anew(parent):
            return True  # it is there with the split
        return any(is_there(path) for path in self.of(node).glob(f"{PREFIX_CHECKPOINT_DIR}-*"))

    def is_trained(self, node: str) -> bool:
        """Whether a supernet is at the end of its stage."""
        return self.last_step(node) == 0 or is_there(self.end(node))

    def is_finished(self, node: str) -> bool:
        """Whether nothing is left to do for a supernet: it is trained, and split where it is to be."""
        if not self.is_trained(node):
            return False
        if self.is_leaf(node):
            return True
        split = self.split_of(node)
        return split is not None and all(self.is_begun(f"{node}.{index}") for index in range(len(split.groups)))

    def split_of(self, node: str) -> Split | None:
        """How a supernet was split, `None` where it was not yet."""
        path = self.of(node) / SPLIT_NAME
        return Split(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def write_split(self, node: str, split: Split) -> None:
        """Keeps how a supernet is split."""
        write_json(self.of(node) / SPLIT_NAME, split.to_dict())

    # Whose it is

    def check_settings(self, settings: dict[str, Any]) -> None:
        """
        Checks that the folder has no other training.

        Raises:
            ValueError: where it has one with other settings.
        """
        self._check(SETTINGS_NAME, settings)

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Keeps the settings."""
        write_json(self.path / SETTINGS_NAME, settings)

    def claim_for(self, trainer: dict[str, Any]) -> None:
        """
        Keeps the settings of the trainer with the first supernet, and checks those of all others: a part that begins without a
        checkpoint has nothing else that would tell.

        Raises:
            ValueError: where the folder has supernets that were trained with others.
        """
        self._check(TRAINER_NAME, trainer)
        write_json(self.path / TRAINER_NAME, trainer)

    def _check(self, name: str, settings: dict[str, Any]) -> None:
        if not (self.path / name).is_file():
            return
        before = json.loads((self.path / name).read_text(encoding="utf-8"))
        if differing := [name for name in settings if before.get(name) != settings[name]]:
            shown = "; ".join(f"`{name}` {before.get(name)!r}, now {settings[name]!r}" for name in differing)
            raise ValueError(
                f"{self.path} has a split training with other settings: {shown}. Pass another `output_dir`, or delete the"
                " folder."
            )


def _depth(node: str) -> int:
    return node.count(".")


__all__ = ["ROOT", "TrainingFolder"]
