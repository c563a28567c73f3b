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

All figures are means over the supernets of a method, which differ in their seeds. Three sources of chance are counted, as by
[`~hf_supernet.evaluation.ranking`]: supernets, by the variance between them; pairs of children, and batches, each by the
variance when they are drawn anew (bootstrap; the same draw for all supernets, since all met the same ones), which n units
make too small by (n - 1) / n and which is set right for that. The variances are added, and the interval is Student's, with
Welch and Satterthwaite's degrees of freedom, n - 1 for each source; it is never narrower than for one of the sources alone.
A source of which there is one, such as a single supernet, adds nothing: the interval then says nothing of others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from .intervals import freedom_of_sum


UNITS = ("pair", "batch")
"""The columns whose values are drawn anew."""

SIMILARITY = "gradient_similarity"
"""The column that all is about."""

CONFIDENCE = 0.95

MIN_UNITS = 3
"""Fewer pairs, or batches, of a group are no sample: of two, an interval is wider than the range of a cosine."""

_Weighted = Callable[[np.ndarray], np.ndarray]
"""A statistic of one supernet's rows, given how often each counts: `(draws, rows)` to `(draws,)`."""


@dataclass(frozen=True)
class Interval:
    """
    A figure and its 95 % interval. In a text, `f"{interval}"` is `0.903 ± 0.012`, and `f"{interval:+}"` has a sign.

    Attributes:
        value (`float`):
            The mean over supernets.
        half (`float`):
            Half of the interval's width; NaN where nothing can be said.
        by_supernet (`tuple[float, ...]`):
            What `value` is the mean of; of a difference that is not paired, empty.
    """

    value: float
    half: float
    by_supernet: tuple[float, ...] = ()

    @property
    def low(self) -> float:
        return self.value - self.half

    @property
    def high(self) -> float:
        return self.value + self.half

    def __str__(self) -> str:
        return format(self, "")

    def __format__(self, sign: str) -> str:
        if np.isnan(self.half):
            return f"{self.value:{sign}.3f}"
        digits = 3 if self.half == 0 else int(np.clip(1 - np.floor(np.log10(self.half)), 0, 6))
        return f"{self.value:{sign}.{digits}f} ± {self.half:.{digits}f}"


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


def mean_interval(rows: pd.DataFrame, of: str = SIMILARITY, resamples: int = 1000, seed: int = 0) -> Interval:
    """
    The mean of a similarity.

    Args:
        rows (`pandas.DataFrame`):
            From [`analyze_interference`], of one supernet, or of several of one method with a column `supernet`.
        of (`str`, *optional*, defaults to `"gradient_similarity"`):
            The column.
        resamples (`int`, *optional*, defaults to 1000):
            Times that pairs, and batches, are drawn.
        seed (`int`, *optional*, defaults to 0):
            Of these draws.

    Returns:
        [`Interval`]

    Raises:
        ValueError: for no rows, and a column that is not there.
    """
    _check(rows, of)
    return _estimate([rows], lambda part: _mean(part, of), resamples, seed)


def mean_difference(
    rows: pd.DataFrame, others: pd.DataFrame, of: str = SIMILARITY, resamples: int = 1000, seed: int = 0
) -> Interval:
    """
    How much higher the mean of a similarity is in one method's rows than in another's, which met the same pairs and batches.

    Args:
        rows, others (`pandas.DataFrame`):
            As for [`mean_interval`]. Where both have as many supernets, they are paired by their number: those of one
            number are meant to share a seed. Otherwise the variances between the supernets of both sides are added.
        of, resamples, seed:
            As for [`mean_interval`].

    Returns:
        [`Interval`]: positive where `rows` are more alike.

    Raises:
        ValueError: as by [`mean_interval`].
    """
    for side in (rows, others):
        _check(side, of)
    return _estimate([rows, others], lambda part: _mean(part, of), resamples, seed)


