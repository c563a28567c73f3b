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
What the alignment loss of MAGIC-A costs: a training step with it, against the step without.

    python examples/benchmarks/alignment_cost.py

A step is forward, backward, AdamW and zero_grad. The anchor's pass shares the layers in front of the first difference,
so the cost is shown for random pairs of child and anchor (which mostly differ at once), for neighbours that differ in
one operator (what gradual modification stays close to), and by the layer of the first difference.
A challenge of the anchor comes on top, once in `anchor_interval` steps: its share of a step is shown too.
"""

import argparse
import functools
import random
from collections.abc import Callable
from typing import Any

import torch
from common import (
    Timing,
    compare,
    finish,
    interleave,
    make_batch,
    make_optimizer,
    make_parser,
    make_step,
    make_supernet,
    start,
    visit_all,
)

from hf_supernet import Architecture, SearchSpace, SupernetBertForMaskedLM
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.training import AlignmentLoss, Anchor, SupernetTrainingArguments


def make_aligned_step(
    model: SupernetBertForMaskedLM, optimizer: torch.optim.Optimizer, inputs: dict[str, Any], anchor: Architecture
) -> Callable[[], None]:
    """The step of `make_step` with the alignment loss."""
    alignment = AlignmentLoss()

    def step() -> None:
        outputs = model(**inputs, output_hidden_states=True)
        child = inputs["architecture"]
        alignment_loss = alignment(model, outputs.hidden_states, inputs["attention_mask"], child, anchor)
        (outputs.loss + 0.1 * alignment_loss).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def differing_from(space: SearchSpace, child: Architecture, first: int, generator: random.Random) -> Architecture:
    """An anchor that is the child up to layer `first`, another operator there, and random behind."""
    drawn = space.sample(generator)
    others = [operator for operator in space.candidates[first] if operator != child[first]]
    return Architecture((*child.operators[:first], generator.choice(others), *drawn.operators[first + 1 :]))


def measure(
    model: SupernetBertForMaskedLM,
    optimizer: torch.optim.Optimizer,
    inputs: dict[str, Any],
    pairs: list[tuple[Architecture, Architecture]],
    args: argparse.Namespace,
) -> list[dict[str, Timing]]:
    """A round for each pair of child and anchor."""
    rounds = []
    for child, anchor in pairs:
        inputs = {**inputs, "architecture": child}
        cases = {
            "aligned": make_aligned_step(model, optimizer, inputs, anchor),
            "plain": make_step(model, optimizer, inputs),
        }
        rounds.append(interleave(cases, args.repeats, args.warmup))
    return rounds


def measure_challenges(
    model: SupernetBertForMaskedLM, optimizer: torch.optim.Optimizer, inputs: dict[str, Any], args: argparse.Namespace
) -> list[dict[str, Timing]]:
    """The share of a challenge, with the Trainer's default interval and dev samples, that falls to each step."""
    defaults = SupernetTrainingArguments("unused", use_cpu=True)
    shape = inputs["input_ids"].shape
    batch = make_batch(*shape, model.config.vocab_size, args.seed + 1)
    num_batches = -(-defaults.anchor_eval_samples // shape[0])
    anchor = Anchor(Evaluator(model, [batch] * num_batches))
    generator = random.Random(args.seed)
    rounds = []
    for _ in range(args.challenge_rounds):
        anchor.architecture = model.search_space.sample(generator)
        child = model.search_space.sample(generator)
        cases = {
            "challenge / anchor_interval": functools.partial(anchor.challenge, [child]),
            "plain": make_step(model, optimizer, {**inputs, "architecture": child}),
        }
        timings = interleave(cases, repeats=1, warmup=0)
        challenge = Timing(*(clock / defaults.anchor_interval for clock in timings["challenge / anchor_interval"]))
        rounds.append({**timings, "challenge / anchor_interval": challenge})
    return rounds


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("alignment_cost", __doc__, rounds=16, repeats=4)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--layer_rounds", type=int, default=4, help="Rounds for each layer of the first difference.")
    parser.add_argument("--challenge_rounds", type=int, default=3)
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--sequence_length", type=int, default=128)
    args = parser.parse_args(argv)
    head = start("alignment_cost", args, argv)
    batch = make_batch(args.batch_size, args.sequence_length, args.vocab_size, args.seed)
    inputs = {**batch, "prediction_positions": "labelled"}
    model = make_supernet(args.layers, 4, hidden_size=args.hidden_size, vocab_size=args.vocab_size)
    optimizer = make_optimizer(model)
    visit_all(model, optimizer, inputs)
    space, generator = model.search_space, random.Random(args.seed)

    def result(name: str, pairs: list, **options) -> dict[str, Any]:
        rounds = measure(model, optimizer, inputs, pairs, args)
        found = compare(name, rounds, "aligned", "plain", args.clock, **options)
        return found | {"first_differences": [child.first_difference(anchor) for child, anchor in pairs]}

    pairs = [(space.sample(generator), space.sample(generator)) for _ in range(args.rounds)]
    results = [result("random child and anchor", pairs, at_most=1.4, statistic="total")]
    pairs = [(child, space.mutate(child, 1, generator)) for child, _ in pairs]
    results.append(result("anchor that differs in one operator", pairs, statistic="total"))
    for first in range(args.layers):
        children = [space.sample(generator) for _ in range(args.layer_rounds)]
        pairs = [(child, differing_from(space, child, first, generator)) for child in children]
        results.append(result(f"first difference at layer {first} of {args.layers}", pairs))
    pairs = [(child, child) for child in (space.sample(generator) for _ in range(args.layer_rounds))]
    results.append(result("child is the anchor", pairs))
    rounds = measure_challenges(model, optimizer, inputs, args)
    name = "on top, a challenge of the anchor every 100 steps, in steps"
    results.append(compare(name, rounds, "challenge / anchor_interval", "plain", args.clock))
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
