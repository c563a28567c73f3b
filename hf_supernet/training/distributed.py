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
"""What several processes exchange while they train a supernet."""

from collections.abc import Iterable

import torch
from torch import distributed, nn
from transformers import TrainingArguments
from transformers.trainer_utils import unwrap_peft_model

from ..models.supernet_bert import SupernetBertPreTrainedModel


BUCKET_BYTES = 25 * 2**20
"""Gradients are exchanged in pieces of about this size: few messages, and little memory beside the gradients."""


def has_unused_parameters(model: nn.Module) -> bool:
    """
    Whether a step that trains the model as any other leaves out some of its parameters: a supernet has candidates that its
    default architecture does not use. `DistributedDataParallel` then has to look for them in each step.
    """
    return isinstance(unwrap_peft_model(model), SupernetBertPreTrainedModel)


def set_find_unused_parameters(args: TrainingArguments, model: nn.Module) -> None:
    """
    Turns off `ddp_find_unused_parameters`, which a Trainer turns on for every model, where the model has no such parameters.

    Args:
        args ([`~transformers.TrainingArguments`]):
            Changed in place, unless they say already what is wanted.
        model (`torch.nn.Module`):
            What will be trained, with or without adapters.
    """
    if args.ddp_find_unused_parameters is None and not has_unused_parameters(model):
        args.ddp_find_unused_parameters = False


def broadcast_model(model: nn.Module) -> None:
    """Gives every process the weights and buffers of the first one."""
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            distributed.broadcast(tensor.detach(), src=0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> int:
    """
    Averages over processes the gradients that there are, in place.

    All processes train the same architectures, so that the same weights have a gradient on each; what the step did not
    train is not exchanged.

    Args:
        parameters (`Iterable[torch.nn.Parameter]`):
            In the same order on every process.

    Returns:
        `int`: the bytes that this process contributed.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    exchanged = 0
    bucket: list[torch.Tensor] = []
    for index, gradient in enumerate(gradients):
        bucket.append(gradient)
        size = sum(tensor.nbytes for tensor in bucket)
        last = index + 1 == len(gradients)
        if last or size >= BUCKET_BYTES or gradients[index + 1].dtype != gradient.dtype:
            _average(bucket)
            exchanged += size
            bucket = []
    return exchanged


def _average(tensors: list[torch.Tensor]) -> None:
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
