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
"""Evaluating a population by several processes or machines, which share the work and find what one finds."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import torch

from ..architecture import Architecture
from .division import Block, divide, expected_costs
from .evaluator import Evaluator, is_distributed


T = TypeVar("T")

BlockLosses = tuple[torch.Tensor, torch.Tensor]
"""Of one block, as [`Evaluator.batch_losses`] returns them, on the CPU."""


class SharedFailure(RuntimeError):
    """
    Evaluating failed where a part of the work was done, and all who take part know it: they can go on together.

    Args:
        error (`str`): The error, as in `"MemoryError: no room"`.
    """


class EvaluationStopped(RuntimeError):
    """
    Nothing can be evaluated any more, whatever the child is: no worker is left, or a device is gone. A search ends with it and
    records no child as failed; begun again, it goes on with what is stored. Functions of one's own may raise it too.
    """


class DividedEvaluator(Evaluator):
    """
    An [`Evaluator`] that divides its work into parts of about equal expected cost, done elsewhere: batches first, and
    within a batch neighbours in the trie; see [`divide`].

    Losses do not depend on how it is divided, to the last bit, where the parts are run alike: the same kind of processor and
    number of threads.
    """

    num_parts: int
    """Into how many parts the work is divided."""

    @abstractmethod
    def run_parts(
        self,
        parts: Sequence[Sequence[Block]],
        ordered: list[Architecture],
        batches: Sequence[Mapping[str, torch.Tensor]],
        progress: bool,
    ) -> list[list[BlockLosses]]:
        """
        Runs the parts.

        Returns:
            `list[list[tuple[torch.Tensor, torch.Tensor]]]`: for each part, what was found of its blocks.

        Raises:
            SharedFailure: where one failed.
        """

    def batch_losses(
        self, ordered: list[Architecture], batches: Iterable[Mapping[str, torch.Tensor]], progress: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As [`Evaluator.batch_losses`], on all of `batches`, which every process passes; on the CPU."""
        with torch.random.fork_rng(devices=[]):  # a data loader draws a seed when it is walked
            batches = list(batches)
        sums = torch.zeros(len(ordered), len(batches), dtype=torch.float64)
        labels = torch.zeros(len(batches), dtype=torch.float64)
        if not ordered or not batches:
            return sums, labels
        parts = divide(expected_costs(self.model, ordered, batches, self.max_stored), self.num_parts)
        for part, found in zip(parts, self.run_parts(parts, ordered, batches, progress), strict=True):
            for block, (losses, counts) in zip(part, found, strict=True):
                sums[block.children, block.batches] = losses
                labels[block.batches] = counts
        return sums, labels

    def run_blocks(
        self,
        blocks: Sequence[Block],
        ordered: list[Architecture],
        batches: Sequence[Mapping[str, torch.Tensor]],
        progress: bool = False,
    ) -> list[BlockLosses]:
        """Runs the blocks of one part here."""
        run = super().batch_losses
        found = (run(ordered[block.children], batches[block.batches], progress) for block in blocks)
        return [(losses.cpu(), labels.cpu()) for losses, labels in found]

    def _losses_of_all_processes(
        self, ordered: list[Architecture], progress: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.batch_losses(ordered, self.batches, progress)


class DistributedEvaluator(DividedEvaluator):
    """
    An [`Evaluator`] whose work the processes of a run share (`accelerate launch`, `torchrun`). Each process passes all dev
    batches, not a share of them, and gets all losses.

    Where a child fails in one process, it fails in all of them, so that a search goes on. Where processes pass different children
    or batches, that is an error (`ValueError`), in all of them. In a single process it is an [`Evaluator`].

    Args:
        model, batches, autocast, max_stored:
            As for [`Evaluator`].

    Example:

    ```python
    >>> accelerator = Accelerator()
    >>> evaluator = DistributedEvaluator(model.to(accelerator.device), batches, accelerator.autocast)
    >>> result = run_search(strategy, [dev_loss(evaluator), ParameterCost(model.config)])
    ```
    """

    @property
    def num_parts(self) -> int:
        return torch.distributed.get_world_size() if is_distributed() else 1

    def run_parts(
        self,
        parts: Sequence[Sequence[Block]],
        ordered: list[Architecture],
        batches: Sequence[Mapping[str, torch.Tensor]],
        progress: bool,
    ) -> list[list[BlockLosses]]:
        if not is_distributed():
            return [self.run_blocks(parts[0], ordered, batches, progress)]
        own: list[BlockLosses] | str
        try:
            own = self.run_blocks(parts[torch.distributed.get_rank()], ordered, batches, progress)
        except Exception as error:  # the others wait: they have to be told
            own = f"{type(error).__name__}: {error}"
        gathered: list[tuple[str, list[BlockLosses] | str]] = [None] * len(parts)
        torch.distributed.all_gather_object(gathered, (_digest(ordered, batches), own))
        if len({digest for digest, _ in gathered}) > 1:
            raise ValueError(
                "A `DistributedEvaluator` is given the same children and all dev batches by each process, and these were given"
                " different ones. Give each the whole list of batches, and have each propose the same children."
            )
        found = [item for _, item in gathered]
        errors = [item for item in found if isinstance(item, str)]
        if errors:
            raise SharedFailure(errors[0])
        return found


def _digest(ordered: Sequence[Architecture], batches: Sequence[Mapping[str, torch.Tensor]]) -> str:
    """A short hash of what a process was given; of a batch the shape and the sum of its tokens have to do."""
    tokens = [(tuple(batch["input_ids"].shape), int(batch["input_ids"].sum())) for batch in batches]
    return hashlib.sha256(repr((list(map(str, ordered)), tokens)).encode("utf-8")).hexdigest()


def from_first_process(value: T) -> T:
    """What the first process of a distributed run has; in a single process, `value`."""
    if not is_distributed():
        return value
    shared = [value]
    torch.distributed.broadcast_object_list(shared, src=0)
    return shared[0]


__all__ = [
    "BlockLosses",
    "DistributedEvaluator",
    "DividedEvaluator",
    "EvaluationStopped",
    "SharedFailure",
    "from_first_process",
]
