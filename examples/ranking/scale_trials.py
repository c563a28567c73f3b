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
Write how well two seeds agreed in trials of other trainings of the children alone, and in the plan's for the same children.

    python examples/ranking/scale_trials.py

The rows of the trials are in `scale_trials.parquet` beside the other results: test children of the plan, and a `trial` that
says how they were trained.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from analysis import RESAMPLES, GroundTruth, load_truth
from plan import read_plan
from report import README, write_section
from rows import TRIALS
from run_arguments import ResultsArguments

from hf_supernet.cards.rendering import markdown_table
from hf_supernet.evaluation.ranking import noise_ceiling
from hf_supernet.scripts import parse_arguments, run_script


SECTION = "scale: written by scale_trials.py"
STATISTICS = ("tau", "tau_better_half")


@dataclass
class ScaleArguments(ResultsArguments):
    """Where the table goes."""

    readme: str = field(default=str(README), metadata={"help": "The Markdown file whose section is written."})


def trial_table(trials: pd.DataFrame, truth: GroundTruth, resamples: int = RESAMPLES) -> list[str]:
    """
    The table, in Markdown.

    Args:
        trials (`pandas.DataFrame`): With `trial`, `network`, `seed` and `dev_loss`; two seeds a child.
        truth (`GroundTruth`): The plan's children.
        resamples (`int`, *optional*, defaults to 1000): For the intervals.

    Raises:
        ValueError: for a trial with fewer than two of these children.
    """
    places = {network: place for place, network in enumerate(truth.networks)}
    rows = []
    for trial, found in trials.groupby("trial", sort=False):
        losses = found.pivot_table(index="network", columns="seed", values="dev_loss").dropna()
        # in the truth's order: for the same children, the same draws make the same interval as in the report
        losses = losses.loc[[network for network in truth.networks if network in losses.index]]
        if len(losses) < 2:
            raise ValueError(
                f"The trial {trial!r} has {len(losses)} of the plan's {len(truth.networks)} test children with all seeds: it"
                " needs two or more. Name the plan that its children are of as `plan`, or take its rows out."
            )
        same = truth.losses[[places[network] for network in losses.index]]
        agreements = [
            str(noise_ceiling(values, statistic, resamples=resamples))
            for values in (losses.to_numpy(), same)
            for statistic in STATISTICS
        ]
        rows.append([trial, str(len(losses)), *agreements])
    head = ["trial", "children", "tau", "better half", "the plan's training: tau", "better half"]
    return markdown_table(head, rows)


def main(argv: list[str] | None = None) -> None:
    (arguments,) = parse_arguments((ScaleArguments,), argv)
    path = arguments.results / TRIALS
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there: it has the rows of the trials. Name their folder as `results_dir`."
        )
    truth = load_truth(read_plan(arguments.plan), arguments.results, "test")
    lines = trial_table(pd.read_parquet(path), truth)
    write_section(Path(arguments.readme), SECTION, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    run_script(main)


__all__ = ["trial_table"]
