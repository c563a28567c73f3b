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
"""What whole children take beyond the sum of their operators, fitted on children that were measured."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from .timing import LatencyMeasurement


_MIN_CHILDREN = 4
"""One more than there are coefficients."""
_TYPICAL_ERROR = 0.02
"""The relative error from which on a child counts as an outlier, measured while the machine was busy."""


class FittedChild(NamedTuple):
    """
    A child that a fit rests on.

    Args:
        measured ([`LatencyMeasurement`]):
            The whole child.
        predicted (`float`):
            What the fitted table says of it, in seconds.
    """

    measured: LatencyMeasurement
    predicted: float

    @property
    def error(self) -> float:
        """The relative error of the prediction, the residual of the fit: positive where too much was predicted."""
        return self.predicted / self.measured.median - 1


class ChildSums(NamedTuple):
    """
    What a table knows of a child, and what was measured.

    Args:
        operators (`float`): The sum of its operators, in seconds.
        depth (`int`): The number of layers that are no identity.
        measured ([`LatencyMeasurement`]): The whole child.
    """

    operators: float
    depth: int
    measured: LatencyMeasurement


@dataclass(frozen=True)
class LatencyOverhead:
    """
    A whole child takes `base + constant + factor * sum of its operators + per_layer * its depth`. It is a sum over the
    layers still, so that architectures within a limit can be drawn.

    Args:
        constant (`float`): Seconds.
        factor (`float`): How many times as long an operator takes among others as in a stack of its like.
        per_layer (`float`): Seconds for each layer that is no identity.
        children (`dict[str, FittedChild]`): What it was fitted on, by the compact form.
    """

    constant: float
    factor: float
    per_layer: float
    children: dict[str, FittedChild]

    @property
    def median_error(self) -> float:
        """The median of the residuals' absolute values, relative. Of the children of the fit, not of new ones."""
        return statistics.median(abs(child.error) for child in self.children.values())

    @classmethod
    def fit(cls, base: float, children: Mapping[str, ChildSums]) -> "LatencyOverhead":
        """
        Fits relative errors by SciPy's least squares with the loss `soft_l1`, so that a child that was measured in a
        busy moment counts little.

        No layer may have a negative cost. Where all children have one depth, `per_layer` cannot be told from `constant`
        and is 0.

        Args:
            base (`float`):
                What all children have in common, in seconds.
            children (`dict[str, ChildSums]`):
                By the compact form.

        Raises:
            ValueError: for fewer than four children.
        """
        check_num_children(len(children))
        operators = np.array([child.operators for child in children.values()])
        depths = np.array([child.depth for child in children.values()])
        measured = np.array([child.measured.median for child in children.values()])
        unit = float(np.median(measured))  # makes all coefficients of the order of one, as the factor is
        columns = [np.full(len(measured), unit), operators, depths * unit / len(depths)]
        if len(set(depths.tolist())) == 1:
            columns.pop()
        features = np.stack(columns, axis=1)
        found = least_squares(
            # Logarithms: half and twice as long are equally wrong.
            lambda coefficients: np.log(np.maximum(base + features @ coefficients, 1e-12) / measured),
            x0=[0.0, 1.0, 0.0][: len(columns)],
            bounds=([-base / unit - 1e-12, 0.0, 0.0][: len(columns)], np.inf),
            loss="soft_l1",
            f_scale=_TYPICAL_ERROR,
            **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-12),
        ).x.tolist()
        constant, factor = max(found[0] * unit, -base), found[1]
        per_layer = found[2] * unit / len(depths) if len(found) == 3 else 0.0
        predicted = base + constant + factor * operators + per_layer * depths
        fitted = {
            name: FittedChild(child.measured, round(float(seconds), 9))
            for (name, child), seconds in zip(children.items(), predicted, strict=True)
        }
        return cls(constant, factor, per_layer, fitted)

    def to_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        children = {
            name: {**vars(child.measured), "predicted": child.predicted, "error": child.error}
            for name, child in self.children.items()
        }
        return {**vars(self), "median_error": self.median_error, "children": children}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LatencyOverhead":
        """What [`LatencyOverhead.to_dict`] wrote."""
        children = {
            name: FittedChild(LatencyMeasurement(child["median"], child["iqr"], child["samples"]), child["predicted"])
            for name, child in values["children"].items()
        }
        return cls(values["constant"], values["factor"], values["per_layer"], children)


def check_num_children(number: int) -> None:
    """Raises a `ValueError` for fewer children than a fit needs."""
    if number < _MIN_CHILDREN:
        raise ValueError(f"An overhead is fitted on {_MIN_CHILDREN} distinct children or more, got {number}.")


__all__ = ["ChildSums", "FittedChild", "LatencyOverhead", "check_num_children"]
