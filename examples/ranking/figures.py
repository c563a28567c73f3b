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
"""The figures of the ranking benchmark's report."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from analysis import NONE, GroundTruth, Prediction
from matplotlib.axes import Axes
from scipy import stats

from hf_supernet.evaluation.ranking import Estimate
from hf_supernet.plotting.panels import BLUE, GREEN, GREY, LINE_STYLES, ORANGE, Panel, draw_intervals


STRATUM_COLOURS = {"random": BLUE, "neighbour": ORANGE, "extreme": GREEN, "no_mixing": GREY}


def ceiling_panel(truth: GroundTruth, ceiling: Estimate) -> Panel:
    """The first two seeds of the ground truth against each other: no prediction can be expected to agree better."""
    one, other = truth.losses[:, 0], truth.losses[:, 1]
    table = pd.DataFrame({"network": truth.networks, "first seed": one, "second seed": other})
    return Panel(
        f"Trained alone, two seeds: tau {ceiling}",
        f"{len(one)} children as points, dev loss with one seed against another; tau {ceiling}, the noise ceiling.",
        table,
        partial(_draw_points, truth, other[None], "dev loss alone, second seed", 0),
    )


def scatter_panel(truth: GroundTruth, prediction: Prediction, budget: str, tau: Estimate) -> Panel:
    """
    What a method predicts against what children reach alone; bars have the range of the seeds.

    Of a baseline the ranks are shown: its scores are no losses, and those of one seed can lie far from those of another.
    """
    is_baseline = prediction.budget == NONE
    scores = stats.rankdata(prediction.scores, axis=1) if is_baseline else prediction.scores
    what = "rank" if is_baseline else "dev loss"
    name = f"{prediction.method}, {budget}" if budget else prediction.method
    table = pd.DataFrame({"network": truth.networks, "alone": truth.scores, "predicted": scores.mean(axis=0)})
    label = f"{what} by the {'baseline' if is_baseline else 'supernet'}"
    return Panel(
        name,
        f"{len(truth.networks)} children as points, the {what} by {name} against the dev loss alone, with bars for the range of"
        f" the seeds; tau {tau}, the mean of the seeds'.",
        table,
        partial(_draw_points, truth, scores, label, None),
    )


def tau_panel(method: str, taus: dict[str, Estimate], ceiling: Estimate) -> Panel:
    """A method's tau at each budget, under the ceiling."""
    shown = {"ceiling": ceiling} | {budget or method: tau for budget, tau in taus.items()}
    rows = [{"of": name, "mean": tau.mean, "low": tau.low, "high": tau.high} for name, tau in shown.items()]
    words = "; ".join(f"{name} {tau}" for name, tau in shown.items())
    return Panel(
        "tau, with its interval", f"Intervals of tau: {words}.", pd.DataFrame(rows), partial(_draw_taus, shown)
    )


def course_panel(
    title: str, lines: dict[str, pd.DataFrame], ceiling: Estimate, methods: list[str], statistic: str = "tau"
) -> Panel:
    """
    A statistic along the training.

    Args:
        title (`str`): What stands above it.
        lines (`dict[str, pandas.DataFrame]`): By method, with the columns `share`, `mean`, `low` and `high`.
        ceiling (`Estimate`): Drawn as a band.
        methods (`list[str]`): All that are compared, so that each has its colour in every panel.
        statistic (`str`, *optional*, defaults to `"tau"`): Which.
    """
    table = pd.concat([part.assign(method=name) for name, part in lines.items()], ignore_index=True)
    styles = dict(zip(methods, _styles(), strict=False))
    ends = [f"{name} {part['mean'].iloc[0]:.3f} to {part['mean'].iloc[-1]:.3f}" for name, part in lines.items()]
    description = f"Lines of {statistic} over the share of the training: {'; '.join(ends)}. Ceiling {ceiling}."
    return Panel(title, description, table, partial(_draw_course, lines, ceiling, styles, statistic))


def _draw_points(truth: GroundTruth, values: np.ndarray, label: str, seed: int | None, axis: Axes) -> None:
    """`values` are of shape `(number of seeds, number of children)`; with a `seed`, the truth is that one's alone."""
    x, y = truth.scores if seed is None else truth.losses[:, seed], values.mean(axis=0)
    if seed is None:
        ranges = [
            np.abs(np.stack([part.min(axis=0), part.max(axis=0)]) - middle)
            for part, middle in ((truth.losses.T, x), (values, y))
        ]
        axis.errorbar(x, y, xerr=ranges[0], yerr=ranges[1], fmt="none", ecolor=GREY, elinewidth=0.6, alpha=0.4)
    for stratum, colour in STRATUM_COLOURS.items():
        here = truth.strata == stratum
        if here.any():
            axis.scatter(x[here], y[here], s=14, color=colour, lw=0, label=stratum, zorder=3)
    if seed is not None:
        axis.axline((x.mean(), x.mean()), slope=1, color=GREY, lw=0.8, ls="--")
    which = " (mean and range of seeds)" if seed is None else ", first seed"
    axis.set(xlabel=f"dev loss alone{which}", ylabel=label)
    _legend_below(axis)


def _draw_taus(shown: dict[str, Estimate], axis: Axes) -> None:
    """One under the other, the ceiling as a band behind them all."""
    ceiling = shown["ceiling"]
    axis.axvspan(ceiling.low, ceiling.high, color=GREY, alpha=0.2, lw=0)
    axis.axvline(0, color=GREY, lw=0.8, ls="--")
    for place, (name, found) in enumerate(shown.items()):
        colour = GREY if name == "ceiling" else BLUE
        axis.plot([found.low, found.high], [place, place], color=colour, lw=2)
        axis.plot(found.mean, place, marker="o", ms=5, color=colour)
    labels = [f"{name}\n{found.mean:.2f}" for name, found in shown.items()]
    least = min(0.0, *(end for found in shown.values() for end in (found.mean, found.low) if np.isfinite(end)))
    axis.set(xlim=(least - 0.05, 1.05), ylim=(len(shown) - 0.5, -0.5), xlabel="tau")
    axis.set_yticks(range(len(shown)), labels)


def _styles() -> Iterator[tuple[str, str]]:
    """Colour and marker; from the eighth on the colours come again with other markers."""
    colours, markers = zip(*LINE_STYLES, strict=True)
    for turn in range(len(LINE_STYLES)):
        yield from zip(colours, markers[turn:] + markers[:turn], strict=True)


def _draw_course(
    lines: dict[str, pd.DataFrame], ceiling: Estimate, styles: dict[str, tuple[str, str]], statistic: str, axis: Axes
) -> None:
    axis.axhspan(ceiling.low, ceiling.high, color=GREY, alpha=0.2, lw=0)
    axis.axhline(ceiling.mean, color=GREY, lw=1, ls="--", label="ceiling")
    for index, (name, part) in enumerate(lines.items()):
        shift = 0.008 * (index - (len(lines) - 1) / 2)  # so that intervals do not hide each other
        draw_intervals(axis, part["share"] + shift, part, styles[name], name)
    axis.set(xlabel="share of the training", ylabel=statistic)
    columns = -(-(1 + len(lines)) // 24)
    axis.legend(frameon=False, fontsize=6, ncols=columns, loc="center left", bbox_to_anchor=(1.02, 0.5))


def _legend_below(axis: Axes) -> None:
    """Where no point is taken for an entry, or hidden by one."""
    axis.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.16))


__all__ = ["ceiling_panel", "course_panel", "scatter_panel", "tau_panel"]
