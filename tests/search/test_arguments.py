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
"""What the options of a search script make, and which of them cannot be."""

import pytest

from hf_supernet import Architecture, PlainBertSpace
from hf_supernet.search import LatencyCost, LatencySettings, NSGA2Search, Objective, PeakMemory, ShrinkingSearch
from hf_supernet.search.arguments import SearchArguments, with_operators
from hf_supernet.search_space import SearchSpace

from .conftest import TabularEvaluator, tiny_config
from .test_latency import made_up_table


def test_limits_are_in_the_units_of_their_options():
    config = tiny_config()
    table = made_up_table(config)
    limits = {"max_parameters": 60_000, "max_multiply_adds": 900_000, "max_peak_memory_mib": 1.5}
    milliseconds = 1e3 * LatencyCost(config, table)("A4-A4-A4-I-I-I")
    args = SearchArguments(output_dir="search", max_latency_ms=milliseconds, **limits)
    strategy = args.make_strategy(config, args.known_costs(config, 16, table))
    kept = {item.cost.name: item.maximum for item in strategy.feasible.constraints}
    assert kept == {
        "parameters": 60_000,
        "multiply_adds": 900_000,
        "latency": pytest.approx(milliseconds / 1e3),
        "peak_memory": 1.5 * 2**20,
    }
    assert args.describe_limits().startswith("parameters without the head at most 60,000, multiply-adds without")
    assert SearchArguments(output_dir="search").describe_limits() == "none"


def test_what_is_not_known_yet_is_left_out():
    config = tiny_config()
    args = SearchArguments(output_dir="search", max_latency_ms=1e-9, objectives=["loss", "latency"], strategy="nsga2")
    costs = args.known_costs(config, 16, None)
    assert list(costs) == ["parameters", "multiply_adds"]
    strategy = args.make_strategy(config, costs)
    assert not strategy.feasible.constraints and type(strategy.objectives[1]) is Objective
    with pytest.raises(ValueError, match="this space reaches"):
        args.make_strategy(config, args.known_costs(config, 16, made_up_table(config)))


