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
"""The comparison with other searches, with stand-ins for the peers, which are in environments of their own."""

import json
import statistics
import sys
from pathlib import Path

import pytest

from hf_supernet.search import ParameterCost, TabularBenchmark
from hf_supernet.search_space import SearchSpace

from ..search.conftest import TabularEvaluator, tiny_config


BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"

sys.path.insert(0, str(BENCHMARKS))
import peer_workers  # noqa: E402 (a script, found beside the package)
import report  # noqa: E402
import search_peers  # noqa: E402


SMALL = (
    "--rounds 3 --linas_rounds 2 --warmup 0 --children 4 --population_size 2 --layers 2 --hidden_size 8 --heads 1 2"
    " --feed_forward_sizes 4 8 --vocab_size 31 --batches 1 --batch_size 2 --sequence_length 5 --linas_seeds 2"
    " --linas_evaluations 6 --linas_population_size 3"
)

STAND_IN = """#!{python} -S
# Runs the worker's side of the conversation without PyTorch and without a peer.
import itertools, sys, types
torch = sys.modules["torch"] = types.ModuleType("torch")
torch.Tensor, torch.__version__ = object, "0"
torch.set_num_threads = torch.manual_seed = print  # what a peer prints is no answer
sys.path.insert(0, {peers!r})
import protocol

def begin(task):
    print("beginning")
    def search(asked):
        if asked["strategy"] == "evolutionary":
            raise ValueError("no such thing")
        number = asked["children"]
        layers = itertools.product(range(4), repeat=task["layers"])
        children = [str({{"intermediate_size": list(child)}}) for child in itertools.islice(layers, number - 1)]
        # One is evaluated twice.
        return {{
            "wall": 10.0 * number + asked["seed"], "cpu": 7.0 * number, "evaluated": number, "distinct": number - 1,
            "children": [children[0], *children],
        }}
    return {{"peer": "1.0"}}, search

protocol.serve(begin)
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory) -> dict[str, str]:
    """What is named as the interpreter of each peer's environment."""
    paths = {peer: tmp_path_factory.mktemp("environment") / "python" for peer in search_peers.PEERS}
    for path in paths.values():
        path.write_text(STAND_IN.format(python=sys.executable, peers=str(BENCHMARKS / "peers")))
        path.chmod(0o755)
    return {peer: str(path) for peer, path in paths.items()}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    config = tiny_config(num_hidden_layers=3)
    space = SearchSpace.from_config(config)
    path = tmp_path_factory.mktemp("table") / "table.parquet"
    TabularBenchmark.build(space, TabularEvaluator(space).evaluate(list(space)), [ParameterCost(config)]).save(path)
    return path


def run(output: Path, *options: str) -> dict:
    search_peers.main([*SMALL.split(), *options, "--output", str(output)])
    return json.loads(output.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory, environments, table) -> dict:
    options = [item for peer, python in environments.items() for item in (f"--{peer}_python", python)]
    return run(tmp_path_factory.mktemp("found") / "found.json", *options, "--table", str(table))


def test_peers_that_are_not_there_are_skipped_with_the_reason(tmp_path):
    options = ("--nni_python", str(tmp_path / "nowhere"), "--whittle_python", sys.executable)
    found = run(tmp_path / "found.json", *options)
    assert found["peers"] == {} and found["benchmark"] == "search_peers"
    whittle, nni, dynast = found["results"]
    assert "No module named 'lightning'" in whittle["skipped"]
    assert nni["skipped"] == "`--nni_python` does not run: No such file or directory"
    assert dynast["skipped"] == "no environment is named for it (`--dynast_python`)"
    for result, peer in zip(found["results"], search_peers.PEERS, strict=True):
        assert result["name"] == peer and result["value"] == f"skipped: {result['skipped']}"
    lines = report.search_peers_section(found)
    assert lines[0] == "### search_peers" and f"- whittle: {whittle['value']}" in lines


