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
"""Plots of a training and of a search, written as PNG."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .architecture import Architecture
from .files import replacing
from .search.result import SearchResult


# The palette of Okabe and Ito, which colour-blind readers can tell apart; line styles and markers differ as well.
_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _RED, _PINK = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_GREY = "#8C8C8C"

_TRAINING_PARTS = (  # key in the log, label, colour, line style
    ("loss", "training loss (total)", _BLACK, "-"),
    ("task_loss", "task loss", _BLUE, "--"),
)
_EVAL_PARTS = (  # key in the log, label, colour, marker
    ("eval_loss", "mean of all", _BLACK, "o"),
    ("eval_smallest_loss", "smallest child", _ORANGE, "v"),
    ("eval_largest_loss", "largest child", _GREEN, "^"),
    ("eval_random_loss", "random children (mean)", _SKY, "s"),
    ("eval_anchor_loss", "anchor", _RED, "D"),
)
_COST_AXES = {"parameters": ("parameters (millions)", 1e-6), "latency": ("latency (ms)", 1e3)}


def plot_training_losses(log_history: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """
    Plots the losses of a [`SupernetTrainer`] over the optimisation steps, part by part.

    Panels: the training loss and the task loss; the alignment loss, which has another scale; the dev losses of the
    children that were evaluated. Panels without a value are left out.

    Args:
        log_history (`Sequence[Mapping[str, Any]]`):
            `trainer.state.log_history`.
        path (`str` or `os.PathLike`):
            The PNG file to write.

    Raises:
        ValueError: where the log holds no loss.
    """
    panels = [
        ("Training", "cross-entropy (nats per label)", [(*part, "") for part in _TRAINING_PARTS]),
        ("Alignment with the anchor", "alignment loss, before its weight", [("alignment_loss", "", _PINK, "-", "")]),
        ("Dev set", "cross-entropy (nats per label)", [(*part[:3], "-", part[3]) for part in _EVAL_PARTS]),
    ]
    logged = {key for entry in log_history for key in entry}
    panels = [
        (title, unit, kept) for title, unit, lines in panels if (kept := [line for line in lines if line[0] in logged])
    ]
    if not panels:
        raise ValueError("The log holds no loss to plot; pass `trainer.state.log_history` of a finished training.")
    figure, axes = _figure(len(panels))
    for axis, (title, unit, lines) in zip(axes, panels, strict=True):
        for key, label, colour, style, marker in lines:
            points = [(entry["step"], entry[key]) for entry in log_history if key in entry]
            # A total that is the task loss alone is drawn under it, and both stay visible.
            width = 2.6 if key == "loss" else 1.4
            axis.plot(*zip(*points, strict=True), color=colour, ls=style, marker=marker, ms=4, lw=width, label=label)
        axis.set(title=title, xlabel="optimisation step", ylabel=unit)
        if len(lines) > 1:
            axis.legend(frameon=False)
    _write(figure, path)


def plot_pareto(result: SearchResult, path: str | os.PathLike, chosen: Architecture | str | None = None) -> None:
    """
    Plots what a search evaluated: the loss against the parameters and against the latency, with the Pareto fronts.

    Args:
        result ([`SearchResult`]):
            What the search evaluated.
        path (`str` or `os.PathLike`):
            The PNG file to write.
        chosen ([`Architecture`] or `str`, *optional*, defaults to the child of the least loss):
            The child to mark.

    Raises:
        ValueError: where the result has neither column, and where `chosen` is not in it.
    """
    columns = [column for column in _COST_AXES if column in result.table]
    if not columns:
        raise ValueError(
            f"A Pareto plot needs one of the columns {', '.join(_COST_AXES)}; this result has"
            f" {', '.join(result.table)}."
        )
    marked = _find(result, chosen)
    figure, axes = _figure(len(columns))
    for axis, column in zip(axes, columns, strict=True):
        label, scale = _COST_AXES[column]
        front = result.pareto_front(("loss", column))
        axis.scatter(
            result.table[column] * scale, result.table["loss"], s=14, color=_GREY, alpha=0.5, lw=0, label="evaluated"
        )
        # The step shows what is reached at each cost: between two children, no better one than the smaller of them.
        axis.plot(
            front[column] * scale,
            front["loss"],
            drawstyle="steps-post",
            color=_BLUE,
            lw=1.4,
            marker="o",
            ms=4,
            label="Pareto front",
        )
        axis.plot(
            [marked[column] * scale],
            [marked["loss"]],
            ls="",
            marker="*",
            ms=14,
            color=_RED,
            label="chosen child",
        )
        axis.set(xlabel=label, ylabel="dev loss (nats per label)")
        axis.locator_params(axis="x", nbins=6)
        axis.legend(frameon=False)
    figure.suptitle(f"{len(result)} children evaluated; chosen:\n{marked['architecture']}", fontsize=8)
    _write(figure, path)


def _find(result: SearchResult, chosen: Architecture | str | None) -> pd.Series:
    if chosen is None:
        return result.best()
    rows = result.table[result.table["architecture"] == str(chosen)]
    if rows.empty:
        raise ValueError(f"The chosen child '{chosen}' is not among the {len(result)} that this search evaluated.")
    return rows.iloc[0]


def _figure(num_panels: int) -> tuple[Figure, Sequence[Axes]]:
    # A figure of its own has no window behind it, so no backend has to be chosen for the whole process.
    figure = Figure(figsize=(4.8 * num_panels, 3.8), layout="constrained")
    axes = figure.subplots(1, num_panels, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#E0E0E0", lw=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def _write(figure: Figure, path: str | os.PathLike) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


__all__ = ["plot_pareto", "plot_training_losses"]
