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
"""Judging the children of a benchmark while their supernet is trained."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from corpus import Corpus
from plan import Child
from transformers import PreTrainedModel, TrainerCallback
from weight_average import WeightAverage

from hf_supernet.evaluation.evaluator import Evaluator


CLOCK = "clock"
"""The entry of the Trainer's log, and so of a checkpoint, that has the seconds of the run so far."""


def score_children(model: PreTrainedModel, corpus: Corpus, children: Sequence[Child]) -> list[dict[str, Any]]:
    """A row for each child, with its dev loss through the supernet as its score."""
    losses = Evaluator(model, corpus.dev_batches).evaluate([child.architecture for child in children])
    return [describe_child(child) | {"score": losses[child.architecture]} for child in children]


def describe_child(child: Child) -> dict[str, Any]:
    """What a row says of its child."""
    return {
        "network": str(child.architecture.canonical()),
        "architecture": str(child.architecture),
        "stratum": child.stratum,
    }


class ScoreChildren(TrainerCallback):
    """
    Scores all children after given steps, and keeps the time of the training (by the clock and by the processor), from
    which it leaves out its own; both go on with a run that is resumed.

    Args:
        corpus (`Corpus`), children (`Sequence[Child]`):
            What is judged, and on what.
        steps (`Sequence[int]`):
            When.
        save (`Callable[[list[dict]], None]`):
            Called with the rows of each time, before the next step.
        average (`WeightAverage`, *optional*):
            The weights to judge with, in place of the model's own.
    """

    def __init__(
        self,
        corpus: Corpus,
        children: Sequence[Child],
        steps: Sequence[int],
        save: Callable[[list[dict[str, Any]]], None],
        average: WeightAverage | None = None,
    ):
        self.corpus = corpus
        self.children = children
        self.steps = steps
        self.save = save
        self.average = average
        self._since = (0.0, 0.0)

    def on_train_begin(self, args, state, control, **kwargs):
        before = next((entry[CLOCK] for entry in reversed(state.log_history) if CLOCK in entry), (0.0, 0.0))
        self._since = tuple(now - past for now, past in zip(_clocks(), before, strict=True))

    def on_step_end(self, args, state, control, model: PreTrainedModel | None = None, **kwargs):
        step = state.global_step
        if step in self.steps:
            seconds, cpu_seconds = self._elapsed()
            with self.average.in_place(model) if self.average else nullcontext():
                rows = score_children(model, self.corpus, self.children)
            self.save([{"step": step, **row, "seconds": seconds, "cpu_seconds": cpu_seconds} for row in rows])
            self._since = (_clocks()[0] - seconds, _clocks()[1] - cpu_seconds)
        if step % args.save_steps == 0:
            state.log_history.append({"step": step, CLOCK: list(self._elapsed())})

    def _elapsed(self) -> tuple[float, float]:
        seconds, cpu_seconds = (now - start for now, start in zip(_clocks(), self._since, strict=True))
        return seconds, cpu_seconds


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


__all__ = ["ScoreChildren", "describe_child", "score_children"]
