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
# /// script
# dependencies = ["hf_supernet", "pandas", "matplotlib", "pyyaml"]
# ///
"""
Write the tables and figures of the ranking benchmark from the rows of its results, so that no figure is typed in.

    python examples/ranking/report.py
    python examples/ranking/report.py --children tuning --readme examples/ranking/tuning/README.md

The tables go into a section of `--readme`, which the script keeps; the figures into `figures/` beside that file. It works
at any time: what is not finished is left out, and named.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from analysis import (
    BOTH,
    OWN_STEPS,
    RESAMPLES,
    GroundTruth,
    Prediction,
    difference,
    load_predictions,
    load_truth,
    score,
)
from calibrations import calibration_lines
from figures import ceiling_panel, course_panel, scatter_panel, tau_panel
from plan import BASELINES, REFERENCE, RankingPlan, read_plan
from rows import read_step_costs
from run_arguments import PlanArguments
from summary import SUMMARY, summary_lines
from tables import (
    POWER,
    budget_in_words,
    ceiling_table,
    cost_table,
    difference_table,
    pair_table,
    score_table,
    spread_table,
)

from hf_supernet.cards.sections import replace_section
from hf_supernet.evaluation.ranking import Estimate, estimate
from hf_supernet.files import replacing
from hf_supernet.plotting import write_panels
from hf_supernet.scripts import parse_arguments, run_script


README = Path(__file__).resolve().parent / "README.md"
SECTION = "results: written by report.py"
COURSES = {
    "equal steps": ("equal_steps", BOTH),
    "equal compute": ("equal_compute", BOTH),
    "other numbers of steps": (OWN_STEPS,),
}
"""The panels of the figure along the training, and the budgets whose runs are in each."""

COMMON_START = (
    " The children of one seed start with the same weights where they have the same operator in the same layer; the interval of the"
    " ceiling is for other children, not for other starts."
)


@dataclass
class ReportArguments(PlanArguments):
    """Where the report goes."""

    readme: str = field(default=str(README), metadata={"help": "The Markdown file whose section is written."})
    summary: str | None = field(
        default=None,
        metadata={"help": "A second Markdown file, whose section gets the short table; by default none."},
    )
    resamples: int = field(
        default=RESAMPLES,
        metadata={"help": "Times that the children are drawn for the standard error of an interval."},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.resamples < 2:
            raise ValueError(f"`resamples` must be at least 2, got {self.resamples}.")


@dataclass
class Report:
    """
    Everything that the report is made from.

    Args:
        plan (`RankingPlan`), truth (`GroundTruth`), predictions (`list[Prediction]`):
            The results of one set of children.
        resamples (`int`): For the intervals.
        step_costs (`dict[str, dict]`, *optional*): By method, what `step_costs.py` measured.
    """

    plan: RankingPlan
    truth: GroundTruth
    predictions: list[Prediction]
    resamples: int
    step_costs: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        self._found: dict[
            tuple, Estimate | None
        ] = {}  # an estimate takes seconds, and one run can stand for two budgets
        everything = np.ones(len(self.truth.networks), dtype=bool)
        self.subsets = {"all children": everything}
        mixing = self.truth.without_trivial()
        if 1 < mixing.sum() < len(mixing):
            self.subsets["children that mix tokens"] = mixing

    # ---- Tables ----

    def lines(self, which: str) -> list[str]:
        """The section, in Markdown."""
        strata = pd.Series(self.truth.strata).value_counts()
        children = ", ".join(f"{strata[name]} {name}" for name in sorted(strata.index))
        lines = [
            f"{len(self.truth.networks)} {which} children ({children}), each trained alone with seeds"
            f" {', '.join(map(str, self.plan.child_seeds))}. Intervals are of 95 %, for other seeds and other children; where a"
            " method has one seed, for other children alone: how much another seed would change is not in them. [–]: draws of these"
            " children all say the same, and nothing of the error."
            + COMMON_START
            * self.plan.training_alone(which).common_start,
            "",
            f"Rows: `train_children.py` and `train_supernets.py` with `--children {which}`. {' / '.join(map(_words, self.truth.versions))}.",
            "",
        ]
        notes = [*self.truth.notes, *dict.fromkeys(note for part in self.predictions for note in part.notes)]
        lines += [f"- {note}" for note in notes] + [""] * bool(notes)
        if len(self.plan.child_seeds) > 1:
            lines += ["### The ceiling: how well two seeds of the ground truth agree", "", *ceiling_table(self), ""]
        for name, subset in self.subsets.items():
            lines += [f"### Agreement with the ground truth, {name}", "", *score_table(self, subset), ""]
            lines += [f"### Difference to {REFERENCE}, {name}", "", *difference_table(self, subset), ""]
            if table := pair_table(self, subset):
                lines += [f"### Differences between others, {name}", "", *table, ""]
        lines += self.spread_lines()
        lines += calibration_lines(self)
        lines += ["### What a run takes, and how far it comes", "", *cost_table(self), "", self.alone(), ""]
        return lines

    def spread_lines(self) -> list[str]:
        """The section on what could be seen, where a method has several seeds."""
        if not (table := spread_table(self, self.subsets["all children"])):
            return []
        words = (
            f"Spreads are standard deviations over seeds. The difference is that of tau to {REFERENCE}; its standard error comes"
            " of other seeds, which more seeds make less, and of other children, which they do not. What would be seen: how large"
            f" a true difference has to be for its interval to lie on one side of 0 with a probability of {100 * POWER:.0f} %."
            " Of few pairs the spread itself is hardly known, and so is this."
        )
        return ["### Spread, and what could be seen, all children", "", *table, "", words, ""]

    def alone(self) -> str:
        """What the last column is to be held against."""
        return f"Trained alone, the children have a mean dev loss of {self.truth.scores.mean():.3f}."

    def score(self, prediction: Prediction, statistic: str, children: np.ndarray) -> Estimate:
        key = (prediction.method, prediction.steps, statistic, children.tobytes())
        if key not in self._found:
            self._found[key] = score(self.truth, prediction, statistic, children, self.resamples)
        return self._found[key]

    def difference(
        self, prediction: Prediction, reference: Prediction, statistic: str, children: np.ndarray
    ) -> Estimate | None:
        key = (prediction.method, prediction.steps, reference.method, reference.steps, statistic, children.tobytes())
        if key not in self._found:
            arguments = (statistic, children, self.resamples)
            self._found[key] = difference(self.truth, prediction, reference, *arguments)
        return self._found[key]

    # ---- Figures ----

    def write_figures(self, folder: Path) -> list[Path]:
        """
        One figure for each compared method and baseline, with its budgets side by side, one of the ceiling, and one along
        the training.
        """
        paths = []
        everything = self.subsets["all children"]
        if self.truth.losses.shape[1] < 2:
            return paths
        ceiling = self.truth.ceiling("tau", resamples=self.resamples)
        write_panels([ceiling_panel(self.truth, ceiling)], folder / "ceiling.png")
        paths.append(folder / "ceiling.png")
        shown = [*self.plan.comparison, *BASELINES]
        for method in dict.fromkeys(part.method for part in self.predictions if part.method in shown):
            own = {
                budget_in_words(self, part): part for part in self.predictions if part.method == method
            }  # the method at each budget
            taus = {words: self.score(part, "tau", everything) for words, part in own.items()}
            panels = [scatter_panel(self.truth, part, words, taus[words]) for words, part in own.items()]
            write_panels([*panels, tau_panel(method, taus, ceiling)], folder / f"scatter-{method}.png")
            paths.append(folder / f"scatter-{method}.png")
        panels = [self._course(title, budgets, ceiling) for title, budgets in COURSES.items() if self._lines(budgets)]
        if panels:
            write_panels(panels, folder / "tau-along-training.png", columns=1)
            paths.append(folder / "tau-along-training.png")
        return paths

    def _lines(self, budgets: tuple[str, ...]) -> list[Prediction]:
        compared = (part for part in self.predictions if part.method in self.plan.comparison)
        return [part for part in compared if part.budget in budgets and len(part.course) > 1]

    def _course(self, title: str, budgets: tuple[str, ...], ceiling: Estimate):
        lines = {}
        for prediction in self._lines(budgets):
            found = {
                share: estimate(self.truth.scores, scores, "tau", resamples=self.resamples)
                for share, scores in prediction.course.items()
            }
            rows = [
                {"share": share, "mean": value.mean, "low": value.low, "high": value.high}
                for share, value in found.items()
            ]
            lines[prediction.method] = pd.DataFrame(rows)
        return course_panel(f"All children, {title}", lines, ceiling, self.plan.comparison)


def _words(versions: str) -> str:
    return ", ".join(f"{name} {version}" for name, version in json.loads(versions).items())


def write_section(path: Path, name: str, lines: list[str]) -> None:
    """Replaces a section of a Markdown file, or adds it at the end."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    with replacing(path) as temporary:
        temporary.write_text(replace_section(text, name, "\n".join(lines)).strip() + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    (arguments,) = parse_arguments((ReportArguments,), argv)
    plan = read_plan(arguments.plan)
    truth = load_truth(plan, arguments.results, arguments.children)
    predictions = load_predictions(plan, arguments.results, arguments.children, truth)
    report = Report(plan, truth, predictions, arguments.resamples, read_step_costs(arguments.results))
    readme = Path(arguments.readme)
    figures = report.write_figures(readme.parent / "figures")
    lines = report.lines(arguments.children)
    for path in figures:
        lines += [f"![{path.stem.replace('-', ' ')}](figures/{path.name})", ""]
    write_section(readme, SECTION, lines)
    print(f"Wrote {readme} and {len(figures)} figures")
    if arguments.summary is not None:
        write_section(Path(arguments.summary), SUMMARY, summary_lines(report))
        print(f"Wrote {arguments.summary}")


if __name__ == "__main__":
    run_script(main)
