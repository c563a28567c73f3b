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
"""What supernets make of operators, and how much better they rank where a few children trained alone correct that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from analysis import NONE, GroundTruth, Prediction
from plan import REFERENCE
from tables import names

from hf_supernet import Architecture
from hf_supernet.cards.rendering import markdown_table
from hf_supernet.evaluation.calibration import Calibration, choose_children, operator_counts
from hf_supernet.evaluation.ranking import Estimate, estimate, paired_difference, regret


NUMBERS = (6, 12)
"""How many children are trained alone for a calibration."""

DRAWS = 20
"""How many calibrations are made: each chooses its children out of another half of all."""

RESAMPLES = 200
"""Times that the children are drawn for the interval of each calibration."""

OPERATORS_ALONE = "no supernet, operators alone"


def calibration_lines(report) -> list[str]:
    """
    Both sections, in Markdown.

    Args:
        report (`report.Report`): Whose trained methods are shown.
    """
    lines = ["### What an operator is worth, alone and through a supernet", "", *worth_table(report), ""]
    lines += [
        "By how much one more of an operator, in place of an identity, changes the dev loss: least squares on the numbers of"
        " operators, ± the standard deviation over seeds. Explained: the share of the variance of the supernet's error (its"
        " loss of a child, less that alone) that these numbers explain; and of what is left of the losses alone after the straight line"
        " through the supernet's that fits them best, since losses that are only drawn together cost no rank.",
        "",
    ]
    if len(table := calibration_table(report)) <= 2:
        return lines
    lines += ["### With a few children trained alone", "", *table, "", _words(report), ""]
    return lines


def _words(report) -> str:
    alone = report.truth.cpu_seconds
    uniform = next((part.cpu_seconds for part in report.predictions if part.method == REFERENCE), 0.0)
    times = (
        f" ({NUMBERS[0]} of them as much as {NUMBERS[0] * alone / uniform:.1f} runs of {REFERENCE})" if uniform else ""
    )
    return (
        "A calibration (`hf_supernet.evaluation.calibration`) corrects the supernet's losses by what operators are worth in a few"
        f" children trained alone with one seed, which take {alone:.0f} s of the processor each{times}. It is judged on all other"
        f" children, which the columns 'before' are of too. Means over {DRAWS} choices of the children, each out of another half of"
        " all; ± is the standard deviation over these choices, intervals are means of the intervals for other seeds and other"
        " children; the choice of the six or twelve is not in them. Largest: of any choice and seed. The first row of each number knows the same children and no supernet."
    )


def worth_table(report) -> list[str]:
    """
    What an operator of each kind is worth in place of an identity, by least squares on the numbers of operators: alone and
    through each supernet, in Markdown.
    """
    truth = report.truth
    children = _children(truth)
    operators = sorted({operator.code for child in children for operator in child if operator.kind != "identity"})
    design = np.column_stack([np.ones(len(children)), operator_counts(children, operators)])
    rows = [["trained alone", "", *_worths(design, truth.losses.T), "", ""]]
    for prediction in _trained(report):
        scores = prediction.scores.mean(axis=0)
        line = np.column_stack([np.ones(len(scores)), scores])
        errors = (scores - truth.scores, truth.scores - line @ _fit(line, truth.scores))
        explained = [f"{1 - np.var(error - design @ _fit(design, error)) / np.var(error):.0%}" for error in errors]
        rows.append([*names(report, prediction)[:2], *_worths(design, prediction.scores), *explained])
    head = ["explained of the supernet's error", "after a straight line"]
    return markdown_table(["method", "budget", *operators, *head], rows)


def calibration_table(report) -> list[str]:
    """Agreement with the ground truth before and after a calibration, in Markdown."""
    rows, truth = [], report.truth
    for number in NUMBERS:
        if 2 * number > len(truth.networks) // 2:
            continue
        nothing = Prediction(OPERATORS_ALONE, NONE, [], np.zeros((1, len(truth.networks))))
        rows += [
            [str(number), *names(report, prediction)[:2], *_calibrated(truth, prediction, number)]
            for prediction in (nothing, *_trained(report))
        ]
    head = [
        "children alone",
        "method",
        "budget",
        "tau before",
        "tau after, ± over choices of the children",
        "difference",
    ]
    return markdown_table([*head, "regret before", "after (largest)"], rows)


def calibrated(
    truth: GroundTruth, prediction: Prediction, number: int, draw: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    One calibration, as a user would make it: the children are trained alone with one seed, the supernet's losses of all others
    are corrected by them.

    Args:
        truth (`GroundTruth`), prediction (`Prediction`):
            Of the same children.
        number (`int`):
            How many children are trained alone.
        draw (`int`):
            The seed that draws the half of all children out of which they are chosen.

    Returns:
        `tuple`: the indices of the other children; their scores before, and after, each of shape `(number of seeds, number of
        others)`.
    """
    children = _children(truth)
    pool = np.random.default_rng(draw).permutation(len(children))[: len(children) // 2]
    chosen = choose_children([children[index] for index in pool], number, seed=draw)
    ours = np.array([children.index(child) for child in chosen])
    others = np.setdiff1d(np.arange(len(children)), ours)
    rest = [children[index] for index in others]
    after = [
        Calibration(chosen, scores[ours], truth.losses[ours, 0]).predict(rest, scores[others])
        for scores in prediction.scores
    ]
    return others, prediction.scores[:, others], np.array(after)


def _calibrated(truth: GroundTruth, prediction: Prediction, number: int) -> list[str]:
    """The cells of one row: means over the draws, of values and of the ends of intervals."""
    taus: dict[str, list[Estimate]] = {"before": [], "after": [], "difference": []}
    regrets: dict[str, list[list[float]]] = {"before": [], "after": []}
    for draw in range(DRAWS):
        others, before, after = calibrated(truth, prediction, number, draw)
        truths = truth.scores[others]
        taus["before"].append(estimate(truths, before, resamples=RESAMPLES))
        taus["after"].append(estimate(truths, after, resamples=RESAMPLES))
        taus["difference"].append(paired_difference(truths, after, before, resamples=RESAMPLES))
        for name, scores in (("before", before), ("after", after)):
            regrets[name].append([regret(truths, row) for row in scores])
    spread = np.std([value.mean for value in taus["after"]], ddof=1)
    tau = {name: _mean(values) for name, values in taus.items()}
    cells = [
        f"{tau['before'].mean:.3f}",
        f"{tau['after'].mean:.3f} ± {spread:.3f}",
        tau["difference"].text(3, sign=True),
        f"{np.mean(regrets['before']):.4f}",
        f"{np.mean(regrets['after']):.4f} ({np.max(regrets['after']):.4f})",
    ]
    if prediction.method == OPERATORS_ALONE:
        cells[0] = cells[2] = cells[3] = ""
    return cells


def _mean(values: Sequence[Estimate]) -> Estimate:
    names = ("mean", "low", "high")
    return replace(values[0], **{name: float(np.mean([getattr(value, name) for value in values])) for name in names})


def _children(truth: GroundTruth) -> list[Architecture]:
    return [Architecture.from_string(network) for network in truth.networks]


def _fit(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(design, values, rcond=None)[0]


def _worths(design: np.ndarray, by_seed: np.ndarray) -> list[str]:
    found = np.array([_fit(design, values)[1:] for values in by_seed])
    spread = found.std(axis=0, ddof=1) if len(found) > 1 else np.full(found.shape[1], np.nan)
    cells = zip(found.mean(axis=0), spread, strict=True)
    return [f"{mean:+.3f}" + ("" if np.isnan(deviation) else f" ± {deviation:.3f}") for mean, deviation in cells]


def _trained(report) -> list[Prediction]:
    return [prediction for prediction in report.predictions if prediction.budget != NONE]


__all__ = ["DRAWS", "NUMBERS", "calibrated", "calibration_lines", "calibration_table", "worth_table"]
