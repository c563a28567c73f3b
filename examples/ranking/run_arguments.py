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
"""The options that the scripts of the ranking benchmark share."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from draw_children import PLAN, check_plan_file
from plan import SETS
from rows import RESULTS


@dataclass
class ResultsArguments:
    """Which benchmark, and where its results are."""

    plan: str = field(default=str(PLAN), metadata={"help": "The plan of the benchmark, a YAML file."})
    results_dir: str = field(default=str(RESULTS), metadata={"help": "The folder with the rows of results."})

    def __post_init__(self):
        check_plan_file(self.plan)

    @property
    def results(self) -> Path:
        return Path(self.results_dir)


@dataclass
class PlanArguments(ResultsArguments):
    """Which of its children."""

    children: str = field(
        default="test",
        metadata={
            "help": "Which children: those on which methods are compared, or those for tuning.",
            "choices": list(SETS),
        },
    )


@dataclass
class RunArguments(PlanArguments):
    """The text, a place to work, and when to stop."""

    data_dir: str = field(default=".", metadata={"help": "The folder that the plan's text files are relative to."})
    work_dir: str = field(
        default="runs/ranking", metadata={"help": "Where the tokenised text and checkpoints of unfinished runs go."}
    )
    max_minutes: float | None = field(
        default=None, metadata={"help": "Begin nothing new after so many minutes; what was begun is finished."}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.max_minutes is not None and not self.max_minutes >= 0:
            raise ValueError(f"`max_minutes` must be a number from 0, got {self.max_minutes}.")
        self._started = time.monotonic()

    @property
    def work(self) -> Path:
        return Path(self.work_dir)

    def time_is_over(self) -> bool:
        """Whether nothing new is to be begun; what was begun first does not count."""
        return self.max_minutes is not None and time.monotonic() - self._started > 60 * self.max_minutes


__all__ = ["PlanArguments", "ResultsArguments", "RunArguments"]
