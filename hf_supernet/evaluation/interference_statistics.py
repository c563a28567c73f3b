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
What the rows of [`analyze_interference`] say, with intervals for other supernets, other pairs of children, other batches.

The three are crossed: all pairs meet all batches in all supernets. They are drawn anew one independently of the other, a
row counting as often as its supernet, its pair and its batch were drawn together ("The pigeonhole bootstrap", Owen, Annals
of Applied Statistics 2007). A unit that there is one of, such as a single supernet, adds nothing to an interval: it then
says nothing of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


UNITS = ("supernet", "pair", "batch")
"""The columns whose values are drawn anew, those of them that the rows have."""

SIMILARITY = "gradient_similarity"


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"


@dataclass(frozen=True)
class Trend:
    """
    How gradient similarity goes with something else.

    Attributes:
        slope (`Interval`):
            Of the straight line of least squares: change of similarity for a change of one.
        correlation (`Interval`):
            Spearman's rank correlation.
    """

    slope: Interval
    correlation: Interval


def mean_similarity(rows: pd.DataFrame, by: str | Sequence[str], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """
    Gradient similarity by groups.

    Args:
        rows (`pandas.DataFrame`):
            From [`analyze_interference`], of one supernet, or of several with a column `supernet`.
        by (`str` or `Sequence[str]`):
            The columns that make the groups.
        resamples (`int`, *optional*, defaults to 1000):
            Times that supernets, pairs and batches are drawn.
        seed (`int`, *optional*, defaults to 0):
            Of these draws.

    Returns:
        `pandas.DataFrame`: a row for each group: the columns of `by`, `mean`, and the 95 % interval as `low` and `high`.
    """
    _check(rows)
    by = [by] if isinstance(by, str) else list(by)
    weights = _weights(rows, resamples, seed)
    found = []
    for key, indices in rows.groupby(by).indices.items():
        values = rows[SIMILARITY].to_numpy()[indices]
        with np.errstate(invalid="ignore"):  # a draw without any row of the group says nothing of it
            means = weights[:, indices] @ values / weights[:, indices].sum(axis=1)
        low, high = np.nanpercentile(means, [2.5, 97.5])
        keys = key if isinstance(key, tuple) else (key,)
        found.append({**dict(zip(by, keys, strict=True)), "mean": values.mean(), "low": low, "high": high})
    return pd.DataFrame(found)


def similarity_trend(
    rows: pd.DataFrame,
    of: str,
    within: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> Trend:
    """
    How gradient similarity goes with another column.

    Args:
        rows, resamples, seed:
            As for [`mean_similarity`].
        of (`str`):
            The other column: `"distance"`, `"input_similarity"` or `"output_similarity"`.
        within (`Sequence[str]`, *optional*):
            Columns that make groups, such as `["layer", "operator"]`: only differences within groups count, so that a
            trend is not that of layers which differ in both.

    Returns:
        [`Trend`]: 0.0 where one of the two columns does not vary.

    Raises:
        ValueError: for no rows, and a column that is not there.
    """
    _check(rows, of, *within)
    groups = rows.groupby(list(within)).ngroup().to_numpy() if within else np.zeros(len(rows), dtype=int)
    x, y = (rows[column].to_numpy(dtype=float) for column in (of, SIMILARITY))
    ranks = [_ranks_within(values, groups) for values in (x, y)]
    drawn = _weights(rows, resamples, seed)
    all_weights = np.concatenate([np.ones((1, len(rows))), drawn])
    slopes = np.array([_covariances(x, y, groups, weights, slope=True) for weights in all_weights])
    correlations = np.array([_covariances(*ranks, groups, weights, slope=False) for weights in all_weights])
    return Trend(_interval(slopes), _interval(correlations))


def _check(rows: pd.DataFrame, *columns: str) -> None:
    if rows.empty:
        raise ValueError("There are no rows: no pair of children shared an operator with weights.")
    if missing := [column for column in columns if column not in rows]:
        raise ValueError(f"The rows have no column {missing[0]!r}; they have {', '.join(rows)}.")


def _weights(rows: pd.DataFrame, resamples: int, seed: int) -> np.ndarray:
    """How often each row counts, of shape `(resamples, number of rows)`."""
    generator = np.random.default_rng(seed)
    weights = np.ones((resamples, len(rows)))
    for unit in UNITS:
        if unit in rows:
            codes, found = pd.factorize(rows[unit])
            number = len(found)
            weights *= generator.multinomial(number, np.full(number, 1 / number), size=resamples)[:, codes]
    return weights[weights.any(axis=1)]  # a draw in which no pair meets a batch says nothing


def _ranks_within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Ranks within each group, as shares of it."""
    ranks = np.empty(len(values))
    for group in np.unique(groups):
        here = groups == group
        ranks[here] = stats.rankdata(values[here]) / here.sum()
    return ranks


def _covariances(x: np.ndarray, y: np.ndarray, groups: np.ndarray, weights: np.ndarray, slope: bool) -> float:
    """The slope, or the correlation, of what is left when each group's mean is taken away."""
    totals = np.bincount(groups, weights)
    totals[totals == 0] = 1
    x, y = (values - (np.bincount(groups, weights * values) / totals)[groups] for values in (x, y))
    xy, xx, yy = ((weights * product).sum() for product in (x * y, x * x, y * y))
    scale = xx if slope else np.sqrt(xx * yy)
    return float(xy / scale) if scale > 1e-12 else 0.0


def _interval(values: np.ndarray) -> Interval:
    """The first value is that of the rows as they are."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))


__all__ = ["Interval", "Trend", "mean_similarity", "similarity_trend"]
