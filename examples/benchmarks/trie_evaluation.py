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
Evaluating the generations of a search as a trie against one child after the other: operator calls, multiply-adds, time.

    python examples/benchmarks/trie_evaluation.py

Generations are those of NSGA-II, plain and in families that begin alike, from the beginning, the middle and the end of a
search. What they are searched by is made up, an additive loss with interactions of neighbours, beside the parameters: it
decides which generations there are, not what evaluating them takes. Time is measured on a supernet with random weights,
embeddings and head included.
"""

import argparse
import itertools
import random
from typing import Any

import torch
from common import (
    Timing,
    compare,
    finish,
    interleave,
    make_batch,
    make_parser,
    make_supernet,
    start,
)

from hf_supernet import Architecture, SearchSpace, SupernetBertForMaskedLM
from hf_supernet.costs import operator_multiply_adds
from hf_supernet.evaluation import Evaluator, count_calls
from hf_supernet.search import FunctionObjective, NSGA2Search, ParameterCost, run_search


PROPOSALS = {"plain": {}, "families": {"family_size": 4}}
MOMENTS = ("early", "middle", "late")
LEAST_SHARE = 0.9
"""Of the time that multiply-adds promise to save."""


def made_up_loss(space: SearchSpace, seed: int) -> FunctionObjective:
    """A random number for each operator of each layer, and smaller ones for pairs of neighbours."""
    generator = random.Random(seed)
    single = [{item: generator.random() for item in row} for row in space.candidates]
    pairs = [
        {pair: 0.3 * generator.random() for pair in itertools.product(*rows)}
        for rows in itertools.pairwise(space.candidates)
    ]

    def loss(architecture: Architecture) -> float:
        total = sum(row[item] for row, item in zip(single, architecture, strict=True))
        return total + sum(row[pair] for row, pair in zip(pairs, itertools.pairwise(architecture), strict=True))

    return FunctionObjective("loss", loss, cost="cheap")


def generations(
    model: SupernetBertForMaskedLM, args: argparse.Namespace, options: dict[str, Any]
) -> dict[str, list[Architecture]]:
    """The second, the middle and the last generation of a search: the first is random whatever the proposals."""
    space = model.search_space
    objectives = [made_up_loss(space, args.seed), ParameterCost(model.config)]
    strategy = NSGA2Search(
        space, population_size=args.population_size, seed=args.seed, objectives=objectives, **options
    )
    table = run_search(strategy, objectives, generations=args.generations).table
    last = int(table["generation"].max())
    numbers = dict(zip(MOMENTS, (min(1, last), last // 2, last), strict=True))
    return {
        moment: [Architecture.from_string(text) for text in table.loc[table["generation"] == number, "architecture"]]
        for moment, number in numbers.items()
    }


def promised(model: SupernetBertForMaskedLM, children: list[Architecture], batch: dict[str, torch.Tensor]) -> float:
    """How many times fewer multiply-adds the trie has, the head of each child included."""
    config, (rows, length) = model.config, batch["input_ids"].shape
    count = count_calls(children, cost=lambda item: rows * operator_multiply_adds(item, config, length))
    # The embeddings multiply nothing. Only labelled positions go through the head.
    predicted = int((batch["labels"] != -100).sum())
    hidden, embedding = config.hidden_size, config.embedding_size
    heads = len(set(children)) * predicted * (hidden * embedding + embedding * config.vocab_size)
    return (count.alone + heads) / (count.shared + heads)


def measure(
    name: str, model: SupernetBertForMaskedLM, children: list[Architecture], args: argparse.Namespace
) -> dict[str, Any]:
    """One generation: what is promised, and the time of both ways."""
    batch = make_batch(args.batch_size, args.sequence_length, args.vocab_size, args.seed)
    evaluator = Evaluator(model, [batch])
    as_trie, alone = evaluator.evaluate(children), {}
    for child in children:
        alone |= evaluator.evaluate([child])
    cases = {
        "one by one": lambda: [evaluator.evaluate([child]) for child in children],
        "trie": lambda: evaluator.evaluate(children),
    }
    rounds: list[dict[str, Timing]] = [interleave(cases, args.repeats, args.warmup) for _ in range(args.rounds)]
    count, promise = count_calls(children), promised(model, children, batch)
    label = f"{name}: {count.saving:.2f} times fewer calls, {promise:.2f} multiply-adds"
    target = round(LEAST_SHARE * promise, 3)
    return compare(label, rounds, "one by one", "trie", args.clock, at_least=target) | {
        "calls": count._asdict(),
        "multiply_adds_saving": promise,
        "largest_difference": max(abs(as_trie[child] - alone[child]) for child in as_trie),
        "children": [str(child) for child in children],
    }


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("trie_evaluation", __doc__, rounds=5)
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 24])
    parser.add_argument("--population_size", type=int, default=50)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--sequence_length", type=int, default=128)
    args = parser.parse_args(argv)
    head = start("trie_evaluation", args, argv)
    results = []
    for layers in args.layers:
        model = make_supernet(layers, 4, hidden_size=args.hidden_size, vocab_size=args.vocab_size)
        for proposals, options in PROPOSALS.items():
            for moment, children in generations(model, args, options).items():
                results.append(measure(f"{layers}x4, {proposals}, {moment}", model, children, args))
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
