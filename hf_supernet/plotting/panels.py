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
"""What all plots have in common: colours, panels, and how they are written."""

import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import replacing


# The palette of Okabe and Ito, which colour-blind readers can tell apart; line styles and markers differ as well.
ORANGE, SKY, GREEN, BLUE, RED, PINK = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
GREY = "#8C8C8C"
KIND_COLOURS = {"attention": BLUE, "feed_forward": ORANGE, "convolution": GREEN, "identity": GREY}
LINE_STYLES = tuple(zip((BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY), "osv^DPX", strict=True))
"""Colour and marker of lines that stand for one thing each; from the eighth on they begin again."""

INK = "text.color"
"""Stands for black on white, and for white on black: a name among matplotlib's settings; see [`ink`]."""

_DARK_INK, _DARK_GROUND, _DARK_GRID = "#E4E4E7", "#1B1C1F", "#3A3B40"
_LIGHT = {"grid.color": "#E0E0E0"}
_DARK = {
    "grid.color": _DARK_GRID,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _DARK_INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), _DARK_GROUND),
}


class Panel(NamedTuple):
    """
    One plot with what it says in words and numbers.

    Args:
        title (`str`):
            What is plotted.
        description (`str`):
            What is to be seen, for those who can't see it.
        table (`pandas.DataFrame`):
            The numbers that are plotted.
        draw (`Callable[[Axes], None]`):
            Plots them, with the labels of the axes.
    """

    title: str
    description: str
    table: pd.DataFrame
    draw: Callable[[Axes], None]


def ink(colour: str) -> str:
    """`colour` itself, or for `INK` the colour of the text."""
    return matplotlib.rcParams[INK] if colour == INK else colour


def draw_intervals(axis: Axes, x: pd.Series, means: pd.DataFrame, style: tuple[str, str], label: str) -> None:
    """
    A line of means with their intervals.

    Args:
        axis (`matplotlib.axes.Axes`):
            Where to.
        x (`pandas.Series`):
            Where the means stand, in the order of `means`.
        means (`pandas.DataFrame`):
            With the columns `mean`, `low` and `high`.
        style (`tuple[str, str]`):
            Colour and marker, one of `LINE_STYLES`.
        label (`str`):
            The name of the line in the legend.
    """
    colour, marker = style
    error = np.abs(means[["low", "high"]].to_numpy().T - means["mean"].to_numpy())
    axis.errorbar(x, means["mean"], yerr=error, color=colour, marker=marker, ms=4, lw=1.4, elinewidth=0.8, label=label)


def write_panels(
    panels: Sequence[Panel],
    path: str | os.PathLike,
    titles: bool = True,
    heading: str | None = None,
    columns: int | None = None,
) -> None:
    """
    Writes panels as a PNG file, whole or not at all.

    Args:
        panels (`Sequence[Panel]`):
            The panels.
        path (`str` or `os.PathLike`):
            The file.
        titles (`bool`, *optional*, defaults to `True`):
            Whether each panel has its title.
        heading (`str`, *optional*):
            A line above them all.
        columns (`int`, *optional*, defaults to all):
            How many panels are side by side.
    """
    with matplotlib.rc_context(_LIGHT):
        figure = _draw(panels, titles, columns)
        if heading is not None:
            figure.suptitle(heading, fontsize=8)
        with replacing(Path(path)) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def render_panel(panel: Panel, dark: bool = False) -> bytes:
    """
    A panel as an SVG image, the same bytes for the same numbers.

    Args:
        panel ([`Panel`]):
            The panel.
        dark (`bool`, *optional*, defaults to `False`):
            Whether it is light on dark.
    """
    settings = (_DARK if dark else _LIGHT) | {"svg.hashsalt": panel.title}
    image = io.BytesIO()
    with matplotlib.rc_context(settings):
        _draw([panel], titles=False).savefig(image, format="svg", dpi=150, metadata={"Date": None})
    return image.getvalue()


def _draw(panels: Sequence[Panel], titles: bool, columns: int | None = None) -> Figure:
    columns = min(columns or len(panels), len(panels))
    rows = math.ceil(len(panels) / columns)
    # A figure of its own has no window behind it, so no backend has to be chosen for the whole process.
    figure = Figure(figsize=(4.8 * columns, 3.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, panel in zip(axes, panels, strict=False):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(lw=0.6)
        axis.set_axisbelow(True)
        panel.draw(axis)
        if titles:
            axis.set_title(panel.title)
    return figure


__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "INK",
    "KIND_COLOURS",
    "LINE_STYLES",
    "ORANGE",
    "PINK",
    "RED",
    "SKY",
    "Panel",
    "draw_intervals",
    "ink",
    "render_panel",
    "write_panels",
]
