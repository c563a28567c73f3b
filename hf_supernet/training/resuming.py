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
"""What transformers' Trainer leaves open about going on from a checkpoint."""

from pathlib import Path

import torch
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR


class FinishedRunsMixin:
    """
    For a `Trainer`, in front of it: a resumed run does nothing that it has done already.

    The Trainer looks for the end behind a step only. Resumed at `max_steps` in the middle of an epoch, it would take one step
    more, and save and log it. Here the epoch's end follows at once, with what it evaluates, logs and saves. And with
    `eval_on_start` it would evaluate once more in the middle of the training.
    """

    def _evaluate(
        self, trial, ignore_keys_for_eval: list[str] | None, skip_scheduler: bool = False
    ) -> dict[str, float]:
        if skip_scheduler and self.state.global_step > 0:  # asked for at the start only
            return {}
        return super()._evaluate(trial, ignore_keys_for_eval, skip_scheduler)

    def _run_epoch(self, *, num_update_steps_per_epoch: int, **kwargs) -> None:
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            num_update_steps_per_epoch = 0
        super()._run_epoch(num_update_steps_per_epoch=num_update_steps_per_epoch, **kwargs)


class WholeCheckpointsMixin:
    """
    For a `Trainer`, in front of it: a checkpoint has the Trainer's state only when all else of it is written, by every
    process; see [`~training.checkpoints.missing_files`].

    The Trainer writes its state last, but does not wait for the random states of other processes, and what an earlier run left
    in the folder would make a half of this checkpoint look whole.
    """

    def _save_checkpoint(self, model: torch.nn.Module, trial) -> None:
        folder = Path(self._get_output_dir(trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        if self.args.should_save:
            (folder / TRAINER_STATE_NAME).unlink(missing_ok=True)
        super()._save_checkpoint(model, trial)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()
