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
"""Plots of a training, from what its Trainer logged."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Patch

from ..architecture import Architecture
from ..models.searched_bert.configuration_searched_bert import Operator
from .panels import BLUE, GREEN, INK, KIND_COLOURS, ORANGE, PINK, RED, SKY, Panel, ink, write_panels


Log = Sequence[Mapping[str, Any]]

_CROSS_ENTROPY = "cross-entropy (nats per label)"
_LOSSES = (  # title, unit, and for each line: key in the log, label, colour, line style, marker
    (
        "Training",
        _CROSS_ENTROPY,
        (("loss", "training loss (total)", INK, "-", ""), ("task_loss", "task loss", BLUE, "--", "")),
    ),
    (
        "Alignment with the anchor",
        "alignment loss, before its weight",
        (("alignment_loss", "alignment loss", PINK, "-", ""),),
    ),
    (
        "Dev set",
        _CROSS_ENTROPY,
        (
            ("eval_loss", "mean of all", INK, "-", "o"),
            ("eval_smallest_loss", "smallest child", ORANGE, "-", "v"),
            ("eval_largest_loss", "largest child", GREEN, "-", "^"),
            ("eval_random_loss", "random children (mean)", SKY, "-", "s"),
            ("eval_anchor_loss", "anchor", RED, "-", "D"),
        ),
    ),
)


def plot_training_losses(log_history: Log, path: str | os.PathLike) -> None:
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
    panels = loss_panels(log_history)
    if not panels:
        raise ValueError("The log holds no loss to plot; pass `trainer.state.log_history` of a finished training.")
    write_panels(panels, path)


def loss_panels(log_history: Log) -> list[Panel]:
    """The panels of [`plot_training_losses`], those that the log has values for."""
    panels = []
    for title, unit, lines in _LOSSES:
        kept = [(line, points) for line in lines if len(points := _series(log_history, line[0]))]
        if kept:
            table = pd.DataFrame({label: points for (_, label, *_), points in kept}).rename_axis("step").reset_index()
            panels.append(Panel(title, _describe(kept), table, partial(_draw_lines, kept, unit)))
    return panels


def anchor_panels(log_history: Log) -> list[Panel]:
    """
    The anchor's dev loss over the steps, with a mark where another child had become the anchor; no panel without anchors.

    Args:
        log_history (`Sequence[Mapping[str, Any]]`):
            `trainer.state.log_history`.

    Returns:
        `list[Panel]`: one or none. The table has a row for each anchor: since which logged step, and its first loss.
    """
    losses, changes, last = _series(log_history, "anchor_loss"), [], None
    for entry in log_history:
        if isinstance(anchor := entry.get("anchor"), str) and anchor != last:
            changes.append((entry["step"], anchor, losses.get(entry["step"])))
            last = anchor
    if not changes or losses.empty:
        return []
    table = pd.DataFrame(changes, columns=["logged at step", "anchor", "dev loss"])
    description = (
        f"{len(changes)} anchors in the log; the anchor's dev loss goes from {losses.iloc[0]:.3f} at step"
        f" {losses.index[0]} to {losses.iloc[-1]:.3f} at step {losses.index[-1]}."
    )
    return [Panel("Anchor history", description, table, partial(_draw_anchors, losses, table))]


def architecture_panels(steps: Sequence[int], architectures: Sequence[Architecture]) -> list[Panel]:
    """
    Which operator of each layer was trained at which step, and how often each was.

    Args:
        steps (`Sequence[int]`):
            The step of each architecture, in rising order; a step that trained several comes as often.
        architectures (`Sequence[Architecture]`):
            What was trained, all with the same number of layers.

    Returns:
        `list[Panel]`: a heat map layer x step, and one layer x operator.
    """
    operators = sorted({operator for architecture in architectures for operator in architecture})
    index = {operator: number for number, operator in enumerate(operators)}
    grid = np.array([[index[operator] for operator in architecture] for architecture in architectures]).T
    counts = np.stack([np.bincount(row, minlength=len(operators)) for row in grid])
    visited = pd.DataFrame({"step": steps, "architecture": list(map(str, architectures))})
    counted = pd.DataFrame(counts, columns=[operator.code for operator in operators])
    counted.insert(0, "layer", range(len(counts)))
    size = f"{len(grid)} layers, {len(architectures)} architectures, {len(visited['architecture'].unique())} of them different"
    extremes = f"the rarest choice of a layer was trained {counts.min()} times, the most frequent {counts.max()} times"
    return [
        Panel(
            "Operator trained in each layer",
            f"A heat map of layers by steps, coloured by operator: {size}.",
            visited,
            partial(_draw_visits, steps, grid, operators),
        ),
        Panel(
            "How often each operator was trained",
            f"A heat map of layers by operators: {size}; {extremes}.",
            counted,
            partial(_draw_counts, counts, operators),
        ),
    ]


def _series(log_history: Log, key: str) -> pd.Series:
    """The numbers of one key by step; of two with the same step, the later."""
    points = {
        entry["step"]: float(entry[key])
        for entry in log_history
        if isinstance(entry.get(key), int | float) and isinstance(entry.get("step"), int)
    }
    return pd.Series(points, dtype=float)


def _describe(lines: Sequence[tuple[tuple[str, ...], pd.Series]]) -> str:
    parts = [
        f"{label} from {points.iloc[0]:.3f} at step {points.index[0]} to {points.iloc[-1]:.3f} at step {points.index[-1]}"
        for (_, label, *_), points in lines
    ]
    return f"Lines over the optimisation steps: {'; '.join(parts)}."


def _draw_lines(lines: Sequence[tuple[tuple[str, ...], pd.Series]], unit: str, axis: Axes) -> None:
    for (key, label, colour, style, marker), points in lines:
        # A total that is the task loss alone is drawn under it, and both stay visible.
        width = 2.6 if key == "loss" else 1.4
        axis.plot(points.index, points, color=ink(colour), ls=style, marker=marker, ms=4, lw=width, label=label)
    axis.set(xlabel="optimisation step", ylabel=unit)
    if len(lines) > 1:
        axis.legend(frameon=False)


def _draw_anchors(losses: pd.Series, table: pd.DataFrame, axis: Axes) -> None:
    axis.plot(losses.index, losses, color=RED, lw=1.4, label="dev loss of the anchor")
    known = table.dropna(subset="dev loss")
    axis.plot(known["logged at step"], known["dev loss"], ls="", marker="D", ms=5, color=RED, label="a new anchor")
    axis.set(xlabel="optimisation step", ylabel=_CROSS_ENTROPY)
    axis.legend(frameon=False)


def _operator_colours(operators: Sequence[Operator]) -> list[tuple[float, ...]]:
    """The colour of its kind for each operator, the paler the smaller."""
    colours = []
    for operator in operators:
        same = [other for other in operators if other.kind == operator.kind]
        strength = 1 - 0.6 * (len(same) - 1 - same.index(operator)) / max(len(same) - 1, 1)
        colours.append(tuple(1 - strength * (1 - value) for value in to_rgb(KIND_COLOURS[operator.kind])))
    return colours


def _draw_visits(steps: Sequence[int], grid: np.ndarray, operators: Sequence[Operator], axis: Axes) -> None:
    colours = _operator_colours(operators)
    axis.pcolormesh(grid, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(operators) - 0.5, rasterized=True)
    shown = np.unique(np.linspace(0, len(steps) - 1, 6).astype(int))
    axis.set_xticks(shown + 0.5, [str(steps[index]) for index in shown])
    _label_layers(axis, len(grid))
    axis.set_xlabel("optimisation step")
    patches = [Patch(color=colour, label=operator.code) for colour, operator in zip(colours, operators, strict=True)]
    axis.figure.legend(handles=patches, loc="outside upper center", ncols=min(len(patches), 6), frameon=False)


def _draw_counts(counts: np.ndarray, operators: Sequence[Operator], axis: Axes) -> None:
    mesh = axis.pcolormesh(counts, cmap="cividis", vmin=0, vmax=max(counts.max(), 1), rasterized=True)
    axis.set_xticks(np.arange(len(operators)) + 0.5, [operator.code for operator in operators])
    _label_layers(axis, len(counts))
    axis.set_xlabel("operator")
    axis.figure.colorbar(mesh, ax=axis, label="times trained")


def _label_layers(axis: Axes, number: int) -> None:
    shown = np.arange(0, number, -(-number // 12))
    axis.set_yticks(shown + 0.5, [str(layer) for layer in shown])
    axis.invert_yaxis()
    axis.set_ylabel("layer")
    axis.grid(False)


__all__ = ["anchor_panels", "architecture_panels", "loss_panels", "plot_training_losses"]
