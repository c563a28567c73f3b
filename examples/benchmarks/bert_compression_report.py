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
"""
What `bert_compression.py` and `children_alone.py` found: tables for `report.py`, and the plot.

    python examples/benchmarks/bert_compression_report.py      # the plot anew, from results/bert_compression.json
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from common import RESULTS, interval
from matplotlib.axes import Axes

from hf_supernet.cards.rendering import markdown_table
from hf_supernet.plotting.panels import GREY, LINE_STYLES, Panel, write_panels


ARMS = {
    "reference": "the fine-tuned checkpoint",
    "child_straight": "(a) searched child, straight from the supernet",
    "child": "(b) searched child, fine-tuned",
    "layers_dropped": "(c) blocks dropped",
    "narrowed": "(d) uniformly narrower",
    "random_child": "(e) random child",
}
OURS, OTHERS = ("child_straight", "child"), ("layers_dropped", "narrowed", "random_child")
MEAN = "mean of tasks"
METRICS = {"cola": "Matthews' correlation", "mrpc": "F1", "qqp": "F1", "stsb": "Spearman's correlation"}
"""By which tasks are compared; the others by accuracy."""


def frame(runs: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each model of each run: `task`, `seed`, `arm`, `score` in percent, `latency_ratio`, `parameters`, and so on."""
    rows = [
        {"task": run["task"], "seed": run["seed"], "arm": model["name"], **model, "score": 100 * model["score"]}
        for run in runs
        for model in run["models"]
    ]
    return pd.DataFrame(rows)


def scores_of(table: pd.DataFrame, value: str = "score", column: str = "arm") -> dict[str, pd.DataFrame]:
    """
    By task and for their mean: a row for each seed, a column for each arm. Of the mean there are those seeds that all tasks
    have.
    """
    wide = table.pivot_table(index=["task", "seed"], columns=column, values=value)
    tasks = list(dict.fromkeys(table["task"]))
    found = {task: wide.loc[task] for task in tasks}
    if len(tasks) > 1:
        # Not of some tasks: where one lacks an arm (none within the budget), there is no mean of it.
        whole = wide.groupby("seed").agg(
            lambda part: part.mean() if part.notna().sum() == len(tasks) else float("nan")
        )
        found[MEAN] = whole.dropna(how="all")
    return found


