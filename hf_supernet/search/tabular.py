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
"""TabularBenchmark: every child of a small supernet, evaluated once, so that strategies are compared without a network."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..files import replacing
from ..search_space import SearchSpace
from ..sized_costs import SizedCostTable
from .cost_models import AdditiveCost
from .indicators import hypervolume, non_dominated
from .objectives import FunctionObjective
from .result import SearchResult


LAYOUT = 1
_KEY = "hf_supernet_benchmark"
"""Among what parquet keeps of a table besides its columns."""


class TabulatedCost(AdditiveCost):
    """
    A cost model of any name, as read from a file.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        table ([`CostTable`] or [`SizedCostTable`]):
            The cost of each candidate, in whole numbers.
        name (`str`):
            The name of its column.
        unit (`str`, *optional*, defaults to `""`):
            The unit of the cost.
        scale (`int`, *optional*, defaults to 1):
            How many whole numbers of the table are one unit.
    """

    def __init__(
        self, search_space: SearchSpace, table: CostTable | SizedCostTable, name: str, unit: str = "", scale: int = 1
    ):
        self.name, self.unit, self.scale = name, unit, scale
        super().__init__(search_space, table)


class TabularBenchmark:
    """
    The loss and the costs of every architecture of a space, in one parquet file.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        table (`pandas.DataFrame`):
            A row for each path: `architecture`, `loss`, and a column for each cost.
        costs (`Sequence[AdditiveCost]`):
            The cost models.
        info (`dict`, *optional*):
            Where the losses come from: the supernet, the data, the machine.

    Raises:
        ValueError: where paths are missing or come twice, and for a loss that is no number.

    Example:

    ```python
    >>> benchmark = TabularBenchmark.load("benchmark.parquet")
    >>> parameters = benchmark.cost("parameters")
    >>> objectives = [benchmark.loss, parameters]
    >>> strategy = NSGA2Search(benchmark.search_space, objectives=objectives, population_size=20)
    >>> result = run_search(strategy, objectives, generations=20)
    >>> benchmark.hypervolume_share(result.table, ["loss", "parameters"])
    ```
    """

    def __init__(
        self,
        search_space: SearchSpace,
        table: pd.DataFrame,
        costs: Sequence[AdditiveCost],
        info: Mapping[str, Any] | None = None,
    ):
        names = [str(architecture) for architecture in search_space]
        if sorted(names) != sorted(table["architecture"]):
            raise ValueError(
                f"The table has {len(table)} rows, {table['architecture'].nunique()} of them distinct; it has to have one"
                f" for each of the {len(names)} paths of the search space."
            )
        if not np.isfinite(table["loss"]).all():
            bad = table.loc[~np.isfinite(table["loss"]), "architecture"].iloc[0]
            raise ValueError(f"Every path has a finite loss in a benchmark; that of '{bad}' is not.")
        self.search_space = search_space
        self.table = table.reset_index(drop=True)
        self.costs = tuple(costs)
        self.info = dict(info or {})
        self._losses = dict(zip(self.table["architecture"], self.table["loss"].tolist(), strict=True))

    @classmethod
    def build(
        cls,
        search_space: SearchSpace,
        losses: Mapping[Architecture, float],
        costs: Sequence[AdditiveCost],
        info: Mapping[str, Any] | None = None,
    ) -> "TabularBenchmark":
        """The benchmark of these losses."""
        rows = [
            {"architecture": str(item), "loss": loss, **{cost.name: cost(item) for cost in costs}}
            for item, loss in losses.items()
        ]
        return cls(search_space, pd.DataFrame(rows), costs, info)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A short hash of all losses."""
        return hashlib.sha256(json.dumps(self._losses, sort_keys=True).encode("utf-8")).hexdigest()[:16]

    @property
    def loss(self) -> FunctionObjective:
        """The loss as an objective that looks it up."""
        return FunctionObjective("loss", self._look_up, unit="nats per label", depends_on={"table": self.fingerprint})

    def cost(self, name: str) -> AdditiveCost:
        """
        A cost model by its name.

        Raises:
            ValueError: where there is none of that name.
        """
        for cost in self.costs:
            if cost.name == name:
                return cost
        raise ValueError(f"No cost {name!r} in this benchmark; it has {', '.join(cost.name for cost in self.costs)}.")

    def optimum(self, under: Mapping[str, float] | None = None) -> pd.Series:
        """The row of the least loss of all under the limits; as for [`SearchResult.best`]."""
        return SearchResult(self.table, {}).best(under)

    def regret(self, table: pd.DataFrame, under: Mapping[str, float] | None = None) -> float:
        """By how much the best that was found under the limits has a greater loss than the optimum."""
        return float(SearchResult(table, {}).best(under)["loss"] - self.optimum(under)["loss"])

    def reference(self, columns: Sequence[str]) -> dict[str, float]:
        """The reference point of the hypervolume: the worst value of each column in the whole table."""
        return {column: float(self.table[column].max()) for column in columns}

    def hypervolume_share(self, table: pd.DataFrame, columns: Sequence[str]) -> float:
        """The hypervolume of what was found, as a share of that of the true front."""
        worst = np.array(list(self.reference(columns).values()))
        return _front_volume(table, columns, worst) / _front_volume(self.table, columns, worst)

    def save(self, path: str | os.PathLike) -> None:
        """Writes one parquet file, whole or not at all."""
        table = self.table.copy()
        table.attrs = {_KEY: {"layout": LAYOUT, "info": self.info, **self._description()}}
        with replacing(Path(path)) as temporary:
            table.to_parquet(temporary, index=False)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "TabularBenchmark":
        """
        Reads what [`TabularBenchmark.save`] wrote.

        Raises:
            ValueError: for a file that is no benchmark.
        """
        try:
            table = pd.read_parquet(path)
            values = table.attrs.pop(_KEY)
        except (ValueError, KeyError) as error:
            raise ValueError(f"'{path}' is no benchmark of a search, or damaged: {error}") from error
        if values["layout"] != LAYOUT:
            raise ValueError(f"'{path}' has the layout {values['layout']}, this version reads {LAYOUT}.")
        space = SearchSpace.from_dict(values["search_space"])
        costs = [_read_cost(space, name, cost) for name, cost in values["costs"].items()]
        return cls(space, table, costs, values["info"])

    def _description(self) -> dict[str, Any]:
        costs = {
            cost.name: {"unit": cost.unit, "scale": cost.scale, **_describe_table(cost.table)} for cost in self.costs
        }
        return {"search_space": self.search_space.to_dict(), "costs": costs}

    def _look_up(self, architecture: Architecture) -> float:
        return self._losses[str(architecture)]

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Architecture]:
        return iter(self.search_space)


def _describe_table(table: CostTable | SizedCostTable) -> dict[str, Any]:
    if isinstance(table, SizedCostTable):
        return {"tables": list(map(_describe_table, table.tables))}
    return {"base": table.base, "costs": table.costs}


def _read_table(values: Mapping[str, Any]) -> CostTable | SizedCostTable:
    if "tables" in values:
        return SizedCostTable(tuple(map(_read_table, values["tables"])))
    return CostTable(tuple(map(tuple, values["costs"])), values["base"])


def _read_cost(space: SearchSpace, name: str, values: Mapping[str, Any]) -> TabulatedCost:
    return TabulatedCost(space, _read_table(values), name, values["unit"], values["scale"])


def _front_volume(table: pd.DataFrame, columns: Sequence[str], worst: np.ndarray) -> float:
    values = table[list(columns)].dropna().to_numpy(dtype=float)
    return hypervolume(values[non_dominated(values)], worst) if len(values) else 0.0


__all__ = ["TabularBenchmark", "TabulatedCost"]
