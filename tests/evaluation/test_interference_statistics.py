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

from hf_supernet.evaluation.interference_statistics import mean_similarity, similarity_trend


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
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * by_hand, rel=0.3)


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
