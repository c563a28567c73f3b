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
"""Statistics of rankings, against worked examples and against what they promise."""

import itertools

import numpy as np
import pytest
from scipy import stats

from hf_supernet.evaluation import ranking
from hf_supernet.evaluation.ranking import (
    STATISTICS,
    estimate,
    kendall_tau,
    kendall_tau_of_better_half,
    noise_ceiling,
    paired_difference,
    ranking_scores,
    recall_of_top,
    regret,
    spearman_rho,
)


TRUTH = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]


def test_kendall_by_hand():
    # of the 6 pairs of 4 children, (2, 3) and (1, 3) stand in the other order
    assert kendall_tau([1, 2, 3, 4], [2, 3, 1, 4]) == pytest.approx((4 - 2) / 6)
    assert kendall_tau(TRUTH, TRUTH) == pytest.approx(1)
    assert kendall_tau(TRUTH, TRUTH[::-1]) == pytest.approx(-1)


def test_kendall_with_ties():
    truth, predicted = [1, 2, 3, 4, 5], [1, 1, 2, 3, 3]
    pairs = list(itertools.combinations(range(5), 2))
    agreeing = sum(np.sign(truth[i] - truth[j]) * np.sign(predicted[i] - predicted[j]) for i, j in pairs)
    untied = sum(predicted[i] != predicted[j] for i, j in pairs)
    assert kendall_tau(truth, predicted) == pytest.approx(agreeing / np.sqrt(len(pairs) * untied))


def test_a_constant_ranks_nothing():
    scores = ranking_scores(TRUTH, [1.0] * 10)
    assert scores["tau"] == scores["spearman"] == scores["tau_better_half"] == 0.0
    assert scores["regret"] == pytest.approx(np.mean(TRUTH) - 1)  # any child, as likely as another


def test_spearman_by_hand():
    # 1 - 6 * sum of squared rank differences / (n (n² - 1)), for 4 children: 1 - 6 * 6 / 60
    assert spearman_rho([1, 2, 3, 4], [2, 3, 1, 4]) == pytest.approx(1 - 6 * 6 / 60)


def test_the_better_half_is_the_truths():
    predicted = [2, 1, 3, 4, 5, 90, 80, 70, 60, 50]  # wrong in the worse half, one pair of 10 wrong in the better one
    assert kendall_tau_of_better_half(TRUTH, predicted) == pytest.approx((9 - 1) / 10)
    assert kendall_tau(TRUTH, predicted) < 0.6


def test_recall_and_regret_by_hand():
    predicted = [5, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert recall_of_top(TRUTH, predicted) == 0.0  # the best is child 0, predicted is child 1
    assert recall_of_top(TRUTH, predicted, top=0.2) == 0.5
    assert recall_of_top(TRUTH, predicted, top=0.5) == 1.0
    assert regret(TRUTH, predicted) == 1.0
    assert regret(TRUTH, TRUTH) == 0.0
    assert regret([3.0, 1.0, 2.0], [0.0, 0.0, 5.0]) == pytest.approx((2.0 + 0.0) / 2)


@pytest.mark.parametrize(
    "truth, predicted, message",
    [
        ([1, 2, 3], [1, 2], r"two lists of one length, got shapes \(3,\) and \(2,\)"),
        ([1], [1], "2 children or more, got 1"),
        ([1, 2, float("nan")], [1, 2, 3], "`truth` has nan at index 2"),
        ([1, 2, 3], [1, float("inf"), 3], "`predicted` has inf at index 1"),
    ],
)
def test_scores_that_rank_nothing(truth, predicted, message):
    for statistic in STATISTICS.values():
        with pytest.raises(ValueError, match=message):
            statistic(truth, predicted)


def test_arguments_with_a_slip():
    with pytest.raises(ValueError, match=r"`top` must lie in \(0, 1\], got 10"):
        recall_of_top(TRUTH, TRUTH, top=10)
    with pytest.raises(ValueError, match=r"`statistic` must be one of tau, spearman, .* got 'kendal'"):
        estimate(TRUTH, [TRUTH], statistic="kendal")
    with pytest.raises(ValueError, match="`predictions` has 3 rows, `others` 2"):
        paired_difference(TRUTH, [TRUTH] * 3, [TRUTH] * 2)
    with pytest.raises(ValueError, match=r"2 seeds or more\), got \(10, 1\)"):
        noise_ceiling([[value] for value in TRUTH])
    with pytest.raises(ValueError, match=r"A ceiling is a correlation: .* got 'regret'"):
        noise_ceiling([TRUTH, TRUTH], statistic="regret")


def simulated(rng: np.random.Generator, num_children: int, num_seeds: int, noise: float, own: float = 0.0):
    """True losses, and predictions with noise of the child in all seeds (`own`) and in each seed."""
    truth = rng.normal(size=num_children)
    fixed = truth + own * rng.normal(size=num_children)
    return truth, fixed + noise * rng.normal(size=(num_seeds, num_children))


def test_an_estimate_is_the_mean_over_seeds():
    truth, predictions = simulated(np.random.default_rng(0), 40, 4, 0.5)
    found = estimate(truth, predictions, resamples=200)
    taus = [stats.kendalltau(truth, row).statistic for row in predictions]
    assert found.by_seed == pytest.approx(taus)
    assert found.mean == pytest.approx(np.mean(taus))
    assert found.error_of_seeds == pytest.approx(stats.sem(taus))
    assert found.low < found.mean < found.high
    assert found == estimate(truth, predictions, resamples=200)  # the same draws again


def test_what_has_no_seeds_has_an_interval_over_children():
    truth, predictions = simulated(np.random.default_rng(1), 60, 1, 0.5)
    found = estimate(truth, predictions, resamples=300)
    assert found.error_of_seeds == 0.0
    # for uncorrelated scores the standard error of tau is known; for correlated ones it is less
    known = np.sqrt(2 * (2 * 60 + 5) / (9 * 60 * 59))
    assert 0.4 * known < found.error_of_children < known
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.error_of_children, rel=1e-3)


