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
"""A vectorised NSGA-II, for candidates that cost nothing: pymoo takes milliseconds for each, more than predicting it."""

from collections.abc import Callable

import numpy as np
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from .encoding import PathEncoding


_CROWDING = get_crowding_function("cd")
_SORTING = NonDominatedSorting()


def best_first(values: np.ndarray, violations: np.ndarray, count: int) -> np.ndarray:
    """
    The survivors of NSGA-II, the best first: those within the constraints before the others, by the fronts they are in,
    within a front those with the most room around them; outside the constraints, by what they miss.

    Args:
        values (`np.ndarray` of shape `(number of candidates, number of objectives)`):
            Finite, to be minimised.
        violations (`np.ndarray` of shape `(number of candidates,)`):
            0 within the constraints.
        count (`int`):
            How many survive, at most.

    Returns:
        `np.ndarray`: their positions.
    """
    inside, outside = np.flatnonzero(violations == 0), np.flatnonzero(violations > 0)
    outside = outside[np.argsort(violations[outside], kind="stable")]
    return np.concatenate([inside[_by_fronts(values[inside], count)], outside])[:count]


def _by_fronts(values: np.ndarray, count: int) -> np.ndarray:
    if values.shape[1] == 1:
        return np.argsort(values[:, 0], kind="stable")[:count]
    chosen = [np.empty(0, dtype=np.int64)]
    for front in _SORTING.do(values, n_stop_if_ranked=count):
        crowding = _CROWDING.do(values[front])
        chosen.append(front[np.argsort(-crowding, kind="stable")])
    return np.concatenate(chosen)[:count]


def evolve(
    encoding: PathEncoding,
    predict: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    generator: np.random.Generator,
    population_size: int = 200,
    generations: int = 50,
    mutation_probability: float = 0.1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Runs NSGA-II over rows of a [`PathEncoding`]: parents by binary tournament, crossed layer by layer and mutated,
    constraints by constraint domination.

    Args:
        encoding ([`PathEncoding`]):
            The space with its constraints.
        predict (`Callable[[np.ndarray], np.ndarray]`):
            The objectives of rows, an array of shape `(number of rows, number of objectives)`, to be minimised.
        start (`np.ndarray` of shape `(number of rows, number of layers)`):
            The first population, at least one row.
        generator (`numpy.random.Generator`):
            The source of all draws.
        population_size (`int`, *optional*, defaults to 200):
            The number of survivors, and of children in a generation.
        generations (`int`, *optional*, defaults to 50):
            How many generations.
        mutation_probability (`float`, *optional*, defaults to 0.1):
            The share of a child's layers that change; one at least.

    Returns:
        `tuple[np.ndarray, np.ndarray, np.ndarray]`: all distinct rows that came up, their objectives and violations.
        [`best_first`] of them is the last population.
    """
    rows = np.unique(start, axis=0)
    values, violations = predict(rows), encoding.violations(rows)
    seen = [(rows, values, violations)]
    for _ in range(generations):
        order = best_first(values, violations, population_size)
        rows, values, violations = rows[order], values[order], violations[order]
        # The better of two is the one that stands first.
        parents = generator.integers(len(rows), size=(2, 2, population_size)).min(axis=1)
        children = encoding.cross(rows[parents[0]], rows[parents[1]], generator)
        children = np.unique(encoding.mutate(children, mutation_probability, generator), axis=0)
        found = (children, predict(children), encoding.violations(children))
        seen.append(found)
        merged = [np.concatenate(pair) for pair in zip((rows, values, violations), found, strict=True)]
        _, distinct = np.unique(merged[0], axis=0, return_index=True)
        rows, values, violations = (array[np.sort(distinct)] for array in merged)
    rows, values, violations = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
    _, distinct = np.unique(rows, axis=0, return_index=True)
    return rows[distinct], values[distinct], violations[distinct]


__all__ = ["best_first", "evolve"]
