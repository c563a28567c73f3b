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
"""Plots of interference, from the rows of [`analyze_interference`] for one or several supernets."""

from functools import partial
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..evaluation.interference_statistics import mean_similarity
from .panels import KIND_COLOURS, LINE_STYLES, Panel, draw_intervals


_LABEL = "gradient similarity (cosine)"
_SHIFT = 0.06
"""Between neighbouring lines over counts, in the units of the axis."""
_STATES = {"input_similarity": "inputs", "output_similarity": "outputs"}


def distance_panel(rows: pd.DataFrame, resamples: int = 1000) -> Panel:
    """
    Gradient similarity over the number of operators in which two children differ.

    Args:
        rows (`pandas.DataFrame`):
            With the columns of [`analyze_interference`] and `method`, of which each gets a line; with several supernets
            of a method, a column `supernet`.
        resamples (`int`, *optional*, defaults to 1000):
            For the intervals, see [`mean_similarity`].
    """
    lines = {
        str(method): mean_similarity(part, "distance", resamples).rename(columns={"distance": "x"})
        for method, part in rows.groupby("method", sort=False)
    }
    return _lines_panel("Gradient similarity by distance", lines, "operators in which two children differ, k")


def states_panel(rows: pd.DataFrame, of: str, bins: int = 8, resamples: int = 1000) -> Panel:
    """
    Gradient similarity of an operator over the similarity of what it reads or writes.

    Args:
        rows, resamples:
            As for [`distance_panel`].
        of (`str`):
            `"input_similarity"` or `"output_similarity"`.
        bins (`int`, *optional*, defaults to 8):
            The most bins, with equally many rows of a method each, but for values that many rows have: these are in one.
    """
    lines = {}
    for method, part in rows.groupby("method", sort=False):
        # Equal values are one bin, in the middle of their ranks: in the first layers, the inputs of many are the same.
        share = (part[of].rank() - 0.5) / len(part)
        part = part.assign(bin=(share * bins).astype(int))
        centres = part.groupby("bin")[of].mean().rename("x")
        lines[str(method)] = mean_similarity(part, "bin", resamples).join(centres, on="bin").drop(columns="bin")
    what = _STATES[of]
    return _lines_panel(f"Gradient similarity by the operator's {what}", lines, f"similarity of {what} (cosine)")


def layer_panel(rows: pd.DataFrame, method: str, resamples: int = 1000) -> Panel:
    """
    Gradient similarity over the layers, by kind of operator.

    Args:
        rows, resamples:
            As for [`distance_panel`].
        method (`str`):
            Which one.
    """
    own = rows[rows["method"] == method]
    lines = {
        str(kind): mean_similarity(part, "layer", resamples).rename(columns={"layer": "x"})
        for kind, part in own.groupby("kind")
    }
    return _lines_panel(f"By layer and operator: {method}", lines, "layer", KIND_COLOURS)


def _lines_panel(
    title: str, lines: dict[str, pd.DataFrame], label: str, colours: dict[str, str] | None = None
) -> Panel:
    table = pd.concat([part.assign(line=name) for name, part in lines.items()], ignore_index=True)
    table = table[["line", "x", "mean", "low", "high"]].rename(columns={"x": label})
    ends = [f"{name} from {part['mean'].iloc[0]:.3f} to {part['mean'].iloc[-1]:.3f}" for name, part in lines.items()]
    description = f"Lines over {label}: {'; '.join(ends)}."
    styles = dict(zip(lines, cycle(LINE_STYLES), strict=False))
    if colours is not None:
        styles = {name: (colours[name], marker) for name, (_, marker) in styles.items()}
    return Panel(title, description, table, partial(_draw_lines, lines, label, styles))


def _limits(lines: dict[str, pd.DataFrame]) -> tuple[float, float]:
    """Of the vertical axis: means fill half of it or more; the intervals of a few pairs go on where it ends."""
    means = pd.concat([part["mean"] for part in lines.values()])
    room = max(float(means.max() - means.min()), 0.02)
    low = pd.concat([part["low"] for part in lines.values()] + [means]).min()
    return float(max(means.min() - room, low - 0.05 * room)), float(min(means.max() + room, 1 + 0.05 * room))


def _draw_lines(lines: dict[str, pd.DataFrame], label: str, styles: dict[str, tuple[str, str]], axis: Axes) -> None:
    counts = all(part["x"].astype(float).mod(1).eq(0).all() for part in lines.values())
    for index, (name, part) in enumerate(lines.items()):
        # side by side, where lines have the same places: intervals would hide each other
        shift = _SHIFT * (index - (len(lines) - 1) / 2) if counts else 0.0
        draw_intervals(axis, part["x"] + shift, part, styles[name], name)
    if counts:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=label, ylabel=_LABEL)
    axis.set_ylim(*_limits(lines))
    axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))


__all__ = ["distance_panel", "layer_panel", "states_panel"]
