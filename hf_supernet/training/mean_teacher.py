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
"""An average of a supernet's weights along its training, as a model."""

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from ..files import replacing


MEAN_TEACHER_NAME = "mean_teacher.safetensors"
"""In a checkpoint: the averaged weights."""


class MeanTeacher:
    """
    A supernet whose weights are an exponential moving average of another's: [Mean teachers are better role
    models](https://arxiv.org/abs/1703.01780) (Tarvainen & Valpola, NeurIPS 2017).

    Until the average reaches so far, it is the plain mean of all weights that there were, as in the authors' code: the weights
    from before the training, which know nothing, would else be a large part of it for `1 / (1 - decay)` steps and more.

    A weight that a step did not train is averaged as any other, so that its average goes on toward it. Processes that have the
    same weights have the same average.

    Args:
        model ([`SupernetBertPreTrainedModel`]):
            The supernet that is trained. It is copied: this takes as much memory again as its weights.
        decay (`float`):
            How much of the average stays at each step, in (0, 1).

    Attributes:
        model ([`SupernetBertPreTrainedModel`]): the supernet with the average for its weights, in training mode: it draws dropout
            masks of its own.
    """

    def __init__(self, model: PreTrainedModel, decay: float):
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).train()

    @torch.no_grad()
    def begin(self, model: PreTrainedModel) -> None:
        """Takes the weights of `model`, from before the first step."""
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            average.copy_(weight)

    @torch.no_grad()
    def update(self, model: PreTrainedModel, step: int) -> None:
        """
        Takes in the weights of `model` behind a step.

        Args:
            model ([`SupernetBertPreTrainedModel`]):
                The supernet that is trained.
            step (`int`):
                How many steps it was trained for so far, from 1.
        """
        share = max(1 - self.decay, 1 / (step + 1))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)

    def save(self, folder: str | Path) -> None:
        """Writes the average to a checkpoint, `folder`."""
        with replacing(Path(folder) / MEAN_TEACHER_NAME) as temporary:
            save_file(dict(self.model.named_parameters()), temporary)

    @torch.no_grad()
    def load(self, folder: str | Path) -> None:
        """Reads what [`~MeanTeacher.save`] wrote."""
        averages = load_file(Path(folder) / MEAN_TEACHER_NAME)
        for name, average in self.model.named_parameters():
            average.copy_(averages[name])


__all__ = ["MEAN_TEACHER_NAME", "MeanTeacher"]