def test_options_go_where_they_belong():
    config = tiny_config()
    args = SearchArguments(
        output_dir="search",
        strategy="nsga2",
        family_size=3,
        objectives=["loss", "peak_memory"],
        early_stopping_risk=0.1,
        latency_batch_size=2,
    )
    costs = args.known_costs(config, 16, None)
    memory, strategy = costs["peak_memory"], args.make_strategy(config, costs)
    assert isinstance(memory, PeakMemory) and (memory.settings.batch_size, memory.settings.sequence_length) == (2, 16)
    assert isinstance(strategy, NSGA2Search) and strategy.family_size == 3 and strategy.objectives[1] is memory
    loss = args.make_loss(TabularEvaluator(strategy.search_space), {"supernet": "abc"}, costs)
    assert loss.depends_on["early_stopping"].endswith("risk 0.1, seed 0, beside peak_memory")
    plain = SearchArguments(output_dir="search", strategy="shrinking")
    assert "early_stopping" not in plain.make_loss(TabularEvaluator(strategy.search_space), {}, {}).depends_on
    shrinking = plain.make_strategy(config, plain.known_costs(config, 16, made_up_table(config)))
    assert isinstance(shrinking, ShrinkingSearch) and [cost.name for cost in shrinking.bin_costs] == [
        "parameters",
        "latency",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"family_size": 3, "strategy": "linas"},
            "for the strategies evolutionary and nsga2; 'linas' has no families",
        ),
        ({"early_stopping_risk": 1.0}, "`risk` must lie between 0 and 1, got 1.0"),
        ({"early_stopping_risk": 0.1, "objectives": ["latency"]}, "loss is none of the `objectives` latency"),
        ({"calibration_children": ["a", "b"]}, "needs 3 children trained alone, better 6 or more; got 2"),
        (
            {"calibration_children": ["a", "b", "c"], "early_stopping_risk": 0.1},
            "`early_stopping_risk` compares losses that are not corrected yet, .*: leave out one or the other",
        ),
        ({"latency_num_children": 2}, "An overhead is fitted on 4 distinct children or more, got 2"),
        ({"latency_num_children": -1}, "An overhead is fitted on 4 distinct children or more, got -1"),
        ({"ray_workers": -1}, "`ray_workers` is a number of workers, 0 for none; got -1"),
        ({"max_peak_memory_mib": 0.0}, "`max_peak_memory_mib` must be a positive number, got 0.0"),
        ({"objectives": ["memory"]}, "some of loss, parameters, multiply_adds, latency, peak_memory; got memory"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        SearchArguments(output_dir="search", **options)


@pytest.mark.parametrize(
    ("option", "value", "there"),
    [
        ("latency_batch_size", 8, 1),
        ("latency_seq_length", 99, 128),
        ("latency_dtype", "bfloat16", "'float32'"),
        ("latency_runtime", "onnxruntime", "'pytorch'"),
        ("latency_num_threads", 7, 2),
        ("latency_device", "cuda", "'cpu'"),
    ],
)
def test_conditions_that_a_table_was_not_measured_under(option, value, there):
    settings = LatencySettings(num_threads=2)
    SearchArguments(output_dir="search", latency_num_threads=2).check_conditions(settings)
    with pytest.raises(ValueError, match=f"`{option}` is {value!r}, and the latencies of .* with {there}: leave out"):
        SearchArguments(output_dir="search", **{option: value}).check_conditions(settings)


def test_peak_memory_is_of_the_conditions_of_the_table():
    config = tiny_config()
    args = SearchArguments(output_dir="search", objectives=["loss", "peak_memory"])
    table = made_up_table(config)
    table.settings = LatencySettings(batch_size=3, sequence_length=7, dtype="bfloat16")
    of_table, without = (args.known_costs(config, 16, it)["peak_memory"].settings for it in (table, None))
    assert (of_table.batch_size, of_table.sequence_length, of_table.dtype) == (3, 7, "bfloat16")
    assert (without.batch_size, without.sequence_length, without.dtype) == (1, 16, "float32")


def test_plain_children_of_any_supernet():
    candidates = [
        ["attention-4", "attention-2", "identity"],
        ["feed_forward-37", "feed_forward-8", "convolution-3", "identity"],
    ]
    config = tiny_config(candidate_operators=candidates * 3, default_architecture="A4-C3-A2-F8-I-I")
    args = SearchArguments(output_dir="search", plain_children=True, strategy="coarse-to-fine", max_parameters=30_000)
    part = args.restricted(config)
    strategy = args.make_strategy(part, args.known_costs(part, 16, None))
    assert strategy.search_space == PlainBertSpace.from_config(config) and not config.plain_children
    assert all(path in SearchSpace.from_config(config) for path in strategy.propose())
    args.operators = ["attention-2", "feed_forward-8", "identity"]
    assert set(SearchSpace.from_config(args.restricted(config)).networks()) == {
        Architecture.from_string(path) for path in ("A2-F8-I-I-I-I", "A2-F8-A2-F8-I-I", "A2-F8-A2-F8-A2-F8")
    }
    args.operators = ["attention-2", "convolution-3"]
    with pytest.raises(ValueError, match="No architecture of this space is a plain BERT: that takes an attention in"):
        SearchSpace.from_config(args.restricted(config))


def test_the_choice_is_checked_before_the_search():
    space = SearchSpace.from_config(tiny_config())
    for choice in ("best", "knee", "A4-C3-I-I-I-F37"):
        SearchArguments(output_dir="search", choose=choice).check_choice(space)
    with pytest.raises(ValueError, match=r"`choose` is best, knee or the name .*; got 'kne' \(did you mean \"knee\""):
        SearchArguments(output_dir="search", choose="kne").check_choice(space)
    with pytest.raises(ValueError, match=r"`choose` is .*; got 'A4-C3'.* has 2 layers, but the search space has 6"):
        SearchArguments(output_dir="search", choose="A4-C3").check_choice(space)


def test_a_part_of_the_space():
    config = tiny_config(default_architecture="C3-C3-C3-C3-C3-C3")
    part = with_operators(config, ["A4", "feed_forward-37"])
    space, whole = SearchSpace.from_config(part), SearchSpace.from_config(config)
    assert space.num_paths() == 2**6 and all(path in whole for path in space)
    assert whole.num_paths() == 4**6 and config.default_architecture == "C3-C3-C3-C3-C3-C3"
    with pytest.raises(ValueError, match=r"candidates, attention-4, .*, identity; got attention-8 \(did you mean"):
        with_operators(config, ["attention-8"])
    uneven = tiny_config(candidate_operators=[["attention-4", "identity"]] * 5 + [["convolution-3", "identity"]])
    with pytest.raises(
        ValueError, match="leave layer 5 without a candidate; it has convolution-3, identity: keep one"
    ):
        with_operators(uneven, ["attention-4"])
