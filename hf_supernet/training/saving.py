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
"""Saving a model from a `Trainer` so that its folder holds a whole one, or none, and nothing that has to be unpickled."""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy, SaveStrategy
from transformers.utils.hub import PushInProgress, hf_api

from ..files import filling_folder, write_json
from ..hub import PICKLES
from .checkpoints import SUPERNET_STATE_NAME
from .mean_teacher import MEAN_TEACHER_NAME
from .running_losses import RUNNING_LOSSES_NAME


_BESIDE_THE_MODEL = (
    *("README.md", TRAINER_STATE_NAME, SUPERNET_STATE_NAME, RUNNING_LOSSES_NAME, MEAN_TEACHER_NAME),
    *PICKLES,
)
"""What a checkpoint has beside the model: its optimizer, schedule and random states are pickles."""


class WholeModelsMixin:
    """
    For a [`~transformers.Trainer`]: a model's files are moved into their folder when all of them are written, and a
    model that is saved or pushed has no pickle beside it.

    The Trainer writes into `output_dir` itself, beside its checkpoints: a run that dies there leaves half a file, or the
    weights of one model beside the configuration of another. It also adds `training_args.bin`, which runs code where it
    is loaded and which nothing reads, and its state names folders of this machine; pushes take both along.
    """

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Where all processes come here (for collective operations), one of them writes.
        if not self.args.should_save:
            super()._save(output_dir, state_dict)
            return
        folder = Path(output_dir or self.args.output_dir)
        if folder == Path(self.args.output_dir):
            self._finish_current_push()  # as below
        with filling_folder(folder) as temporary:
            super()._save(str(temporary), state_dict)
            (temporary / TRAINING_ARGS_NAME).unlink(missing_ok=True)
        (folder / TRAINING_ARGS_NAME).unlink(missing_ok=True)  # of an earlier run

    def save_state(self) -> None:
        """As the Trainer's, for the output folder; the best checkpoint is named by its own folder, without those above."""
        super().save_state()
        path = Path(self.args.output_dir) / TRAINER_STATE_NAME
        if self.is_world_process_zero():
            state = json.loads(path.read_text(encoding="utf-8"))
            if state.get("best_model_checkpoint"):
                write_json(path, state | {"best_model_checkpoint": Path(state["best_model_checkpoint"]).name})

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """
        As the Trainer's: takes the model of a checkpoint into `output_dir`, and pushes it in the background. But the
        model comes there whole, and no pickle goes out, unless `hub_strategy` asks for checkpoints, which have some.
        """
        args = self.args
        if not self.is_world_process_zero() or args.hub_strategy == HubStrategy.END:
            return
        if not args.hub_always_push and self.push_in_progress is not None and not self.push_in_progress.is_done():
            return
        self.callback_handler.on_push_begin(args, self.state, self.control)
        self._take_model_from(Path(checkpoint_folder))
        by_steps = args.save_strategy == SaveStrategy.STEPS
        when = f"step {self.state.global_step}" if by_steps else f"epoch {int(self.state.epoch)}"
        message = f"Training in progress, {when}"
        ignored = ["_*", f"{PREFIX_CHECKPOINT_DIR}-*", *PICKLES]
        jobs = [self._upload(args.output_dir, commit_message=message, ignore_patterns=ignored)]
        if args.hub_strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            last = args.hub_strategy == HubStrategy.CHECKPOINT
            name = "last-checkpoint" if last else Path(checkpoint_folder).name
            jobs.append(self._upload(checkpoint_folder, commit_message=f"{message}, checkpoint", path_in_repo=name))
        self.push_in_progress = PushInProgress(jobs)

    def _take_model_from(self, checkpoint: Path) -> None:
        self._finish_current_push()  # the one before, which reads the files that are to be exchanged
        with filling_folder(self.args.output_dir) as temporary:
            for path in checkpoint.iterdir():
                if path.is_file() and not any(path.match(name) for name in _BESIDE_THE_MODEL):
                    shutil.copy(path, temporary)

    def _upload(self, folder: str, **options: Any):
        return hf_api().upload_folder(
            repo_id=self.hub_model_id,
            folder_path=folder,
            token=self.args.hub_token,
            revision=self.args.hub_revision,
            run_as_future=True,
            **options,
        )


__all__ = ["WholeModelsMixin"]
