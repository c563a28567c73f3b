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
"""What happens between the steps of a supernet's training."""

from typing import TYPE_CHECKING

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


if TYPE_CHECKING:
    from .trainer import SupernetTrainer


class SupernetCallback(TrainerCallback):
    """
    Belongs to a [`SupernetTrainer`], which adds it by itself: restores what a checkpoint keeps, tells the collator the
    epoch, and has the anchor challenged.

    Args:
        trainer ([`SupernetTrainer`]):
            The trainer it works for. All state is the trainer's.
    """

    def __init__(self, trainer: "SupernetTrainer"):
        self.trainer = trainer
        self._epoch = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        self._epoch = int(state.epoch or 0)
        self.trainer.begin_training()

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        # Masks depend on (seed, epoch, example). The loader's workers start behind this event and see the new epoch.
        if hasattr(self.trainer.data_collator, "set_epoch"):
            self.trainer.data_collator.set_epoch(self._epoch)
        # Counted here: a stream of unknown length ends before `state.epoch`, which guesses its length, says so.
        self._epoch += 1

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        anchor = self.trainer.anchor
        if anchor is not None and state.global_step % args.anchor_interval == 0:
            anchor.challenge(self.trainer.sampler.sample(state.global_step - 1))
