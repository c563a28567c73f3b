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
"""SearchStrategy: what proposes architectures; and the loop that evaluates, records and resumes."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd
from tqdm.auto import tqdm

from ..architecture import Architecture
from ..search_space import SearchSpace
from .objectives import AdditiveCost, Constraint, FeasibleSpace
from .result import SearchResult, package_versions


class SupportsEvaluate(Protocol):
    """What a search needs of an evaluator, such as [`Evaluator`]."""

    def evaluate(self, architectures: list[Architecture]) -> Mapping[Architecture, float]: ...


class SearchStrategy(ABC):
    """
    Proposes architectures within the constraints, a generation at a time, and is told their losses.

    What it proposes is a function of its arguments and of the losses alone: this is what makes a search resumable, and
    the processes of a distributed search agree.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.

    Raises:
        ValueError: where constraints contradict each other, and for a population size below 1.
    """

    name: str

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
    ):
        if population_size < 1:
            raise ValueError(f"`population_size` must be at least 1, got {population_size}.")
        self.feasible = FeasibleSpace(search_space, constraints)
        self.search_space = search_space
        self.population_size = population_size
        self.seed = seed

    @abstractmethod
    def ask(self) -> list[Architecture]:
        """The next generation: distinct, never proposed before. An empty list ends the search."""

    @abstractmethod
    def tell(self, losses: Mapping[Architecture, float]) -> None:
        """Takes the losses of the generation that was asked for last."""

    @property
    def settings(self) -> dict[str, Any]:
        """All on which the proposals depend, for the record; a search is resumed with the same settings only."""
        return {
            "strategy": self.name,
            "population_size": self.population_size,
            "seed": self.seed,
            "search_space": self.search_space.fingerprint,
            "constraints": {item.cost.name: item.to_dict() for item in self.feasible.constraints},
        }


def run_search(
    strategy: SearchStrategy,
    evaluator: SupportsEvaluate,
    costs: Sequence[AdditiveCost] = (),
    generations: int = 20,
    output_dir: str | os.PathLike | None = None,
    previous: SearchResult | None = None,
    settings: Mapping[str, Any] | None = None,
    info: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> SearchResult:
    """
    Runs a search: the strategy proposes, the evaluator and the cost models answer, the result keeps all of it.

    A search that was killed continues where it was: given its saved result as `previous`, it is replayed with the
    losses recorded there, and only what they do not cover is evaluated. It ends with the same result, bit for bit, as
    one that was not killed.

    Args:
        strategy ([`SearchStrategy`]):
            A new one, also when a search is resumed.
        evaluator ([`Evaluator`]):
            Called once a generation.
        costs (`Sequence[AdditiveCost]`, *optional*):
            Recorded of each architecture.
        generations (`int`, *optional*, defaults to 20):
            How many generations, those of `previous` included. A strategy that has nothing left to propose ends sooner.
        output_dir (`str` or `os.PathLike`, *optional*):
            Where to save the result after each generation. In a distributed search, one process has it.
        previous ([`SearchResult`], *optional*):
            The result to continue; see [`SearchResult.load`].
        settings (`dict`, *optional*):
            What the losses depend on (the supernet, the dev data): recorded with the settings of the strategy, and a
            search is resumed only where all of them are the same. JSON has to be able to hold it.
        info (`dict`, *optional*):
            What else to record.
        progress (`bool`, *optional*, defaults to `False`):
            Whether to show a progress bar with the best loss so far.

    Returns:
        [`SearchResult`]

    Raises:
        ValueError: where `previous` was made with other settings, costs or generations.
    """
    if generations < 1:
        raise ValueError(f"`generations` must be at least 1, got {generations}.")
    names = [cost.name for cost in costs]
    columns = ["architecture", "loss", *names, "generation"]
    info = {"settings": strategy.settings | dict(settings or {}), "versions": package_versions(), **(info or {})}
    known = _known_rows(previous, info["settings"], columns, generations)
    rows: list[dict[str, Any]] = []
    best = math.inf
    with tqdm(range(generations), desc=f"Searching ({strategy.name})", disable=not progress) as bar:
        for generation in bar:
            proposed = strategy.ask()
            if not proposed:
                break
            recorded = known.pop(generation, None)
            losses = _recorded_losses(recorded, proposed, generation) if recorded else evaluator.evaluate(proposed)
            for architecture in proposed:
                values = {cost.name: cost(architecture) for cost in costs}
                rows.append(
                    {
                        "architecture": str(architecture),
                        "loss": losses[architecture],
                        **values,
                        "generation": generation,
                    }
                )
                best = min(best, losses[architecture])
            if recorded and rows[-len(recorded) :] != recorded:
                raise ValueError(_DIFFERS.format(generation=generation))
            strategy.tell(losses)
            bar.set_postfix({"best loss": f"{best:.4f}", "evaluated": len(rows)})
            if output_dir is not None and not recorded:
                SearchResult(pd.DataFrame(rows, columns=columns), info).save(output_dir)
    return SearchResult(pd.DataFrame(rows, columns=columns), info)


_DIFFERS = (
    "Generation {generation} of the saved search is not what this search evaluates there: the costs (a latency table"
    " measured anew?) or the version of a library differ. Start again in an empty `output_dir`."
)


def _known_rows(
    previous: SearchResult | None, settings: dict[str, Any], columns: list[str], generations: int
) -> dict[int, list[dict[str, Any]]]:
    """The rows of an earlier run by generation, if they can be continued."""
    if previous is None:
        return {}
    theirs = previous.info.get("settings", {})
    for name in dict.fromkeys([*settings, *theirs]):
        if settings.get(name) != theirs.get(name):
            raise ValueError(
                f"The saved search has `{name}` {theirs.get(name)!r}, this one {settings.get(name)!r}; a search is"
                " resumed with the settings it was begun with."
            )
    if list(previous.table) != columns:
        raise ValueError(f"The saved search recorded {list(previous.table)}, this one records {columns}.")
    if len(previous) and previous.table["generation"].max() >= generations:
        raise ValueError(
            f"The saved search has {previous.table['generation'].max() + 1} generations already, `generations` is"
            f" {generations}."
        )
    return {
        int(generation): rows.to_dict("records")
        for generation, rows in previous.table.groupby("generation", sort=False)
    }


def _recorded_losses(
    recorded: list[dict[str, Any]], proposed: list[Architecture], generation: int
) -> dict[Architecture, float]:
    if [row["architecture"] for row in recorded] != [str(architecture) for architecture in proposed]:
        raise ValueError(_DIFFERS.format(generation=generation))
    return {architecture: row["loss"] for architecture, row in zip(proposed, recorded, strict=True)}


__all__ = ["SearchStrategy", "SupportsEvaluate", "run_search"]
