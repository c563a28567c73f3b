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
"""A `Trainer` for a child alone, with the masked-LM loss."""

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.loss.loss_utils import ForMaskedLMLoss
from transformers.modeling_outputs import MaskedLMOutput

from ..data.masking import MaskingCollator
from ..models.searched_bert import SearchedBertForMaskedLM
from .distributed import set_find_unused_parameters
from .hub_card import OwnCardMixin
from .own_rows import OwnRowsMixin
from .resuming import FinishedRunsMixin, WholeCheckpointsMixin
from .running_losses import RunningLossesMixin
from .saving import WholeModelsMixin


class MaskedLMTrainer(
    FinishedRunsMixin, OwnCardMixin, OwnRowsMixin, RunningLossesMixin, WholeCheckpointsMixin, WholeModelsMixin, Trainer
):
    """
    A [`~transformers.Trainer`] for masked-language modelling with a [`MaskingCollator`].

    The loss is the mean over the labels of all batches, and processes, that share an optimizer step. Of a
    [`SearchedBertForMaskedLM`] only the labelled positions go through the vocabulary head; any other model of
    `AutoModelForMaskedLM` is called as it is. An evaluation has the masks of epoch 0, whatever the epoch of the training;
    for new masks in each epoch of the training, add [`NewMasksEveryEpoch`].

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The child.
        args ([`~transformers.TrainingArguments`]):
            With `remove_unused_columns=False`, since the collator reads `example_id`.
        kwargs:
            As for [`~transformers.Trainer`]; `data_collator` is a [`MaskingCollator`].
    """

    def __init__(self, model: PreTrainedModel, args: TrainingArguments, **kwargs):
        set_find_unused_parameters(args, model)
        if not isinstance(model, SearchedBertForMaskedLM):
            # Its own is a mean over the labels of its batch, whatever the other batches of the step have.
            kwargs.setdefault("compute_loss_func", _mean_over_all_labels)
        super().__init__(model, args, **kwargs)
        self.extra_inputs: dict[str, str] = {}
        if isinstance(self.model, SearchedBertForMaskedLM):
            self.extra_inputs = {"prediction_positions": "labelled"}

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor | Any], *args, **kwargs):
        return super().compute_loss(model, {**inputs, **self.extra_inputs}, *args, **kwargs)

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader:
        collator, self.data_collator = self.data_collator, self.data_collator.frozen()
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = collator


def _mean_over_all_labels(
    outputs: MaskedLMOutput, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    return ForMaskedLMLoss(outputs.logits, labels, outputs.logits.shape[-1], num_items_in_batch)


class NewMasksEveryEpoch(TrainerCallback):
    """
    Tells the collator which epoch it is.

    Args:
        collator ([`MaskingCollator`]):
            The trainer's.
    """

    def __init__(self, collator: MaskingCollator):
        self.collator = collator

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs):
        self.collator.set_epoch(int(state.epoch or 0))


__all__ = ["MaskedLMTrainer", "NewMasksEveryEpoch"]
