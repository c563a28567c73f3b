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
Intervals for what was run with few seeds on some of many children, and what differences such runs can show.

Both sources of chance are counted. Runs with few seeds: the variance between them divided by their number, with Student's t.
Children: the variance of the mean over seeds when children are drawn anew (bootstrap, the same children for all seeds, since
all seeds ranked the same ones). The interval is Student's of the sum of the two variances, with Welch and Satterthwaite's
degrees of freedom.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class Estimate:
    """
    A mean and its interval.

    Attributes:
        mean (`float`):
            Over seeds, on the children at hand.
        low, high (`float`):
            The interval; both `nan` where nothing is known of the error, because other draws of the children give the same.
        error_of_seeds, error_of_children (`float`):
            Standard errors of the mean: if other seeds were run, and if other children were drawn. The first is 0.0 for
            what has no seeds.
        by_seed (`tuple[float, ...]`):
            What the mean is of.
    """

    mean: float
    low: float
    high: float
    error_of_seeds: float
    error_of_children: float
    by_seed: tuple[float, ...]

    @property
    def has_interval(self) -> bool:
        """Whether anything is known of the error."""
        return not np.isnan(self.low)

    @property
    def spread_of_seeds(self) -> float:
        """The standard deviation over seeds; `nan` for one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else float("nan")

    def text(self, digits: int = 3, sign: bool = False) -> str:
        """
        As tables have it, such as `0.582 [0.465, 0.698]`, or `0.582 [–]` without an interval.

        Args:
            digits (`int`, *optional*, defaults to 3):
                Decimals.
            sign (`bool`, *optional*, defaults to `False`):
                Whether a positive number has its sign, as differences do.
        """
        form = f"{'+' if sign else ''}.{digits}f"
        ends = f"{self.low:{form}}, {self.high:{form}}" if self.has_interval else "–"
        return f"{self.mean:{form}} [{ends}]"

    def __str__(self) -> str:
        return self.text()


def interval_of_draws(
    values: np.ndarray,
    means: Callable[[np.ndarray], np.ndarray],
    num_children: int,
    confidence: float,
    resamples: int,
    seed: int,
) -> Estimate:
    """
    The mean over seeds, and its interval for other seeds and other children.

    Where so large a share of the draws of the children as `confidence` gives one and the same value, they say nothing of the
    error (a ranking that is right for all children is right for each draw of them): the interval is `nan`.

    Args:
        values (`np.ndarray` of shape `(number of seeds,)`):
            One value a seed.
        means (`Callable[[np.ndarray], np.ndarray]`):
            What their mean is in draws of the children: of indices of shape `(draws, children)`, one value a draw.
        num_children (`int`):
            How many there are to draw.
        confidence (`float`):
            Of the interval.
        resamples (`int`):
            Times that the children are drawn.
        seed (`int`):
            Of these draws.

    Returns:
        [`Estimate`]
    """
    drawn = stats.bootstrap(
        (np.arange(num_children),),
        lambda draws, axis: means(draws) if draws.ndim > 1 else values.mean(),
        vectorized=True,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    of_children = float(drawn.standard_error)
    of_seeds = float(stats.sem(values)) if len(values) > 1 else 0.0
    half = stats.t.ppf((1 + confidence) / 2, freedom(of_seeds, of_children, len(values))) * np.hypot(
        of_seeds, of_children
    )
    if _share_of_the_same(drawn.bootstrap_distribution) >= confidence:
        half = np.nan
    mean = float(values.mean())
    return Estimate(
        mean=mean,
        low=mean - float(half),
        high=mean + float(half),
        error_of_seeds=of_seeds,
        error_of_children=of_children,
        by_seed=tuple(map(float, values)),
    )


def freedom(error_of_seeds: float, error_of_children: float, num_seeds: int) -> float:
    """Of both errors together: the bootstrap's own variance has many degrees of freedom, that between few seeds has few."""
    if error_of_seeds == 0:
        return np.inf
    return freedom_of_sum([(error_of_seeds**2, num_seeds - 1), (error_of_children**2, np.inf)])


def freedom_of_sum(variances: Sequence[tuple[float, float]]) -> float:
    """Welch and Satterthwaite's degrees of freedom of a sum of independent variances, each given with its own; not all are 0."""
    return sum(variance for variance, _ in variances) ** 2 / sum(variance**2 / own for variance, own in variances)


def exact_interval_of_share(found: Estimate, number: int, confidence: float) -> Estimate:
    """
    With the interval of Clopper and Pearson in place of its own: for a share of `number` children that is 0 or 1, which is
    0 or 1 in draws of these children as well. Seeds do not make the children more: they all have the same.
    """
    interval = stats.binomtest(round(found.mean * number), number).proportion_ci(confidence)
    return replace(found, low=float(interval.low), high=float(interval.high))


def detectable_difference(error: float, freedom: float, power: float = 0.8, confidence: float = 0.95) -> float:
    """
    How large a true difference has to be to come out as one: its interval then lies on its side of 0 with probability `power`.

    Args:
        error (`float`):
            The standard error of the difference. Of pairs it is their standard deviation, divided by the square root of their
            number.
        freedom (`float`):
            Its degrees of freedom, that of pairs less one; infinite where the error is known.
        power (`float`, *optional*, defaults to 0.8), confidence (`float`, *optional*, defaults to 0.95):
            Of Student's two-sided test.

    Returns:
        `float` in the unit of `error`.

    Raises:
        ValueError: for degrees of freedom that are not positive, and a `power` outside (1 - `confidence`, 1).
    """
    if not freedom > 0:
        raise ValueError(f"`freedom` must be positive, got {freedom}: a difference needs two pairs or more.")
    if not 1 - confidence < power < 1:
        raise ValueError(f"`power` must lie between {1 - confidence:.3g} and 1, got {power}.")
    freedom = min(freedom, 1e6)  # from there on Student's t is the normal distribution, to six digits
    least = stats.t.ppf((1 + confidence) / 2, freedom)

    def missing(shift: float) -> float:
        return power - float(stats.nct.sf(least, freedom, shift))

    most = 3 * least
    while missing(most) > 0:  # of one degree of freedom, a high power is far out
        most *= 2
    return error * optimize.brentq(missing, 0.0, most)


def _share_of_the_same(values: np.ndarray) -> float:
    """How large a share the most frequent value has, but for rounding."""
    return np.unique(values.round(12), return_counts=True)[1].max() / len(values)


__all__ = [
    "Estimate",
    "detectable_difference",
    "exact_interval_of_share",
    "freedom",
    "freedom_of_sum",
    "interval_of_draws",
]
