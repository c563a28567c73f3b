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
"""What `search_peers.py` found: tables for `report.py`."""

import statistics
from typing import Any

from hf_supernet.cards.rendering import markdown_table


OURS = "hf_supernet"


def _ratio(values: dict[str, Any]) -> str:
    interval = values["interval"]
    return f"{interval['mean']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _children_a_second(result: dict[str, Any], side: str) -> str:
    """By the clock of the target."""
    return f"{statistics.median(1 / seconds for seconds in result['seconds'][side][result['clock']]):.2f}"


def _repeated(result: dict[str, Any]) -> str:
    counts = result["children"][result["peer"]]
    return f"{sum(counts['distinct'])} of {sum(counts['evaluated'])}"


def rates_table(results: list[dict[str, Any]]) -> list[str]:
    """Children a second, of both sides, and the ratios."""
    rows = [
        [
            result["peer"],
            result["strategy"],
            _children_a_second(result, OURS),
            _children_a_second(result, result["peer"]),
            *(_ratio(result[clock]) for clock in ("wall", "cpu")),
            str(len(result["wall"]["per_round"])),
            _repeated(result),
            f"{result['target']}: {'met' if result['met'] else '**missed**'}",
        ]
        for result in results
    ]
    clock = results[0]["clock"]
    head = [
        "peer",
        "search",
        "our children a second, median",
        "the peer's",
        "peer's time / ours, wall clock [95 %]",
        "processor time",
        "rounds",
        "distinct of the peer's evaluations",
        f"target ({clock}, mean)",
    ]
    return markdown_table(head, rows)


def linas_table(results: list[dict[str, Any]]) -> list[str]:
    """LINAS against that of DyNAS-T, by the number of distinct children."""
    rows = []
    for result in results:
        difference = result["difference"]
        rows.append(
            [
                str(result["children"]),
                *(f"{statistics.fmean(result[side]):.3f}" for side in ("ours", "dynast")),
                f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]",
            ]
        )
    number, distinct = len(results[0]["ours"]), results[0]["distinct"]["dynast"]
    head = ["distinct children", "our LINAS", "DyNAS-T's", "difference [95 %], paired by seed"]
    return [
        "Share of the true hypervolume of loss and parameters on a table of all children"
        f" ({results[0]['table']}), mean of {number} seeds. Of as many evaluations as ours,"
        f" {min(distinct)} to {max(distinct)} of DyNAS-T's were of distinct children; from there on its share is that of its end.",
        "",
        *markdown_table(head, rows),
    ]


def search_peers_section(benchmark: dict[str, Any]) -> list[str]:
    """Everything."""
    environment, results = benchmark["environment"], benchmark["results"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    peers = "; ".join(
        ", ".join(f"{name} {version}" for name, version in of_peer.items()) for of_peer in benchmark["peers"].values()
    )
    lines = [
        f"### {benchmark['benchmark']}",
        "",
        f"`{benchmark['command']}`, seed {benchmark['settings']['seed']}; {environment['cpu']}, {environment['threads']} of"
        f" {environment['cores']} cores, load average {environment['load_average_at_start'][0]} at the start; {versions}."
        + (f" Environments of the peers: {peers}." if peers else ""),
        "",
    ]
    rates = [result for result in results if "ratio_of" in result]
    qualities = [result for result in results if "difference" in result]
    others = [result for result in results if "value" in result and "difference" not in result]
    parts = [
        rates_table(rates) if rates else [],
        linas_table(qualities) if qualities else [],
        [f"- {result['name']}: {result['value']}" for result in others],
    ]
    for part in filter(None, parts):
        lines += [*part, ""]
    return lines[:-1]
