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
NSGA-II whose children come in families that begin alike, against the plain one: operator calls, hypervolume, stored states.

    python examples/benchmarks/prefix_proposals.py

No network is run, and nothing is timed: the loss is made up as in `trie_evaluation.py`. All have the same number of
evaluations; the hypervolume of loss and parameters is up to the worst values that any of them found. Families mutate less, so the
plain one is also there with as few mutations as they have.
"""

import argparse
import math
from typing import Any, NamedTuple

import numpy as np
from common import finish, make_parser, start, supernet_config
from scipy.stats import t as student_t
from trie_evaluation import PROPOSALS, made_up_loss

from hf_supernet import Architecture, SearchSpace, SupernetBertConfig
from hf_supernet.evaluation import CallCount, count_calls, in_trie_order, plan_visits
from hf_supernet.search import NSGA2Search, ParameterCost, run_search
from hf_supernet.search.indicators import hypervolume, non_dominated


LEAST_SAVING = 2.0
SEARCHES = PROPOSALS | {"plain, fewer mutations": {"mutation_probability": 0.03}}
PLAIN = [name for name in SEARCHES if name != "families"]


class Found(NamedTuple):
    """Of one search: the objectives of all children, the calls of all generations, and the most states stored in any."""

    values: np.ndarray
    calls: CallCount
    stored: int


def search(config: SupernetBertConfig, args: argparse.Namespace, seed: int, options: dict[str, Any]) -> Found:
    """One search."""
    space = SearchSpace.from_config(config)
    objectives = [made_up_loss(space, seed), ParameterCost(config)]
    strategy = NSGA2Search(space, population_size=args.population_size, seed=seed, objectives=objectives, **options)
    table = run_search(strategy, objectives, generations=args.generations).table
    groups = [list(map(Architecture.from_string, rows)) for _, rows in table.groupby("generation")["architecture"]]
    counts = list(map(count_calls, groups))
    total = CallCount(sum(count.shared for count in counts), sum(count.alone for count in counts))
    stored = max(len(visit.stored) for group in groups for visit in plan_visits(in_trie_order(group)))
    return Found(table[["loss", "parameters"]].to_numpy(dtype=float), total, stored)


def against(layers: int, plain: str, ratios: np.ndarray) -> dict[str, Any]:
    """The hypervolume of families as a share of another search's, one for each seed."""
    half = student_t.ppf(0.975, len(ratios) - 1) * np.std(ratios, ddof=1) / len(ratios) ** 0.5
    mean = float(np.mean(ratios))
    return {
        "name": f"{layers}x4: hypervolume, families / {plain}, mean over {len(ratios)} seeds [95 % interval]",
        "value": f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]",
        "target": "1 or more within the interval",
        "met": bool(mean + half >= 1),
        "per_seed": ratios.tolist(),
    }


def compare(layers: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The results of one number of layers."""
    config = supernet_config(layers, 4, hidden_size=args.hidden_size, vocab_size=args.vocab_size)
    volumes, savings, stored = {name: [] for name in SEARCHES}, {name: [] for name in SEARCHES}, []
    for seed in range(args.seed, args.seed + args.rounds):
        found = {name: search(config, args, seed, options) for name, options in SEARCHES.items()}
        worst = np.concatenate([one.values for one in found.values()]).max(axis=0)
        stored.append(max(one.stored for one in found.values()))
        for name, one in found.items():
            volumes[name].append(hypervolume(one.values[non_dominated(one.values)], worst))
            savings[name].append(one.calls.saving)
    saving = float(np.median(savings["families"]))
    most = math.floor(math.log2(args.population_size))
    return [
        *(against(layers, plain, np.divide(volumes["families"], volumes[plain])) for plain in PLAIN),
        {
            "name": f"{layers}x4: times fewer calls than one by one, families",
            "value": f"{saving:.2f}",
            "target": f"at least {LEAST_SAVING}",
            "met": saving >= LEAST_SAVING,
            "per_seed": savings["families"],
        },
        {
            "name": f"{layers}x4: times fewer calls than one by one, plain",
            "value": f"{np.median(savings['plain']):.2f}",
            "per_seed": savings["plain"],
        },
        {
            "name": f"{layers}x4: states stored at a time, the most of any generation",
            "value": str(max(stored)),
            "target": f"at most {most}, the logarithm of {args.population_size} children",
            "met": max(stored) <= most,
            "per_seed": stored,
        },
    ]


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("prefix_proposals", __doc__, rounds=20)
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 24])
    parser.add_argument("--population_size", type=int, default=50)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--vocab_size", type=int, default=8192)
    args = parser.parse_args(argv)
    if args.rounds < 2:
        parser.error("an interval takes two `--rounds` (seeds) or more")
    head = start("prefix_proposals", args, argv)
    finish(args.output, head, [result for layers in args.layers for result in compare(layers, args)])


if __name__ == "__main__":
    main()
