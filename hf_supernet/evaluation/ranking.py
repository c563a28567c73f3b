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
How well one ranking of children agrees with another: rank correlations, what a search would lose, and their intervals.

Scores are losses throughout: lower is better. `truth` are those of children trained alone, `predicted` those of the same
children through a supernet (or any figure that is to rank them, such as minus their number of parameters).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import stats

from .intervals import Estimate, exact_interval_of_share, interval_of_draws
from .resampling import (
    DrawnStatistic,
    drawn_kendall_tau,
    drawn_kendall_tau_of_better_half,
    drawn_recall_of_top,
    drawn_regret,
    drawn_spearman_rho,
)


TOP = 0.1
"""The share of children that counts as the best ones."""


def _check(truth: Sequence[float], predicted: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    if truth.ndim != 1 or truth.shape != predicted.shape:
        raise ValueError(
            f"`truth` and `predicted` must be two lists of one length, got shapes {truth.shape} and {predicted.shape}."
        )
    if len(truth) < 2:
        raise ValueError(f"A ranking needs 2 children or more, got {len(truth)}.")
    for name, values in (("truth", truth), ("predicted", predicted)):
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"`{name}` has {values[index]} at index {index}: leave children without a score out, and say so."
            )
    return truth, predicted


def kendall_tau(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """
    Kendall's rank correlation, tau-b: pairs in the same order less pairs in the other order, over all pairs; ties count
    for neither.

    Args:
        truth, predicted (`Sequence[float]` of length `num_children`, at least 2):
            Two scores of the same children.

    Returns:
        `float` in [-1, 1]; 0.0 where all of one side are equal, since such a score ranks nothing.

    Raises:
        ValueError: for unlike lengths, fewer than 2 children, and scores that are not finite.
    """
    truth, predicted = _check(truth, predicted)
    return _or_zero(stats.kendalltau(truth, predicted).statistic)


def spearman_rho(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Spearman's rank correlation, with arguments, result and errors as [`kendall_tau`]."""
    truth, predicted = _check(truth, predicted)
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return _or_zero(stats.spearmanr(truth, predicted).statistic)


def kendall_tau_of_better_half(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """
    [`kendall_tau`] among the children whose `truth` is at most its median, those that a search has to tell apart.
    """
    truth, predicted = _check(truth, predicted)
    half = truth <= np.median(truth)
    return kendall_tau(truth[half], predicted[half])


def recall_of_top(truth: Sequence[float], predicted: Sequence[float], top: float = TOP) -> float:
    """
    The share of the truly best children that are among the predicted best ones.

    Args:
        truth, predicted (`Sequence[float]` of length `num_children`):
            Two scores of the same children.
        top (`float`, *optional*, defaults to 0.1):
            How large a share of the children, rounded, at least one, counts as best, on both sides.

    Returns:
        `float` in [0, 1]. Of children that tie at the edge, the earlier ones count.
    """
    truth, predicted = _check(truth, predicted)
    if not 0 < top <= 1:
        raise ValueError(f"`top` must lie in (0, 1], got {top}.")
    count = _number_of_best(len(truth), top)
    best, chosen = (set(np.argsort(values, kind="stable")[:count]) for values in (truth, predicted))
    return len(best & chosen) / count


def _number_of_best(num_children: int, top: float) -> int:
    return max(1, round(top * num_children))


def regret(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """
    What trusting `predicted` costs: the `truth` of its best child, less the least `truth` there is.

    Where several children tie for the best prediction, the mean over them.
    """
    truth, predicted = _check(truth, predicted)
    return float(truth[predicted == predicted.min()].mean() - truth.min())


STATISTICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "tau": kendall_tau,
    "spearman": spearman_rho,
    "tau_better_half": kendall_tau_of_better_half,
    "recall_top": recall_of_top,
    "regret": regret,
}
"""What a ranking is judged by; of `regret` less is better, of all others more."""

_RANGES = {
    "tau": (-1.0, 1.0),
    "spearman": (-1.0, 1.0),
    "tau_better_half": (-1.0, 1.0),
    "recall_top": (0.0, 1.0),
    "regret": (0.0, np.inf),
}
"""The values that each can have: an interval ends where they end."""

_DRAWN: dict[str, DrawnStatistic] = {
    "tau": drawn_kendall_tau,
    "spearman": drawn_spearman_rho,
    "tau_better_half": drawn_kendall_tau_of_better_half,
    "recall_top": partial(drawn_recall_of_top, top=TOP),
    "regret": drawn_regret,
}
"""The same, for many draws of the children at once."""


def ranking_scores(truth: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """All of [`STATISTICS`] of one prediction, by name."""
    return {name: statistic(truth, predicted) for name, statistic in STATISTICS.items()}


def estimate(
    truth: Sequence[float],
    predictions: Sequence[Sequence[float]],
    statistic: str = "tau",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """
    One of [`STATISTICS`] for a method that was run with several seeds, with an interval for other seeds and other children.

    Both sources of chance are counted, as [`~hf_supernet.evaluation.intervals`] says, and the interval ends where the
    statistic's range does. At the edge of what it can be, 0 or 1 of the truly best children found, draws of the same children
    say nothing of a recall: it then has the interval of Clopper and Pearson for so many best children. Where draws of the
    children give one value, any other statistic has none (`nan`).

    Args:
        truth (`Sequence[float]` of length `num_children`):
            Scores of the children trained alone.
        predictions (`Sequence[Sequence[float]]` of shape `(num_seeds, num_children)`):
            Scores by the method, a row for each seed. A single row stands for what has no seeds (a number of parameters):
            then only the children count.
        statistic (`str`, *optional*, defaults to `"tau"`):
            A key of [`STATISTICS`].
        confidence (`float`, *optional*, defaults to 0.95):
            Of the interval.
        resamples (`int`, *optional*, defaults to 1000):
            Times that the children are drawn.
        seed (`int`, *optional*, defaults to 0):
            Of these draws.

    Returns:
        [`Estimate`]

    Raises:
        ValueError: for an unknown statistic, and as by [`kendall_tau`].
    """
    function, drawn = _statistic(statistic), _DRAWN[statistic]
    truth, predictions = np.asarray(truth, dtype=float), np.atleast_2d(np.asarray(predictions, dtype=float))
    for row in predictions:
        _check(truth, row)
    values = np.array([function(truth, row) for row in predictions])

    def means(draws: np.ndarray) -> np.ndarray:
        return np.mean([drawn(truth, row, draws) for row in predictions], axis=0)

    found = interval_of_draws(values, means, len(truth), confidence, resamples, seed)
    if statistic == "recall_top" and found.mean in (0.0, 1.0):
        return exact_interval_of_share(found, _number_of_best(len(truth), TOP), confidence)
    return _within(_RANGES[statistic], found)


def paired_difference(
    truth: Sequence[float],
    predictions: Sequence[Sequence[float]],
    others: Sequence[Sequence[float]],
    statistic: str = "tau",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """
    How much a statistic is higher with `predictions` than with `others`, with an interval: as [`estimate`], of the
    differences between rows of the same seed, on the same children. Where draws of the children give one value (two methods
    that find the same of the best children), it has no interval (`nan`).

    Args:
        truth, statistic, confidence, resamples, seed:
            As for [`estimate`].
        predictions, others (`Sequence[Sequence[float]]` of shape `(num_seeds, num_children)`):
            Two methods, their rows in the same order of seeds. Where `others` has one row (what has no seeds), it is the
            other side of each difference.

    Returns:
        [`Estimate`]: positive where `predictions` have the higher statistic.

    Raises:
        ValueError: for unlike numbers of seeds, and as by [`estimate`].
    """
    function, drawn = _statistic(statistic), _DRAWN[statistic]
    truth = np.asarray(truth, dtype=float)
    predictions, others = (np.atleast_2d(np.asarray(rows, dtype=float)) for rows in (predictions, others))
    if len(others) not in (1, len(predictions)):
        raise ValueError(
            f"Differences are paired by seed: `predictions` has {len(predictions)} rows, `others` {len(others)}. Pass"
            " the same seeds of both methods, in one order."
        )
    for row in (*predictions, *others):
        _check(truth, row)
    ours = np.array([function(truth, row) for row in predictions])
    theirs = np.array([function(truth, row) for row in others])

    def means(draws: np.ndarray) -> np.ndarray:
        first, second = (np.mean([drawn(truth, row, draws) for row in rows], axis=0) for rows in (predictions, others))
        return first - second

    least, most = _RANGES[statistic]
    found = interval_of_draws(ours - theirs, means, len(truth), confidence, resamples, seed)
    return _within((least - most, most - least), found)


def noise_ceiling(
    losses: Sequence[Sequence[float]],
    statistic: str = "tau",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """
    How well the ground truth agrees with itself: a statistic between its seeds, the mean over pairs of seeds.

    The better half, where the statistic asks for it, is that of the mean over all seeds, so that it favours none of the
    two. A method that is compared with the mean over seeds can come out above this figure: a mean has less noise than one
    seed. The interval is for other children, each trained with other seeds. Where the children of one seed have something
    in common, such as the weights that they start with, what another seed would change for all of them is not in it.

    Args:
        losses (`Sequence[Sequence[float]]` of shape `(num_children, num_seeds)`):
            The ground truth, with two seeds or more.
        statistic, confidence, resamples, seed:
            As for [`estimate`]; `"tau"`, `"spearman"` or `"tau_better_half"`.

    Returns:
        [`Estimate`]

    Raises:
        ValueError: for fewer than two seeds, and as by [`estimate`].
    """
    losses = np.asarray(losses, dtype=float)
    if losses.ndim != 2 or losses.shape[1] < 2:
        raise ValueError(f"A noise ceiling needs `losses` of shape (children, 2 seeds or more), got {losses.shape}.")
    if statistic not in ("tau", "spearman", "tau_better_half"):
        raise ValueError(f"A ceiling is a correlation: tau, spearman or tau_better_half; got {statistic!r}.")
    pairs = [(i, j) for i in range(losses.shape[1]) for j in range(i)]
    for i, j in pairs:
        _check(losses[:, i], losses[:, j])
    function, drawn, some = STATISTICS[statistic], _DRAWN[statistic], losses
    if statistic == "tau_better_half":
        mean = losses.mean(axis=1)
        function, drawn, some = kendall_tau, partial(drawn, better_by=mean), losses[mean <= np.median(mean)]
    values = np.array([np.mean([function(some[:, i], some[:, j]) for i, j in pairs])])

    def means(draws: np.ndarray) -> np.ndarray:
        return np.mean([drawn(losses[:, i], losses[:, j], draws) for i, j in pairs], axis=0)

    return _within(_RANGES[statistic], interval_of_draws(values, means, len(losses), confidence, resamples, seed))


def _statistic(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    if name not in STATISTICS:
        raise ValueError(f"`statistic` must be one of {', '.join(STATISTICS)}; got {name!r}.")
    return STATISTICS[name]


def _within(range_: tuple[float, float], found: Estimate) -> Estimate:
    low, high = np.clip((found.low, found.high), *range_)
    return replace(found, low=float(low), high=float(high))


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else float(value)


__all__ = [
    "STATISTICS",
    "TOP",
    "Estimate",
    "estimate",
    "kendall_tau",
    "kendall_tau_of_better_half",
    "noise_ceiling",
    "paired_difference",
    "ranking_scores",
    "recall_of_top",
    "regret",
    "spearman_rho",
]
