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
Parameters and multiply-adds in closed form, against the real modules.

    python examples/benchmarks/costs_check.py

Random architectures of several spaces, each with every head: the closed forms of `hf_supernet.costs` must equal the
number of parameters of the module and half the operations that `FlopCounterMode` counts on the meta device.
"""

import random

import torch
from common import CANDIDATES, finish, make_parser, start
from torch.utils.flop_counter import FlopCounterMode

from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SearchSpace,
    SupernetBertConfig,
)
from hf_supernet.costs import HEADS, count_multiply_adds, count_parameters


CHILD_CLASSES = {
    None: SearchedBertModel,
    "masked-lm": SearchedBertForMaskedLM,
    "sequence-classification": SearchedBertForSequenceClassification,
    "token-classification": SearchedBertForTokenClassification,
    "question-answering": SearchedBertForQuestionAnswering,
    "multiple-choice": SearchedBertForMultipleChoice,
}
SPACES = {
    "12x4, hidden 128": {"num_hidden_layers": 12, "candidate_operators": CANDIDATES[4]},
    "24x8, hidden 128": {"num_hidden_layers": 24, "candidate_operators": CANDIDATES[8]},
    "24x5, hidden 768, with identity": {
        "num_hidden_layers": 24,
        "hidden_size": 768,
        "vocab_size": 30522,
        "candidate_operators": ["attention-12", "feed_forward-3072", "convolution-3", "convolution-5", "identity"],
    },
    "12x4, hidden 192, embeddings of 64, heads of 64": {
        "num_hidden_layers": 12,
        "hidden_size": 192,
        "embedding_size": 64,
        "attention_head_size": 64,
        "candidate_operators": ["attention-2", "attention-6", "feed_forward-768", "convolution-7"],
    },
}


def module_costs(config: SupernetBertConfig, architecture, head: str | None, length: int) -> tuple[int, float]:
    """Parameters and multiply-adds of the real module."""
    with torch.device("meta"):
        model = CHILD_CLASSES[head](config.child_config(architecture.operators)).eval()
        shape = (1, 1, length) if head == "multiple-choice" else (1, length)
        input_ids = torch.zeros(shape, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=input_ids)
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() / 2


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("costs_check", __doc__, rounds=25)
    parser.add_argument("--sequence_length", type=int, default=128)
    args = parser.parse_args(argv)
    head = start("costs_check", args, argv)
    results = []
    for name, fields in SPACES.items():
        config = SupernetBertConfig(**{"vocab_size": 8192, "hidden_size": 128} | fields)
        space, generator = SearchSpace.from_config(config), random.Random(args.seed)
        cases = [(space.sample(generator), child_head) for _ in range(args.rounds) for child_head in (None, *HEADS)]
        differences = []
        for architecture, child_head in cases:
            closed = (
                count_parameters(config, architecture, head=child_head),
                count_multiply_adds(config, architecture, args.sequence_length, head=child_head),
            )
            counted = module_costs(config, architecture, child_head, args.sequence_length)
            if closed != counted:
                differences.append({"architecture": str(architecture), "head": child_head, "of": [closed, counted]})
        results.append(
            {
                "name": f"closed forms, {name}",
                "value": f"{len(cases) - len(differences)} of {len(cases)} children equal",
                "target": "all equal",
                "met": not differences,
                "differences": differences,
            }
        )
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
