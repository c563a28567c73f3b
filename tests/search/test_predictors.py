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
import numpy as np
import pytest
from scipy.stats import kendalltau

from hf_supernet.search import fit_predictor
from hf_supernet.search.predictors import PREDICTORS


def samples(count, interaction, seed=0, num_layers=5):
    """One-hot encodings of random paths; their values are sums over the layers, and over pairs of neighbours."""
    generator = np.random.default_rng(seed)
    single, pairs = generator.normal(size=(num_layers, 3)), generator.normal(size=(num_layers - 1, 3, 3))
    rows = np.random.default_rng(seed + 100).integers(0, 3, (count, num_layers))
    layers = np.arange(num_layers)
    values = single[layers, rows].sum(axis=1)
    values += interaction * pairs[layers[:-1], rows[:, :-1], rows[:, 1:]].sum(axis=1)
    return np.eye(3)[rows].reshape(count, -1), 7 + 1e-3 * values


def test_sums_are_predicted_by_ridge():
    features, values = samples(260, 0)
    predictor = fit_predictor(features[:60], values[:60])
    assert predictor.name == "ridge" and set(predictor.kendall) == set(PREDICTORS)
    assert kendalltau(predictor.predict(features[60:]), values[60:]).statistic > 0.95


def test_interactions_are_predicted_by_what_can():
    features, values = samples(600, 1.0)
    predictor = fit_predictor(features[:300], values[:300])
    assert predictor.name != "ridge" and predictor.kendall[predictor.name] > predictor.kendall["ridge"] + 0.05
    fresh = {
        name: kendalltau(
            PREDICTORS[name](0).fit(features[:300], values[:300] * 1e3).predict(features[300:]), values[300:]
        )
        for name in PREDICTORS
    }
    assert predictor.name == max(fresh, key=lambda name: fresh[name].statistic)


def test_quality_is_of_children_that_were_not_seen():
    """Of noise nothing can be learned, however well a regressor fits what it saw."""
    features, _ = samples(100, 0)
    predictor = fit_predictor(features, np.random.default_rng(0).normal(size=100))
    assert all(abs(tau) < 0.25 for tau in predictor.kendall.values())


@pytest.mark.parametrize("count", [1, 2, 9])
def test_too_few_to_choose(count):
    features, values = samples(count, 0)
    predictor = fit_predictor(features, values)
    assert predictor.name == "ridge" and predictor.kendall == {} and predictor.num_samples == count
    assert np.isfinite(predictor.predict(features)).all()


def test_one_value_for_all():
    features, _ = samples(20, 0)
    predictor = fit_predictor(features, np.full(20, 3.0))
    assert predictor.kendall["ridge"] == -1 and np.allclose(predictor.predict(features), 3)


def test_a_seed_decides():
    features, values = samples(60, 0.5)
    first, again = (fit_predictor(features, values, seed=3) for _ in range(2))
    assert first.describe() == again.describe()
    np.testing.assert_array_equal(first.predict(features), again.predict(features))
