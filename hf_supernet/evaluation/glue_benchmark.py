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
"""The table of a whole benchmark: models x tasks x seeds, kept on disk row by row, and shown in Markdown."""

import json
import math
import os
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..files import replacing
from .glue import GLUE_TASKS


RESULTS_NAME = "results.parquet"
TABLE_NAME = "results.md"


class BenchmarkTable:
    """
    The results of a benchmark so far: one row for each model, task and seed.

    Each new row is written at once, together with the table in Markdown, so that nothing is lost when a run is killed.

    Args:
        folder (`str` or `os.PathLike`):
            Where `results.parquet` and `results.md` lie; rows that are there are read.
        writes (`bool`, *optional*, defaults to `True`):
            Whether this process writes. One of several should.
    """

    def __init__(self, folder: str | os.PathLike, writes: bool = True):
        self.folder = Path(folder)
        self.writes = writes
        path = self.folder / RESULTS_NAME
        self.rows: list[dict[str, Any]] = pd.read_parquet(path).to_dict("records") if path.is_file() else []

    def find(self, model: str, task: str, seed: int) -> dict[str, Any] | None:
        """The row of a run, `None` where it is not there."""
        key = (model, task, seed)
        return next((row for row in self.rows if (row["model"], row["task"], row["seed"]) == key), None)

    def is_done(self, model: str, task: str, seed: int, settings: dict[str, Any]) -> bool:
        """
        Whether a run is in the table.

        Raises:
            ValueError: where it is there with other settings.
        """
        row = self.find(model, task, seed)
        if row is None:
            return False
        before = json.loads(row["settings"])
        differing = [name for name in sorted(before | settings) if before.get(name) != settings.get(name)]
        if differing:
            name = differing[0]
            raise ValueError(
                f"{self.folder / RESULTS_NAME} has {task} with {model} and seed {seed} with other settings: `{name}`"
                f" {before.get(name)!r}, now {settings.get(name)!r}. Pass another `output_dir`, so that one table has one"
                " setting a task."
            )
        return True

    def add(
        self,
        model: str,
        task: str,
        seed: int,
        metrics: dict[str, float],
        settings: dict[str, Any],
        command: Sequence[str],
    ) -> None:
        """
        Adds a run and writes both files.

        Args:
            model, task, seed:
                What was run.
            metrics (`dict[str, float]`):
                With the Trainer's names (`eval_accuracy`, `eval_accuracy_mm`, ...).
            settings (`dict[str, Any]`):
                What the results depend on.
            command (`Sequence[str]`):
                The words of the command that repeats it.
        """
        score = metrics[f"eval_{GLUE_TASKS[task].selection_metric}"]
        row = {"model": model, "task": task, "seed": seed, "score": score, **metrics}
        self.rows.append(row | {"settings": json.dumps(settings), "command": shlex.join(command)})
        if not self.writes:
            return
        with replacing(self.folder / RESULTS_NAME) as temporary:
            pd.DataFrame(self.rows).to_parquet(temporary, index=False)
        with replacing(self.folder / TABLE_NAME) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """
        The table: a line for each metric of each task, a column for each model, in percent as mean ± standard deviation
        over the seeds, with the number of seeds where it is not that of most. Below it the commands.
        """
        models = list(dict.fromkeys(row["model"] for row in self.rows))
        tasks = [task for task in GLUE_TASKS if any(row["task"] == task for row in self.rows)]
        most = max((len(self._values(model, task, "score")) for model in models for task in tasks), default=0)
        lines = [
            f"GLUE, validation sets, mean ± standard deviation over {most} seed{'' if most == 1 else 's'}, in percent. Models"
            " are compared by the metrics in bold; the average is theirs.",
            "",
            f"| task | metric | {' | '.join(models)} |",
            f"| --- | --- |{' ---: |' * len(models)}",
        ]
        for task in tasks:
            for metric in self._metrics(task):
                cells = [_cell(self._values(model, task, f"eval_{metric}"), most) for model in models]
                name = f"**{metric}**" if metric == GLUE_TASKS[task].selection_metric else metric
                lines.append(f"| {task} | {name} | {' | '.join(cells)} |")
        if len(tasks) > 1:
            lines.append(f"| average | | {' | '.join(self._average(model, tasks) for model in models)} |")
        # the last command of a model and task has all seeds so far
        commands = {(row["model"], row["task"]): row["command"] for row in self.rows}
        return "\n".join([*lines, "", "```bash", *commands.values(), "```", ""])

    def _metrics(self, task: str) -> list[str]:
        """The metrics of a task that are in the table, those of a second validation split behind them."""
        names = [f"{name}{ending}" for ending in ("", "_mm") for name in GLUE_TASKS[task].metrics]
        rows = [row for row in self.rows if row["task"] == task]
        return [name for name in names if any(_is_there(row.get(f"eval_{name}")) for row in rows)]

    def _values(self, model: str, task: str, column: str) -> list[float]:
        rows = [row for row in self.rows if (row["model"], row["task"]) == (model, task)]
        return [row[column] for row in rows if _is_there(row.get(column))]

    def _average(self, model: str, tasks: list[str]) -> str:
        """Over the tasks; a model that lacks one has no average that could be compared."""
        scores = [self._values(model, task, "score") for task in tasks]
        return f"{100 * statistics.fmean(map(statistics.fmean, scores)):.1f}" if all(scores) else ""


def _is_there(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _cell(values: list[float], most: int) -> str:
    if not values:
        return ""
    text = f"{100 * statistics.fmean(values):.1f}"
    if len(values) > 1:
        text += f" ± {100 * statistics.stdev(values):.1f}"
    return text if len(values) == most else f"{text} (n={len(values)})"


__all__ = ["RESULTS_NAME", "TABLE_NAME", "BenchmarkTable"]
