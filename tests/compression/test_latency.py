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
"""Latencies beside a reference: ratios by turn, the first child that keeps a limit, tables of each hidden size."""

import pytest
import torch

from hf_supernet import Architecture, SearchSpace
from hf_supernet.compression import SpaceArguments, comparison_table, latency
from hf_supernet.compression.budget import cost_models
from hf_supernet.compression.latency import as_exported, first_within, measure_side_by_side, measure_tables
from hf_supernet.compression.supernet import make_supernet, supernet_config, supernet_options
from hf_supernet.search import LatencySettings

from .conftest import bert_config, seconds_of


SETTINGS = LatencySettings(sequence_length=8, repeats=3, num_threads=1)


def config_of(**options):
    return supernet_config(bert_config(), supernet_options(bert_config(), SpaceArguments(min_blocks=1, **options)))


def test_ratios_are_taken_within_a_turn(monkeypatch):
    """In the second turn the machine was busy with something else: all took twice as long."""
    times = iter([1.0, 0.5, 2.0, 1.0, 1.0, 0.6])
    monkeypatch.setattr(latency, "model_call", lambda model, settings: model)
    monkeypatch.setattr(latency, "time_samples", lambda model, settings: [next(times)] * 3)
    found = measure_side_by_side({"reference": None, "child": None}, "reference", SETTINGS)
    assert found["child"][:3] == (0.5, 0.5, 0.55) and found["reference"][:3] == (1, 1, 1)
    assert found["child"].measured.median == 0.6 and found["child"].measured.samples == 9
    assert found["child"].to_dict()["latency_ratio_quartiles"] == [0.5, 0.55]


@pytest.mark.usefixtures("parameter_clock")
@pytest.mark.parametrize("sizes", [None, [12]])
def test_tables_predict_the_ratio_of_whole_classifiers(sizes, classifier):
    config = config_of(hidden_sizes=sizes)
    tables = measure_tables(config, SETTINGS, 6)
    assert tables.tables.keys() == set(sizes or []) | {24}
    cost = cost_models(config, 8, tables)["latency"]
    reference = seconds_of(classifier)[0]
    space = SearchSpace.from_config(config)
    supernet = make_supernet(
        classifier, supernet_options(bert_config(), SpaceArguments(min_blocks=1, hidden_sizes=sizes))
    )
    for child in (space.default_architecture(), space.cheapest(cost.table), *list(space)[3:50:9]):
        whole = seconds_of(as_exported(supernet.extract_child(child)))[0]
        assert cost(child) / cost.reference == pytest.approx(whole / reference, rel=1e-3)
    assert cost.format(cost.reference / 2) == "0.500 of the reference's latency"


def test_too_few_children_for_a_fit(parameter_clock):
    (table,) = measure_tables(config_of(feed_forward_sizes=[40]), SETTINGS, 3).tables.values()
    assert table.overhead is None


def children(*kept: int) -> list[Architecture]:
    return [Architecture.from_string("-".join(["A4-F40"] * blocks + ["I-I"] * (3 - blocks))) for blocks in kept]


def test_a_child_has_to_keep_the_limit_twice(monkeypatch, classifier):
    """The first one by chance did once."""
    ratios = iter([0.5, 0.4, 0.7, 0.45])  # of both children; then of each, alone beside the reference

    def measure(models, reference, settings):
        return {name: latency.RelativeLatency(next(ratios), 0, 0, None) for name in models if name != reference}

    monkeypatch.setattr(latency, "measure_side_by_side", measure)
    two = children(2, 1)
    found = first_within(two, lambda child: config_of(), classifier, 0.6, SETTINGS)
    assert found == (two[1], 0.45)


@pytest.mark.usefixtures("parameter_clock")
def test_the_first_within_a_limit(classifier):
    def find(limit, *kept):
        return first_within(children(*kept), lambda child: config_of(), classifier, limit, SETTINGS)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert find(0.9, 3, 2, 1)[0] == children(2)[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert find(0.1, 2, 1) == (None, pytest.approx(0.364, abs=0.01))
    assert find(None, 2, 1) == (children(2)[0], None) and find(0.5) == find(None) == (None, None)


def test_a_table_says_who_was_above_the_budget_in_the_end():
    row = {
        "label": "reference",
        "score": 0.5,
        "parameters": 9,
        "multiply_adds": 9,
        "latency_ratio": 1.0,
        "steps": 0,
        "passes": 0,
    }
    comparison = {
        "metric": "f1",
        "models": [row, row | {"label": "one"}, row | {"label": "two", "latency_ratio": 0.4}],
    }
    comparison |= {"budget": {"latency": 0.5}, "left_out": {"layers_dropped": "none keeps the budget"}}
    comparison |= {
        "rows": {"train": 4, "search": 5, "validation": 6},
        "sequence_length": 8,
        "paths_per_step": 4,
        "passes_per_step": 4,
    }
    lines = comparison_table(comparison).splitlines()
    assert lines[2] == "| reference | 0.5000 | 9 | 9 | 1.000 | 0 | 0 |"
    assert lines[-2] == "Measured anew for this table, these are above the budget of 0.5: one (1.000)."
    assert lines[-1] == "Left out: layers dropped, as none keeps the budget."
    quiet = comparison_table(comparison | {"budget": {"parameters": 5}, "left_out": {}})
    assert "above the budget" not in quiet and "Left out" not in quiet
