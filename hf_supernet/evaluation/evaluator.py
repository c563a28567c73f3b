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
"""Scoring many children with the supernet's weights, each common beginning computed once."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from operator import attrgetter

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ..architecture import Architecture
from .trie import Visit, in_trie_order, plan_visits


class Evaluator:
    """
    Scores children by running their paths through the supernet.

    A population is walked as a trie, depth first: what two children have in common at their beginning runs once for
    each batch. States are stored where a later child branches off, at most one a layer; see [`plan_visits`]. The losses
    are those of evaluating each child by itself, to rounding. Where weights depend on the whole architecture (`mixture`), no
    two children have anything in common but the embeddings, and each is evaluated by itself.

    Args:
        model ([`SupernetBertForMaskedLM`], a supernet with another head, or a [`SplitSupernet`]):
            The supernet, read with its current weights at each call. Of a split one, each child is run by the leaf that serves it.
        batches (`Iterable[Mapping[str, torch.Tensor]]`):
            The dev data with labels, collated. It is walked once a call: pass a list, or a data loader without
            shuffling whose masks are fixed. In a distributed run each process passes its share.
        autocast (`Callable`, *optional*):
            Makes the context in which the model runs, such as `accelerator.autocast`.
        max_stored (`int`, *optional*):
            The most states to store at a time, each of shape `(batch_size, sequence_length, hidden_size)`, besides that
            of the embeddings and of the layer that runs. By default as many as save calls; none with a `mixture`.

    Raises:
        ValueError: where there is no batch, or none has a label.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Iterable[Mapping[str, torch.Tensor]],
        autocast: Callable[[], AbstractContextManager] = nullcontext,
        max_stored: int | None = None,
    ):
        self.model = model
        self.batches = batches
        self.autocast = autocast
        self.max_stored = max_stored if model.config.shares_prefixes else 0

    def evaluate(
        self, architectures: Iterable[Architecture | str], progress: bool = False
    ) -> dict[Architecture, float]:
        """
        The dev loss of each architecture, per label.

        Args:
            architectures (`Iterable[Architecture | str]`):
                Members of the search space; doubles are evaluated once.
            progress (`bool`, *optional*, defaults to `False`):
                Whether to show a progress bar over the batches.

        Returns:
            `dict[Architecture, float]`: in the order given. Every process of a distributed run gets the same, and, with
            the same batches and threads, what a single process gets, to the last bit.
        """
        wanted = list(dict.fromkeys(self.model.search_space.check(architecture) for architecture in architectures))
        if not wanted:
            return {}
        ordered = in_trie_order(wanted)
        means = dict(zip(ordered, mean_losses(*self._losses_of_all_processes(ordered, progress)), strict=True))
        return {architecture: means[architecture] for architecture in wanted}

    def _losses_of_all_processes(
        self, ordered: list[Architecture], progress: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As [`Evaluator.batch_losses`], with the batches of every process."""
        losses, labels = self.batch_losses(ordered, self.batches, progress)
        if not is_distributed():
            return losses, labels
        parts: list[torch.Tensor] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(parts, torch.cat([losses, labels[None]]).cpu())
        every = torch.cat(parts, dim=1)
        return every[:-1], every[-1]

    def batch_losses(
        self, ordered: list[Architecture], batches: Iterable[Mapping[str, torch.Tensor]], progress: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        The summed losses of children on each batch of this process, without a trace in model and random state.

        Args:
            ordered (`list[Architecture]`):
                Members of the search space, distinct and in the order of [`in_trie_order`].
            batches (`Iterable[Mapping[str, torch.Tensor]]`):
                As for [`Evaluator`], some or all of them.
            progress (`bool`, *optional*, defaults to `False`):
                Whether to show a progress bar over the batches.

        Returns:
            `tuple[torch.Tensor, torch.Tensor]`: the sums, of shape `(len(ordered), number of batches)`, and the number of
            labels in each batch; both in float64.
        """
        if hasattr(self.model, "leaves"):
            return self._batch_losses_of_leaves(ordered, batches, progress)
        device = self.model.device
        sums = [torch.zeros(len(ordered), 0, dtype=torch.float64, device=device)]
        labelled = [torch.zeros(0, dtype=torch.float64, device=device)]

        def take(labels: list[torch.Tensor], outputs: Iterator[ModelOutput]) -> None:
            # `map` lets go of each child's logits before the next child runs.
            sums.append(torch.stack(list(map(attrgetter("loss"), outputs))).double()[:, None])
            labelled.append((labels[0] != -100).sum()[None])

        self._walk(ordered, batches, take, progress)
        return torch.cat(sums, dim=1), torch.cat(labelled)

    def _walk(
        self,
        ordered: list[Architecture],
        batches: Iterable[Mapping[str, torch.Tensor]],
        take: Callable[[list[torch.Tensor], Iterator[ModelOutput]], None],
        progress: bool,
    ) -> None:
        """Hands `take` the labels of each batch and what the head says of it for one child after the other, in their order."""
        visits = plan_visits(ordered, self.max_stored)
        was_training = self.model.training
        self.model.eval()
        try:
            # A data loader draws a seed from the global generator each time it is walked: evaluating leaves no trace.
            with torch.random.fork_rng(devices=[]), torch.no_grad(), self.autocast():
                for batch in tqdm(batches, desc="Evaluating children", disable=not progress, leave=False):
                    batch = {name: tensor.to(self.model.device, non_blocking=True) for name, tensor in batch.items()}
                    labels = self._take_labels(batch)
                    take(labels, self._outputs_of_one(batch, labels, visits))
        finally:
            self.model.train(was_training)

    def _batch_losses_of_leaves(
        self, ordered: list[Architecture], batches: Iterable[Mapping[str, torch.Tensor]], progress: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `batch_losses`, for a split supernet: leaf after leaf, each with the children that it serves."""
        with torch.random.fork_rng(devices=[]):  # as there
            batches = list(batches)
        rows: dict[int, list[int]] = {}
        for row, architecture in enumerate(ordered):
            rows.setdefault(self.model.leaf_index(architecture), []).append(row)
        sums = torch.zeros(len(ordered), len(batches), dtype=torch.float64, device=self.model.device)
        for index, own in rows.items():
            evaluator = Evaluator(self.model.leaves[index], batches, self.autocast, self.max_stored)
            sums[own], labels = evaluator.batch_losses([ordered[row] for row in own], batches, progress)
        return sums, labels

    def _take_labels(self, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Takes the labels out of a batch: one tensor, or where an answer starts and where it ends."""
        names = self.model.label_arguments
        for name in names:
            if name not in batch:
                raise ValueError(f"A dev batch needs `{name}`; this one has {', '.join(batch)}.")
        return [batch.pop(name) for name in names]

    def _outputs_of_one(
        self, inputs: dict[str, torch.Tensor], labels: list[torch.Tensor], visits: list[Visit]
    ) -> Iterator[ModelOutput]:
        """What the head says of one batch for each child, with the summed loss."""
        base_model = self.model.base_model
        options = {"prediction_positions": "labelled"} if hasattr(self.model, "cls") else {}
        states: dict[int, torch.Tensor] = {}  # by depth: what the layer of that number reads
        embedded, hidden_size = None, None
        for architecture, start, stored in visits:
            if embedded is None or architecture.hidden_size != hidden_size:
                hidden_size = architecture.hidden_size
                embedded = base_model.embed(**inputs, hidden_size=hidden_size)
            current = states[start] if start else embedded.hidden_states
            states = {depth: states[depth] for depth in stored if depth <= start}
            layers = base_model.run_layers(embedded._replace(hidden_states=current), architecture, start=start)
            for depth, current in enumerate(layers, start=start + 1):
                if depth in stored:
                    states[depth] = current
            yield self.model.apply_head(base_model.pool(current), *labels, num_items_in_batch=1, **options)


def mean_losses(losses: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """
    The loss of each child, per label.

    The sums are the exact ones, rounded once: they depend neither on the order of the batches nor on who ran them.

    Args:
        losses, labels (`torch.Tensor`):
            As [`Evaluator.batch_losses`] returns them.

    Raises:
        ValueError: where there is no batch, or none has a label.
    """
    total = math.fsum(labels.tolist())
    if total == 0:
        raise ValueError("Nothing to evaluate on: `batches` is empty, or no batch has a label.")
    return [_exact_sum(row) / total for row in losses.tolist()]


def _exact_sum(values: list[float]) -> float:
    # `fsum` raises where there are infinities of both signs; a loss that is no number stays one.
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def is_distributed() -> bool:
    """Whether other processes take part."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
