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
"""The tables of the report: agreement, differences, their spread and what runs take."""

import numpy as np
from analysis import CEILINGS, NONE, OWN_STEPS, Prediction, reference_of
from plan import REFERENCE

from hf_supernet.cards.rendering import markdown_table
from hf_supernet.evaluation.intervals import detectable_difference, freedom
from hf_supernet.evaluation.ranking import STATISTICS, Estimate


NAMES = {
    "tau": "tau",
    "spearman": "Spearman",
    "tau_better_half": "tau, better half",
    "recall_top": "recall of the top 10 %",
    "regret": "regret (nats)",
}
"""The statistics as the tables call them."""

HEAD = ["method", "budget", "seeds"]

POWER = 0.8
"""How likely a difference is seen, if it is as large as the table of spreads says."""


def ceiling_table(report) -> list[str]:
    """How well two seeds of the truth agree. (`report` is the `report.Report` in all of these.)"""
    rows = [
        [name, *(str(report.truth.ceiling(statistic, children, report.resamples)) for statistic in CEILINGS)]
        for name, children in report.subsets.items()
    ]
    return markdown_table(["children", *(NAMES[statistic] for statistic in CEILINGS)], rows)


def score_table(report, children: np.ndarray) -> list[str]:
    """All statistics of all predictions, over some children."""
    rows = [
        [
            *names(report, prediction),
            *(_figure(report.score(prediction, statistic, children), statistic) for statistic in STATISTICS),
        ]
        for prediction in report.predictions
    ]
    return markdown_table([*HEAD, *NAMES.values()], rows)


def difference_table(report, children: np.ndarray) -> list[str]:
    """All statistics, less those of the reference; a row says of how many pairs of seeds."""
    rows = []
    for prediction, reference in compared(report):
        found = {name: report.difference(prediction, reference, name, children) for name in STATISTICS}
        if None not in found.values():
            pairs = str(len(found["tau"].by_seed))
            cells = (_figure(found[name], name, sign=True) for name in STATISTICS)
            rows.append([*names(report, prediction)[:2], pairs, *cells])
    return markdown_table(["method", "budget", "pairs", *NAMES.values()], rows)


def pair_table(report, children: np.ndarray) -> list[str]:
    """The differences of the plan's pairs, each at equal compute where a method was run at that; empty where none was run."""
    runs = {part.method: part for part in report.predictions}  # equal compute comes last
    rows = []
    for one, other in report.plan.pairs:
        if one not in runs or other not in runs:
            continue
        found = {name: report.difference(runs[one], runs[other], name, children) for name in STATISTICS}
        if None not in found.values():
            cells = (_figure(found[name], name, sign=True) for name in STATISTICS)
            rows.append([one, other, str(len(found["tau"].by_seed)), *cells])
    return markdown_table(["method", "less", "pairs", *NAMES.values()], rows) if rows else []


def spread_table(report, children: np.ndarray) -> list[str]:
    """
    The standard deviations over seeds of tau and of its difference to the reference, the standard errors of that difference,
    and how large a one would be seen with these; of what has two seeds or more. Empty where nothing has.
    """
    references = {id(prediction): reference for prediction, reference in compared(report)}
    rows = []
    for prediction in report.predictions:
        if len(prediction.scores) < 2:
            continue
        reference = references.get(id(prediction))
        found = reference and report.difference(prediction, reference, "tau", children)
        spread = report.score(prediction, "tau", children).spread_of_seeds
        rows.append([*names(report, prediction), f"{spread:.3f}", *_seen(found)])
    errors = ["its error: of seeds", "of children"]
    head = ["spread of tau", "pairs", "spread of the difference", *errors, "would be seen"]
    return markdown_table([*HEAD, *head], rows) if rows else []


def cost_table(report) -> list[str]:
    """What a run takes, and how far it comes."""
    rows = []
    for prediction in report.predictions:
        if prediction.budget == NONE:
            continue
        planned = report.plan.method(prediction.method).cost(prediction.steps) / prediction.steps
        measured = report.step_costs.get(prediction.method)
        side = f"{measured['ratio']:.2f} [{measured['low']:.2f}, {measured['high']:.2f}]" if measured else ""
        cells = [f"{prediction.steps:,}", f"{prediction.cpu_seconds:,.0f}", side, f"{planned:.3g}"]
        size = prediction.supernet_parameters
        cells += ["" if size is None else f"{size:,}", f"{prediction.scores.mean():.3f}"]
        rows.append([*names(report, prediction), *cells])
    head = [
        "steps",
        "seconds of the processor, on several machines",
        f"a step, in steps of {REFERENCE}, measured side by side",
        "as the plan counts it",
        "parameters",
        "mean dev loss of the children",
    ]
    return markdown_table([*HEAD, *head], rows)


def compared(report) -> list[tuple[Prediction, Prediction]]:
    """Each prediction beside the reference, where there is one."""
    pairs = ((prediction, reference_of(report.predictions, prediction)) for prediction in report.predictions)
    return [(one, other) for one, other in pairs if one.method != REFERENCE and other is not None]


def names(report, prediction: Prediction) -> list[str]:
    """The first three cells of a row."""
    seeds = "" if prediction.is_without_seeds else str(len(prediction.seeds))
    return [prediction.method, budget_in_words(report, prediction), seeds]


def budget_in_words(report, prediction: Prediction) -> str:
    """Such as `equal steps`, `both`, or `3 times the steps`."""
    if prediction.budget == OWN_STEPS:
        return f"{prediction.steps / report.plan.supernet_training.steps:.3g} times the steps"
    return "" if prediction.budget == NONE else prediction.budget.replace("_", " ")


def _figure(found: Estimate, statistic: str, sign: bool = False) -> str:
    return found.text(4 if statistic == "regret" else 3, sign)


def _seen(found: Estimate | None) -> list[str]:
    """Pairs, their spread, the errors, and what would be seen."""
    if found is None or len(found.by_seed) < 2:
        return [""] * 5
    pairs, errors = len(found.by_seed), (found.error_of_seeds, found.error_of_children)
    seen = detectable_difference(float(np.hypot(*errors)), freedom(*errors, pairs), POWER)
    return [str(pairs), *(f"{value:.3f}" for value in (found.spread_of_seeds, *errors, seen))]


__all__ = [
    "NAMES",
    "POWER",
    "budget_in_words",
    "ceiling_table",
    "compared",
    "cost_table",
    "difference_table",
    "names",
    "pair_table",
    "score_table",
    "spread_table",
]
