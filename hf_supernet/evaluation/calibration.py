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
"""
Correcting what a supernet says of its children, by a few of them that were trained alone.

A supernet trained on one path a step makes little of depth: one operator more lowers its losses by less than it lowers those of
children trained alone, and by how much less depends on the kind of the operator. This part of its error is the same for all
children with the same operators in any order, so that a handful of children trained alone shows it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV

from ..architecture import Architecture


if TYPE_CHECKING:
    from ..search.objectives import SupportsEvaluate


_ALPHAS = np.logspace(-1, 3, 17)
"""How strongly worths are drawn to 0: chosen by leaving one child out after the other."""


class Calibration:
    """
    What a few children trained alone say of a supernet's losses.

    The difference between a child's loss alone and its loss through the supernet is fitted by ridge regression on how often each
    operator is in it, wherever that is. Where operators explain nothing, it changes little of the supernet's ranking; with few
    children it can also make a pick worse that was good before. It is ours, found with the benchmark in `examples/ranking`, whose
    README says what it is worth there.

    Args:
        architectures (`Sequence[Architecture]` of length `num_children`, at least 3):
            The children that were trained alone; [`choose_children`] says which to take.
        scores (`Sequence[float]` of length `num_children`):
            Their losses through the supernet.
        losses (`Sequence[float]` of length `num_children`):
            Their losses alone, on the same text.

    Attributes:
        worths (`dict[str, float]`):
            By operator in the compact form, what one of it adds to the loss alone that it does not add through the
            supernet; `identity` counts as none. Negative: the supernet makes too little of the operator.

    Raises:
        ValueError: for fewer than 3 children, lists of unlike lengths, numbers that are not finite, and children of several hidden
            sizes or numbers of layers.

    Example:

    ```python
    >>> import random

    >>> from hf_supernet import Architecture
    >>> from hf_supernet.evaluation.calibration import Calibration, choose_children

    >>> children = [Architecture.from_string(path) for path in ("A4-A4-I", "A4-I-I", "F64-A4-I", "F64-F64-A4")]
    >>> through_supernet, alone = [3.0, 3.1, 3.0, 2.9], [2.9, 3.1, 2.8, 2.5]
    >>> calibration = Calibration(children, through_supernet, alone)
    >>> corrected = calibration.predict(children, through_supernet)  # lower is better, as before
    ```
    """

    def __init__(self, architectures: Sequence[Architecture], scores: Sequence[float], losses: Sequence[float]):
        check_number(len(architectures))
        scores, losses = _checked(architectures, scores=scores, losses=losses)
        self._hidden_size = architectures[0].hidden_size
        self._num_layers = len(architectures[0])
        self._check_shape(architectures)
        self._operators = sorted({code for item in architectures for code in _codes(item)})
        counts = self._counts(architectures)
        if self._operators:
            self._model = RidgeCV(alphas=_ALPHAS).fit(counts, losses - scores)
            self.worths = dict(zip(self._operators, map(float, self._model.coef_), strict=True))
        else:
            self._model = DummyRegressor().fit(counts, losses - scores)
            self.worths = {}

    def predict(self, architectures: Sequence[Architecture], scores: Sequence[float]) -> np.ndarray:
        """
        The losses that children would have alone, as far as it can be said: good for ranking them.

        Args:
            architectures (`Sequence[Architecture]` of length `num_children`):
                Any children of the supernet. An operator that none of those trained alone has is worth what the supernet says.
            scores (`Sequence[float]` of length `num_children`):
                Their losses through the supernet.

        Returns:
            `np.ndarray` of shape `(num_children,)`.

        Raises:
            ValueError: as for the class.
        """
        (scores,) = _checked(architectures, scores=scores)
        self._check_shape(architectures)
        return scores + self._model.predict(self._counts(architectures))

    def _counts(self, architectures: Sequence[Architecture]) -> np.ndarray:
        return operator_counts(architectures, self._operators)

    def _check_shape(self, architectures: Sequence[Architecture]) -> None:
        for item in architectures:
            if item.hidden_size != self._hidden_size:
                raise ValueError(
                    f"A calibration is for children of one hidden size, and {item} has {item.hidden_size}, the first of those"
                    f" trained alone {self._hidden_size}: make one for each."
                )
            if len(item) != self._num_layers:
                raise ValueError(
                    f"A calibration is for children of one supernet, and {item} has {len(item)} layers, the first of those"
                    f" trained alone {self._num_layers}."
                )


class CalibratedEvaluator:
    """
    Judges children by their calibrated losses, for a search: `dev_loss(CalibratedEvaluator(evaluator, calibration))`.

    Args:
        evaluator ([`Evaluator`]):
            Gives the losses through the supernet.
        calibration ([`Calibration`]):
            Corrects them.
    """

    def __init__(self, evaluator: "SupportsEvaluate", calibration: Calibration):
        self.evaluator = evaluator
        self.calibration = calibration

    def evaluate(self, architectures: Sequence[Architecture]) -> dict[Architecture, float]:
        """
        The losses of children as they would be alone, as far as it can be said, in nats per label. What is not finite
        through the supernet stays as it is, a failure of that child and not of all.
        """
        scores = dict(self.evaluator.evaluate(list(dict.fromkeys(architectures))))
        finite = [item for item, score in scores.items() if math.isfinite(score)]
        if finite:
            corrected = self.calibration.predict(finite, [scores[item] for item in finite])
            scores.update(zip(finite, map(float, corrected), strict=True))
        return scores


def check_number(num_children: int) -> None:
    """
    Checks that there are enough children for a [`Calibration`].

    Raises:
        ValueError: for fewer than 3.
    """
    if num_children < 3:
        raise ValueError(f"A calibration needs 3 children trained alone, better 6 or more; got {num_children}.")


def choose_children(candidates: Sequence[Architecture], number: int, seed: int = 0) -> list[Architecture]:
    """
    Which children to train alone for a [`Calibration`]: those that tell most of what each operator is worth.

    One after the other, the child is taken whose numbers of operators are known least well from those taken before (a D-optimal
    design, built greedily), so that children of many and of few operators of each kind come out.

    Args:
        candidates (`Sequence[Architecture]`):
            What to choose from: some fifty from `SearchSpace.sample`, as in the benchmark; the more there are, the more extreme are those chosen.
        number (`int`):
            How many.
        seed (`int`, *optional*, defaults to 0):
            Decides between candidates that are equally good.

    Returns:
        `list[Architecture]` of length `number`, the most telling first.

    Raises:
        ValueError: for fewer candidates, each counted once, than `number`, or a number below 1.
    """
    candidates = list(dict.fromkeys(candidates))
    if not 1 <= number <= len(candidates):
        raise ValueError(
            f"`number` must be from 1 to the number of different candidates, {len(candidates)}; got {number}."
        )
    order = np.random.default_rng(seed).permutation(len(candidates))
    candidates = [candidates[index] for index in order]
    names = sorted({code for item in candidates for code in _codes(item)})
    design = np.column_stack([np.ones(len(candidates)), operator_counts(candidates, names)])
    # a little is known from the start, or nothing could be inverted
    uncertainty = np.linalg.inv(1e-3 * np.eye(design.shape[1]))
    chosen: list[int] = []
    for _ in range(number):
        unknown = np.einsum("ij,jk,ik->i", design, uncertainty, design)
        unknown[chosen] = -np.inf
        chosen.append(int(np.argmax(unknown)))
        told = uncertainty @ design[chosen[-1]]
        uncertainty -= np.outer(told, told) / (1 + design[chosen[-1]] @ told)
    return [candidates[index] for index in chosen]


def operator_counts(architectures: Sequence[Architecture], operators: Sequence[str]) -> np.ndarray:
    """
    How often each operator is in each child.

    Args:
        architectures (`Sequence[Architecture]` of length `num_children`):
            The children.
        operators (`Sequence[str]`):
            Operators in the compact form, such as `["A4", "F512"]`.

    Returns:
        `np.ndarray` of shape `(num_children, len(operators))`.
    """
    counts = [Counter(_codes(item)) for item in architectures]
    return np.array([[count[name] for name in operators] for count in counts], dtype=float).reshape(len(counts), -1)


def _codes(architecture: Architecture) -> list[str]:
    return [operator.code for operator in architecture if operator.kind != "identity"]


def _checked(architectures: Sequence[Architecture], **lists: Sequence[float]) -> list[np.ndarray]:
    found = []
    for name, values in lists.items():
        values = np.asarray(values, dtype=float)
        if values.shape != (len(architectures),):
            raise ValueError(
                f"`{name}` must have one number for each of the {len(architectures)} children, got shape {values.shape}."
            )
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"`{name}` has {values[index]} for {architectures[index]}: leave such children out.")
        found.append(values)
    return found


__all__ = ["CalibratedEvaluator", "Calibration", "check_number", "choose_children", "operator_counts"]
