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

# /// script
# dependencies = ["hf_supernet", "transformers>=5.23", "accelerate>=1.10", "datasets>=4.0", "torch>=2.6", "scipy", "pyyaml"]
# ///
"""
Measure what a step of each method costs, side by side: short trainings of all methods in turns, in one process.

    python examples/ranking/step_costs.py --data_dir DATA
    python examples/ranking/step_costs.py --data_dir DATA --methods uniform gradual magic-at --rounds 12

The costs, in steps of uniform sampling, go to `results/step_costs.json` (with `--joined NAME` to `step_costs-NAME.json`); the plan's `step_cost` are to be these, rounded. A
round draws the order of the methods anew; the ratios are of processor time, which other work on the machine disturbs least. Of a
method that splits the supernet, a step of the whole one is measured, and a pass of the comparison of gradients (`pass_cost`); a sampler
that adapts does so from the first step on.
"""

import random
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import transformers
from corpus import Corpus, load_corpus
from plan import REFERENCE, RankingPlan, read_plan
from rows import OTHER_STEP_COSTS, STEP_COSTS, versions
from run_arguments import RunArguments
from scipy import stats
from settings import Method
from split_trainings import compared_batches
from tqdm import tqdm
from trainers import make_trainer, training_arguments
from transformers import TrainerCallback
from weight_average import WeightAverage

from hf_supernet.files import write_json
from hf_supernet.local_paths import public_values
from hf_supernet.scripts import parse_arguments, run_script
from hf_supernet.splitting import matching_distances


OF_A_PASS = ", a pass of the comparison of gradients"
"""Added to the name of a method, where the cost is the plan's `pass_cost` and not its `step_cost`."""


@dataclass
class StepCostsArguments(RunArguments):
    """What is measured, and how often."""

    methods: list[str] | None = field(
        default=None, metadata={"help": "By default those that the plan compares; the reference is always among them."}
    )
    rounds: int = field(default=8, metadata={"help": "Short trainings of each method."})
    steps: int = field(default=200, metadata={"help": "Steps of such a training; two challenges of the anchor."})
    joined: str | None = field(
        default=None, metadata={"help": "A name for methods that join later: their costs go to a file of their own."}
    )

    def __post_init__(self):
        super().__post_init__()
        for name, least in (("rounds", 2), ("steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")


class Stopwatch(TrainerCallback):
    """The processor's seconds between the begin and the end of a training."""

    seconds = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self._begin = time.process_time()

    def on_train_end(self, args, state, control, **kwargs):
        self.seconds = time.process_time() - self._begin


def behind_warmup(method: Method) -> Method:
    """The method as it is once its sampler adapts: a short training would see its warm-up alone."""
    if "warmup_steps" not in method.sampler_kwargs:
        return method
    return replace(method, sampler_kwargs=method.sampler_kwargs | {"warmup_steps": 0})


def seconds_of(plan: RankingPlan, corpus: Corpus, method: Method, steps: int, seed: int) -> float:
    """The processor's seconds of a short training of a method."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(method, steps, seed, Path(folder), save_strategy="no", save_steps=steps + 1)
        average = [WeightAverage(method.weight_average, folder)] if method.weight_average else []
        stopwatch = Stopwatch()
        make_trainer(plan, corpus, method, arguments, [*average, stopwatch]).train()
    return stopwatch.seconds


def seconds_of_passes(plan: RankingPlan, corpus: Corpus, method: Method, passes: int, seed: int) -> float:
    """The processor's seconds of about so many passes of the comparison of gradients by which a method splits."""
    model, batches = plan.new_supernet(seed), compared_batches(corpus, method, seed)
    draws = max(1, round(passes / sum(method.layer_choices)))
    begin = time.process_time()
    matching_distances(model, batches, num_draws=draws, seed=seed)
    return (time.process_time() - begin) * passes / (draws * sum(method.layer_choices))


def measure(plan: RankingPlan, corpus: Corpus, methods: list[str], rounds: int, steps: int) -> dict[str, list[float]]:
    """For each method, its seconds in each round; for those that compare gradients, also of as many of these passes."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    generator = random.Random(0)
    seconds_of(plan, corpus, plan.method(REFERENCE), min(steps, 20), seed=0)  # what is only slow once
    for seed in tqdm(range(1, rounds + 1), desc="Rounds"):
        for name in generator.sample(methods, len(methods)):
            method = behind_warmup(plan.method(name))
            found[name].append(seconds_of(plan, corpus, method, steps, seed))
            if method.splitting is not None and method.splitting.by == "matching":
                passes = seconds_of_passes(plan, corpus, method, steps, seed)
                found.setdefault(f"{name}{OF_A_PASS}", []).append(passes)
    return found


def cost(seconds: list[float], reference: list[float]) -> dict[str, Any]:
    """The mean over rounds of the ratio of times, with an interval of 95 % (Student's t)."""
    ratios = np.array(seconds) / np.array(reference)
    low, high = stats.t.interval(0.95, len(ratios) - 1, ratios.mean(), stats.sem(ratios)) if ratios.std() else (1, 1)
    return {"ratio": float(ratios.mean()), "low": float(low), "high": float(high), "ratios": ratios.tolist()}


def main(argv: list[str] | None = None) -> None:
    (arguments,) = parse_arguments((StepCostsArguments,), argv)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    plan = read_plan(arguments.plan)
    methods = list(dict.fromkeys([REFERENCE, *(arguments.methods or plan.comparison)]))
    for name in methods:
        plan.method(name)
    corpus = load_corpus(plan.text, arguments.data_dir, arguments.work)
    found = measure(plan, corpus, methods, arguments.rounds, arguments.steps)
    costs = {name: cost(seconds, found[REFERENCE]) for name, seconds in found.items()}
    options = public_values(sys.argv[1:] if argv is None else argv)  # the file is for others: without folders of here
    head = {"script": Path(__file__).name, "options": shlex.join(options)}
    head |= {"versions": versions(), "rounds": arguments.rounds, "steps": arguments.steps}
    name = STEP_COSTS if arguments.joined is None else OTHER_STEP_COSTS.replace("*", arguments.joined)
    write_json(arguments.results / name, head | {"costs": costs})
    for name, value in costs.items():
        print(f"{name}: {value['ratio']:.2f} [{value['low']:.2f}, {value['high']:.2f}]")


if __name__ == "__main__":
    run_script(main)