def mean_and_spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation over seeds."""
    values = [value for value in values if value == value]
    if not values:
        return ""
    text = f"{statistics.fmean(values):.{digits}f}"
    return f"{text} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else text


def difference(values: pd.DataFrame, ours: str, theirs: str) -> tuple[str, bool]:
    """The difference of two columns, paired by seed, and whether its 95 % interval lies above 0."""
    if not {ours, theirs} <= set(values):
        return "", False
    pairs = (values[ours] - values[theirs]).dropna().tolist()
    if len(pairs) < 2:
        return f"{pairs[0]:+.2f} (one seed)" if pairs else "", False
    found = interval(pairs)
    text = f"{found['mean']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]"
    return text, found["low"] > 0


def scores_table(scores: dict[str, pd.DataFrame], runs: Sequence[dict[str, Any]]) -> list[str]:
    names = [arm for arm in ARMS if any(arm in values for values in scores.values())]
    facts = {run["task"]: run["rows"] for run in runs}
    rows = []
    for task, values in scores.items():
        sizes = [f"{facts[task][part]:,}" if task in facts else "" for part in ("train", "validation")]
        cells = [mean_and_spread(values.get(arm, [])) for arm in names]
        rows.append([task, METRICS.get(task, "accuracy" if task in facts else ""), *sizes, str(len(values)), *cells])
    head = ["task", "metric", "trained on", "dev rows", "seeds", *(ARMS[arm] for arm in names)]
    return markdown_table(head, rows)


def costs_table(table: pd.DataFrame) -> list[str]:
    """What the models cost, the mean over runs, with the lowest and the highest latency."""
    rows = []
    for arm, label in ARMS.items():
        part = table[table["arm"] == arm]
        if part.empty:
            continue
        ratios = part["latency_ratio"]
        rows.append(
            [
                *(label, f"{part['parameters'].mean():,.0f}", f"{part['multiply_adds'].mean():,.0f}"),
                f"{ratios.mean():.3f} ({ratios.min():.3f} to {ratios.max():.3f})",
                *(f"{part[count].mean():,.0f}" for count in ("steps", "passes")),
            ]
        )
    return markdown_table(["model", "parameters", "multiply-adds", "latency", "steps", "passes"], rows)


def differences_table(scores: dict[str, pd.DataFrame]) -> list[str]:
    """Each of (a) and (b) less each of (c) to (e)."""
    pairs = [(ours, theirs) for ours in OURS for theirs in OTHERS]
    rows = [[task, *(difference(values, *pair)[0] for pair in pairs)] for task, values in scores.items()]
    head = ["difference [95 % interval]", *(f"{ARMS[ours][:3]} - {ARMS[theirs][:3]}" for ours, theirs in pairs)]
    return markdown_table(head, rows)


def verdict(scores: dict[str, pd.DataFrame]) -> str:
    """What the differences on the mean of the tasks say."""
    values = scores.get(MEAN)
    if values is None or len(values) < 2:
        return "Fewer than two seeds of all tasks are there: no interval."
    pairs = [(ours, theirs) for ours in OURS for theirs in OTHERS]
    above = {pair: difference(values, *pair)[1] for pair in pairs}
    names = {pair: f"{ARMS[pair[0]][:3]} over {ARMS[pair[1]][:3]}" for pair in pairs}
    met = ", ".join(names[pair] for pair in pairs if above[pair]) or "none"
    missed = ", ".join(names[pair] for pair in pairs if not above[pair]) or "none"
    return f"On the mean of the tasks, with an interval above 0: {met}; **not so**: {missed}."


def figure_lines(results: Path, name: str) -> list[str]:
    """The plot, where there is one."""
    text = "Score against latency, for the mean of the tasks and for each"
    return ["", f"![{text}](results/{name}.png)"] if (results / f"{name}.png").is_file() else []


def compression_section(found: dict[str, Any], results: Path = RESULTS) -> list[str]:
    """All tables of `bert_compression.py`."""
    runs = found["runs"]
    table = frame(runs)
    scores = scores_of(table)
    left_out = [
        f"{run['task']} {run['seed']}: {name} ({why})" for run in runs for name, why in run["left_out"].items()
    ]
    limit = runs[0]["budget"]["latency"]
    return [
        *(
            "### bert_compression",
            "",
            f"`{found['command']}`, with the options",
            "",
            "```",
            found["options"],
            "```",
            "",
        ),
        *(*scores_table(scores, runs), ""),
        *(*differences_table(scores), ""),
        *(*costs_table(table), ""),
        f"Scores in percent on the whole dev set, ± the standard deviation over seeds; differences are paired by seed, their"
        f" intervals are Student's. A seed draws the training rows too. The budget is {limit:g} of the latency of the fine-tuned"
        f" checkpoint ({runs[0]['latency_conditions']}; {found['environment']['cpu']}), head and embeddings included: half"
        " of the blocks take a little more than half of the time. The latencies of the table were measured anew, side by side;"
        f" steps are optimizer steps since that checkpoint, and a step of a supernet takes {runs[0]['paths_per_step']} passes.",
        *([f"Left out, as none keeps the budget: {'; '.join(left_out)}."] if left_out else []),
        "",
        verdict(scores),
        *figure_lines(results, "bert_compression"),
    ]


def compression_summary(found: dict[str, Any]) -> list[str]:
    """What the project's own README shows of `bert_compression.py`; nothing before there are two seeds of several tasks."""
    runs = found["runs"]
    table = frame(runs)
    scores = scores_of(table)
    if len(scores.get(MEAN, ())) < 2:
        return []
    own = table[table["arm"] == "child"]
    shares = own["parameters"].mean() / table.loc[table["arm"] == "reference", "parameters"].mean()
    return [
        *(*scores_table(scores, runs), ""),
        *(*differences_table(scores), ""),
        f"all-MiniLM-L6-v2, a BERT of 6 blocks, within {runs[0]['budget']['latency']:g} of its latency on each task, by"
        f" `compress_bert.py`: the children have {shares:.2f} of its parameters, embeddings included. (b) to (e) were trained for as"
        " many optimizer steps, those of the supernet included, (a) for those of the supernet alone. Scores in percent on the whole dev set, ± the standard deviation over"
        " seeds; a seed draws the training rows too; intervals are Student's, paired by seed.",
        "",
        verdict(scores),
    ]


