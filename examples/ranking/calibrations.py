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
from analysis import GroundTruth, Prediction

from hf_supernet import Architecture
from hf_supernet.cards.rendering import markdown_table
from hf_supernet.evaluation.calibration import Calibration, choose_children, operator_counts
from hf_supernet.evaluation.ranking import Estimate, estimate, paired_difference


NUMBERS = (6, 12)
"""How many children are trained alone for a calibration."""

DRAWS = 20
"""How many calibrations are made: each chooses its children out of another half of all."""

RESAMPLES = 200
"""Times that the children are drawn for the interval of each calibration."""

OPERATORS_ALONE = "no supernet, operators alone"


def worth_table(truth: GroundTruth, predictions: Sequence[Prediction]) -> list[str]:
    """
    What an operator of each kind is worth in place of an identity, by least squares on the numbers of operators: alone and
    through each supernet, in Markdown.
    """
    children = _children(truth)
    names = sorted({operator.code for child in children for operator in child if operator.kind != "identity"})
    design = np.column_stack([np.ones(len(children)), operator_counts(children, names)])
    rows = [["trained alone", "", *_worths(design, truth.losses.T), ""]]
    for prediction in predictions:
        error = prediction.scores.mean(axis=0) - truth.scores
        explained = 1 - np.var(error - design @ _fit(design, error)) / np.var(error)
        rows.append([*_method(prediction), *_worths(design, prediction.scores), f"{explained:.0%}"])
    return markdown_table(["method", "budget", *names, "of the supernet's error, numbers of operators explain"], rows)


def calibration_table(truth: GroundTruth, predictions: Sequence[Prediction]) -> list[str]:
    """Agreement with the ground truth before and after a calibration, in Markdown."""
    rows = []
    for number in NUMBERS:
        if 2 * number > len(truth.networks) // 2:
            continue
        nothing = Prediction(OPERATORS_ALONE, "none", [], np.zeros((1, len(truth.networks))))
        rows += [
            [str(number), *_method(prediction), *_calibrated(truth, prediction, number)]
            for prediction in (nothing, *predictions)
        ]
    head = ["children alone", "method", "budget", "tau before", "tau after", "difference", "over choices"]
    return markdown_table([*head, "regret before", "regret after", "difference"], rows)


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
    found: dict[str, list[Estimate]] = {}
    for draw in range(DRAWS):
        others, before, after = calibrated(truth, prediction, number, draw)
        truths = truth.scores[others]
        for statistic in ("tau", "regret"):
            options = {"statistic": statistic, "resamples": RESAMPLES}
            for name, value in (
                ("before", estimate(truths, before, **options)),
                ("after", estimate(truths, after, **options)),
                ("difference", paired_difference(truths, after, before, **options)),
            ):
                found.setdefault(f"{statistic} {name}", []).append(value)
    means = {name: _mean(values) for name, values in found.items()}
    spread = np.std([value.mean for value in found["tau after"]], ddof=1)
    without = prediction.method == OPERATORS_ALONE
    tau, regret = (
        [
            "" if without else f"{means[f'{statistic} before'].mean:.{digits}f}",
            f"{means[f'{statistic} after'].mean:.{digits}f}",
            "" if without else _signed(means[f"{statistic} difference"], digits),
        ]
        for statistic, digits in (("tau", 3), ("regret", 4))
    )
    return [*tau, f"± {spread:.3f}", *regret]


def _mean(values: Sequence[Estimate]) -> Estimate:
    names = ("mean", "low", "high")
    return replace(values[0], **{name: float(np.mean([getattr(value, name) for value in values])) for name in names})


def _signed(found: Estimate, digits: int) -> str:
    return f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def _children(truth: GroundTruth) -> list[Architecture]:
    return [Architecture.from_string(network) for network in truth.networks]


def _fit(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(design, values, rcond=None)[0]


def _worths(design: np.ndarray, by_seed: np.ndarray) -> list[str]:
    found = np.array([_fit(design, values)[1:] for values in by_seed])
    spread = found.std(axis=0, ddof=1) if len(found) > 1 else np.full(found.shape[1], np.nan)
    cells = zip(found.mean(axis=0), spread, strict=True)
    return [f"{mean:+.3f}" + ("" if np.isnan(deviation) else f" ± {deviation:.3f}") for mean, deviation in cells]


def _method(prediction: Prediction) -> list[str]:
    return [prediction.method, "" if prediction.budget == "none" else prediction.budget.replace("_", " ")]


__all__ = ["DRAWS", "NUMBERS", "calibrated", "calibration_table", "worth_table"]
