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
"""SearchStrategy: what proposes architectures, and is told what they are."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..architecture import Architecture
from ..search_space import SearchSpace
from .constraints import Constraint, FeasibleSpace
from .objectives import LOSS, Judgement, Objective


class SearchStrategy(ABC):
    """
    Proposes architectures within the constraints, a generation at a time, and is told the values of their objectives.

    What it proposes is a function of its arguments and of those values alone: this is what makes a search resumable, and
    the processes of a distributed search agree. [`run_search`] drives it; so can any other program, by
    [`SearchStrategy.ask`] and [`SearchStrategy.tell`]. A strategy of one's own implements `propose`, and `learn` where
    it learns anything.

    Args:
        search_space ([`SearchSpace`]):
            Where to search.
        constraints (`Sequence[Constraint]`, *optional*):
            What every proposal keeps.
        population_size (`int`, *optional*, defaults to 50):
            The number of architectures in a generation.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        objectives (`Sequence[Objective]`, *optional*, defaults to the dev loss):
            What the search is for. By default `"loss"` is minimised.

    Raises:
        ValueError: where constraints contradict each other, for a population size below 1, a negative seed, and for objectives that are
            none, share a name, or are more than the strategy can weigh.
    """

    name: str
    max_objectives: int | None = None
    """The most objectives that the strategy can weigh; `None` for any number."""

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
    ):
        if population_size < 1:
            raise ValueError(f"`population_size` must be at least 1, got {population_size}.")
        if seed < 0:
            raise ValueError(f"`seed` must be 0 or more, got {seed}.")
        names = [objective.name for objective in objectives]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"`objectives` must be one or several of different names, got {names}.")
        if self.max_objectives is not None and len(names) > self.max_objectives:
            raise ValueError(
                f"The strategy '{self.name}' weighs at most {self.max_objectives} objective, got {', '.join(names)}; make"
                " the others constraints, or take 'nsga2' or 'linas'."
            )
        self.feasible = FeasibleSpace(search_space, constraints)
        self.search_space = search_space
        self.population_size = population_size
        self.seed = seed
        self.objectives = tuple(objectives)
        self.evaluated: dict[Architecture, np.ndarray] = {}
        """What was told of each child, an array of shape `(number of objectives,)` that is to be minimised: values of
        what is maximised with the other sign, all of them NaN where one failed."""
        self._asked: list[Architecture] | None = None

    def ask(self) -> list[Architecture]:
        """
        The next generation, the same until its values are told: distinct, never proposed before. An empty list ends the
        search.

        Raises:
            ValueError: where `propose` of a strategy of one's own gives one twice.
        """
        if self._asked is None:
            proposed = self.propose()
            again = [item for item, count in Counter(proposed).items() if count > 1 or item in self.evaluated]
            if again:
                raise ValueError(
                    f"The strategy '{self.name}' proposes '{again[0]}' a second time: `propose` gives distinct architectures,"
                    " and none of `evaluated`."
                )
            self._asked = proposed
        return list(self._asked)

    def tell(self, values: Mapping[Architecture, Mapping[str, float]]) -> None:
        """
        Takes what was found of the generation that was asked for last.

        Args:
            values (`dict[Architecture, dict[str, float]]`):
                The value of each objective, by its name, for each architecture; NaN or `None` where it has none. A child that
                lacks one loses against every other.

        Raises:
            ValueError: where nothing was asked, and for an architecture or objective that is missing.
        """
        if self._asked is None:
            raise ValueError("Nothing to be told: `ask` comes first.")
        rows = np.array([self._row(architecture, values) for architecture in self._asked], dtype=float)
        rows = rows.reshape(-1, len(self.objectives))
        rows[~np.isfinite(rows).all(axis=1)] = np.nan
        architectures, self._asked = self._asked, None
        self.evaluated.update(zip(architectures, rows, strict=True))
        self.learn(architectures, rows)

    def _row(self, architecture: Architecture, values: Mapping[Architecture, Mapping[str, float]]) -> list[float]:
        try:
            told = [values[architecture][objective.name] for objective in self.objectives]
        except KeyError as error:
            raise ValueError(
                f"`tell` needs {', '.join(objective.name for objective in self.objectives)} of every architecture that"
                f" was asked for; '{architecture}' lacks {error}."
            ) from error
        return [
            objective.sign * Judgement.of(value).value for objective, value in zip(self.objectives, told, strict=True)
        ]

    @abstractmethod
    def propose(self) -> list[Architecture]:
        """The next generation: distinct, and none of `evaluated`. An empty list ends the search."""

    def learn(self, architectures: list[Architecture], values: np.ndarray) -> None:  # noqa: B027 (some learn nothing)
        """
        Takes the values of the generation that was proposed last.

        Args:
            architectures (`list[Architecture]`):
                The generation.
            values (`np.ndarray` of shape `(len(architectures), number of objectives)`):
                To be minimised; a row of NaN where a child failed.
        """

    @property
    def settings(self) -> dict[str, Any]:
        """All on which the proposals depend, for the record; a search is resumed with the same settings only."""
        return {
            "strategy": self.name,
            "population_size": self.population_size,
            "seed": self.seed,
            "search_space": self.search_space.fingerprint,
            "objectives": {objective.name: objective.direction for objective in self.objectives},
            "constraints": {item.cost.name: item.to_dict() for item in self.feasible.constraints},
        }

    @property
    def report(self) -> dict[str, Any]:
        """What the strategy has to say of itself for the result, such as how good its predictors were."""
        return {}


__all__ = ["SearchStrategy"]
