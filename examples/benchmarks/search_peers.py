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
Children that a search evaluates in a second, against whittle, NNI and DyNAS-T (`dynast`); and what its LINAS finds, against
DyNAS-T's.

    python examples/benchmarks/search_peers.py --whittle_python WHITTLE/bin/python --nni_python NNI/bin/python \\
        --dynast_python DYNAST/bin/python

Each peer is in an environment of its own (the README beside this script says how to make them) and runs there as a process that
holds its supernet (`peers/`). One that is not named or does not import is skipped, and the results say why.

All have one space: encoders of `--layers` blocks, each with a number of heads (`--heads`, of one size) and a feed-forward size, as
slices of the largest; layers of ours are half a block. All have random weights, as many threads, the same token ids in as many
batches, and their own search loops. The head is the peer's: whittle predicts a token at every position, so ours does; the others
classify. Searches of ours and of the peer take turns, the order reversed every other time; a round gives the ratio of the seconds
that a distinct child took. What a search evaluated twice counts once.

The quality of LINAS is measured without a network, on a table of losses and parameters that both search with the same number of
evaluations; see `peer_quality.py`.
"""

import argparse
import shlex
from typing import Any, NamedTuple

import torch
from common import Timing, compare, finish, interval, make_parser, start
from peer_quality import compare_linas, load_table, table_task
from peer_workers import PeerError, Worker
from peers.protocol import make_token_ids, timed_search
from search_strategies import TABLE

from hf_supernet import (
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    SupernetBertForSequenceClassification,
)
from hf_supernet.evaluation import Evaluator
from hf_supernet.local_paths import public_values
from hf_supernet.search import (
    EvolutionarySearch,
    LINASSearch,
    NSGA2Search,
    ParameterCost,
    RandomSearch,
    dev_loss,
    run_search,
)


OURS = "hf_supernet"
STRATEGIES = {strategy.name: strategy for strategy in (RandomSearch, EvolutionarySearch, NSGA2Search, LINASSearch)}
LINAS_PREDICTIONS = {"inner_population_size": 200, "inner_generations": 100}
"""In each generation as many as DyNAS-T makes."""
SHAPE = (
    "layers",
    "hidden_size",
    "heads",
    "feed_forward_sizes",
    "vocab_size",
    "batch_size",
    "sequence_length",
    "batches",
)


class Peer(NamedTuple):
    """What a peer can be asked for, and the size of its populations where it does not let it be chosen."""

    predicts_tokens: bool
    strategies: tuple[str, ...]
    population_size: int | None = None


PEERS = {
    "whittle": Peer(True, ("random", "nsga2"), population_size=10),
    "nni": Peer(False, ("random", "evolutionary")),
    "dynast": Peer(False, ("random", "nsga2", "linas")),
}


class OwnSearch:
    """
    Our side: answers a request as a peer's worker does.

    Args:
        task (`dict[str, Any]`):
            The shape.
        predicts_tokens (`bool`):
            Whether every token is predicted, or each sequence classified.
    """

    def __init__(self, task: dict[str, Any], predicts_tokens: bool):
        attentions = [f"attention-{heads}" for heads in task["heads"]]
        feed_forwards = [f"feed_forward-{size}" for size in task["feed_forward_sizes"]]
        config = SupernetBertConfig(
            vocab_size=task["vocab_size"],
            hidden_size=task["hidden_size"],
            num_hidden_layers=2 * task["layers"],
            candidate_operators=[attentions, feed_forwards] * task["layers"],
            attention_head_size=task["hidden_size"] // max(task["heads"]),
            max_position_embeddings=task["sequence_length"],
            weight_sharing="sliced",
        )
        head = SupernetBertForMaskedLM if predicts_tokens else SupernetBertForSequenceClassification
        self.model = head(config).eval()
        self.batches = [
            {
                "input_ids": ids,
                "attention_mask": torch.ones_like(ids),
                "labels": ids.clone() if predicts_tokens else ids[:, 0] % 2,
            }
            for ids in make_token_ids(task)
        ]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One search of the dev loss, beside the parameters where it has several objectives."""
        strategy, children = STRATEGIES[request["strategy"]], request["children"]
        objectives = [dev_loss(Evaluator(self.model, self.batches)), ParameterCost(self.model.config)]
        size = children if strategy is RandomSearch else request["population_size"]
        options = LINAS_PREDICTIONS if strategy is LINASSearch else {}

        def run() -> list[str]:
            proposer = strategy(
                self.model.search_space,
                population_size=size,
                seed=request["seed"],
                objectives=objectives if strategy.max_objectives is None else objectives[:1],
                **options,
            )
            return run_search(proposer, objectives, generations=children // size).table["architecture"].tolist()

        return timed_search(run)


def seconds_a_child(answer: dict[str, Any]) -> Timing:
    return Timing(*(answer[clock] / answer["distinct"] for clock in Timing._fields))


def take_turns(sides: dict[str, Any], requests: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The answers of both sides (whatever has `ask`) to each request, in turn."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for turn, request in enumerate(requests):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            answers[name].append(sides[name].ask(request))
    return answers


def measure(peer: str, strategy: str, sides: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """One search method: the ratio of the times, by both clocks, and what it is made of."""
    # Later generations are of other sizes than random children, so that both sides are to have as many of them.
    size = min(PEERS[peer].population_size or args.population_size, args.children)
    request = {"strategy": strategy, "children": args.children, "population_size": size}
    rounds = args.linas_rounds if strategy == LINASSearch.name else args.rounds
    answers = take_turns(sides, [request | {"seed": args.seed + turn} for turn in range(rounds)])
    timings = [
        dict(zip(answers, map(seconds_a_child, pair), strict=True)) for pair in zip(*answers.values(), strict=True)
    ]
    result = compare(f"{peer} / ours, {strategy}", timings, peer, OURS, args.clock, at_least=1.0, statistic="mean") | {
        "peer": peer,
        "strategy": strategy,
    }
    for clock in Timing._fields:
        result[clock]["interval"] = interval(result[clock]["per_round"])
    result["children"] = {
        name: {key: [answer[key] for answer in given] for key in ("evaluated", "distinct")}
        for name, given in answers.items()
    }
    return result


def failure(name: str, error: PeerError, word: str) -> dict[str, Any]:
    reason = public_values(str(error))
    return {"name": name, "value": f"{word}: {reason}", word: reason}


def rates(peer: str, args: argparse.Namespace) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The versions of a peer, and the results of all its search methods."""
    task = {name: getattr(args, name) for name in (*SHAPE, "threads", "seed")}
    results = []
    with Worker(peer, getattr(args, f"{peer}_python"), task) as worker:
        sides = {OURS: OwnSearch(task, PEERS[peer].predicts_tokens), peer: worker}
        warm = {"strategy": "random", "children": args.population_size, "population_size": args.population_size}
        take_turns(sides, [warm | {"seed": args.seed}] * args.warmup)
        for strategy in PEERS[peer].strategies:
            try:
                results.append(measure(peer, strategy, sides, args))
            except PeerError as error:
                results.append(failure(f"{peer} / ours, {strategy}", error, "failed"))
        return worker.versions, results


def quality(args: argparse.Namespace) -> list[dict[str, Any]]:
    """LINAS against that of DyNAS-T."""
    benchmark = load_table(args)
    with Worker("dynast", args.dynast_python, table_task(benchmark, args)) as worker:
        try:
            return compare_linas(benchmark, worker, args, LINAS_PREDICTIONS)
        except PeerError as error:
            return [failure("LINAS on a table of losses", error, "failed")]


def without_places(options: list[str], args: argparse.Namespace) -> list[str]:
    """The options with a name for the folder of each environment, which is nobody's business."""
    named = {getattr(args, f"{peer}_python"): f"{peer.upper()}/bin/python" for peer in PEERS}
    named.pop(None, None)
    for path, name in named.items():
        options = [option.replace(path, name) for option in options]
    return options


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser("search_peers", __doc__, rounds=8)
    for peer in PEERS:
        parser.add_argument(f"--{peer}_python", help=f"The interpreter of the environment that has {peer}.")
    parser.add_argument("--layers", type=int, default=4, help="Blocks of attention and feed-forward.")
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--feed_forward_sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--batches", type=int, default=4, help="Dev batches that each child sees.")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--sequence_length", type=int, default=128)
    parser.add_argument("--children", type=int, default=50, help="Evaluations of a search.")
    parser.add_argument("--population_size", type=int, default=25, help="Where a peer lets it be chosen.")
    parser.add_argument("--linas_rounds", type=int, default=3, help="Rounds with LINAS, which takes DyNAS-T minutes.")
    parser.add_argument("--linas_seeds", type=int, default=5, help="Searches of the table.")
    parser.add_argument("--linas_evaluations", type=int, default=200, help="Evaluations of each.")
    parser.add_argument("--linas_population_size", type=int, default=20)
    parser.add_argument(
        "--table", default=str(TABLE), help="What `search_table.py` wrote; where there is none, losses are made up."
    )
    args = parser.parse_args(argv)
    for name in ("rounds", "linas_rounds", "linas_seeds"):
        if getattr(args, name) < 2:
            parser.error(f"an interval takes two `--{name}` or more")
    for size, whole in (("population_size", "children"), ("linas_population_size", "linas_evaluations")):
        if getattr(args, whole) % getattr(args, size):
            parser.error(f"`--{whole}` has to be a multiple of `--{size}`")
    for name, peer in PEERS.items():
        if args.children % min(peer.population_size or 1, args.children):
            parser.error(f"`--children` has to be a multiple of {peer.population_size}, the populations of {name}")
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    head = start("search_peers", args, argv)
    options = without_places(shlex.split(head["command"]), args)
    head["command"] = shlex.join(options)
    head["settings"] = public_values(head["settings"])
    head["peers"], results = {}, []
    for peer in PEERS:
        try:
            head["peers"][peer], found = rates(peer, args)
            results += found
        except PeerError as error:
            results.append(failure(peer, error, "skipped"))
    if "dynast" in head["peers"]:
        results += quality(args)
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
