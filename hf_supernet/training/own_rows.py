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
"""Rows that several processes get more than once at the end of an epoch, and how each of them still counts once."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.data_loader import BatchSamplerShard, DataLoaderDispatcher, SkipBatchSampler
from accelerate.utils import find_batch_size
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import TrainerCallback
from transformers.trainer_pt_utils import LengthGroupedSampler


def own_rows(accelerator: Accelerator, batch: Mapping[str, Any]) -> tuple[Mapping[str, Any], float]:
    """
    What counts of a batch.

    Accelerate gives every process the same number of batches and of rows: it fills the last batches of an epoch with rows from
    its start. Averaged as they are, these rows would count twice, and the result would depend on the number of processes.

    Args:
        accelerator ([`~accelerate.Accelerator`]):
            What prepared the loader.
        batch (`Mapping[str, Any]`):
            What the loader, which is still being walked, has just handed out; tensors have the rows first.

    Returns:
        `tuple[Mapping[str, Any], float]`: The rows that are this process's own, and the factor of their mean with which the
        mean over processes is the one over all rows. A process without a row of its own, which still has to take part in what
        all do together, gets one row and the factor 0. Before the last batches: the batch itself, and 1.
    """
    loader = accelerator.gradient_state.active_dataloader
    if accelerator.num_processes == 1 or loader is None or not loader.end_of_dataloader:
        return batch, 1.0
    size = find_batch_size(batch)
    left = _rows_left(loader, size, accelerator.num_processes)
    if left == size * accelerator.num_processes:
        return batch, 1.0
    own = min(max(left - size * accelerator.process_index, 0), size)
    rows = {name: value[: max(own, 1)] if torch.is_tensor(value) else value for name, value in batch.items()}
    return rows, own * accelerator.num_processes / left


def _rows_left(loader: DataLoader, size: int, processes: int) -> int:
    """How many rows of the last batches are not repeated; these come first, in the order of the processes."""
    if isinstance(loader, DataLoaderDispatcher):  # of a stream
        return loader.remainder
    # Not `loader.remainder`: where a resumed run enters an epoch in the middle, the loader does not know it.
    shard = loader.batch_sampler
    shard = shard.batch_sampler if isinstance(shard, SkipBatchSampler) else shard
    everything = size * processes
    if not isinstance(shard, BatchSamplerShard) or shard.num_processes != processes:
        return everything  # shared out by someone else
    if shard.drop_last or not shard.even_batches:
        return everything
    return len(shard.batch_sampler.sampler) % everything or everything


def _without_labels(batch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: torch.full_like(value, -100) if name == "labels" else value for name, value in batch.items()}


class SeededLengthGroupedSampler(LengthGroupedSampler):
    """
    A [`~transformers.trainer_pt_utils.LengthGroupedSampler`] whose order is a function of a seed and the epoch.

    The Trainer's own draws from the global generator. Dropout moves that on differently on each process, so that from the
    second epoch on some rows would come twice and others never; and a run that is resumed in the middle of an epoch would draw
    another order than the one it was in.

    Args:
        sampler ([`~transformers.trainer_pt_utils.LengthGroupedSampler`]):
            The Trainer's.
        seed (`int`):
            The seed.
    """

    def __init__(self, sampler: LengthGroupedSampler, seed: int):
        super().__init__(sampler.batch_size, lengths=sampler.lengths, generator=torch.Generator())
        self.seed = seed
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self.seed + self.epoch)
        return super().__iter__()


class _TellsTheEpoch(TrainerCallback):
    """Accelerate's loader tells it to a sampler too, but not where it skips the first batches of several processes."""

    def __init__(self, sampler: SeededLengthGroupedSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.epoch = int(state.epoch or 0)


class OwnRowsMixin:
    """
    For a [`~transformers.Trainer`], in front of it: every row of an epoch counts once, in gradients, logged losses and the
    losses of evaluations, whatever the number of processes; see [`own_rows`].

    A batch of which not all counts has the factor of its mean, `row_factor`, beside the inputs; `compute_loss` takes it out.
    """

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        sampler = super()._get_train_sampler(train_dataset)
        if isinstance(sampler, LengthGroupedSampler):
            seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
            sampler = SeededLengthGroupedSampler(sampler, seed)
            self.remove_callback(_TellsTheEpoch)  # of an earlier training
            self.add_callback(_TellsTheEpoch(sampler))
        return sampler

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, torch.Tensor | int | None]:
        # Each batch as it comes: that it is the last one is known until the loader is asked for more.
        return super().get_batch_samples(map(self._own_rows, epoch_iterator), num_batches, device)

    def _own_rows(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        rows, factor = own_rows(self.accelerator, batch)
        return batch if rows is batch else {**rows, "row_factor": factor}

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | int | None:
        if self.args.average_tokens_across_devices:
            batch_samples = [
                _without_labels(batch) if batch.get("row_factor") == 0 else batch for batch in batch_samples
            ]
        return super()._get_num_items_in_batch(batch_samples, device)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        inputs = dict(inputs)
        factor = inputs.pop("row_factor", 1.0)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            factor = float(factor > 0)  # the loss is a sum, divided by the labels of all processes
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        loss = loss * factor
        return (loss, outputs) if return_outputs else loss

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: Mapping[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, Any, Any]:
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        rows = self._own_rows(inputs)
        if loss is not None and rows is not inputs:
            # The loop cuts the logits by itself, and counts the loss once for each of the rows: for it, a factor is no share.
            loss = super().prediction_step(model, rows, True, ignore_keys)[0] / (rows["row_factor"] or 1.0)
        return loss, logits, labels


__all__ = ["OwnRowsMixin", "SeededLengthGroupedSampler", "own_rows"]
