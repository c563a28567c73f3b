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
"""What an analysis of interference found, for people: whether the published observations hold, and what training changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ..cards.rendering import markdown_table
from .interference_statistics import (
    CONFIDENCE,
    MIN_UNITS,
    Interval,
    Trend,
    mean_difference,
    mean_interval,
    mean_similarity,
    similarity_trend,
)


SIMILARITIES = {"gradient_similarity": "gradients", "input_similarity": "inputs", "output_similarity": "outputs"}

PAPER = (
    '"[Analyzing and Mitigating Interference in Neural Architecture Search](https://huggingface.co/papers/2108.12821)"'
    " (Xu et al., ICML 2022)"
)


@dataclass(frozen=True)
class Observation:
    """
    A published one.

    Attributes:
        number (`int`):
            The paper's first or second.
        of (`str`):
            The column that gradient similarity goes with.
        sign (`int`):
            Of the trend that is said to be there.
        what (`str`):
            What `of` is, in words.
        within (`tuple[tuple[str, ...], ...]`):
            The groups in which it is looked for, the last one being what the verdict rests on.
    """

    number: int
    of: str
    sign: int
    what: str
    within: tuple[tuple[str, ...], ...]


_PLACE = ("layer", "operator")
_PLACE_AND_DISTANCE = ("layer", "operator", "distance")  # more operators that differ make states less alike, too
OBSERVATIONS = (
    Observation(1, "distance", -1, "number of differing operators", ((), _PLACE)),
    Observation(2, "input_similarity", 1, "similarity of inputs", ((), _PLACE, _PLACE_AND_DISTANCE)),
    Observation(2, "output_similarity", 1, "similarity of outputs", ((), _PLACE, _PLACE_AND_DISTANCE)),
)
_AMONG = {(): "all", _PLACE: "same layer and operator", _PLACE_AND_DISTANCE: "same layer, operator and number"}
_Trends = dict[tuple[Observation, tuple[str, ...]], dict[str, Trend]]


def verdict(correlation: Interval, sign: int) -> str:
    """What a trend's interval says of an observation: `"holds"`, `"**refuted**"` or `"not decided"`."""
    low, high = sorted((sign * correlation.low, sign * correlation.high))
    return "holds" if low > 0 else "**refuted**" if high < 0 else "not decided"


def summarize_interference(rows: pd.DataFrame, resamples: int = 1000) -> str:
    """
    Says in words and tables what rows of [`analyze_interference`] show.

    Args:
        rows (`pandas.DataFrame`):
            With the columns `method` and `supernet` besides. Differences are to the first method.
        resamples (`int`, *optional*, defaults to 1000):
            For the intervals, see [`mean_interval`].

    Returns:
        `str`: Markdown.

    Raises:
        ValueError: for no rows, and columns that are not there.
    """
    methods = {str(name): part for name, part in rows.groupby("method", sort=False)}
    trends: _Trends = {
        (observation, within): {
            name: similarity_trend(part, observation.of, within, resamples) for name, part in methods.items()
        }
        for observation in OBSERVATIONS
        for within in observation.within
    }
    differences = _differences(methods, resamples)
    lines = ["# Interference", "", _introduction(rows, methods), "", *_findings(methods, trends, differences), ""]
    lines += [_notes(methods), "", *_means(methods, resamples), ""]
    if differences:
        lines += [*_difference_table(methods, differences), ""]
    lines += [*_distances(methods, resamples), ""]
    for number in (1, 2):
        lines += [*_trend_table(number, trends), ""]
    lines += _layers(methods, resamples)
    return "\n".join(lines) + "\n"


def _introduction(rows: pd.DataFrame, methods: dict[str, pd.DataFrame]) -> str:
    counts = [part["supernet"].nunique() for part in methods.values()]
    each = f"{counts[0]} seed(s) each" if len(set(counts)) == 1 else "with " + ", ".join(map(str, counts)) + " seed(s)"
    sampled = f"{rows['pair'].nunique()} pairs at each number, {rows['batch'].nunique()} batches"
    return (
        "Two children of a supernet that differ in some of their operators share the others. Do they pull what they share in"
        " the same direction? Compared are the gradients that both send to a shared operator on the same batch: their"
        " similarity is a cosine, 1 for the same direction; low is interference. (Similarities of inputs and outputs are"
        f" cosines of the hidden states that it reads and writes.) Supernets of {len(methods)} training method(s),"
        f" {each}; pairs of children that differ in {rows['distance'].min()} to {rows['distance'].max()} operators,"
        f" {sampled}. {PAPER} published two observations: (1) gradients are less alike the more operators differ, (2) they are"
        " more alike the more alike the inputs and outputs of the shared operator are. Found here:"
    )


def _findings(methods: dict[str, pd.DataFrame], trends: _Trends, differences: dict[str, dict]) -> Iterator[str]:
    for number in (1, 2):
        said = []
        for observation in (one for one in OBSERVATIONS if one.number == number):
            own = trends[observation, observation.within[-1]]
            verdicts = {name: verdict(trend.correlation, observation.sign) for name, trend in own.items()}
            values = sorted(trend.correlation.value for trend in own.values())
            counts = [
                f"{words} {_named(verdicts, kind)}" for kind, words in _VERDICTS.items() if kind in verdicts.values()
            ]
            said.append(
                f"{observation.what}, among comparisons of the {_AMONG[observation.within[-1]]}: {'; '.join(counts)}"
                f" (rank correlations from {values[0]:+.2f} to {values[-1]:+.2f})"
            )
        yield f"- Observation {number}, {'. And '.join(said)}."
    if differences:
        first = next(iter(methods))
        gradients = {name: own["gradient_similarity"] for name, own in differences.items()}
        named: dict[str, list[str]] = {}
        for name, difference in gradients.items():
            named.setdefault(_direction(difference), []).append(f"{name} ({difference:+})")
        found = [f"{kind} are those of {', '.join(names)}" for kind, names in named.items()]
        yield f"- Gradients on average, next to those of {first}: {'; '.join(found)}."