def mean_similarity(rows: pd.DataFrame, by: str | Sequence[str], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """
    Gradient similarity by groups.

    Args:
        rows, resamples, seed:
            As for [`mean_interval`].
        by (`str` or `Sequence[str]`):
            The columns that make the groups.

    Returns:
        `pandas.DataFrame`: a row for each group: the columns of `by`, `mean`, `half` of the 95 % interval's width, where it
        is as `low` and `high`, which end where cosines do, and `pairs`, the number of pairs. The interval is NaN where a
        group has fewer than `MIN_UNITS` pairs, but the rows have more than the group, or so with batches.

    Raises:
        ValueError: for no rows, and a column that is not there.
    """
    by = [by] if isinstance(by, str) else list(by)
    _check(rows, *by)
    units = [unit for unit in UNITS if unit in rows and unit not in by]
    found = []
    for key, part in rows.groupby(by):
        mean = mean_interval(part, SIMILARITY, resamples, seed)
        few = any(part[unit].nunique() < min(MIN_UNITS, rows[unit].nunique()) for unit in units)
        half = np.nan if few else mean.half
        low, high = np.clip([mean.value - half, mean.value + half], -1, 1)
        pairs = part["pair"].nunique() if "pair" in part else 1
        keys = dict(zip(by, key, strict=True))
        found.append({**keys, "mean": mean.value, "half": half, "low": low, "high": high, "pairs": pairs})
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
            As for [`mean_interval`].
        of (`str`):
            The other column: `"distance"`, `"input_similarity"` or `"output_similarity"`.
        within (`Sequence[str]`, *optional*):
            Columns that make groups, such as `["layer", "operator"]`: only differences within groups count, so that a
            trend is not that of layers which differ in both.

    Returns:
        [`Trend`]: the mean of the supernets' trends; 0.0 where one of the two columns does not vary.

    Raises:
        ValueError: for no rows, and a column that is not there.
    """
    _check(rows, of, *within)
    slope, correlation = (
        _estimate([rows], lambda part, ranked=ranked: _trend(part, of, within, ranked), resamples, seed)
        for ranked in (False, True)
    )
    return Trend(slope, correlation)


def _check(rows: pd.DataFrame, *columns: str) -> None:
    if rows.empty:
        raise ValueError("There are no rows: no pair of children shared an operator with weights.")
    if missing := [column for column in columns if column not in rows]:
        raise ValueError(f"The rows have no column {missing[0]!r}; they have {', '.join(rows)}.")


def _estimate(
    sides: Sequence[pd.DataFrame], statistic: Callable[[pd.DataFrame], _Weighted], resamples: int, seed: int
) -> Interval:
    """The mean of a statistic over supernets; where there are two sides, the first's less the second's."""
    parts = [[part for _, part in side.groupby("supernet")] if "supernet" in side else [side] for side in sides]
    weighted = [[statistic(part) for part in own] for own in parts]
    by_seed = [
        np.array([function(np.ones((1, len(part))))[0] for function, part in zip(functions, own, strict=True)])
        for functions, own in zip(weighted, parts, strict=True)
    ]
    paired = len({len(sample) for sample in by_seed}) == 1
    samples = [_less(by_seed)] if paired else by_seed
    components = [(_variance(sample), len(sample) - 1) for sample in samples if len(sample) > 1]
    generator = np.random.default_rng(seed)
    for unit in UNITS:
        known = pd.unique(pd.concat([side[unit] for side in sides])) if unit in sides[0] else []
        if (number := len(known)) < 2:
            continue
        counts = generator.multinomial(number, np.full(number, 1 / number), size=resamples)
        drawn = []
        for functions, own in zip(weighted, parts, strict=True):
            codes = [pd.Index(known).get_indexer(part[unit]) for part in own]
            values = [function(counts[:, code]) for function, code in zip(functions, codes, strict=True)]
            drawn.append(np.mean(values, axis=0))
        # a draw without any row that counts says nothing
        components.append((np.nanvar(_less(drawn), ddof=1) * number / (number - 1), number - 1))
    value = float(_less([own.mean() for own in by_seed]))
    return Interval(value, _half(components), tuple(map(float, samples[0])) if paired else ())


def _less(sides: Sequence[np.ndarray]) -> np.ndarray:
    return sides[0] - sides[1] if len(sides) == 2 else sides[0]


def _variance(values: Sequence[float]) -> float:
    """Of the mean of values."""
    return float(np.var(values, ddof=1)) / len(values)


def _half(components: Sequence[tuple[float, int]]) -> float:
    """Half of Student's interval, for variances with their degrees of freedom whose sum is the estimate's."""
    components = [(variance, freedom) for variance, freedom in components if variance > 1e-24]  # not rounding
    if not components:
        return 0.0
    sums = [(sum(variance for variance, _ in components), freedom_of_sum(components))]
    # Few degrees of freedom and then some more, but hardly more variance, would make it narrower than before.
    return max(
        float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance))
        for variance, freedom in sums + components
    )


def _mean(part: pd.DataFrame, of: str) -> _Weighted:
    values = part[of].to_numpy(dtype=float)

    def weighted(weights: np.ndarray) -> np.ndarray:
        totals = weights.sum(axis=1).astype(float)
        return np.divide(weights @ values, totals, out=np.full(len(weights), np.nan), where=totals > 0)

    return weighted


def _trend(part: pd.DataFrame, of: str, within: Sequence[str], ranked: bool) -> _Weighted:
    """The slope, or between ranks the correlation, of what is left when each group's mean is taken away."""
    groups = part.groupby(list(within)).ngroup().to_numpy() if within else np.zeros(len(part), dtype=int)
    x, y = (part[column].to_numpy(dtype=float) for column in (of, SIMILARITY))
    if ranked:
        x, y = (_ranks_within(values, groups) for values in (x, y))
    sizes = np.bincount(groups)
    x, y = (values - (np.bincount(groups, values) / sizes)[groups] for values in (x, y))
    members = np.eye(len(sizes))[groups]

    def weighted(weights: np.ndarray) -> np.ndarray:
        totals = np.maximum(weights @ members, 1)
        sums = {name: weights @ (members * values[:, None]) for name, values in (("x", x), ("y", y))}
        xy = weights @ (x * y) - (sums["x"] * sums["y"] / totals).sum(axis=1)
        xx = weights @ (x * x) - (sums["x"] ** 2 / totals).sum(axis=1)
        yy = weights @ (y * y) - (sums["y"] ** 2 / totals).sum(axis=1)
        scale = np.sqrt(np.maximum(xx * yy, 0)) if ranked else xx
        return np.divide(xy, scale, out=np.zeros(len(weights)), where=scale > 1e-20)

    return weighted


def _ranks_within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Ranks within each group, as shares of it."""
    ranks = np.empty(len(values))
    for group in np.unique(groups):
        here = groups == group
        ranks[here] = stats.rankdata(values[here]) / here.sum()
    return ranks


__all__ = [
    "SIMILARITY",
    "Interval",
    "Trend",
    "mean_difference",
    "mean_interval",
    "mean_similarity",
    "similarity_trend",
]
