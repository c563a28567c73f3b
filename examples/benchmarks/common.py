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
"""What the benchmarks share: interleaved timing, the environment, and the form of the results."""

import argparse
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from scipy import stats

import hf_supernet
from hf_supernet import Architecture, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.files import write_json


RESULTS = Path(__file__).resolve().parent / "results"

CANDIDATES = {
    4: ["attention-4", "feed_forward-512", "convolution-3", "convolution-5"],
    8: [
        *("attention-2", "attention-4", "attention-8", "feed_forward-256", "feed_forward-512"),
        *("convolution-3", "convolution-5", "convolution-7"),
    ],
}
"""The candidates of a layer, by their number, at a hidden size of 128."""


class Timing(NamedTuple):
    """
    One call. The two clocks agree where nothing else runs; where other programs take turns on the core, the processor
    time leaves their turns out.
    """

    wall: float
    cpu: float


def make_parser(name: str, description: str, rounds: int, repeats: int = 1) -> argparse.ArgumentParser:
    """The arguments of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="Rounds; each gives one ratio.")
    parser.add_argument("--repeats", type=int, default=repeats, help="Timed calls of each case in a round.")
    parser.add_argument("--warmup", type=int, default=2, help="Calls of each case before a round is timed.")
    parser.add_argument("--threads", type=int, default=1, help="Threads of PyTorch.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--clock",
        choices=Timing._fields,
        default="wall",
        help="What targets are held against: 'cpu' where other programs take turns on the core.",
    )
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.json", help="The JSON file to write.")
    return parser


def start(name: str, args: argparse.Namespace, argv: list[str] | None) -> dict[str, Any]:
    """Sets threads and seed; returns what goes to the head of the results, read before any work."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    transformers.utils.logging.set_verbosity_error()
    options = _without_output(sys.argv[1:] if argv is None else argv)
    return {
        "benchmark": name,
        "command": shlex.join(["python", f"examples/benchmarks/{name}.py", *options]),
        "settings": {name: value for name, value in vars(args).items() if name != "output"},
        "environment": {
            "versions": {module.__name__: module.__version__ for module in (hf_supernet, transformers, torch)},
            "python": platform.python_version(),
            "cpu": cpu_name(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "cores": os.cpu_count(),
            "threads": args.threads,
            "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        },
    }


def _without_output(options: Sequence[str]) -> list[str]:
    """The options but `--output`, which is of one machine, and none of what is measured."""
    kept, rest = [], iter(options)
    for option in rest:
        if option == "--output":
            next(rest, None)
        elif not option.startswith("--output="):
            kept.append(option)
    return kept


def finish(output: Path, head: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Writes the JSON file and prints one line for each result."""
    write_json(output, {**head, "results": results})
    for result in results:
        print(f"{result['name']}: {describe(result)}")
    print(f"Wrote {output}")


def cpu_name() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def timed(function: Callable[[], Any]) -> Timing:
    """Calls `function` once."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def interleave(cases: dict[str, Callable[[], Any]], repeats: int, warmup: int) -> dict[str, Timing]:
    """
    One round: calls the cases in turn (A B A B ...), every other time in the reverse order, so that drifts and the
    state that one case leaves behind touch all alike.

    Returns:
        `dict[str, Timing]`: the median of each case.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in cases}
    for turn in range(-warmup, repeats):
        for name in list(cases) if turn % 2 == 0 else reversed(list(cases)):
            timing = timed(cases[name])
            if turn >= 0:
                timings[name].append(timing)
    return {
        name: Timing(*(statistics.median(clock) for clock in zip(*measured, strict=True)))
        for name, measured in timings.items()
    }


def spread(values: list[float]) -> dict[str, Any]:
    """Median, quartiles, mean, and the values themselves."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {
        "median": quartiles[1],
        "q1": quartiles[0],
        "q3": quartiles[2],
        "mean": statistics.fmean(values),
        "per_round": values,
    }


def compare(
    name: str,
    rounds: list[dict[str, Timing]],
    numerator: str,
    denominator: str,
    clock: str,
    at_most: float | None = None,
    at_least: float | None = None,
    statistic: str = "median",
) -> dict[str, Any]:
    """
    One result: the ratio of two cases in each round, by both clocks, and whether it reaches its target.

    Args:
        name (`str`):
            What the table says.
        rounds (`list[dict[str, Timing]]`):
            From [`interleave`].
        numerator, denominator (`str`):
            The cases.
        clock (`str`):
            What the target is held against: `"wall"` or `"cpu"`. Both are kept.
        at_most, at_least (`float`, *optional*):
            The target.
        statistic (`str`, *optional*, defaults to `"median"`):
            What the target is held against: the `"median"` over rounds, or the ratio of the `"total"` times, where
            rounds differ by their nature.
    """
    seconds = {
        case: {field: [getattr(timings[case], field) for timings in rounds] for field in Timing._fields}
        for case in (numerator, denominator)
    }
    result: dict[str, Any] = {"name": name, "ratio_of": [numerator, denominator], "statistic": statistic}
    for field in Timing._fields:
        above, below = seconds[numerator][field], seconds[denominator][field]
        result[field] = spread([a / b for a, b in zip(above, below, strict=True)]) | {"total": sum(above) / sum(below)}
    result |= {"seconds": seconds, "clock": clock}
    found = result[clock][statistic]
    if at_most is not None:
        result |= {"target": f"at most {at_most}", "met": found <= at_most}
    elif at_least is not None:
        result |= {"target": f"at least {at_least}", "met": found >= at_least}
    return result


def interval(differences: list[float]) -> dict[str, float]:
    """Mean of paired differences and its 95 % interval by Student's t."""
    mean = statistics.fmean(differences)
    half = float(stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def describe(result: dict[str, Any]) -> str:
    """The figure of a result in words."""
    if "value" in result:
        return str(result["value"])
    clocks = []
    for clock in Timing._fields:
        values = result[clock]
        clocks.append(f"{clock} {values[result['statistic']]:.3f} [{values['q1']:.3f}, {values['q3']:.3f}]")
    return ", ".join(clocks) + (f"; target {result['target']}" if "target" in result else "")


def supernet_config(
    num_layers: int, num_candidates: int, hidden_size: int, vocab_size: int, dropout: float = 0.0, **fields
) -> SupernetBertConfig:
    """A space with the candidates of `CANDIDATES`; `fields` are others of the configuration."""
    return SupernetBertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        candidate_operators=CANDIDATES[num_candidates],
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **fields,
    )


def make_supernet(*args, **kwargs) -> SupernetBertForMaskedLM:
    """A supernet in training mode; arguments as for `supernet_config`."""
    return SupernetBertForMaskedLM(supernet_config(*args, **kwargs)).train()


def make_batch(batch_size: int, sequence_length: int, vocab_size: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tokens without padding, 15 % of them labelled."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, sequence_length)
    input_ids = torch.randint(5, vocab_size, shape, generator=generator)
    labels = input_ids.masked_fill(torch.rand(shape, generator=generator) >= 0.15, -100)
    labels[0, 0] = input_ids[0, 0]  # a batch without a label has no loss
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": labels}


def make_optimizer(model: torch.nn.Module) -> torch.optim.Optimizer:
    """AdamW as the Trainer makes it by default."""
    return torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)


def make_step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Any]
) -> Callable[[], torch.Tensor]:
    """Forward, backward, optimizer step and zero_grad."""

    def step() -> torch.Tensor:
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def visit_all(model: SupernetBertForMaskedLM, optimizer: torch.optim.Optimizer, inputs: dict[str, Any]) -> None:
    """Trains every candidate once, so that all of them have optimizer states, as after the start of a real run."""
    candidates = model.search_space.candidates
    for index in range(max(len(operators) for operators in candidates)):
        path = Architecture(tuple(operators[index % len(operators)] for operators in candidates))
        make_step(model, optimizer, {**inputs, "architecture": path})()
