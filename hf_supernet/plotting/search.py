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
"""Plots of a search."""

import os
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from ..architecture import Architecture
from ..search.result import SearchResult
from .panels import BLUE, GREY, RED, Panel, write_panels


_COST_AXES = {  # column: what it is, its unit with the factor from the column's
    "parameters": ("parameters", "millions", 1e-6),
    "latency": ("latency", "ms", 1e3),
}


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
    panels = pareto_panels(result, chosen)
    heading = f"{len(result)} children evaluated; chosen:\n{_find(result, chosen)['architecture']}"
    write_panels(panels, path, titles=False, heading=heading)


def pareto_panels(result: SearchResult, chosen: Architecture | str | None = None) -> list[Panel]:
    """The panels of [`plot_pareto`], one for each cost; their tables have the children of the front."""
    columns = [column for column in _COST_AXES if column in result.table]
    if not columns:
        raise ValueError(
            f"A Pareto plot needs one of the columns {', '.join(_COST_AXES)}; this result has"
            f" {', '.join(result.table)}."
        )
    marked = _find(result, chosen)
    return [_panel(result, marked, column) for column in columns]


def _panel(result: SearchResult, marked: pd.Series, column: str) -> Panel:
    name, unit, factor = _COST_AXES[column]
    front = result.pareto_front(("loss", column))
    table = pd.DataFrame(
        {
            f"{name} ({unit})": front[column] * factor,
            "dev loss": front["loss"],
            "architecture": front["architecture"],
            "chosen": ["yes" if child == marked["architecture"] else "" for child in front["architecture"]],
        }
    )
    description = (
        f"{len(result)} children as points, dev loss against {name}; {len(front)} of them are the Pareto front"
    )
    if len(front):
        ends = [
            f"loss {row['loss']:.3f} at {row[column] * factor:.3g} {unit}" for _, row in front.iloc[[0, -1]].iterrows()
        ]
        description += f", from {' to '.join(ends)}"
    description += f". The chosen child has loss {marked['loss']:.3f} at {marked[column] * factor:.3g} {unit}."
    return Panel(f"Dev loss against {name}", description, table, partial(_draw, result, front, marked, column))


def _draw(result: SearchResult, front: pd.DataFrame, marked: pd.Series, column: str, axis: Axes) -> None:
    name, unit, factor = _COST_AXES[column]
    axis.scatter(
        result.table[column] * factor, result.table["loss"], s=14, color=GREY, alpha=0.5, lw=0, label="evaluated"
    )
    # The step shows what is reached at each cost: between two children, no better one than the smaller of them.
    axis.plot(
        front[column] * factor,
        front["loss"],
        drawstyle="steps-post",
        color=BLUE,
        lw=1.4,
        marker="o",
        ms=4,
        label="Pareto front",
    )
    axis.plot([marked[column] * factor], [marked["loss"]], ls="", marker="*", ms=14, color=RED, label="chosen child")
    axis.set(xlabel=f"{name} ({unit})", ylabel="dev loss (nats per label)")
    axis.locator_params(axis="x", nbins=6)
    axis.legend(frameon=False)


def _find(result: SearchResult, chosen: Architecture | str | None) -> pd.Series:
    if chosen is None:
        return result.best()
    rows = result.table[result.table["architecture"] == str(chosen)]
    if rows.empty:
        raise ValueError(f"The chosen child '{chosen}' is not among the {len(result)} that this search evaluated.")
    return rows.iloc[0]


__all__ = ["pareto_panels", "plot_pareto"]
