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
"""Trends and means of gradient similarity, against scipy and by hand, and what their intervals count."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hf_supernet.evaluation.interference_statistics import (
    Interval,
    mean_difference,
    mean_interval,
    mean_similarity,
    similarity_trend,
)


def make_rows(noise_of: str = "row", slope: float = -0.1, pairs: int = 12, batches: int = 6, seed: int = 0):
    """Similarity falls with the distance; noise is of each row, or common to a pair or to a batch."""
    generator = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [
            {"pair": pair, "batch": batch, "distance": k, "layer": layer, "operator": "attention-4"}
            for pair in range(pairs)
            for batch in range(batches)
            for k in (1, 2, 3)
            for layer in (0, 1)
        ]
    )
    noise = generator.normal(size=len(rows))
    if noise_of != "row":
        noise = generator.normal(size=rows[noise_of].nunique())[rows[noise_of]]
    rows["gradient_similarity"] = 0.5 + slope * rows["distance"] + 0.05 * noise
    rows["input_similarity"] = generator.uniform(size=len(rows))
    return rows


def test_trends_are_those_of_scipy():
    rows = make_rows()
    trend = similarity_trend(rows, "distance", resamples=50)
    line = stats.linregress(rows["distance"], rows["gradient_similarity"])
    assert trend.slope.value == pytest.approx(line.slope)
    spearman = stats.spearmanr(rows["distance"], rows["gradient_similarity"]).statistic
    assert trend.correlation.value == pytest.approx(spearman)
    assert trend.slope.low < -0.1 < trend.slope.high < 0 and trend.correlation.high < -0.8


def test_no_trend():
    trend = similarity_trend(make_rows(), "input_similarity")
    assert trend.correlation.low < 0 < trend.correlation.high and trend.slope.low < 0 < trend.slope.high


def test_within_groups_a_difference_between_them_is_no_trend():
    rows = make_rows(slope=0.0)
    rows["input_similarity"] += 5 * rows["layer"]
    rows["gradient_similarity"] += 5 * rows["layer"]
    assert similarity_trend(rows, "input_similarity", resamples=50).correlation.value > 0.6
    within = similarity_trend(rows, "input_similarity", within=["layer", "operator"])
    assert within.correlation.low < 0 < within.correlation.high
    by_layer = [
        stats.linregress(part["input_similarity"], part["gradient_similarity"]).slope
        for _, part in rows.groupby("layer")
    ]
    assert min(by_layer) < within.slope.value < max(by_layer)


def test_means_by_hand():
    rows = make_rows()
    found = mean_similarity(rows, ["distance", "layer"], resamples=50)
    assert len(found) == 6
    for row in found.itertuples():
        here = rows[(rows["distance"] == row.distance) & (rows["layer"] == row.layer)]
        assert row.mean == pytest.approx(here["gradient_similarity"].mean())
        assert row.low < row.mean < row.high


@pytest.mark.parametrize("unit", ["pair", "batch", "supernet"])
def test_what_is_common_to_a_unit_widens_the_interval(unit):
    """With noise that all rows of a pair share, the rows of one pair are one draw, not many."""
    if unit == "supernet":
        common = pd.concat([make_rows().assign(supernet=index) for index in range(8)])
        common["gradient_similarity"] += 0.05 * np.random.default_rng(1).normal(size=8)[common["supernet"]]
        number = 8
    else:
        common, number = make_rows(noise_of=unit), {"pair": 12, "batch": 6}[unit]
    row = mean_similarity(common, "distance").iloc[0]
    own = common[common["distance"] == 1].groupby(unit)["gradient_similarity"].mean()
    by_hand = own.std(ddof=1) / np.sqrt(number)
    assert row["half"] == pytest.approx(stats.t.ppf(0.975, number - 1) * by_hand, rel=0.2)


def of_supernets(values, **columns):
    """Rows that differ between supernets alone."""
    rows = make_rows(slope=0.0).assign(gradient_similarity=0.0, **columns)
    return pd.concat([rows.assign(supernet=index, gradient_similarity=value) for index, value in enumerate(values)])


def test_supernets_count_by_students_t():
    values = [0.90, 0.91, 0.86]
    found = mean_interval(of_supernets(values))
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.by_supernet == pytest.approx(values)


def test_one_supernet_adds_nothing():
    assert mean_interval(of_supernets([0.9])).half == 0.0
    rows = make_rows("pair")
    assert mean_interval(rows.assign(supernet=0)).half == mean_interval(rows).half > 0


def test_batches_count_by_students_t():
    """Of means, the bootstrap's variance is the textbook one, once it is set right for the number of units."""
    rows = make_rows("batch", slope=0.0, batches=3)
    own = rows.groupby("batch")["gradient_similarity"].mean()
    by_hand = stats.t.ppf(0.975, 2) * stats.sem(own)
    assert mean_interval(rows, resamples=4000).half == pytest.approx(by_hand, rel=0.05)


