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
"""run_search: the loop in which a strategy proposes, objectives judge, a store remembers and a result keeps all of it."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..architecture import Architecture
from ..evaluation.distributed import from_first_process
from ..spelling import did_you_mean
from .objectives import Judgement, Objective
from .progress import SearchProgress
from .result import SearchResult, package_versions
from .store import EvaluationStore
from .strategy import SearchStrategy


logger = logging.getLogger(__name__)

Judged = dict[Architecture, dict[str, Judgement]]


def run_search(
    strategy: SearchStrategy,
    objectives: Sequence[Objective],
    generations: int = 20,
    store: EvaluationStore | None = None,
    output_dir: str | os.PathLike | None = None,
    info: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> SearchResult:
    """
    Runs a search: the strategy proposes, the objectives judge, the result keeps all of it.

    A search that was killed continues where it was: begun again with the same arguments and the same store, it asks
    only for what it had not stored. It ends with the same result, bit for bit, as one that was not killed.

    Args:
        strategy ([`SearchStrategy`]):
            A new one, also when a search is resumed.
        objectives (`Sequence[Objective]`):
            What each child is judged by, a column of the result each: those of the strategy, and what else is to be
            recorded.
        generations (`int`, *optional*, defaults to 20):
            How many generations, those already stored included. A strategy that has nothing left to propose ends sooner.
        store ([`EvaluationStore`], *optional*):
            Where the values of expensive objectives are looked up and remembered. In a distributed search, one process
            has the file, and each of the others a copy in memory of what was in it at the start.
        output_dir (`str` or `os.PathLike`, *optional*):
            Where to save the result after each generation. In a distributed search, one process has it.
        info (`dict`, *optional*):
            What else to record.
        progress (`bool`, *optional*, defaults to `False`):
            Whether to show a progress bar with the size of the front, its hypervolume, and children per second.

    Returns:
        [`SearchResult`]

    Raises:
        RuntimeError: where an objective fails for every child of the first generation.
        EvaluationStopped: where nothing can be evaluated any more; what was evaluated is in the store.
        ValueError: for generations below 1, objectives of the strategy that are not among `objectives`, and those that go
            to a store and do not say what they depend on.

    Example:

    ```python
    >>> loss = dev_loss(Evaluator(model, batches), {"supernet": fingerprint(model.state_dict().values())})
    >>> objectives = [loss, ParameterCost(model.config)]
    >>> strategy = NSGA2Search(model.search_space, objectives=objectives)
    >>> result = run_search(strategy, objectives, store=EvaluationStore("search/evaluations.sqlite"))
    >>> result.best(under={"parameters": 2_500_000})["architecture"]
    ```
    """
    if generations < 1:
        raise ValueError(f"`generations` must be at least 1, got {generations}.")
    _check_objectives(strategy, objectives, store)
    recorder = _Recorder(strategy, objectives, info or {})
    with SearchProgress(strategy, generations, disable=not progress) as bar:
        for generation in range(generations):
            proposed = strategy.ask()
            if not proposed:
                break
            judged, num_new = judge(proposed, objectives, store, is_first=generation == 0)
            recorder.add(judged, generation)
            strategy.tell({item: {name: said.value for name, said in row.items()} for item, row in judged.items()})
            bar.update(num_new)
            if output_dir is not None:
                recorder.result().save(output_dir)
    return recorder.result()


def judge(
    architectures: Sequence[Architecture],
    objectives: Sequence[Objective],
    store: EvaluationStore | None = None,
    is_first: bool = False,
) -> tuple[Judged, int]:
    """
    What all objectives say of some children.

    Args:
        architectures (`Sequence[Architecture]`):
            Distinct children.
        objectives (`Sequence[Objective]`):
            The objectives.
        store ([`EvaluationStore`], *optional*):
            Asked first, and given what is new of expensive objectives.
        is_first (`bool`, *optional*, defaults to `False`):
            Whether failing for all of them is an error: of the objective then, not of a child.

    Returns:
        `tuple[dict[Architecture, dict[str, Judgement]], int]`: the judgements by the objectives' names, in the order of
        `architectures`, and the number of children of which the store did not know everything.

    Raises:
        RuntimeError: where `is_first` and an objective fails for every child.
    """
    judged: Judged = {architecture: {} for architecture in architectures}
    new: set[Architecture] = set()
    for objective in objectives:
        used = store if objective.cost == "expensive" else None
        known = {} if used is None else {item: used.get(objective, item) for item in architectures}
        unknown = [item for item in architectures if known.get(item) is None]
        new.update(unknown if objective.cost == "expensive" else ())
        known.update(_ask(objective, unknown, used))
        # What was measured differs from process to process, and they have to go on alike.
        known = dict(zip(architectures, from_first_process([known[item] for item in architectures]), strict=True))
        failed = [item for item in architectures if known[item].error is not None]
        if is_first and len(failed) == len(architectures):
            raise RuntimeError(
                f"The objective '{objective.name}' failed for each of the first {len(failed)} children, the first time"
                f" for '{failed[0]}': {known[failed[0]].error}"
            )
        if used is not None:
            used.add(objective, [(item, known[item]) for item in failed])
        for item in architectures:
            judged[item][objective.name] = known[item]
    return judged, len(new)


def _ask(
    objective: Objective, architectures: list[Architecture], store: EvaluationStore | None
) -> dict[Architecture, Judgement]:
    """
    The judgements of children. Values are stored as they come, or all together where they depend on each other;
    failures later: an objective that always fails, in a first attempt with a slip in it, is not remembered as what the
    children are.
    """
    judged = {}
    for architecture, judgement in objective.judge(architectures):
        judged[architecture] = judgement
        if judgement.error is not None:
            logger.warning(f"'{objective.name}' failed for '{architecture}': {judgement.error}")
        elif store is not None and not objective.relative:
            store.add(objective, [(architecture, judgement)])
    if store is not None and objective.relative:
        store.add(objective, [pair for pair in judged.items() if pair[1].error is None])
    return judged


class _Recorder:
    """Gathers the rows of a result, and what is to be said of all of them."""

    def __init__(self, strategy: SearchStrategy, objectives: Sequence[Objective], info: Mapping[str, Any]):
        self.strategy = strategy
        self.columns = ["architecture", *(objective.name for objective in objectives), "generation"]
        self.rows: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.info = {
            "settings": search_settings(strategy, objectives),
            "objectives": {objective.name: objective.describe() for objective in objectives},
            "versions": package_versions(),
            **info,
        }

    def add(self, judged: Judged, generation: int) -> None:
        for architecture, row in judged.items():
            values = {name: judgement.value for name, judgement in row.items()}
            self.rows.append({"architecture": str(architecture), **values, "generation": generation})
            self.failures += [
                {"architecture": str(architecture), "objective": name, "error": judgement.error}
                for name, judgement in row.items()
                if judgement.error is not None
            ]

    def result(self) -> SearchResult:
        info = self.info | {"failures": list(self.failures), **self.strategy.report}
        return SearchResult(pd.DataFrame(self.rows, columns=self.columns), info)


def search_settings(strategy: SearchStrategy, objectives: Sequence[Objective]) -> dict[str, Any]:
    """All that decides what a search finds: the strategy's settings, and what the objectives depend on."""
    settings = strategy.settings
    for objective in objectives:
        for key, value in objective.depends_on.items():
            is_taken = settings.get(key, value) != value  # two objectives with dev data of their own
            settings[f"{objective.name}_{key}" if is_taken else key] = value
    return settings


