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
"""From rows of results to figures: the ground truth, what methods predict, and how well they agree."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isclose
from pathlib import Path

import numpy as np
import pandas as pd
from plan import BASELINES, BUDGETS, REFERENCE, RankingPlan
from rows import BASELINE_ROWS, GROUND_TRUTH, SUPERNETS, check_rows, part_name, read_rows

from hf_supernet.evaluation.ranking import Estimate, estimate, noise_ceiling, paired_difference


BOTH, OWN_STEPS, NONE = "both", "own_steps", "none"
"""What a prediction's budget is, if not one of `BUDGETS`: one run that is both; neither, a method with steps of its own;
that of a baseline."""

RESAMPLES = 1000
"""Times that the children are drawn for an interval, in all tables."""

CEILINGS = ("tau", "spearman", "tau_better_half")
"""The statistics that a ceiling is known of."""


@dataclass(frozen=True)
class GroundTruth:
    """
    The children trained alone.

    Args:
        networks (`list[str]`): Which children.
        strata (`np.ndarray` of shape `(number of children,)`): Why each is in.
        losses (`np.ndarray` of shape `(number of children, number of seeds)`): Their dev losses.
        notes (`list[str]`): What is not there, in words.
        versions (`list[str]`): What they were trained with, as JSON, each once.
        cpu_seconds (`float`): Of the processor for a child and a seed, the mean.
    """

    networks: list[str]
    strata: np.ndarray
    losses: np.ndarray
    notes: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def scores(self) -> np.ndarray:
        """The mean over seeds: what predictions are held against."""
        return self.losses.mean(axis=1)

    def without_trivial(self) -> np.ndarray:
        """Which children mix tokens."""
        return self.strata != "no_mixing"

    def ceiling(self, statistic: str, children: np.ndarray | None = None, resamples: int = RESAMPLES) -> Estimate:
        """The agreement of two seeds, over all children or some."""
        losses = self.losses if children is None else self.losses[children]
        return noise_ceiling(losses, statistic, resamples=resamples)


@dataclass(frozen=True)
class Prediction:
    """
    What a method, or a baseline, makes of the same children.

    Args:
        method (`str`), budget (`str`): Which, and at which budget: one of `BUDGETS`, or `BOTH`, `OWN_STEPS` or `NONE`.
        seeds (`list[int]`): The seeds that are finished.
        scores (`np.ndarray` of shape `(number of seeds, number of children)`): At the end; lower is better.
        course (`dict[float, np.ndarray]`): By the share of the training, the scores there, of the same shape.
        steps (`int`): Optimizer steps of a run.
        cpu_seconds (`float`): Of the processor for a run, the median over seeds, children not being judged.
        supernet_parameters (`int`, *optional*): Of the supernet, or of all leaves of a split one; `None` in rows of before.
        notes (`list[str]`): What is not there, in words.
    """

    method: str
    budget: str
    seeds: list[int]
    scores: np.ndarray
    course: dict[float, np.ndarray] = field(default_factory=dict)
    steps: int = 0
    cpu_seconds: float = 0.0
    supernet_parameters: int | None = None
    notes: list[str] = field(default_factory=list)

    def of_seeds(self, seeds: Sequence[int]) -> np.ndarray:
        """The rows of some seeds; of what has no seeds, its only row."""
        if self.is_without_seeds:
            return self.scores
        return self.scores[[self.seeds.index(seed) for seed in seeds]]

    @property
    def is_without_seeds(self) -> bool:
        return self.method in ("parameters", "multiply_adds")


def load_truth(plan: RankingPlan, results: Path, which: str) -> GroundTruth:
    """
    The ground truth of a set: the children that are there with all seeds.

    Raises:
        ValueError: where no two children are there, and for rows of another plan or of two texts.
    """
    folder = results / GROUND_TRUTH
    rows = read_rows(folder, f"{part_name(which, '*', '*')}.parquet")
    check_rows(rows, lambda row: plan.child_fingerprint(which), folder)
    strata = {str(child.architecture.canonical()): child.stratum for child in plan.children(which)}
    losses = pd.DataFrame(index=list(strata), columns=plan.child_seeds, dtype=float)
    if len(rows):
        found = rows.pivot_table(index="network", columns="seed", values="dev_loss", dropna=False)
        losses = found.reindex(index=list(strata), columns=plan.child_seeds)
    complete = np.isfinite(losses.to_numpy()).all(axis=1)
    if complete.sum() < 2:
        raise ValueError(
            f"{folder} has {complete.sum()} of the {len(strata)} {which} children with all seeds {plan.child_seeds}: train"
            " them with train_children.py."
        )
    notes = []
    if missing := int((~complete).sum()):
        notes.append(f"{missing} of {len(strata)} children are left out: not trained with all seeds yet, or diverged.")
    kept = losses[complete]
    used = rows[rows["network"].isin(kept.index)]
    return GroundTruth(
        list(kept.index),
        np.array([strata[network] for network in kept.index]),
        kept.to_numpy(),
        notes,
        sorted(used["versions"].unique()),
        float(used["cpu_seconds"].mean()),
    )


def load_predictions(plan: RankingPlan, results: Path, which: str, truth: GroundTruth) -> list[Prediction]:
    """
    What methods, in the plan's order, and baselines make of the children in `truth`; those without a finished seed are
    left out.

    Raises:
        ValueError: for rows of another plan, or of two texts.
    """
    folders = [results / SUPERNETS, results / BASELINE_ROWS]
    text = read_rows(results / GROUND_TRUTH)["text"].iloc[0]
    rows = [read_rows(folder, f"{which}-*.parquet") for folder in folders]
    check_rows(rows[0], lambda row: plan.method_fingerprint(row["method"], row["budget"]), folders[0], text)
    check_rows(rows[1], lambda row: plan.baseline_fingerprint(), folders[1], text)
    found = []
    for budget in BUDGETS:
        for method in plan.methods:
            prediction = _prediction(rows[0], truth, method, budget)
            found += [replace(prediction, budget=_budget_of(plan, method, budget))] if prediction else []
    for name in BASELINES:
        prediction = _prediction(rows[1], truth, name, NONE)
        found += [prediction] if prediction else []
    return found


def _budget_of(plan: RankingPlan, name: str, budget: str) -> str:
    """What the run of a budget is: one run can stand for both, and one at "equal steps" can have a number of its own."""
    method, planned = plan.method(name), plan.supernet_training.steps
    steps = method.training.steps
    if budget != "equal_steps":
        return budget
    if steps == planned:
        return BOTH if method.steps("equal_compute") == steps else budget
    return "equal_compute" if isclose(method.cost(steps), planned, rel_tol=0.01) else OWN_STEPS


def score(
    truth: GroundTruth, prediction: Prediction, statistic: str, children: np.ndarray, resamples: int
) -> Estimate:
    """One statistic of a method over some children."""
    return estimate(truth.scores[children], prediction.scores[:, children], statistic, resamples=resamples)


def difference(
    truth: GroundTruth,
    prediction: Prediction,
    reference: Prediction,
    statistic: str,
    children: np.ndarray,
    resamples: int,
) -> Estimate | None:
    """How much a statistic is higher than that of the reference, paired by the seeds that both have; `None` without any."""
    truths = truth.scores[children]
    if prediction.is_without_seeds:  # the seeds are the reference's alone
        found = paired_difference(
            truths, reference.scores[:, children], prediction.scores[:, children], statistic, resamples=resamples
        )
        return replace(
            found, mean=-found.mean, low=-found.high, high=-found.low, by_seed=tuple(-value for value in found.by_seed)
        )
    seeds = [seed for seed in prediction.seeds if seed in reference.seeds]
    if not seeds:
        return None
    ours, theirs = (part.of_seeds(seeds)[:, children] for part in (prediction, reference))
    return paired_difference(truths, ours, theirs, statistic, resamples=resamples)


def reference_of(predictions: Sequence[Prediction], prediction: Prediction) -> Prediction | None:
    """What a method is compared with: the reference at the same budget; baselines and others at equal steps."""
    budget = prediction.budget if prediction.budget in BUDGETS else BUDGETS[0]
    same = (other for other in predictions if other.method == REFERENCE and other.budget in (budget, BOTH))
    return next(same, None)


def _prediction(rows: pd.DataFrame, truth: GroundTruth, method: str, budget: str) -> Prediction | None:
    if rows.empty:
        return None
    own = rows[(rows["method"] == method) & (rows["budget"] == budget) & rows["network"].isin(truth.networks)]
    if own.empty:
        return None
    steps = int(own["steps"].max())
    judged = own.groupby(["step", "seed"])["network"].nunique() == len(truth.networks)
    complete = {step: set(part[part].index.get_level_values("seed")) for step, part in judged.groupby("step")}
    seeds = sorted(complete.get(steps, set()))
    if not seeds:
        return None
    scores, notes = {}, []
    for step in sorted(complete):
        if complete[step].issuperset(seeds):
            at = own[(own["step"] == step) & own["seed"].isin(seeds)]
            values = at.pivot(index="seed", columns="network", values="score").loc[seeds, truth.networks].to_numpy()
            if diverged := int((~np.isfinite(values)).sum()):
                notes.append(
                    f"{method}, {budget}: {diverged} scores of step {step} are no numbers, and count as the worst."
                )
            scores[step] = _worst_for_nothing(values)
    end = own[(own["step"] == steps) & own["seed"].isin(seeds)]
    seconds = float(end.groupby("seed")["cpu_seconds"].max().median()) if steps else 0.0
    course = {step / steps: values for step, values in scores.items()} if steps else {}
    sizes = end["supernet_parameters"].dropna() if "supernet_parameters" in end else []
    size = int(max(sizes)) if len(sizes) else None
    return Prediction(method, budget, seeds, scores[steps], course, steps, seconds, size, notes)


def _worst_for_nothing(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    worst = values[finite].max() if finite.any() else 0.0
    return np.where(finite, values, worst + 1)


__all__ = [
    "BOTH",
    "CEILINGS",
    "NONE",
    "OWN_STEPS",
    "RESAMPLES",
    "GroundTruth",
    "Prediction",
    "difference",
    "load_predictions",
    "load_truth",
    "reference_of",
    "score",
]
