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
"""How far a training loop on Accelerate is, and its checkpoints, which are whole or not there."""

import pickle
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator


@dataclass
class TrainingProgress:
    """
    How far the training is; a part of the checkpoint.

    Args:
        setup (`dict[str, Any]`):
            What a resumed run must share with the first one, to see the same batches.
        epoch (`int`, *optional*, defaults to 0):
            Epochs that are over.
        batches (`int`, *optional*, defaults to 0):
            Batches of the current epoch that are done.
        steps (`int`, *optional*, defaults to 0):
            Optimizer steps that are done.
        loss_sum (`float`, *optional*, defaults to 0.0):
            The sum of the losses of all batches so far.
        loss_count (`int`, *optional*, defaults to 0):
            Their number.
        results (`dict[str, float]`, *optional*, defaults to `{}`):
            Of the last evaluation.
    """

    setup: dict[str, Any]
    epoch: int = 0
    batches: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    results: dict[str, float] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["setup"] != self.setup:
            raise ValueError(
                f"The checkpoint was written by a run with {state['setup']}, this one has {self.setup}: it can't go on "
                "with the same batches."
            )
        vars(self).update(state)


def save_checkpoint(accelerator: Accelerator, progress: TrainingProgress, output_dir: Path) -> None:
    """
    Saves the state of a training, under another name first, so that a folder `step_*` is always whole.

    Args:
        accelerator ([`~accelerate.Accelerator`]):
            What prepared model, optimizer and loaders; all processes come here.
        progress ([`TrainingProgress`]):
            How far the training is; registered with the accelerator. Its loss becomes the mean over the processes.
        output_dir (`Path`):
            Where the folder goes.
    """
    progress.loss_sum = mean_over_processes(accelerator, progress.loss_sum)
    folder = output_dir / f"step_{progress.steps}"
    temporary = output_dir / f"tmp-{folder.name}"
    if accelerator.is_main_process:
        shutil.rmtree(temporary, ignore_errors=True)  # what a killed run may have left
    accelerator.wait_for_everyone()
    accelerator.save_state(temporary)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    accelerator.wait_for_everyone()


def load_checkpoint(accelerator: Accelerator, folder: Path) -> None:
    """
    Loads what [`save_checkpoint`] saved, as data: no code that somebody put into it runs.

    Args:
        accelerator ([`~accelerate.Accelerator`]):
            What prepared and registered the same objects; all processes come here.
        folder (`Path`):
            A folder `step_*`.

    Raises:
        ValueError: where a file of `folder` holds anything but numbers, texts and tensors.
    """
    for path in sorted(Path(folder).glob("custom_checkpoint_*.pkl")):
        # Accelerate reads these, and these alone, in the way that runs code.
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"`resume_from_checkpoint`: {path} is no checkpoint of this script; it holds more than data, and to load it"
                " could run code."
            ) from error
    accelerator.load_state(folder)


def mean_over_processes(accelerator: Accelerator, value: float) -> float:
    """The mean of a number over all processes, which all come here."""
    tensor = torch.tensor(value, dtype=torch.float64, device=accelerator.device)
    return accelerator.reduce(tensor, reduction="mean").item()


__all__ = ["TrainingProgress", "load_checkpoint", "mean_over_processes", "save_checkpoint"]
