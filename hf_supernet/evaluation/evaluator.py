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

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from ..architecture import Architecture


class Evaluator:
    """
    Scores children by running their paths through the supernet.

    A population is walked in the order of its paths, as a trie is depth first: what two children have in common at
    their beginning runs once for each batch, and at most one state a layer is kept. The losses are those of evaluating
    each child by itself.

    Args:
        model ([`SupernetBertForMaskedLM`] or a supernet with another head):
            The supernet, read with its current weights at each call.
        batches (`Iterable[Mapping[str, torch.Tensor]]`):
            The dev data with labels, collated. It is walked once a call: pass a list, or a data loader without
            shuffling whose masks are fixed. In a distributed run each process passes its share.
        autocast (`Callable`, *optional*):
            Makes the context in which the model runs, such as `accelerator.autocast`.

    Raises:
        ValueError: where there is no batch, or none has a label.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Iterable[Mapping[str, torch.Tensor]],
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ):
        self.model = model
        self.batches = batches
        self.autocast = autocast

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
            `dict[Architecture, float]`: in the order given. Every process of a distributed run gets the same.
        """
        wanted = list(dict.fromkeys(self.model.search_space.check(architecture) for architecture in architectures))
        if not wanted:
            return {}
        ordered = sorted(wanted, key=lambda architecture: (architecture.hidden_size or 0, architecture.operators))
        device = self.model.device
        sums = torch.zeros(len(ordered) + 1, dtype=torch.float64, device=device)  # one loss each, then the labels
        was_training = self.model.training
        self.model.eval()
        try:
            # A data loader draws a seed from the global generator each time it is walked: evaluating leaves no trace.
            with torch.random.fork_rng(devices=[]), torch.no_grad(), self.autocast():
                for batch in tqdm(self.batches, desc="Evaluating children", disable=not progress, leave=False):
                    batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
                    labels = self._take_labels(batch)
                    sums[:-1] += self._batch_losses(batch, labels, ordered)
                    sums[-1] += (labels[0] != -100).sum()
        finally:
            self.model.train(was_training)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)
        if sums[-1] == 0:
            raise ValueError("Nothing to evaluate on: `batches` is empty, or no batch has a label.")
        losses = dict(zip(ordered, (sums[:-1] / sums[-1]).tolist(), strict=True))
        return {architecture: losses[architecture] for architecture in wanted}

    def _take_labels(self, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Takes the labels out of a batch: one tensor, or where an answer starts and where it ends."""
        names = self.model.label_arguments
        for name in names:
            if name not in batch:
                raise ValueError(f"A dev batch needs `{name}`; this one has {', '.join(batch)}.")
        return [batch.pop(name) for name in names]

    def _batch_losses(
        self, inputs: dict[str, torch.Tensor], labels: list[torch.Tensor], ordered: list[Architecture]
    ) -> torch.Tensor:
        """The summed loss of each architecture on one batch; `ordered` is sorted, so that equal prefixes are neighbours."""
        base_model = self.model.base_model
        states = []  # states[i] is what layer i reads
        options = {"prediction_positions": "labelled"} if hasattr(self.model, "cls") else {}
        losses = []
        previous = None
        for architecture in ordered:
            shared = 0 if previous is None else architecture.first_difference(previous)
            if previous is None or architecture.hidden_size != previous.hidden_size:
                start = base_model.embed(**inputs, hidden_size=architecture.hidden_size)
                states = [start.hidden_states]
            del states[shared + 1 :]
            state = start._replace(hidden_states=states[shared])
            states.extend(base_model.run_layers(state, architecture, start=shared))
            outputs = base_model.pool(states[-1])
            losses.append(self.model.apply_head(outputs, *labels, num_items_in_batch=1, **options).loss)
            previous = architecture
        return torch.stack(losses).double()
