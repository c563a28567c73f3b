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
"""Pareto fronts, hypervolume and knee of points that are to be minimised."""

import numpy as np
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting


def non_dominated(values: np.ndarray) -> np.ndarray:
    """
    The positions of the points that no other point beats in one objective without losing in another.

    Args:
        values (`np.ndarray` of shape `(number of points, number of objectives)`):
            Finite, to be minimised.

    Returns:
        `np.ndarray`: ascending. Of equal points all are there.
    """
    return np.sort(NonDominatedSorting().do(values, only_non_dominated_front=True))


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """
    The volume of what the points dominate, up to the reference point; pymoo's indicator.

    Args:
        values (`np.ndarray` of shape `(number of points, number of objectives)`):
            Finite, to be minimised. A point that is no better than the reference in one objective adds nothing.
        reference (`np.ndarray` of shape `(number of objectives,)`):
            The worst values that count.

    Returns:
        `float`: in the product of the objectives' units.
    """
    reference = np.asarray(reference, dtype=float)
    inside = values[(values < reference).all(axis=1)]
    return float(HV(ref_point=reference)(inside)) if len(inside) else 0.0


def hypervolume_history(values: np.ndarray, steps: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """
    The hypervolume of all points up to each step.

    Args:
        values (`np.ndarray` of shape `(number of points, number of objectives)`):
            To be minimised; rows with NaN do not count.
        steps (`np.ndarray` of shape `(number of points,)`):
            The step at which each point was found, ascending.
        reference (`np.ndarray` of shape `(number of objectives,)`):
            The worst values that count.

    Returns:
        `np.ndarray`: one value for each distinct step.
    """
    history, front = [], np.empty((0, values.shape[1]))
    for step in np.unique(steps):
        new = values[steps == step]
        front = np.concatenate([front, new[~np.isnan(new).any(axis=1)]])
        front = front[non_dominated(front)] if len(front) else front
        history.append(hypervolume(front, reference))
    return np.array(history)


def knee(front: np.ndarray) -> int:
    """
    The position of the knee of a front: the point that lies farthest below the plane through the front's extremes, with
    each objective scaled to 0 to 1 (Das, 1999, normal-boundary intersection). A straight front has none: the first of
    its points then.

    Args:
        front (`np.ndarray` of shape `(number of points, number of objectives)`):
            Non-dominated, to be minimised.
    """
    low, high = front.min(axis=0), front.max(axis=0)
    scaled = (front - low) / np.where(high > low, high - low, 1)
    # That plane is where the scaled objectives sum to one. Rounded, so that equal distances are equal.
    return int(np.argmin(scaled.sum(axis=1).round(9)))


__all__ = ["hypervolume", "hypervolume_history", "knee", "non_dominated"]
