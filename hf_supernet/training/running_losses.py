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
"""Losses that are logged alike whether or not a run was killed and resumed."""

import json
from pathlib import Path

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, TrainOutput
from transformers.utils import logging

from ..files import write_json
from .checkpoints import last_whole_checkpoint


logger = logging.get_logger(__name__)

RUNNING_LOSSES_NAME = "running_losses.json"
"""In a checkpoint: the losses that each process has summed up since the last log, and those that were logged before."""


class RunningLossesMixin:
    """
    For a [`~transformers.Trainer`], in front of it: what it sums up for its logs is part of a checkpoint.

    The Trainer begins anew behind a checkpoint: the next loss that it logs lacks the steps between the last log and the
    checkpoint, and `train_loss` is that of the resumed part. Here both are those of the whole training, and only the throughput
    is that of the resumed part.

    A loss may have parts, which are logged beside it; see [`~RunningLossesMixin.add_loss_part`].
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._loss_parts: dict[str, torch.Tensor] = {}
        self._loss_parts_since = 0
        self._resumed_from: Path | None = None
        self._resumed_step = 0
        self.add_callback(_RunningLossesCallback(self))

    def add_loss_part(self, name: str, value: torch.Tensor) -> None:
        """
        Adds to a part of the loss, which the next log has as a mean over its steps.

        Args:
            name (`str`):
                Its name in the log. All processes add to the same parts.
            value (`torch.Tensor` of shape `()`):
                Of a batch; those of the batches of a step are summed up, so that it is divided by their number already.
        """
        self._loss_parts[name] = self._loss_parts.get(name, 0.0) + value.detach().float()

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs) -> TrainOutput:
        """
        Trains; see [`~transformers.Trainer.train`].

        Raises:
            ValueError: where `resume_from_checkpoint` is `True`, and `output_dir` has no whole checkpoint.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_whole_checkpoint(self.args.output_dir)
            if resume_from_checkpoint is None:
                raise ValueError(
                    f"No whole checkpoint in {self.args.output_dir}; start without `resume_from_checkpoint`."
                )
        self._resumed_from = Path(resume_from_checkpoint) if resume_from_checkpoint else None
        return super().train(resume_from_checkpoint or None, *args, **kwargs)

    def begin_losses(self) -> None:
        """Runs when training begins: the sums are empty, or those of the checkpoint."""
        self._loss_parts = {}
        self._loss_parts_since = self.state.global_step
        self._resumed_step = 0
        if self._resumed_from is None:
            return
        path = self._resumed_from / RUNNING_LOSSES_NAME
        if not path.is_file():
            logger.warning(f"{path} is not there: losses are logged as if the training began at the checkpoint.")
            return
        kept = json.loads(path.read_text(encoding="utf-8"))
        self._tr_loss += self._own(kept["since_log"])
        self._total_loss_scalar = kept["total"]
        self._globalstep_last_logged = self._loss_parts_since = kept["last_logged_step"]
        self._initial_global_step = 0  # by which `train_loss` is a mean over all steps
        self._resumed_step = self.state.global_step
        for name, values in kept["parts"].items():
            self.add_loss_part(name, torch.tensor(self._own(values), device=self.args.device))

    def _own(self, values: list[float]) -> float:
        # What is logged is a mean over processes: of another number of them, each has that mean.
        same = len(values) == self.args.world_size
        return values[self.args.process_index] if same else sum(values) / len(values)

    def log(self, logs: dict[str, float], *args, **kwargs) -> None:
        """Logs with the parts of the loss, each a mean over the steps since the last log."""
        if "loss" in logs:
            steps = self.state.global_step - self._loss_parts_since
            parts = {
                name: self.accelerator.gather(value).mean().item() / steps for name, value in self._loss_parts.items()
            }
            logs = logs | parts
            self._loss_parts.clear()
            self._loss_parts_since = self.state.global_step
        if "train_runtime" in logs:
            own_share = 1 - self._resumed_step / max(self.state.global_step, 1)
            throughput = {"train_samples_per_second", "train_steps_per_second"} & logs.keys()
            # In place: these are the metrics that `train` returns.
            logs.update({name: round(logs[name] * own_share, 3) for name in throughput})
        super().log(logs, *args, **kwargs)

    def _save_checkpoint(self, model: torch.nn.Module, trial) -> None:
        folder = Path(self._get_output_dir(trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        losses = self._running_losses()
        if self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / RUNNING_LOSSES_NAME, losses)
        super()._save_checkpoint(model, trial)

    def _running_losses(self) -> dict:
        """Collective, since each process has losses of its own."""

        def of_each_process(value: torch.Tensor) -> list[float]:
            return self.accelerator.gather(value.reshape(1)).tolist()

        return {
            "since_log": of_each_process(self._tr_loss),
            "total": self._total_loss_scalar,
            "last_logged_step": self._globalstep_last_logged,
            "parts": {name: of_each_process(value) for name, value in self._loss_parts.items()},
        }


class _RunningLossesCallback(TrainerCallback):
    # Behind what the Trainer resets, and before anything is trained; a run that is resumed at its end has no step at all.

    def __init__(self, trainer: RunningLossesMixin):
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        self.trainer.begin_losses()


__all__ = ["RUNNING_LOSSES_NAME", "RunningLossesMixin"]
