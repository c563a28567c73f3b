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
"""
What our LINAS finds against DyNAS-T's, both on one table of losses and parameters: for `search_peers.py`.

DyNAS-T searches it as its BERT space, with one choice a layer, the loss in the place of its accuracy and the parameters in that of
its multiply-adds; its encodings, predictors and searches are its own. Both get the same number of evaluations. Some of DyNAS-T's
are repetitions; what both have found is compared after the same number of distinct children, and where a search ends before
that number, with all that it found.
"""

import argparse
import ast
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
from common import interval, supernet_config
from peer_workers import Worker
from trie_evaluation import made_up_loss

from hf_supernet import Architecture, SearchSpace
from hf_supernet.search import LINASSearch, ParameterCost, TabularBenchmark, run_search


COLUMNS = ("loss", "parameters")
MADE_UP = "made-up losses"
MADE_UP_LAYERS = 6


def load_table(args: argparse.Namespace) -> TabularBenchmark:
    """The committed table, or one with made-up losses (as in `trie_evaluation.py`) of six layers with four candidates."""
    if Path(args.table).is_file():
        return TabularBenchmark.load(args.table)
    config = supernet_config(MADE_UP_LAYERS, 4, hidden_size=128, vocab_size=8192)
    space = SearchSpace.from_config(config)
    loss = made_up_loss(space, args.seed).function
    return TabularBenchmark.build(space, {child: loss(child) for child in space}, [ParameterCost(config)])


def table_task(benchmark: TabularBenchmark, args: argparse.Namespace) -> dict[str, Any]:
    """The table as the worker takes it: children by the numbers of their candidates."""
    candidates = benchmark.search_space.candidates
    sizes = set(map(len, candidates))
    if len(sizes) > 1:
        raise ValueError(f"DyNAS-T's space has as many candidates in each layer; this table has {sorted(sizes)}.")
    values = benchmark.table.set_index("architecture")[list(COLUMNS)]
    rows = {
        "-".join(str(row.index(item)) for row, item in zip(candidates, child, strict=True)): values.loc[
            str(child)
        ].tolist()
        for child in benchmark.search_space
    }
    return {
        "layers": len(candidates),
        "candidates": sizes.pop(),
        "table": rows,
        "threads": args.threads,
        "seed": args.seed,
    }


def own_search(
    benchmark: TabularBenchmark, seed: int, args: argparse.Namespace, options: dict[str, Any]
) -> pd.DataFrame:
    """The children that our LINAS evaluates, in order."""
    objectives = [benchmark.loss, benchmark.cost("parameters")]
    size = args.linas_population_size
    strategy = LINASSearch(benchmark.search_space, population_size=size, seed=seed, objectives=objectives, **options)
    return run_search(strategy, objectives, args.linas_evaluations // size).table


def peer_search(benchmark: TabularBenchmark, worker: Worker, seed: int, args: argparse.Namespace) -> pd.DataFrame:
    """The distinct children that DyNAS-T's LINAS evaluates, in order."""
    request = {
        "strategy": LINASSearch.name,
        "children": args.linas_evaluations,
        "population_size": args.linas_population_size,
        "seed": seed,
        "list": True,
    }
    candidates = benchmark.search_space.candidates
    names = []
    for child in dict.fromkeys(worker.ask(request)["children"]):
        numbers = ast.literal_eval(child)["intermediate_size"]
        names.append(str(Architecture(tuple(row[number] for row, number in zip(candidates, numbers, strict=True)))))
    return benchmark.table.set_index("architecture").loc[names].reset_index()


def compare_linas(
    benchmark: TabularBenchmark, worker: Worker, args: argparse.Namespace, options: dict[str, Any]
) -> list[dict[str, Any]]:
    """
    The share of the true hypervolume of loss and parameters by the number of distinct children, paired by seed.

    Args:
        benchmark ([`TabularBenchmark`]):
            The table.
        worker ([`Worker`]):
            DyNAS-T with that table.
        args (`argparse.Namespace`):
            Of `search_peers.py`.
        options (`dict[str, Any]`):
            Of our LINAS.
    """
    found = [
        (own_search(benchmark, seed, args, options), peer_search(benchmark, worker, seed, args))
        for seed in range(args.seed, args.seed + args.linas_seeds)
    ]
    distinct = {"ours": [len(ours) for ours, _ in found], "dynast": [len(theirs) for _, theirs in found]}
    results = []
    for number in range(args.linas_population_size, args.linas_evaluations + 1, args.linas_population_size):
        ours, theirs = (
            [benchmark.hypervolume_share(pair[side].head(number), COLUMNS) for pair in found] for side in (0, 1)
        )
        difference = interval([a - b for a, b in zip(ours, theirs, strict=True)])
        results.append(
            {
                "name": f"LINAS: share of the hypervolume after {number} of {len(benchmark):,} children",
                "value": f"{statistics.fmean(ours):.3f} (dynast {statistics.fmean(theirs):.3f}), difference"
                f" {difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]",
                "children": number,
                "ours": ours,
                "dynast": theirs,
                "difference": difference,
                "distinct": distinct,
                "table": benchmark.info.get("supernet", MADE_UP),
            }
        )
    return results