def test_seeds_that_agree_do_not_make_few_children_many():
    truth, predictions = simulated(np.random.default_rng(2), 12, 1, 0.5)
    once, often = (estimate(truth, np.repeat(predictions, n, axis=0), resamples=300) for n in (1, 8))
    assert often.high - often.low == pytest.approx(once.high - once.low)


def test_few_seeds_have_a_wide_interval():
    rng = np.random.default_rng(3)
    truth = np.arange(300.0)
    predictions = [truth + rng.normal(size=300) * scale for scale in (5.0, 50.0)]  # one seed good, one bad
    found = estimate(truth, predictions, resamples=100)
    assert found.mean - found.low > 10 * found.error_of_seeds  # Student's t with 1 degree of freedom: 12.7


def test_a_difference_is_paired():
    truth, predictions = simulated(np.random.default_rng(4), 50, 5, 0.5)
    same = paired_difference(truth, predictions, predictions, resamples=50)
    assert same.mean == 0.0 and not same.has_interval  # draws of the children say nothing of it
    worse = predictions + np.random.default_rng(5).normal(size=predictions.shape)
    found = paired_difference(truth, predictions, worse, resamples=200)
    assert found.low > 0
    assert found.mean == pytest.approx(
        estimate(truth, predictions, resamples=2).mean - estimate(truth, worse, resamples=2).mean
    )
    against_one = paired_difference(truth, predictions, worse[:1], resamples=50)
    assert len(against_one.by_seed) == 5


def test_intervals_cover_what_they_should():
    """Truth, children and seeds drawn anew 120 times: the interval has the mean tau of the population most times."""
    rng = np.random.default_rng(6)
    population = np.mean(
        [kendall_tau(truth, rows[0]) for truth, rows in (simulated(rng, 60, 1, 0.5, 0.5) for _ in range(800))]
    )
    covered = 0
    for _ in range(120):
        truth, predictions = simulated(rng, 30, 3, 0.5, 0.5)
        found = estimate(truth, predictions, resamples=60)
        covered += found.low <= population <= found.high
    assert 0.88 <= covered / 120 <= 1.0


def test_ceiling():
    rng = np.random.default_rng(7)
    truth = rng.normal(size=80)
    losses = truth[:, None] + 0.3 * rng.normal(size=(80, 3))
    found = noise_ceiling(losses, resamples=100)
    pairs = [stats.kendalltau(losses[:, i], losses[:, j]).statistic for i, j in ((1, 0), (2, 0), (2, 1))]
    assert found.mean == pytest.approx(np.mean(pairs))
    assert found.low < found.mean < found.high
    half = noise_ceiling(losses, "tau_better_half", resamples=100)
    assert half.mean < found.mean
    assert noise_ceiling(np.repeat(truth[:, None], 2, axis=1), resamples=20).mean == pytest.approx(1)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("ties", [False, True])
def test_many_draws_at_once_are_one_after_the_other(statistic, ties):
    rng = np.random.default_rng(8)
    truth, (predicted,) = simulated(rng, 30, 1, 0.7)
    if ties:
        truth, predicted = truth.round(), predicted.round()
    draws = rng.integers(30, size=(50, 30))
    draws[0] = 3  # one child alone ranks nothing
    one_by_one = [STATISTICS[statistic](truth[draw], predicted[draw]) for draw in draws]
    assert ranking._DRAWN[statistic](truth, predicted, draws) == pytest.approx(one_by_one)


def test_intervals_end_where_the_range_does():
    truth, predictions = simulated(np.random.default_rng(9), 12, 3, 0.6)
    for statistic, least, most in (("tau", -1, 1), ("recall_top", 0, 1), ("regret", 0, np.inf)):
        found = estimate(truth, predictions, statistic, confidence=0.9999, resamples=100)
        assert least <= found.low <= found.mean <= found.high <= most
    assert found.low == 0.0  # of the regret; unbounded, it would be below
    difference = paired_difference(truth, predictions[:2], predictions[1:], "regret", confidence=0.9999, resamples=100)
    assert difference.low < 0
    difference = paired_difference(truth, -predictions, predictions, confidence=0.9999, resamples=100)
    assert difference.low == -2.0
    ceiling = noise_ceiling(predictions.T, "spearman", confidence=0.9999, resamples=100)
    assert ceiling.high == 1.0
