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
"""Plots of how a search went, and of which operators it found good where."""

import os
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..architecture import Architecture
from ..search.result import SearchResult
from .panels import BLUE, GREY, Panel, write_panels


MIN_CHILDREN = 20
"""A map of operators shows at least so many children, where there are: those of a small front, and the next best ones."""


def plot_search(result: SearchResult, path: str | os.PathLike) -> None:
    """
    Plots how a search went: what was best, or the hypervolume, along it; and which operators its best children have at
    which layer.

    Args:
        result ([`SearchResult`]):
            What the search evaluated.
        path (`str` or `os.PathLike`):
            The PNG file to write.

    Raises:
        ValueError: where no child has a value.
    """
    write_panels([history_panel(result), operator_panel(result)], path)


def history_panel(result: SearchResult) -> Panel:
    """
    The best value so far, of a search for one objective, or the hypervolume of the front so far, by the number of
    children evaluated.
    """
    counts = result.table.groupby("generation").size().cumsum()
    name, values = _history(result)
    table = pd.DataFrame({"children evaluated": counts.to_numpy(), name: values.to_numpy()})
    description = (
        f"{name} after each of {len(table)} generations, from {values.iloc[0]:.4g} with"
        f" {counts.iloc[0]} children evaluated to {values.iloc[-1]:.4g} with {counts.iloc[-1]}."
    )
    return Panel(f"The search: {name}", description, table, partial(_draw_history, table))


def operator_panel(result: SearchResult) -> Panel:
    """Which operator stands at which layer, as shares of the children on the Pareto front and the next best."""
    children = _best_children(result)
    if not children:
        raise ValueError(f"None of the {len(result)} children evaluated has a value: there is nothing to plot.")
    operators = sorted({operator for child in children for operator in child}, key=lambda op: (op.kind, op.size or 0))
    names = [operator.code for operator in operators]
    shares = np.array(
        [[np.mean([child[layer] == op for child in children]) for op in operators] for layer in _layers(children)]
    )
    table = pd.DataFrame(shares, columns=names)
    table.insert(0, "layer", range(len(table)))
    most = ", ".join(f"{names[row.argmax()]} in {layer} ({row.max():.0%})" for layer, row in enumerate(shares))
    description = (
        f"The share of the {len(children)} best children that have each operator, by layer; most often: {most}."
    )
    return Panel("Which operator at which layer", description, table, partial(_draw_operators, shares, names))


def _history(result: SearchResult) -> tuple[str, pd.Series]:
    if len(result.searched) > 1:
        return "hypervolume", result.hypervolume()
    name = result.searched[0]
    by_generation = result.table.groupby("generation")[name]
    if result.info.get("objectives", {}).get(name, {}).get("direction") == "maximise":
        return f"best {name}", by_generation.max().cummax().ffill()
    return f"best {name}", by_generation.min().cummin().ffill()


def _best_children(result: SearchResult) -> list[Architecture]:
    """Those of the front, and the next best in the first objective."""
    front = list(result.pareto_front()["architecture"]) if len(result.searched) > 1 else []
    ranked = result.ranked().dropna(subset=result.searched[0])["architecture"]
    names = [*front, *(name for name in ranked if name not in set(front))][: max(MIN_CHILDREN, len(front))]
    return [Architecture.from_string(name) for name in names]


def _layers(children: list[Architecture]) -> range:
    return range(len(children[0]))


def _draw_history(table: pd.DataFrame, axis: Axes) -> None:
    counts, name = table.columns
    axis.plot(table[counts], table[name], color=BLUE, lw=1.4, marker="o", ms=4, drawstyle="steps-post")
    axis.set(xlabel=counts, ylabel=name)


def _draw_operators(shares: np.ndarray, names: list[str], axis: Axes) -> None:
    axis.imshow(shares.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (layer, operator), share in np.ndenumerate(shares):
        if share > 0:
            axis.text(
                layer,
                operator,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share > 0.5 else GREY,
            )
    axis.set(xlabel="layer", ylabel="operator (share of the best children, %)")
    axis.set_xticks(range(len(shares)), [str(layer) for layer in range(len(shares))])
    axis.set_yticks(range(len(names)), names)
    axis.grid(visible=False)


__all__ = ["history_panel", "operator_panel", "plot_search"]