def test_seconds_are_those_of_a_distinct_child_and_ratios_those_of_each_round(found):
    rates = {(item["peer"], item["strategy"]): item for item in found["results"] if "ratio_of" in item}
    wanted = [(peer, name) for peer, told in search_peers.PEERS.items() for name in told.strategies]
    assert list(rates) == [pair for pair in wanted if pair != ("nni", "evolutionary")]
    for (peer, strategy), result in rates.items():
        rounds = 2 if strategy == "linas" else 3
        seconds, counts = result["seconds"], result["children"]
        assert seconds[peer]["wall"] == [(40 + seed) / 3 for seed in range(rounds)]
        assert seconds[peer]["cpu"] == [28 / 3] * rounds
        assert counts[peer] == {"evaluated": [4] * rounds, "distinct": [3] * rounds}
        assert counts["hf_supernet"] == {"evaluated": [4] * rounds, "distinct": [4] * rounds}
        for clock in ("wall", "cpu"):
            pairs = zip(seconds[peer][clock], seconds["hf_supernet"][clock], strict=True)
            ratios = [theirs / ours for theirs, ours in pairs]
            assert result[clock]["per_round"] == ratios
            interval, mean = result[clock]["interval"], statistics.fmean(ratios)
            half = {2: 12.7062, 3: 4.30265}[rounds] * statistics.stdev(ratios) / rounds**0.5  # Student's t
            assert interval["mean"] == pytest.approx(mean) and interval["high"] - mean == pytest.approx(half, rel=1e-4)
            assert mean - interval["low"] == pytest.approx(half, rel=1e-4)
        assert result["met"] == (result["wall"]["mean"] >= 1)


def test_a_search_that_fails_is_said_and_the_others_go_on(found):
    [failed] = [item for item in found["results"] if "failed" in item]
    assert failed["name"] == "nni / ours, evolutionary" and failed["failed"] == "ValueError: no such thing"


def test_linas_is_compared_after_the_same_number_of_distinct_children(found, table):
    benchmark = TabularBenchmark.load(table)
    results = [item for item in found["results"] if "difference" in item]
    assert [item["children"] for item in results] == [3, 6]
    # The stand-in's five are the first of the space.
    rows = benchmark.table.set_index("architecture").loc[[str(child) for child in benchmark.search_space][:5]]
    for item, number in zip(results, (3, 5), strict=True):
        share = benchmark.hypervolume_share(rows.head(number), ["loss", "parameters"])
        assert item["dynast"] == [share, share] and item["distinct"] == {"ours": [6, 6], "dynast": [5, 5]}
        assert item["difference"]["mean"] == pytest.approx(statistics.fmean(item["ours"]) - share)
        assert all(0 < value <= 1 for value in item["ours"])


def test_no_place_of_an_environment_is_in_the_results(found):
    assert "environment0" not in found["command"] and "environment0" not in json.dumps(found["settings"])
    assert "--nni_python NNI/bin/python" in found["command"] and found["settings"]["nni_python"] == "python"
    assert found["peers"] == {peer: {"torch": "0", "peer": "1.0"} for peer in search_peers.PEERS}


def test_the_tables_of_the_results(found):
    lines = report.search_peers_section(found)
    text = "\n".join(lines)
    dynast = next(item for item in found["results"] if item.get("peer") == "dynast")
    interval = dynast["wall"]["interval"]
    assert f"{interval['mean']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]" in text
    assert "| dynast | linas |" in text and "5 to 5 of DyNAS-T's" in text and "| 9 of 12 |" in text
    assert "- nni / ours, evolutionary: failed: ValueError: no such thing" in lines


def test_an_environment_that_ends_without_a_word(tmp_path):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    with pytest.raises(peer_workers.PeerError, match="ended with the code 3"):
        peer_workers.Worker("nni", str(silent), {"threads": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rounds", "1"], "an interval takes two `--rounds` or more"),
        (["--children", "50", "--population_size", "20"], "`--children` has to be a multiple of `--population_size`"),
        (["--children", "25"], "`--children` has to be a multiple of 10, the populations of whittle"),
    ],
)
def test_slips(options, message, capsys):
    with pytest.raises(SystemExit):
        search_peers.main(options)
    assert message in capsys.readouterr().err
