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
"""SurrogateSearch: what the strategies have in common that learn to predict the objectives from what was measured."""

import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..architecture import Architecture
from ..search_space import SearchSpace
from .constraints import Constraint
from .cost_models import AdditiveCost
from .encoding import PathEncoding, row_keys
from .objectives import LOSS, Objective
from .predictors import Predictor, fit_predictor
from .strategy import SearchStrategy
from .vectorised_nsga2 import best_first


_ATTEMPTS_PER_ARCHITECTURE = 20


class SurrogateSearch(SearchStrategy):
    """
    Measures random children first; from then on proposes what surrogates of the objectives say is good. A free objective
    is its own surrogate; of each other one a predictor is fitted on all that was measured, anew in each generation; see
    [`fit_predictor`].

    A child that failed counts as bad as the worst that was measured, in each objective that is predicted: so the
    predictors learn to stay away from it.

    Args:
        search_space ([`SearchSpace`]):
            Where to search; this and the other arguments as for [`SearchStrategy`].
    """

    def __init__(
        self,
        search_space: SearchSpace,
        constraints: Sequence[Constraint] = (),
        population_size: int = 50,
        seed: int = 0,
        objectives: Sequence[Objective] = (LOSS,),
    ):
        super().__init__(search_space, constraints, population_size, seed, objectives)
        self.encoding = PathEncoding(self.feasible)
        self.generator = np.random.default_rng(seed)
        self.measured = np.empty((0, len(self.encoding.sizes)), dtype=np.int64)
        """The rows of all children that were told, as of [`PathEncoding`]."""
        self.values = np.empty((0, len(self.objectives)))
        """Their objectives, to be minimised; rows of NaN for those that failed."""
        self._draws = random.Random(seed)
        self._seen: set[bytes] = set()
        self._predictors: dict[str, Predictor] = {}
        self._quality: list[dict[str, Any]] = []
        self._generation = 0

    @abstractmethod
    def candidates(self) -> np.ndarray:
        """Rows worth measuring, the best first, once there are predictors; what was measured may be among them."""

    def first_rows(self) -> np.ndarray:
        """The rows to measure before there are predictors; random ones are added where they are too few."""
        return self.measured[:0]

    def propose(self) -> list[Architecture]:
        if np.isfinite(self.values).any():
            self._fit()
            rows = self.candidates()
        else:
            rows = self.first_rows()
        rows = self._take_unseen(rows, self.population_size)
        rows = np.concatenate([rows, self.random_rows(self.population_size - len(rows))])
        self._generation += 1
        return self.encoding.decode(rows)

    def learn(self, architectures: list[Architecture], values: np.ndarray) -> None:
        self.measured = np.concatenate([self.measured, self.encoding.encode(architectures)])
        self.values = np.concatenate([self.values, values])

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """What the surrogates say of rows, an array of shape `(len(rows), number of objectives)`, to be minimised."""
        features = self.encoding.one_hot(rows) if self._predictors else None
        columns = [self._column(objective, rows, features) for objective in self.objectives]
        return np.stack(columns, axis=1)

    def best_measured(self, count: int) -> np.ndarray:
        """The rows of the best children so far, the best first."""
        whole = np.isfinite(self.values).all(axis=1)
        order = best_first(self.values[whole], np.zeros(whole.sum()), count)
        return self.measured[whole][order]

    def is_measured(self, rows: np.ndarray) -> np.ndarray:
        """Which rows were proposed already."""
        return np.array([key in self._seen for key in row_keys(rows)], dtype=bool)

    def random_rows(self, count: int) -> np.ndarray:
        """Random rows within the constraints that were not proposed yet; fewer, where hardly any are left."""
        found = []
        for _ in range(count * _ATTEMPTS_PER_ARCHITECTURE):
            if len(found) == count:
                break
            found += self._take_unseen(self.encoding.encode([self.feasible.sample(self._draws)]), 1).tolist()
        return np.array(found, dtype=np.int64).reshape(-1, self.measured.shape[1])

    @property
    def report(self) -> dict[str, Any]:
        """Which predictor each generation's proposals rest on, and how well each candidate ranked."""
        return {"predictors": self._quality}

    def _take_unseen(self, rows: np.ndarray, count: int) -> np.ndarray:
        """The first rows within the constraints that were not taken before."""
        rows = rows[self.encoding.violations(rows) == 0]
        kept = []
        for index, key in enumerate(row_keys(rows)):
            if len(kept) == count:
                break
            if key not in self._seen:
                self._seen.add(key)
                kept.append(index)
        return rows[kept]

    def _fit(self) -> None:
        features = self.encoding.one_hot(self.measured)
        for column, objective in enumerate(self.objectives):
            if not _is_known(objective):
                predictor = fit_predictor(features, _worst_for_failed(self.values[:, column]), self.seed)
                self._predictors[objective.name] = predictor
                self._quality.append(
                    {"generation": self._generation, "objective": objective.name, **predictor.describe()}
                )

    def _column(self, objective: Objective, rows: np.ndarray, features: np.ndarray | None) -> np.ndarray:
        if objective.name in self._predictors:
            return self._predictors[objective.name].predict(features)
        if isinstance(objective, AdditiveCost):
            return objective.sign * self.encoding.costs(rows, objective)
        judged = objective.judge(self.encoding.decode(rows))
        values = objective.sign * np.array([judgement.value for _, judgement in judged])
        return _worst_for_failed(values)


def _worst_for_failed(values: np.ndarray) -> np.ndarray:
    failed = np.isnan(values)
    return np.where(failed, 0 if failed.all() else np.nanmax(values), values) if failed.any() else values


def _is_known(objective: Objective) -> bool:
    """Whether candidates can be judged that are not proposed; of a description nothing can."""
    return objective.cost == "free" and type(objective) is not Objective


__all__ = ["SurrogateSearch"]
