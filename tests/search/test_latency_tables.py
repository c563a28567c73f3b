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
"""Latencies where the hidden size is searched: what holds of one table holds of the table of each size."""

import dataclasses
import json
import random

import pytest
import torch

from hf_supernet import Architecture, SearchSpace
from hf_supernet.models.searched_bert.modeling_searched_bert import SearchedBertOperator
from hf_supernet.search import Constraint, LatencyCost, LatencyTable, LatencyTables

from .conftest import tiny_config
from .test_latency import FAST, made_up_table


SIZES = [16, 32]


def elastic(sizes=SIZES, **fields):
    return tiny_config(hidden_sizes=sizes, weight_sharing="sliced", attention_head_size=8, **fields)


def made_up_tables(config) -> LatencyTables:
    return LatencyTables(
        made_up_table(config.at_hidden_size(size), {"attention-4": 10_000 * size}) for size in config.hidden_sizes
    )


@pytest.fixture
def clock(monkeypatch) -> None:
    """A microsecond an operator that is run and element of its hidden states: no machine's load in it."""

    def samples(function, settings):
        counted = []

        def count(module, _, output):  # a hook that returned anything would replace the output
            if isinstance(module, SearchedBertOperator):
                counted.append(output.shape[-1])

        hook = torch.nn.modules.module.register_module_forward_hook(count)
        function()
        hook.remove()
        return [1e-6 * sum(counted)]

    monkeypatch.setattr("hf_supernet.search.latency_measuring.time_samples", samples)


def test_a_child_takes_what_the_table_of_its_size_says():
    config = elastic()
    tables, space, generator = made_up_tables(config), SearchSpace.from_config(config), random.Random(0)
    cost, cost_table = LatencyCost(config, tables), tables.cost_table(space)
    for child in (space.sample(generator) for _ in range(20)):
        alone = tables.tables[child.hidden_size].latency(Architecture(child.operators))
        assert tables.latency(child) == tables.latency(str(child)) == cost(child) == alone
        assert space.cost(child, cost_table) / 1e9 == alone
    assert tables.latency("H32:A4-I") - tables.latency("H16:A4-I") == pytest.approx(160e-6)
    # The lower half: of the small size more than of the large one, but of both.
    limit = Constraint(cost, maximum=(cost(space.cheapest(cost.table)) + cost(space.dearest(cost.table))) / 2)
    within = space.within(cost.table, maximum=round(1e9 * limit.maximum))
    drawn = [within.sample(generator) for _ in range(60)]
    assert {child.hidden_size for child in drawn} == set(SIZES)
    assert all(tables.latency(child) <= limit.maximum + 1e-9 for child in drawn)  # the limit in whole nanoseconds


def test_each_size_is_measured_and_so_is_a_whole_child(clock):
    config = elastic(num_hidden_layers=3)
    tables = LatencyTables.measure(config, FAST)
    for size, table in tables.tables.items():
        assert {value.median for value in table.operators.values()} == {1e-6 * size} and table.overhead is None
    assert set(tables.tables) == set(SIZES)
    fitted = tables.with_overhead(config, num_children=5)
    for size, table in fitted.tables.items():
        assert len(table.overhead.children) == 5
        child = f"H{size}:A4-C3-F37"
        assert fitted.measure_child(config, child).median == pytest.approx(3e-6 * size)
        assert fitted.latency(child) == pytest.approx(3e-6 * size, rel=1e-3)
        assert tables.latency(child) == pytest.approx(4e-6 * size)  # the base is measured with an identity


def test_what_is_saved_is_loaded(clock, tmp_path):
    config = elastic(num_hidden_layers=3)
    tables = LatencyTables.measure(config, FAST).with_overhead(config, num_children=4)
    path = tmp_path / "folder" / "tables.json"
    tables.save(path)
    loaded = LatencyTables.load(path)
    assert {size: vars(table) for size, table in loaded.tables.items()} == {
        size: vars(table) for size, table in tables.tables.items()
    }
    assert list(loaded.tables) == SIZES and loaded.settings == FAST and loaded.device == tables.device
    assert [file.name for file in path.parent.iterdir()] == ["tables.json"]
    with pytest.raises(ValueError, match=r"several hidden sizes: read it by `LatencyTables\.load`"):
        LatencyTable.load(path)


@pytest.mark.parametrize("config", [tiny_config(), elastic([32])])
def test_of_one_size_the_file_is_that_of_the_table(config, tmp_path):
    table = made_up_table(tiny_config() if config.hidden_sizes is None else config.at_hidden_size(32))
    table.save(tmp_path / "table.json")
    tables = LatencyTables.load(tmp_path / "table.json")
    tables.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "table.json").read_bytes()
    assert vars(LatencyTable.load(tmp_path / "again.json")) == vars(table)
    child = SearchSpace.from_config(config).default_architecture()
    assert LatencyCost(config, tables)(child) == tables.latency(child) == table.latency(child)
    assert tables.of("A4-I") is tables.of("H32:A4-I") is tables.tables[32]


def test_tables_that_do_not_fit_the_supernet():
    config = elastic()
    small, large = made_up_tables(config).tables.values()
    with pytest.raises(ValueError, match=r"searches 16, 32: make one for each, by `LatencyTables\.measure`"):
        LatencyTable.measure(config, FAST)
    for tables in (LatencyTables([small]), LatencyTables([small, made_up_table(tiny_config(hidden_size=64))])):
        with pytest.raises(
            ValueError, match=r"of the hidden sizes 16.*, and the supernet has 16, 32; .* one for each"
        ):
            LatencyCost(config, tables)
    with pytest.raises(ValueError, match=r"measured for .*'hidden_size': 16.*, but the model has .*'hidden_size': 32"):
        LatencyTables([small]).check_config(tiny_config())
    with pytest.raises(ValueError, match=r"measured for \{'vocab_size': 99\}, but the model has \{'vocab_size': 98\}"):
        LatencyTables([small, large]).measure_child(elastic(vocab_size=98), "H16:A4-I-I-I-I-I")


def test_tables_that_do_not_go_together():
    small, large = made_up_tables(elastic()).tables.values()
    with pytest.raises(ValueError, match="two latency tables of hidden size 16: leave one out, or make one"):
        LatencyTables([small, small])
    large.settings = dataclasses.replace(FAST, num_threads=2)
    large.device = small.device | {"name": "another processor"}
    with pytest.raises(ValueError, match=r"differ in num_threads: 1 and 2; device's name: .* and 'another processor'"):
        LatencyTables([small, large])
    with pytest.raises(ValueError, match="a latency table for each hidden size, got none"):
        LatencyTables([])


def test_a_size_without_a_table():
    tables = made_up_tables(elastic())
    for name, size in (("H64:A4-I", 64), ("A4-I", None)):
        with pytest.raises(
            ValueError, match=f"'{name}' has the hidden size {size}, and there are .* tables of 16, 32"
        ):
            tables.latency(name)


@pytest.mark.parametrize("change", [{"tables": 3}, {"tables": []}, {"tables": [{}]}, {"device": None}, {"head": ...}])
def test_a_damaged_file(tmp_path, change):
    path = tmp_path / "tables.json"
    made_up_tables(elastic()).save(path)
    values = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))
    with pytest.raises(ValueError, match=r"tables\.json' is not a latency table, or a damaged one"):
        LatencyTables.load(path)
