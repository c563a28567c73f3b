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
"""What supernets make of operators, and calibrations, from results."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from hf_supernet import Architecture
from hf_supernet.evaluation.calibration import operator_counts


NAMES = ["A2", "C3", "F24"]
WORTHS = np.array([-0.1, -0.3, -0.2])


@pytest.fixture(scope="module")
def results(scripts):
    """48 children alone, and two seeds of a supernet that makes half of every operator."""
    draw, noise = random.Random(0), np.random.default_rng(0)
    networks = sorted({"-".join(draw.choices([*NAMES, "I"], k=5)) for _ in range(200)})[::3][:48]
    counts = operator_counts([Architecture.from_string(network) for network in networks], NAMES)
    places = 0.05 * noise.standard_normal((len(networks), 1))
    alone = 3 + counts @ WORTHS[:, None] + places + 0.01 * noise.standard_normal((len(networks), 2))
    through = [3 + counts @ WORTHS / 4 + places[:, 0] + 0.01 * noise.standard_normal(len(networks)) for _ in range(2)]
    truth = scripts.analysis.GroundTruth(networks, np.array(["random"] * len(networks)), alone, cpu_seconds=5.0)
    run = {"steps": 8, "cpu_seconds": 20.0}
    return truth, scripts.analysis.Prediction("uniform", "equal_steps", [1, 2], np.array(through), **run)


def report_of(truth, prediction):
    return SimpleNamespace(truth=truth, predictions=[prediction])


def test_worths_are_those_that_the_results_are_made_of(scripts, results):
    alone, through = scripts.calibrations.worth_table(report_of(*results))[2:]
    for cells, factor in ((alone, 1), (through, 1 / 4)):
        found = [float(cell.split(" ±")[0]) for cell in cells.split(" | ")[2:5]]
        assert found == pytest.approx(factor * WORTHS, abs=0.04)
    # The error is that of the numbers alone. A straight line takes a part of it away, since they are most of the losses too.
    whole, rest = (int(cell.strip(" %")) for cell in through.split("|")[-3:-1])
    assert whole >= 99 and 0 < rest < whole


def test_a_calibration_ranks_the_others_better_and_knows_none_of_their_losses(scripts, results):
    truth, prediction = results
    others, before, after = scripts.calibrations.calibrated(truth, prediction, 6, draw=3)
    assert len(others) == len(truth.networks) - 6
    tau = scripts.calibrations.estimate
    assert tau(truth.scores[others], after).mean > tau(truth.scores[others], before).mean + 0.1
    np.testing.assert_array_equal(before, prediction.scores[:, others])

    unknown = truth.losses.copy()
    unknown[others] = np.nan
    unknown[:, 1] = np.nan  # one seed is what a user has
    blind = scripts.analysis.GroundTruth(truth.networks, truth.strata, unknown)
    np.testing.assert_array_equal(scripts.calibrations.calibrated(blind, prediction, 6, draw=3)[2], after)


def test_table_of_calibrations(scripts, results, monkeypatch):
    monkeypatch.setattr(scripts.calibrations, "DRAWS", 3)
    monkeypatch.setattr(scripts.calibrations, "RESAMPLES", 10)
    lines = scripts.calibrations.calibration_table(report_of(*results))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:2] for row in rows] == [
        [number, name] for number in ("6", "12") for name in (scripts.calibrations.OPERATORS_ALONE, "uniform")
    ]
    for row in rows[1::2]:
        assert float(row[4].split(" ±")[0]) > float(row[3])
        assert row[5].startswith("+")


def test_lines(scripts, results, monkeypatch):
    monkeypatch.setattr(scripts.calibrations, "DRAWS", 2)
    monkeypatch.setattr(scripts.calibrations, "RESAMPLES", 10)
    text = "\n".join(scripts.calibrations.calibration_lines(report_of(*results)))
    assert "take 5 s of the processor each (6 of them as much as 1.5 runs of uniform)" in text


def test_too_few_children_are_not_calibrated(scripts, results):
    truth, prediction = results
    few = scripts.analysis.GroundTruth(truth.networks[:10], truth.strata[:10], truth.losses[:10])
    some = scripts.analysis.Prediction("uniform", "equal_steps", [1, 2], prediction.scores[:, :10])
    assert len(scripts.calibrations.calibration_table(report_of(few, some))) == 2
