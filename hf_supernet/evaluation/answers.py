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
"""What children of a supernet that classifies sequences answer, and scores of it that do not depend on how sure they are of it."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ..architecture import Architecture
from .evaluator import Evaluator, is_distributed
from .trie import in_trie_order


_LOG_SCALES = (-7.0, 5.0)
"""The logarithm of what logits are multiplied by: from as good as equal answers to as good as certain ones."""


class AnswersEvaluator(Evaluator):
    r"""
    Scores the children of a supernet that classifies sequences by their answers on all rows, each common beginning computed once.

    Children that were trained on few rows are too sure of themselves, some more than others, and by their loss one that hardly
    tells the classes apart can come before one that does. [`area_under_roc`] and [`tempered_loss`] do not count that.

    Args:
        model ([`SupernetBertForSequenceClassification`]):
            The supernet, with one label of several a row.
        batches, autocast, max_stored:
            As for [`Evaluator`]; labels are class indices.

    Raises:
        ValueError: for a supernet of another kind.
    """

    def __init__(self, model: PreTrainedModel, *args, **kwargs):
        if not has_classes(model):
            raise ValueError(
                f"Answers are those of a supernet that classifies sequences, one label of several each; got"
                f" {type(model).__name__} with `problem_type` {model.config.problem_type!r} and"
                f" {model.config.num_labels} labels. Use `Evaluator`."
            )
        super().__init__(model, *args, **kwargs)
        self._last: tuple[list[Architecture], tuple[np.ndarray, np.ndarray]] | None = None

    def score(
        self,
        function: Callable[[np.ndarray, np.ndarray], float],
        architectures: Iterable[Architecture | str],
        progress: bool = False,
    ) -> dict[Architecture, float]:
        """
        A score of each architecture. Several scores of the same ones, one after the other, take one evaluation: where the weights
        change between them, make a new evaluator.

        Args:
            function (`Callable[[np.ndarray, np.ndarray], float]`):
                Of the logits, of shape `(rows, labels)`, and the labels, of shape `(rows,)`: [`area_under_roc`], [`tempered_loss`].
            architectures, progress:
                As for [`Evaluator.evaluate`].

        Returns:
            `dict[Architecture, float]`: in the order given. One process and several find the same, to rounding.
        """
        wanted = list(dict.fromkeys(self.model.search_space.check(architecture) for architecture in architectures))
        if not wanted:
            return {}
        ordered = in_trie_order(wanted)
        if self._last is None or self._last[0] != ordered:
            self._last = ordered, self._answers(ordered, progress)
        logits, labels = self._last[1]
        scores = {item: function(rows, labels) for item, rows in zip(ordered, logits, strict=True)}
        return {architecture: scores[architecture] for architecture in wanted}

    def _answers(self, ordered: list[Architecture], progress: bool) -> tuple[np.ndarray, np.ndarray]:
        """The logits, of shape `(children, rows, labels)`, and the labels, of shape `(rows,)`, of all processes."""
        logits, labels = [], []

        def take(of_batch: list[torch.Tensor], outputs: Iterator[ModelOutput]) -> None:
            logits.append(torch.stack([output.logits.double().cpu() for output in outputs]).numpy())
            labels.append(of_batch[0].cpu().numpy())

        self._walk(ordered, self.batches, take, progress)
        parts = [(logits, labels)]
        if is_distributed():
            parts = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, (logits, labels))
        every = [list(itertools.chain.from_iterable(part[kind] for part in parts)) for kind in (0, 1)]
        labelled = [row != -100 for row in every[1]]
        if not any(map(np.any, labelled)):
            raise ValueError("Nothing to evaluate on: `batches` is empty, or no batch has a label.")
        found = [
            (answers[:, rows], right[rows])
            for answers, right, rows in zip(*every, labelled, strict=True)
            if rows.any()
        ]
        return np.concatenate([answers for answers, _ in found], axis=1), np.concatenate([right for _, right in found])


def has_classes(model: PreTrainedModel) -> bool:
    """Whether a model gives each sequence one label of several: not a number, nor several labels, nor labels of tokens."""
    kind = model.config.problem_type
    one_of_several = kind == "single_label_classification" or (kind is None and model.config.num_labels > 1)
    return one_of_several and "SequenceClassification" in type(model).__name__ and not hasattr(model, "leaves")


def area_under_roc(logits: np.ndarray, labels: np.ndarray) -> float:
    """
    How often a row of a class is given more of it than a row of another class: 1 always, 0.5 by chance; the mean over classes. Neither
    the temperature nor the threshold of the answers counts.

    Args:
        logits (`np.ndarray` of shape `(rows, labels)`):
            The answers.
        labels (`np.ndarray` of shape `(rows,)`):
            The indices of the right ones; with at least two classes.

    Returns:
        `float`: NaN where a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    areas = []
    for index in np.unique(labels):
        others = np.delete(logits, index, axis=1)
        areas.append(roc_auc_score(labels == index, logits[:, index] - np.logaddexp.reduce(others, axis=1)))
    return float(np.mean(areas))


def tempered_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """
    The mean cross-entropy at the temperature at which it is least ([On Calibration of Modern Neural
    Networks](https://huggingface.co/papers/1706.04599)); that children are compared at a temperature of their own is ours.

    Args:
        logits (`np.ndarray` of shape `(rows, labels)`):
            The answers.
        labels (`np.ndarray` of shape `(rows,)`):
            The indices of the right ones.

    Returns:
        `float`: in nats per row, NaN where a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    rows = np.arange(len(labels))

    def loss(log_scale: float) -> float:
        return float(-log_softmax(np.exp(log_scale) * logits, axis=-1)[rows, labels].mean())

    # Convex in the scale, so that there is one minimum.
    return float(minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded", options={"xatol": 1e-6}).fun)


__all__ = ["AnswersEvaluator", "area_under_roc", "has_classes", "tempered_loss"]
