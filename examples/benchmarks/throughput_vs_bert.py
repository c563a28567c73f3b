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
Training throughput of an alternating child against `transformers.BertForMaskedLM`: the same network, weights and batch.

    python examples/benchmarks/throughput_vs_bert.py

A step is forward, backward, AdamW and zero_grad with a vocabulary of 30522 and 128 tokens. The child predicts the
labelled positions alone (`prediction_positions="labelled"`), BERT all of them; loss and gradients are the same.
"""

import math

import torch
from common import (
    compare,
    finish,
    interleave,
    make_batch,
    make_optimizer,
    make_parser,
    make_step,
    start,
)
from transformers import BertForMaskedLM

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.export import to_bert


SHAPES = {
    "tiny": {"hidden_size": 32, "blocks": 2, "batch_size": 2, "vocab_size": 99, "at_least": None},
    "256x6": {"hidden_size": 256, "blocks": 6, "batch_size": 16, "vocab_size": 30522, "at_least": 2.0},
    "768x12": {"hidden_size": 768, "blocks": 12, "batch_size": 8, "vocab_size": 30522, "at_least": 1.15},
}
"""Hidden size, BERT blocks, sequences in a batch, vocabulary, and the throughput to reach."""


def make_pair(shape: dict) -> tuple[SearchedBertForMaskedLM, BertForMaskedLM]:
    """A child of alternating attention and feed-forward, and the same network as a BERT."""
    hidden = shape["hidden_size"]
    block = [f"attention-{max(hidden // 64, 1)}", f"feed_forward-{4 * hidden}"]
    config = SearchedBertConfig(vocab_size=shape["vocab_size"], hidden_size=hidden, operators=block * shape["blocks"])
    child = SearchedBertForMaskedLM(config)
    return child, to_bert(child)


def check_same(child: SearchedBertForMaskedLM, bert: BertForMaskedLM, batch: dict[str, torch.Tensor]) -> None:
    """Both have the same loss, or their times would not compare."""
    with torch.no_grad():
        losses = [
            child.eval()(**batch, prediction_positions="labelled").loss.item(),
            bert.eval()(**batch).loss.item(),
        ]
    if not math.isclose(*losses, rel_tol=1e-4):
        raise RuntimeError(f"The child and its BERT have different losses: {losses}.")
    child.train(), bert.train()


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("throughput_vs_bert", __doc__, rounds=8)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["256x6", "768x12"])
    parser.add_argument("--sequence_length", type=int, default=128)
    args = parser.parse_args(argv)
    head = start("throughput_vs_bert", args, argv)
    results = []
    for name in args.shapes:
        shape = SHAPES[name]
        child, bert = make_pair(shape)
        batch = make_batch(shape["batch_size"], args.sequence_length, shape["vocab_size"], args.seed)
        check_same(child, bert, batch)
        cases = {
            "BertForMaskedLM": make_step(bert, make_optimizer(bert), batch),
            "child": make_step(child, make_optimizer(child), {**batch, "prediction_positions": "labelled"}),
        }
        warmups = [args.warmup] + [0] * (args.rounds - 1)
        rounds = [interleave(cases, args.repeats, warmup) for warmup in warmups]
        label = f"hidden {shape['hidden_size']} x {shape['blocks']} blocks, batch {shape['batch_size']}: throughput"
        result = compare(label, rounds, "BertForMaskedLM", "child", args.clock, at_least=shape["at_least"])
        results.append(result | {"shape": shape})
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
