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
"""Intervals at the edges, and what differences can be seen, against worked examples."""

import numpy as np
import pytest
from scipy import stats

from hf_supernet.evaluation.intervals import Estimate, detectable_difference, freedom
from hf_supernet.evaluation.ranking import estimate, paired_difference


TRUTH = np.arange(50.0)


def test_a_recall_at_the_edge_has_the_interval_of_a_share():
    """None of 5 found: a true share of 1 - 0.025^(1/5) leaves that in 2.5 % of all cases."""
    bound = 1 - 0.025 ** (1 / 5)
    assert bound == pytest.approx(0.5218, abs=1e-4)
    none = estimate(TRUTH, [-TRUTH], "recall_top", resamples=20)
    assert (none.mean, none.low, none.high) == pytest.approx((0.0, 0.0, bound))
    every = estimate(TRUTH, [TRUTH] * 4, "recall_top", resamples=20)  # seeds do not make the children more
    assert (every.mean, every.low, every.high) == pytest.approx((1.0, 1 - bound, 1.0))


def test_where_draws_say_nothing_there_is_no_interval():
    predicted = TRUTH.copy()
    predicted[30:] = predicted[30:][::-1]  # the worse ones are the wrong way round, the same five are best
    for statistic in ("recall_top", "regret"):
        found = paired_difference(TRUTH, [predicted], [TRUTH], statistic, resamples=50)
        assert not found.has_interval and found.text(sign=True) == "+0.000 [–]"
    found = paired_difference(TRUTH, [predicted], [TRUTH], "tau", resamples=50)
    assert found.has_interval and found.low < found.mean < found.high < 0
    assert str(estimate(TRUTH, [TRUTH], "tau", resamples=50)) == "1.000 [–]"


def test_a_few_draws_that_differ_are_no_interval_either():
    """The best two change places: in few draws only that makes another recall."""
    predicted = TRUTH.copy()
    predicted[[44, 45]] = predicted[[45, 44]]
    found = paired_difference(TRUTH, [predicted], [TRUTH], "recall_top", resamples=300)
    assert found.mean == 0 and not found.has_interval


def test_text():
    found = Estimate(0.12345, -0.1, 0.3, 0.1, 0.0, (0.0, 0.2469))
    assert str(found) == "0.123 [-0.100, 0.300]" and found.text(2, sign=True) == "+0.12 [-0.10, +0.30]"
    assert found.spread_of_seeds == pytest.approx(0.2469 / np.sqrt(2))
    assert np.isnan(Estimate(0.1, 0.0, 0.2, 0.0, 0.1, (0.1,)).spread_of_seeds)


def test_pairs_for_half_a_standard_deviation():
    """The textbook's example: to see half a standard deviation with 80 % power takes 34 pairs, and 33 are too few."""
    assert detectable_difference(1 / np.sqrt(34), 33) < 0.5 < detectable_difference(1 / np.sqrt(33), 32)
    known = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert detectable_difference(2.0, np.inf) == pytest.approx(2 * known, rel=1e-4)
    far = detectable_difference(1.0, 1, power=0.999)
    assert stats.nct.sf(stats.t.ppf(0.975, 1), 1, far) == pytest.approx(0.999)


def test_a_detectable_difference_is_detected_so_often():
    rng = np.random.default_rng(0)
    shift = detectable_difference(0.1 / np.sqrt(3), 2)
    seen = stats.ttest_1samp(rng.normal(shift, 0.1, size=(4000, 3)), 0, axis=1).pvalue < 0.05
    assert seen.mean() == pytest.approx(0.8, abs=0.02)


def test_degrees_of_freedom():
    assert freedom(0.1, 0.0, 4) == pytest.approx(3) and freedom(0.0, 0.1, 1) == np.inf
    assert freedom(0.1, 0.1, 4) == pytest.approx(3 * 4)  # twice the variance, of which half is well known


def test_differences_that_cannot_be_seen():
    with pytest.raises(ValueError, match="`freedom` must be positive, got 0: a difference needs two pairs or more"):
        detectable_difference(0.1, 0)
    with pytest.raises(ValueError, match=r"`power` must lie between 0.05 and 1, got 1.0"):
        detectable_difference(0.1, 3, power=1.0)
