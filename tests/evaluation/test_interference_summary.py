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
"""What is said of the rows of an analysis of interference: verdicts, findings, tables."""

import numpy as np
import pandas as pd
import pytest

from hf_supernet.evaluation.interference_statistics import Interval
from hf_supernet.evaluation.interference_summary import summarize_interference, verdict
from hf_supernet.plotting.interference import states_panel


def make_rows(method: str, seeds: int, shift: float = 0.0) -> pd.DataFrame:
    """States and gradients get less alike with the number of operators that differ, gradients by that number alone."""
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(
        [
            {"supernet": seed, "pair": pair, "batch": batch, "distance": k, "layer": layer}
            for seed in range(seeds)
            for pair in range(10)
            for batch in range(3)
            for k in (1, 2, 3)
            for layer in (0, 1)
        ]
    )
    noise = generator.normal(size=(2, len(rows)))
    for column, own in zip(("input_similarity", "output_similarity"), noise, strict=True):
        rows[column] = np.where(rows["layer"] == 0, 1.0, 0.9 - 0.05 * rows["distance"] + 0.01 * own)
    rows["gradient_similarity"] = 0.9 - 0.1 * rows["distance"] + shift + 0.01 * generator.normal(size=len(rows))
    kind = np.where(rows["pair"] < 8, "attention", "convolution")
    return rows.assign(method=method, kind=kind, operator=[f"{name}-4" for name in kind])


@pytest.fixture(scope="module")
def summary() -> str:
    return summarize_interference(pd.concat([make_rows("uniform", 3), make_rows("lower", 1, -0.2)]), resamples=200)


def test_verdicts():
    assert verdict(Interval(-0.5, 0.2), -1) == "holds"
    assert verdict(Interval(-0.5, 0.2), 1) == "**refuted**"
    assert verdict(Interval(0.1, 0.2), 1) == "not decided"


def test_what_is_found_comes_first(summary):
    start, _, rest = summary.partition("Intervals (±)")
    assert (
        "training method(s), with 3, 1 seed(s); pairs of children that differ in 1 to 3 operators, 10 pairs" in start
    )
    first, second, means = (line for line in start.splitlines() if line.startswith("- "))
    assert "confirmed for all 2 methods (rank correlations from -0.9" in first
    assert "confirmed" not in second and second.count("not decided for all 2 methods") == 2
    assert "less alike are those of lower (-0.2" in means
    assert rest.startswith(" are of 95%") and "**Other seeds are not in the intervals of lower**" in rest


def test_states_count_only_among_pairs_of_one_number(summary):
    """Within layer and operator, what looks like the effect of the states is that of the number."""
    rows = [line.split(" | ") for line in summary.splitlines() if line.startswith("| similarity of inputs | same")]
    verdicts = {(cells[1], cells[2]): cells[-1] for cells in rows}
    assert verdicts["same layer and operator", "uniform"] == "holds |"
    assert verdicts["same layer, operator and number", "uniform"] == "not decided |"


def test_table_of_layers(summary):
    table = summary.partition("## Gradient similarity by layer and kind")[2]
    assert "| method | kind | layer 0 | layer 1 |" in table
    few = next(line for line in table.splitlines() if line.startswith("| uniform | convolution |"))
    assert few.count("(2)") == 2 and "±" not in few
    assert next(line for line in table.splitlines() if line.startswith("| lower | attention |")).count("±") == 2


def test_bins_of_states_have_distinct_values():
    table = states_panel(make_rows("uniform", 1), "input_similarity", resamples=20).table
    places = table["similarity of inputs (cosine)"]
    assert (
        places.is_unique and places.is_monotonic_increasing and places.iloc[-1] == 1.0 and (places < 0.95).sum() == 4
    )


def test_one_of_a_kind():
    rows = make_rows("uniform", 1)
    text = summarize_interference(rows[(rows["batch"] == 0)], resamples=20)
    assert "**Other batches are not in the intervals**: there is one." in text
    assert "less that of" not in text and "on average, next to" not in text