def _check_objectives(
    strategy: SearchStrategy, objectives: Sequence[Objective], store: EvaluationStore | None
) -> None:
    names = [objective.name for objective in objectives]
    if len(set(names)) < len(names):
        raise ValueError(f"`objectives` have different names, got {', '.join(names)}.")
    for wanted in strategy.objectives:
        if wanted.name not in names:
            raise ValueError(
                f"The strategy '{strategy.name}' weighs '{wanted.name}', which is not among the `objectives`"
                f" {', '.join(names)}.{did_you_mean(wanted.name, names)}"
            )
        directions = {objective.name: objective.direction for objective in objectives}
        if directions[wanted.name] != wanted.direction:
            raise ValueError(
                f"'{wanted.name}' is to be {wanted.direction}d for the strategy, and {directions[wanted.name]}d among the"
                " `objectives`."
            )
    anonymous = [item.name for item in objectives if item.cost == "expensive" and not item.depends_on]
    if store is not None and anonymous:
        raise ValueError(
            f"What goes to a store says what it depends on: `depends_on` of {', '.join(map(repr, anonymous))} is empty."
            " Name the weights and the data, as in `depends_on={'supernet': fingerprint(model.state_dict().values())}`."
        )


__all__ = ["judge", "run_search", "search_settings"]