_VERDICTS = {"holds": "confirmed", "not decided": "not decided", "**refuted**": "**refuted**"}


def _named(verdicts: dict[str, str], kind: str) -> str:
    names = [name for name, found in verdicts.items() if found == kind]
    return f"for all {len(names)} methods" if len(names) == len(verdicts) > 1 else f"for {', '.join(names)}"


def _direction(difference: Interval) -> str:
    return "more alike" if difference.low > 0 else "less alike" if difference.high < 0 else "not told apart"


def _notes(methods: dict[str, pd.DataFrame]) -> str:
    alone = [name for name, part in methods.items() if part["supernet"].nunique() == 1]
    only = [what for unit, what in (("pair", "pairs"), ("batch", "batches")) if _is_one(methods, unit)]
    text = (
        f"Intervals (±) are of {CONFIDENCE:.0%}, for other seeds (Student's t over the supernets of a method), other pairs of"
        " children and other batches (drawn anew), all three together. Slopes are those of a straight line, correlations are"
        " Spearman's, of each supernet, then averaged. An observation holds, or is refuted, where the interval of the"
        " correlation leaves out 0."
    )
    if alone:
        text += f" **Other seeds are not in the intervals of {', '.join(alone)}**, of which there is one supernet."
    if only:
        text += f" **Other {' and other '.join(only)} are not in the intervals**: there is one."
    return text


def _is_one(methods: dict[str, pd.DataFrame], unit: str) -> bool:
    return pd.concat(methods.values())[unit].nunique() == 1


def _means(methods: dict[str, pd.DataFrame], resamples: int) -> list[str]:
    cells = [
        [name, str(part["supernet"].nunique()), *(str(mean_interval(part, of, resamples)) for of in SIMILARITIES)]
        for name, part in methods.items()
    ]
    return ["## Mean similarity", "", *markdown_table(["method", "supernets", *SIMILARITIES.values()], cells)]


def _differences(methods: dict[str, pd.DataFrame], resamples: int) -> dict[str, dict[str, Interval]]:
    first, *others = methods
    return {
        name: {of: mean_difference(methods[name], methods[first], of, resamples) for of in SIMILARITIES}
        for name in others
    }


def _difference_table(methods: dict[str, pd.DataFrame], differences: dict[str, dict[str, Interval]]) -> list[str]:
    cells = [
        [
            name,
            *(format(own[of], "+") for of in SIMILARITIES),
            ", ".join(f"{value:+.4f}" for value in own["gradient_similarity"].by_supernet) or "not paired",
        ]
        for name, own in differences.items()
    ]
    head = ["method", *SIMILARITIES.values(), "gradients, seed by seed"]
    return [
        f"## Mean similarity, less that of {next(iter(methods))}",
        "",
        "On the same pairs and batches; the first supernet of a method with the first of the other, and so on, where both have"
        " as many. Negative: less alike.",
        "",
        *markdown_table(head, cells),
    ]


def _distances(methods: dict[str, pd.DataFrame], resamples: int) -> list[str]:
    found = {name: mean_similarity(part, "distance", resamples) for name, part in methods.items()}
    head = sorted({k for part in found.values() for k in part["distance"]})
    title = "## Gradient similarity by number of differing operators"
    return [
        title,
        "",
        *markdown_table(["method", *map(str, head)], [[n, *_cells(p, "distance", head)] for n, p in found.items()]),
    ]


def _trend_table(number: int, trends: _Trends) -> list[str]:
    cells = []
    for (observation, within), by_method in trends.items():
        for name, trend in by_method.items() if observation.number == number else ():
            said = verdict(trend.correlation, observation.sign)
            found = [format(trend.slope, "+"), format(trend.correlation, "+"), said]
            cells.append([observation.what, _AMONG[within], name, *found])
    head = ["with the", "among comparisons of", "method", "slope", "rank correlation", "verdict"]
    text = {
        1: "Gradient similarity falls with the number of operators in which two children differ.",
        2: "Gradient similarity rises with that of the operator's inputs and outputs. Children that differ in more operators"
        " have less similar states and gradients: only among the comparisons of one number is it the states that count.",
    }
    return [f"## Observation {number}", "", text[number], "", *markdown_table(head, cells)]


def _layers(methods: dict[str, pd.DataFrame], resamples: int) -> list[str]:
    found = {name: mean_similarity(part, ["kind", "layer"], resamples) for name, part in methods.items()}
    layers = sorted({layer for part in found.values() for layer in part["layer"]})
    cells = [
        [name, str(kind), *_cells(own, "layer", layers)]
        for name, part in found.items()
        for kind, own in part.groupby("kind")
    ]
    return [
        "## Gradient similarity by layer and kind of operator",
        "",
        f"Without interval where fewer than {MIN_UNITS} pairs (their number in brackets) have the kind in the layer.",
        "",
        *markdown_table(["method", "kind", *(f"layer {layer}" for layer in layers)], cells),
    ]


def _cells(found: pd.DataFrame, column: str, keys: list[int]) -> list[str]:
    """A cell for each key; empty where there is none."""
    by_key = {row[column]: row for row in found.to_dict("records")}
    return [_cell(by_key[key]) if key in by_key else "" for key in keys]


def _cell(row: dict) -> str:
    text = str(Interval(row["mean"], row["half"]))
    return text if pd.notna(row["half"]) else f"{text} ({row['pairs']})"


__all__ = ["OBSERVATIONS", "Observation", "summarize_interference", "verdict"]