def children_alone_section(found: dict[str, Any]) -> list[str]:
    """The table of `children_alone.py`: by size, how much worse a child is straight from the supernet than trained alone."""
    runs = found["runs"]
    table = pd.DataFrame(runs)
    table[["straight", "alone"]] *= 100
    rows = []
    for number, part in table.groupby("child"):
        long = part.melt(["task", "seed"], ["straight", "alone"], "how", "score")
        scores = scores_of(long, column="how")
        of_mean = scores.get(MEAN, next(iter(scores.values())))
        rows.append(
            [
                *(str(number), f"{part['share'].mean():.2f}", f"{part['parameters'].mean():,.0f}"),
                *(mean_and_spread(of_mean.get(how, [])) for how in ("straight", "alone")),
                *(
                    difference(values, "straight", "alone")[0]
                    for values in (of_mean, *(scores[t] for t in tasks_of(table)))
                ),
            ]
        )
    tasks = tasks_of(table)
    head = ["child", "share of parameters", "parameters", "straight", "alone", "straight - alone", *tasks]
    return [
        *("### children_alone", "", f"`{found['command']}`, with the options", "", "```", found["options"], "```", ""),
        *(*markdown_table(head, rows), ""),
        f"Scores in percent on the whole dev set, mean of {', '.join(tasks)}, ± the standard deviation over seeds; differences"
        " with 95 % intervals, paired by seed. Child 0 has the fewest parameters of the space and the last one the most. Alone: from the"
        f" same start, the parts of the fine-tuned checkpoint that matter most, {runs[0]['steps']:,} steps, as many as the"
        " supernet had for all children together.",
    ]


def tasks_of(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["task"]))


# ---- The plot ----


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Score against latency: for the mean of the tasks, and for each."""
    table = frame(runs)
    latencies = scores_of(table, "latency_ratio")
    panels = []
    for task, scores in reversed(scores_of(table).items()):
        values = pd.DataFrame({"score": scores.mean(), "spread": scores.std(), "latency": latencies[task].mean()})
        values = values.loc[[arm for arm in ARMS if arm in values.index]].dropna(subset=["score", "latency"])
        described = "; ".join(f"{ARMS[arm]} {row.score:.1f} at {row.latency:.2f}" for arm, row in values.iterrows())
        panels.append(Panel(task, f"Score against latency: {described}.", values, partial(_draw_points, values)))
    write_panels(panels, path)
    print(f"Wrote {path}")


def _draw_points(values: pd.DataFrame, axis: Axes) -> None:
    """With bars for the standard deviation over seeds, and the front of those that none beats in both."""
    for arm, (colour, marker) in zip(ARMS, LINE_STYLES, strict=False):
        if arm in values.index:
            row = values.loc[arm]
            axis.errorbar(
                row["latency"], row["score"], yerr=row["spread"], color=colour, marker=marker, ls="", label=ARMS[arm]
            )
    best = values.sort_values(["latency", "score"], ascending=[True, False])
    front = best[best["score"] > best["score"].cummax().shift(fill_value=float("-inf"))]
    axis.plot(front["latency"], front["score"], color=GREY, lw=0.8, ls="--", zorder=1)
    axis.set(xlabel="latency, as a share of the checkpoint's", ylabel="score in percent")
    axis.legend(frameon=False, fontsize=6)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--results", type=Path, default=RESULTS / "bert_compression.json", help="what bert_compression.py wrote."
    )
    args = parser.parse_args(argv)
    draw(json.loads(args.results.read_text(encoding="utf-8"))["runs"], args.results.with_suffix(".png"))


if __name__ == "__main__":
    main()