def test_more_chance_is_never_a_narrower_interval():
    """With Welch and Satterthwaite's degrees of freedom alone it is, where another source has many of them."""
    supernets = of_supernets([0.90, 0.91, 0.86])
    noise = make_rows("pair", slope=0.0, pairs=12)["gradient_similarity"].to_numpy() * 0.5
    both = supernets.assign(gradient_similarity=supernets["gradient_similarity"] + np.tile(noise, 3))
    assert mean_interval(both).half > mean_interval(supernets).half - 1e-12


def test_differences_are_paired_by_supernet():
    ours, theirs = of_supernets([0.91, 0.87, 0.95]), of_supernets([0.90, 0.85, 0.95])
    found = mean_difference(ours, theirs)
    differences = [0.01, 0.02, 0.0]
    assert found.by_supernet == pytest.approx(differences) and found.value == pytest.approx(0.01)
    assert found.half == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem(differences))
    noise = 0.3 * np.random.default_rng(0).normal(size=12)
    ours, theirs = (
        some.assign(gradient_similarity=some.gradient_similarity + noise[some.pair]) for some in (ours, theirs)
    )
    assert mean_difference(ours, theirs).half == pytest.approx(found.half)  # what a pair does to both is no difference


def test_differences_of_unlike_numbers_are_not_paired():
    ours, theirs = [0.91, 0.87, 0.95], [0.90, 0.85]
    found = mean_difference(of_supernets(ours), of_supernets(theirs))
    welch = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert found.by_supernet == () and found.value == pytest.approx(0.035)
    alone = stats.t.ppf(0.975, 1) * stats.sem(theirs)  # wider than Welch's here
    assert found.half == pytest.approx(max((welch.high - welch.low) / 2, alone))


def test_a_group_of_few_pairs_has_no_interval():
    rows = make_rows(slope=0.0)
    rows["layer"] = np.where(rows["pair"] < 2, 1, 0)
    found = mean_similarity(rows, "layer", resamples=50).set_index("layer")
    assert found["pairs"].tolist() == [10, 2]
    assert (
        np.isfinite(found.loc[0, ["half", "low", "high"]]).all() and found.loc[1, ["half", "low", "high"]].isna().all()
    )


def test_intervals_of_groups_end_where_cosines_do():
    rows = of_supernets([0.99, 0.90, 0.99])
    assert mean_similarity(rows, "distance", resamples=50)["high"].tolist() == [1.0] * 3


def test_intervals_in_words():
    assert str(Interval(0.90312, 0.0123)) == "0.903 ± 0.012"
    assert f"{Interval(0.001234, 0.00081):+}" == "+0.00123 ± 0.00081"
    assert f"{Interval(4.2, 1.7):+}" == "+4.2 ± 1.7" and str(Interval(12.0, 34.0)) == "12 ± 34"
    assert str(Interval(0.5, 0.0)) == "0.500 ± 0.000" and str(Interval(0.5, float("nan"))) == "0.500"


def test_deterministic():
    rows = make_rows()
    assert similarity_trend(rows, "distance") == similarity_trend(rows, "distance")
    assert similarity_trend(rows, "distance") != similarity_trend(rows, "distance", seed=1)


def test_what_does_not_vary():
    rows = make_rows().assign(input_similarity=1.0)
    assert similarity_trend(rows, "input_similarity", resamples=5).correlation.value == 0.0


def test_rows_that_cannot_be():
    with pytest.raises(ValueError, match="no rows: no pair of children shared an operator"):
        similarity_trend(pd.DataFrame(), "distance")
    with pytest.raises(ValueError, match=r"no column 'k'; they have pair, batch, distance"):
        similarity_trend(make_rows(), "k")
