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
"""The short table of the ranking benchmark, for the project's README."""

import numpy as np
from analysis import NONE, Prediction, reference_of
from plan import BASELINES, BUDGETS, REFERENCE
from tables import names

from hf_supernet.cards.rendering import markdown_table
from hf_supernet.evaluation.ranking import Estimate


SUMMARY = "ranking: written by examples/ranking/report.py"
"""The section of the README."""

LEGEND = (
    "- **compute**: what a run costs as the plan counts it, in runs of {reference} at {budget}: its steps times the cost of a step,"
    " which was measured side by side.",
    "- **tau**: Kendall's rank correlation of the children's losses through the supernet with those that they reach when trained"
    " alone: 1 is the same order, 0 is chance. **better half**: tau among the half of the children that are best alone.",
    "- **regret**: how much higher, in nats, the loss alone is of the child that the method puts first than that of the best child."
    " Less is better.",
    "- **less {reference}**: the difference to the row of `{reference}`, paired by seeds and children.",
    "- Baselines, which train no supernet: the more `parameters` or `multiply_adds`, the better; the losses through an `untrained`"
    " supernet; the gradient's norm (`grad_norm`) and the synaptic flow (`synflow`) of the child before its training.",
)


def summary_lines(report) -> list[str]:
    """
    The section, in Markdown.

    Args:
        report (`report.Report`): Whose predictions are shown: the compared methods at their budgets, and baselines.
    """
    everything = np.ones(len(report.truth.networks), dtype=bool)
    shown = [*report.plan.comparison, *BASELINES]
    rows = [_row(report, part, everything) for part in report.predictions if part.method in shown]
    less = f"less {REFERENCE}"
    head = ["method", "budget", "seeds", "compute", "tau", less, "better half", "regret", less]
    lines = [*markdown_table(head, rows), ""]
    if len(report.plan.child_seeds) > 1:
        tau, half = (report.truth.ceiling(name, resamples=report.resamples) for name in ("tau", "tau_better_half"))
        lines += [
            f"The ceiling, which is how well two seeds of the children alone agree: {tau.text(2)}, better half {half.text(2)}.",
            "",
        ]
    budget = BUDGETS[0].replace("_", " ")
    return [*lines, *(line.format(reference=REFERENCE, budget=budget) for line in LEGEND)]


def _row(report, prediction: Prediction, children: np.ndarray) -> list[str]:
    reference, compute = reference_of(report.predictions, prediction), ""
    if prediction.budget != NONE:
        method, planned = report.plan.method(prediction.method), report.plan.supernet_training.steps
        compute = f"{method.cost(prediction.steps) / planned:.2f}"
    tau, half, regret = (report.score(prediction, name, children) for name in ("tau", "tau_better_half", "regret"))
    less = dict.fromkeys(("tau", "regret"), "")
    if prediction.method != REFERENCE and reference is not None:
        less = {name: _less(report.difference(prediction, reference, name, children)) for name in less}
    cells = [tau.text(2), less["tau"], half.text(2), regret.text(3), less["regret"]]
    return [*names(report, prediction), compute, *cells]


def _less(found: Estimate | None) -> str:
    return "" if found is None else found.text(sign=True)


__all__ = ["SUMMARY", "summary_lines"]
