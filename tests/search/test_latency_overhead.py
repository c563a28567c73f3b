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
import json
import random

import pytest

from hf_supernet import Architecture
from hf_supernet.search import LatencyCost, LatencyMeasurement, LatencySettings, LatencyTable, describe_device
from hf_supernet.search.latency_overhead import ChildSums, LatencyOverhead

from .test_latency import FAST, made_up_table


def of_seconds(seconds: float, samples: int = 9) -> LatencyMeasurement:
    return LatencyMeasurement(round(seconds, 9), 1e-6, samples)


def made_up_children(constant: float, factor: float, per_layer: float, count: int = 12) -> dict[str, ChildSums]:
    generator, base, children = random.Random(0), 1e-3, {}
    for index in range(count):
        operators, depth = generator.uniform(1e-3, 5e-3), generator.randint(2, 8)
        seconds = base + constant + factor * operators + per_layer * depth
        children[str(index)] = ChildSums(operators, depth, of_seconds(seconds))
    return children


@pytest.mark.parametrize("true", [(2e-4, 1.3, 5e-5), (-3e-4, 0.9, 0.0), (0.0, 1.0, 1e-4)])
def test_the_coefficients_are_found(true):
    fit = LatencyOverhead.fit(1e-3, made_up_children(*true))
    assert (fit.constant, fit.factor, fit.per_layer) == pytest.approx(true, rel=1e-2, abs=2e-6)
    assert fit.median_error < 1e-4 and max(abs(child.error) for child in fit.children.values()) < 1e-3


def test_a_child_of_a_busy_moment_counts_little():
    children = made_up_children(2e-4, 1.3, 5e-5)
    name, slow = next(iter(children.items()))
    children[name] = slow._replace(measured=of_seconds(3 * slow.measured.median))
    fit = LatencyOverhead.fit(1e-3, children)
    assert fit.factor == pytest.approx(1.3, rel=0.05) and fit.median_error < 0.01
    assert fit.children[name].error == pytest.approx(-2 / 3, abs=0.05)


def test_children_of_one_depth_say_nothing_of_a_layer():
    children = {name: child._replace(depth=6) for name, child in made_up_children(2e-4, 1.2, 0.0).items()}
    fit = LatencyOverhead.fit(1e-3, children)
    assert fit.per_layer == 0 and fit.constant == pytest.approx(2e-4, rel=1e-2)


def test_no_cost_is_negative():
    # Faster than the base alone: a measurement that cannot be, which must not make a negative cost.
    children = {name: child._replace(measured=of_seconds(1e-6)) for name, child in made_up_children(0, 1, 0).items()}
    fit = LatencyOverhead.fit(1e-3, children)
    assert fit.constant >= -1e-3 and fit.factor >= 0 and fit.per_layer >= 0


def patch_children(monkeypatch, function) -> None:
    """Whole children take what `function` says, in seconds."""

    def measured(config, architectures, settings, head, progress=False):
        return {item: of_seconds(function(item)) for item in architectures}

    monkeypatch.setattr("hf_supernet.search.latency.measure_children", measured)


@pytest.fixture
def fitted(config, monkeypatch) -> LatencyTable:
    table = made_up_table(config)
    patch_children(monkeypatch, lambda item: 1.25 * table.latency(item) + 3e-5 * (6 - str(item).count("I")))
    return table.with_overhead(config, num_children=12)


def test_a_table_with_an_overhead_predicts_whole_children(space, config, fitted):
    table = made_up_table(config)
    assert len(fitted.overhead.children) == 12 and table.overhead is None
    names = set(fitted.overhead.children)
    assert {str(space.cheapest(table.cost_table(space))), str(space.dearest(table.cost_table(space)))} < names
    cost = LatencyCost(config, fitted)
    for architecture in (space.sample(random.Random(seed)) for seed in range(20, 40)):
        whole = 1.25 * table.latency(architecture) + 3e-5 * (6 - str(architecture).count("I"))
        assert fitted.latency(architecture) == pytest.approx(whole, rel=1e-3)
        assert cost(architecture) == fitted.latency(architecture)


def test_the_fit_goes_to_the_file_with_its_residuals(tmp_path, fitted):
    fitted.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert vars(loaded) == vars(fitted)
    written = json.loads((tmp_path / "table.json").read_text())["overhead"]
    assert written["factor"] == fitted.overhead.factor and written["median_error"] == fitted.overhead.median_error
    assert all({"median", "iqr", "samples", "predicted", "error"} == set(row) for row in written["children"].values())


def test_what_an_overhead_cannot_be_fitted_on(config, monkeypatch):
    table = made_up_table(config)
    with pytest.raises(ValueError, match="fitted on 4 distinct children or more, got 3"):
        table.with_overhead(config, num_children=3)
    table.device = describe_device() | {"cores": 999}
    with pytest.raises(ValueError, match="measured elsewhere: they differ in cores: 999 and"):
        table.with_overhead(config)


def test_tables_of_the_same_conditions_merge(config, fitted):
    other = made_up_table(config)
    convolution, attention = (Architecture.from_string(text).operators[0] for text in ("C5", "A4"))
    other.settings = LatencySettings(**{**vars(FAST), "min_run_time": 7.0, "repeats": 3})
    other.operators = {convolution: of_seconds(5e-4), attention: of_seconds(7e-4, samples=99)}
    merged = fitted.merged(other)
    assert set(merged.operators) == {*fitted.operators, convolution}
    assert merged.operators[attention].median == 7e-4  # more samples
    assert other.merged(fitted).operators == merged.operators
    assert set(merged.overhead.children) == set(fitted.overhead.children)
    assert merged.overhead != fitted.overhead  # fitted anew with what attention takes now
    assert made_up_table(config).merged(other).overhead is None


def test_tables_of_other_conditions_do_not_merge(config):
    one, two = made_up_table(config), made_up_table(config)
    two.settings = LatencySettings(**{**vars(FAST), "num_threads": 2})
    two.device = one.device | {"name": "another processor"}
    with pytest.raises(
        ValueError,
        match=r"do not go together: they differ in num_threads: 1 and 2; device's name: .* and 'another processor'\.",
    ):
        one.merged(two)
