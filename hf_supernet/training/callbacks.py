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

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..evaluation.interference import analyze_interference, draw_pairs


if TYPE_CHECKING:
    from .trainer import SupernetTrainer


class SupernetCallback(TrainerCallback):
    """
    Belongs to a [`SupernetTrainer`], which adds it by itself: restores what a checkpoint keeps, tells the collator the
    epoch, and has the anchor challenged and the sampler adapted.

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
        self.trainer.update_anchor()
        self.trainer.adapt_sampler()
        self.trainer.end_distilled_step()


class InterferenceCallback(TrainerCallback):
    """
    Logs during the training of a supernet how alike the gradients of two children are on what they share: at an interval,
    `gradient_similarity_k` for each number k of operators in which the children differ (see [`analyze_interference`]).

    Costs, each time, `len(batches) * num_pairs * (1 + len(distances))` forward and backward passes; the seconds that they
    took are logged beside, as `interference_seconds`. The weights, the gradients and the random state of the training stay
    as they would be without it.

    Args:
        trainer ([`SupernetTrainer`]):
            Whose model is looked at, and in whose log it is written: `trainer.add_callback(InterferenceCallback(trainer,
            batches))`.
        batches (`Sequence[Mapping[str, torch.Tensor]]`):
            With labels, collated; the same each time.
        interval (`int`, *optional*, defaults to 500):
            Optimizer steps between two looks.
        distances (`Iterable[int]`, *optional*, defaults to 1, half of the searched layers, and all but one):
            The numbers k. Of plain children, whose blocks are alike, it is 1, half of what can be changed (see
            `search_space.max_changes`), and all but one; by default those that the children drawn do not have are left out.
        num_pairs (`int`, *optional*, defaults to 4):
            Pairs of children at each distance; the same each time.
        seed (`int`, *optional*, defaults to 0):
            Of the pairs.

    Raises:
        ValueError: for an interval below 1, no pairs, and at the first look as by [`analyze_interference`].
    """

    def __init__(
        self,
        trainer: "SupernetTrainer",
        batches: Sequence[Mapping[str, torch.Tensor]],
        interval: int = 500,
        distances: Iterable[int] | None = None,
        num_pairs: int = 4,
        seed: int = 0,
    ):
        if interval < 1:
            raise ValueError(f"`interval` must be at least 1 step, got {interval}.")
        space = trainer.model.search_space
        if distances is None:
            near = sorted({1, space.max_changes // 2, space.max_changes - 1} - {0})
            distances = sorted({k for _, _, k, _ in draw_pairs(space, near, num_pairs, seed)})
        self.trainer = trainer
        self.batches = batches
        self.interval = interval
        self.distances = list(distances)
        self.num_pairs = num_pairs
        self.seed = seed

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        if state.global_step % self.interval:
            return
        start = time.perf_counter()
        rows = analyze_interference(self.trainer.model, self.batches, self.distances, self.num_pairs, self.seed)
        seconds = time.perf_counter() - start
        means = rows.groupby("distance")["gradient_similarity"].mean()
        similarities = {f"gradient_similarity_{k}": float(value) for k, value in means.items()}
        log_beside(self.trainer, similarities | {"interference_seconds": seconds})


def log_beside(trainer: "SupernetTrainer", logs: Mapping[str, float]) -> None:
    """Logs in the course of a step. The loss of the step, if it is time for that, is still logged behind it."""
    should_log = trainer.control.should_log  # which every log sets to False
    trainer.log(dict(logs))
    trainer.control.should_log = should_log
