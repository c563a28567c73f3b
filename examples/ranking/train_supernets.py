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
# dependencies = ["hf_supernet", "transformers>=5.23", "accelerate>=1.10", "datasets>=4.0", "torch>=2.6", "filelock", "pyyaml"]
# ///
"""
Train supernets with the methods of a ranking benchmark, and judge its children through them; judge them by baselines too.

    python examples/ranking/train_supernets.py --data_dir DATA --children test
    python examples/ranking/train_supernets.py --data_dir DATA --children tuning --methods magic-a-weight-1 --budgets equal_steps

A run is a method with a budget and a seed; its rows go to `results/supernets/CHILDREN-METHOD-BUDGET-seed-SEED.parquet`, at
the points of the training that the plan names. Runs that are finished are left out (with `--models_dir` those whose supernet
is there too), one that was killed goes on from its last checkpoint and ends as it would have, and one that another process
works on is passed over: to share the work, start the command several times.

Budgets: `equal_steps` is the plan's number of steps, `equal_compute` that number divided by what a step of the method
costs. Where both are the same number there is one run, as `equal_steps`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pandas as pd
import transformers
from baselines import WITHOUT_SEEDS, baseline_rows
from child_scores import ScoreChildren, num_parameters, score_children
from corpus import Corpus, load_corpus
from plan import BASELINES, BUDGETS, RankingPlan, read_plan
from rows import BASELINE_ROWS, SUPERNETS, BusyError, check_rows, only_process, versions, write_rows
from run_arguments import RunArguments
from settings import unknown_name
from split_trainings import train_split
from trainers import make_trainer, training_arguments
from transformers import PreTrainedModel, TrainerCallback
from weight_average import WeightAverage

from hf_supernet.files import replacing_folder
from hf_supernet.scripts import parse_arguments, run_script
from hf_supernet.splitting import SplitSupernet
from hf_supernet.training import SupernetTrainingArguments
from hf_supernet.training.checkpoints import last_complete_checkpoint


@dataclass
class SupernetsArguments(RunArguments):
    """Which runs."""

    methods: list[str] | None = field(
        default=None,
        metadata={
            "help": "Methods of the plan, and baselines. By default the baselines and those that the plan compares; for"
            " the tuning children all methods."
        },
    )
    budgets: list[str] = field(default_factory=lambda: list(BUDGETS), metadata={"help": "The budgets."})
    seeds: list[int] | None = field(default=None, metadata={"help": "By default all of the plan for these children."})
    save_steps: int = field(default=1000, metadata={"help": "Steps between two checkpoints of a run."})
    models_dir: str | None = field(
        default=None,
        metadata={
            "help": "Where the supernets are kept, a folder each; a run whose supernet is not there is trained, even if its"
            " rows are. By default nowhere."
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if unknown := [budget for budget in self.budgets if budget not in BUDGETS]:
            raise ValueError(f"`budgets`: {unknown_name(unknown[0], BUDGETS)}")
        if self.save_steps < 1:
            raise ValueError(f"`save_steps` must be at least 1, got {self.save_steps}.")

    def check(self, plan: RankingPlan) -> None:
        """Fills in what was left out, and raises a `ValueError` for what the plan does not have for these children."""
        allowed = plan.comparison if self.children == "test" else list(plan.methods)
        if self.methods is None:
            self.methods = [*BASELINES, *allowed]
        for name in self.methods:
            if name in plan.methods and name not in allowed:
                raise ValueError(
                    f"`{name}` is not in the plan's `comparison`, which was fixed for the test children: try it with"
                    " `--children tuning`."
                )
            if name not in (*allowed, *BASELINES):
                raise ValueError(f"`methods`: {unknown_name(name, [*allowed, *BASELINES])}")
        of_plan = plan.supernet_seeds[self.children]
        self.seeds = of_plan if self.seeds is None else self.seeds
        if others := [seed for seed in self.seeds if seed not in of_plan]:
            raise ValueError(f"The plan's seeds for the {self.children} children are {of_plan}, got {others}.")


class Run(NamedTuple):
    """One training of a supernet."""

    method: str
    budget: str
    seed: int

    def name(self, which: str) -> str:
        return f"{which}-{self.method}-{self.budget}-seed-{self.seed}"


def runs(plan: RankingPlan, arguments: SupernetsArguments) -> Iterator[Run]:
    """Seed after seed, so that what is there at any time can be compared."""
    for seed in arguments.seeds:
        for budget in arguments.budgets:
            for method in arguments.methods:
                if method in BASELINES:
                    continue
                same = plan.method(method).steps("equal_compute") == plan.method(method).training.steps
                if budget == "equal_steps" or not same:
                    yield Run(method, budget, seed)


class Benchmark:
    """
    The runs of one set of children.

    Args:
        plan (`RankingPlan`), arguments (`SupernetsArguments`):
            What is to be done.
    """

    def __init__(self, plan: RankingPlan, arguments: SupernetsArguments):
        self.plan = plan
        self.arguments = arguments
        self.children = plan.children(arguments.children)
        self.networks = {str(child.architecture.canonical()) for child in self.children}
        self.corpus: Corpus | None = None

    def path(self, run: Run) -> Path:
        """Where the rows of a run are."""
        return self.arguments.results / SUPERNETS / f"{run.name(self.arguments.children)}.parquet"

    def kept(self, run: Run) -> Path | None:
        """Where its supernet is kept, if it is to be."""
        where = self.arguments.models_dir
        return None if where is None else Path(where) / run.name(self.arguments.children)

    def folder(self, run: Run) -> Path:
        """Where its checkpoints are."""
        return self.arguments.work / f"{run.name(self.arguments.children)}-{self._fingerprint(run)}"

    def training_arguments(self, run: Run) -> SupernetTrainingArguments:
        """Those of a run, with its checkpoints."""
        method = self.plan.method(run.method)
        saving = {"save_strategy": "steps", "save_steps": self.arguments.save_steps, "save_total_limit": 1}
        return training_arguments(method, method.steps(run.budget), run.seed, self.folder(run), **saving)

    def rows(self, run: Run) -> pd.DataFrame:
        """What there is of a run, after a check that it is of this plan and text."""
        path = self.path(run)
        rows = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
        text = self.corpus.fingerprint if self.corpus else None
        check_rows(rows, lambda row: self.plan.method_fingerprint(row["method"], row["budget"]), path, text)
        return rows

    def missing(self, run: Run, up_to: int | None = None) -> list[int]:
        """The points, up to a step, at which a run has not judged all children."""
        rows, steps = self.rows(run), self.plan.method(run.method).evaluation_steps(run.budget)
        judged = rows.groupby("step")["network"].agg(set).to_dict() if len(rows) else {}
        wanted = steps if up_to is None else [step for step in steps if step <= up_to]
        return [step for step in wanted if not self.networks <= judged.get(step, set())]

    def is_done(self, run: Run) -> bool:
        """Whether all children are judged, and the supernet is kept where that is asked for."""
        kept = self.kept(run)
        return not self.missing(run) and (kept is None or kept.is_dir())

    def train(self, run: Run) -> None:
        """Trains and judges one run, from its last checkpoint on if there is one."""
        is_split = self.plan.method(run.method).splitting is not None
        model = self._train_split(run) if is_split else self._train_whole(run)
        if (kept := self.kept(run)) is not None:
            with replacing_folder(kept) as folder:
                model.save_pretrained(folder)
                self.corpus.tokenizer.save_pretrained(folder)

    def _train_split(self, run: Run) -> SplitSupernet:
        method = self.plan.method(run.method)
        split, seconds = train_split(self.plan, self.corpus, method, self.training_arguments(run))
        step, own = method.steps(run.budget), {**seconds, "supernet_parameters": num_parameters(split)}
        self._save(run, [{"step": step, **row, **own} for row in score_children(split, self.corpus, self.children)])
        return split

    def _train_whole(self, run: Run) -> PreTrainedModel:
        folder = self.folder(run)
        try:
            checkpoint = last_complete_checkpoint(folder)
        except ValueError:  # none was begun, or it was killed while it wrote the first
            checkpoint = None
        if checkpoint is not None and self.missing(run, up_to=int(checkpoint.rpartition("-")[2])):
            print(f"{folder} is ahead of its rows, which were deleted or are of other children: it begins anew.")
            checkpoint = None
        if checkpoint is None:
            shutil.rmtree(folder, ignore_errors=True)
        method = self.plan.method(run.method)
        trainer = make_trainer(self.plan, self.corpus, method, self.training_arguments(run), self._callbacks(run))
        trainer.train(resume_from_checkpoint=checkpoint)
        return trainer.model

    def baseline(self, name: str) -> bool:
        """Writes the rows of a baseline, unless they are there; says whether it did."""
        path = self.arguments.results / BASELINE_ROWS / f"{self.arguments.children}-{name}.parquet"
        rows = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
        fingerprint = self.plan.baseline_fingerprint()
        check_rows(rows, lambda row: fingerprint, path, self.corpus.fingerprint)
        seeds = (0,) if name in WITHOUT_SEEDS else self.plan.supernet_seeds[self.arguments.children]
        judged = rows.groupby("seed")["network"].agg(set).to_dict() if len(rows) else {}
        if all(self.networks <= judged.get(seed, set()) for seed in seeds):
            return False
        fixed = {"method": name, "budget": "none", "steps": 0, "step": 0}
        marks = {"fingerprint": fingerprint, "text": self.corpus.fingerprint, "versions": versions()}
        scored = baseline_rows(name, self.plan, self.corpus, self.children, seeds)
        write_rows(path, [{**fixed, **row, **marks} for row in scored])
        return True

    def _callbacks(self, run: Run) -> list[TrainerCallback]:
        method = self.plan.method(run.method)
        average = WeightAverage(method.weight_average, self.folder(run)) if method.weight_average else None
        steps = method.evaluation_steps(run.budget)
        scores = ScoreChildren(self.corpus, self.children, steps, partial(self._save, run), average)
        return [average, scores] if average else [scores]

    def _fingerprint(self, run: Run) -> str:
        return self.plan.method_fingerprint(run.method, run.budget)

    def _save(self, run: Run, rows: list[dict[str, Any]]) -> None:
        """Adds the rows of one point; those of the same point, from before a kill, go."""
        fixed = {**run._asdict(), "steps": self.plan.method(run.method).steps(run.budget)}
        marks = {
            "fingerprint": self._fingerprint(run),
            "text": self.corpus.fingerprint,
            "versions": versions(),
        }
        new = pd.DataFrame([{**fixed, **row, **marks} for row in rows])
        old = self.rows(run)
        if len(old):
            old = old[old["step"] < new["step"].iloc[0]]
        write_rows(self.path(run), pd.concat([old, new], ignore_index=True) if len(old) else new)


def main(argv: list[str] | None = None) -> None:
    (arguments,) = parse_arguments((SupernetsArguments,), argv)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    plan = read_plan(arguments.plan)
    arguments.check(plan)
    benchmark = Benchmark(plan, arguments)
    todo = list(runs(plan, arguments))
    for run in todo:  # all of them first: better now than after hours
        benchmark.training_arguments(run).build_sampler(plan.search_space(), plan.config())
        benchmark.rows(run)
    benchmark.corpus = load_corpus(plan.text, arguments.data_dir, arguments.work)
    for name in arguments.methods:
        if name in BASELINES and benchmark.baseline(name):
            print(f"Judged by {name}.", flush=True)
    for number, run in enumerate(todo, start=1):
        what = f"{number} of {len(todo)}: {run.method}, {run.budget}, seed {run.seed}"
        done = benchmark.is_done(run)
        if done and not benchmark.folder(run).exists():
            continue
        if not done and arguments.time_is_over():
            print(f"Stopped after {arguments.max_minutes} minutes, in front of {what}.")
            return
        try:
            with only_process(arguments.work, run.name(arguments.children)):
                if not benchmark.is_done(run):  # another process may have finished it
                    benchmark.train(run)
                shutil.rmtree(benchmark.folder(run), ignore_errors=True)
        except BusyError:
            print(f"{what}: another process works on it.", flush=True)
        else:
            rows = benchmark.rows(run)
            print(f"{what}: {rows['steps'].iloc[0]} steps, {rows['seconds'].max():.0f} s", flush=True)
    print("All that is not worked on by other processes is there.")


if __name__ == "__main__":
    run_script(main)
