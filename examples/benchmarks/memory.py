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
Memory of a supernet's training step, against the stand-alone child's.

    python examples/benchmarks/memory.py

Each case is a process of its own: it builds the model, trains a few steps with AdamW and tells

- its peak resident memory, above what the imports alone take,
- what the tensors hold: weights, gradients and optimizer states when the step is over, and what autograd keeps for the
  backward pass (each storage once, weights left out), which is the child's activations in either case.

The supernet comes twice: after steps of one path alone, and after each candidate was trained, when the optimizer has
states for all weights.
"""

import argparse
import json
import random
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from common import (
    finish,
    make_batch,
    make_optimizer,
    make_parser,
    make_step,
    spread,
    start,
    supernet_config,
)

from hf_supernet import SearchedBertForMaskedLM, SearchSpace, SupernetBertForMaskedLM


CASES = ("child", "supernet, one path trained", "supernet, all candidates trained")
MEBIBYTE = 2**20


def peak_resident() -> float:
    """The process's peak resident memory in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage on Linux starts from the peak of the process that started this one
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEBIBYTE if sys.platform == "darwin" else peak / 1024


def held(tensors: Any) -> float:
    """What tensors hold in MiB, each storage once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values()) / MEBIBYTE


def kept_for_backward(model: torch.nn.Module, inputs: dict[str, Any]) -> float:
    """What a forward pass keeps for the backward pass, without the weights, in MiB."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(**inputs)
    size = held(kept)
    del outputs
    return size


def fill_optimizer_states(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """
    Gives every weight its optimizer states, a layer at a time. Paths that are dearer than the measured one would do so
    too, but leave a peak of their own.
    """
    for layer in model.base_model.encoder.layer:
        for parameter in layer.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad()


def measure(case: str, args: argparse.Namespace) -> dict[str, float]:
    """Runs one case in this process."""
    imports = peak_resident()
    config = supernet_config(args.layers, args.candidates, hidden_size=args.hidden_size, vocab_size=args.vocab_size)
    architecture = SearchSpace.from_config(config).sample(random.Random(args.seed))
    if case == "child":
        model = SearchedBertForMaskedLM(config.child_config(architecture.operators)).train()
    else:
        model = SupernetBertForMaskedLM(config).train()
    batch = make_batch(args.batch_size, args.sequence_length, args.vocab_size, args.seed)
    inputs: dict[str, Any] = {**batch, "prediction_positions": "labelled"}
    optimizer = make_optimizer(model)
    built = peak_resident()
    if case == CASES[2]:
        fill_optimizer_states(model, optimizer)
    if case != "child":
        inputs["architecture"] = architecture
    for _ in range(args.repeats):
        make_step(model, optimizer, inputs)()
    peak = peak_resident()
    model(**inputs).loss.backward()
    states = [value for state in optimizer.state.values() for value in state.values()]
    measured = {
        "peak resident": peak - imports,
        "of it once the model was built": built - imports,
        "weights": held(model.parameters()),
        "gradients": held([p.grad for p in model.parameters() if p.grad is not None]),
        "optimizer states": held([state for state in states if torch.is_tensor(state)]),
    }
    optimizer.zero_grad()
    return measured | {"kept for the backward pass": kept_for_backward(model, inputs)}


def run(case: str, options: list[str]) -> dict[str, float]:
    """Runs one case in a process of its own."""
    command = [sys.executable, __file__, *options, "--case", case]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("memory", __doc__, rounds=3, repeats=3)
    parser.add_argument("--case", choices=CASES, help="Run this one here and print it: what the script calls itself.")
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--candidates", type=int, choices=(4, 8), default=8)
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--vocab_size", type=int, default=8192)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--sequence_length", type=int, default=128)
    args = parser.parse_args(argv)
    head = start("memory", args, argv)
    if args.case:
        print(json.dumps(measure(args.case, args)))
        return
    options = sys.argv[1:] if argv is None else argv
    rounds = [{case: run(case, options) for case in CASES} for _ in range(args.rounds)]
    results = []
    for case in CASES:
        sizes = {what: statistics.median(r[case][what] for r in rounds) for what in rounds[0][case]}
        parts = ", ".join(f"{what} {size:.1f}" for what, size in sizes.items())
        results.append({"name": f"{case}, MiB", "value": parts, "per_round": [r[case] for r in rounds]})
    for case in CASES[1:]:
        ratios = spread([r[case]["peak resident"] / r["child"]["peak resident"] for r in rounds])
        value = f"{ratios['median']:.3f} [{ratios['q1']:.3f}, {ratios['q3']:.3f}]"
        results.append({"name": f"peak resident, {case} / child", "value": value, "ratio": ratios})
    finish(args.output, head, results)


if __name__ == "__main__":
    main()
