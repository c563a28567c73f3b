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
"""The part of a training that aligns children with an anchor."""

from collections.abc import Iterator
from typing import Any

import torch

from ..architecture import Architecture
from ..evaluation.evaluator import Evaluator
from .alignment import AlignmentLoss
from .anchor import Anchor


class AlignedTrainingMixin:
    """
    For a [`SupernetTrainer`], in front of a [`~transformers.Trainer`]: the [`AlignmentLoss`] of MAGIC-A and its [`Anchor`].

    Attributes:
        alignment ([`AlignmentLoss`]): the loss; `None` where `alignment_weight` is 0.
        anchor ([`Anchor`]): the child that others are aligned with; `None` where `alignment_weight` is 0.
    """

    def set_up_alignment(self) -> None:
        """
        Makes the loss and the anchor that the arguments ask for.

        Raises:
            ValueError: where there is no dev set to choose the anchor on, or the arguments do not fit the search space.
        """
        self.alignment: AlignmentLoss | None = self.args.build_alignment(self.model.search_space)
        self.anchor: Anchor | None = None
        self._num_tokens_in_step: torch.Tensor | None = None
        if self.alignment is None:
            return
        if self.eval_dataset is None:
            raise ValueError("`alignment_weight` needs an `eval_dataset`: the anchor is the best child on dev data.")
        self.anchor = Anchor(Evaluator(self.model, self._anchor_batches(), self.accelerator.autocast))

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, torch.Tensor | int | None]:
        batches, num_items_in_batch = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.alignment is not None and batches:
            tokens = sum(
                batch.get("attention_mask", torch.ones_like(batch["input_ids"])).sum() * (batch.get("row_factor") != 0)
                for batch in batches
            ).to(device)
            self._num_tokens_in_step = self.accelerator.reduce(tokens) if self.args.world_size > 1 else tokens
        return batches, num_items_in_batch

    def alignment_loss(
        self,
        inputs: dict[str, torch.Tensor | Any],
        hidden_states: tuple[torch.Tensor, ...],
        architecture: Architecture,
    ) -> torch.Tensor:
        """
        The alignment loss of a child on a batch, before its weight: its share of the step's.

        Args:
            inputs (`dict[str, torch.Tensor]`):
                The batch.
            hidden_states (`tuple[torch.Tensor, ...]`):
                What the child's pass recorded; see [`AlignmentLoss`].
            architecture ([`Architecture`]):
                The child.
        """
        # Gradients are averaged over processes, errors are divided by the tokens of all of them.
        scale = self.args.world_size / self._architectures_in_step * (inputs.get("row_factor") != 0)
        with self.accelerator.autocast():
            return scale * self.alignment(
                self.model,
                hidden_states,
                inputs.get("attention_mask"),
                architecture,
                self.anchor.architecture,
                self._num_tokens_in_step,
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self.anchor is not None:
            logs["anchor"] = str(self.anchor.architecture)
            if self.anchor.loss is not None:
                logs["anchor_loss"] = self.anchor.loss
        super().log(logs, start_time)


__all__ = ["AlignedTrainingMixin"]
