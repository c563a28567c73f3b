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
"""SearchResult: all that a search evaluated, as a table that can be saved, sorted and plotted."""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..architecture import Architecture
from ..files import replacing, write_json
from .indicators import hypervolume_history, knee, non_dominated


TABLE_NAME = "result.parquet"
INFO_NAME = "search.json"


class SearchResult:
    """
    All that a search evaluated.

    Args:
        table (`pandas.DataFrame`):
            A row for each architecture, in the order of evaluation: `architecture` (the compact form), the objectives
            (`loss`, `parameters`, `multiply_adds`, `latency` in seconds, and what else the search was given; NaN where
            one failed) and `generation`.
        info (`dict`):
            `settings` (of the strategy, with its seed and constraints, and what the objectives depend on), `objectives`
            (direction, unit and cost of each), `failures`, `versions`, and what else was said of the search.
    """

    def __init__(self, table: pd.DataFrame, info: Mapping[str, Any]):
        self.table = table
        self.info = dict(info)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def searched(self) -> list[str]:
        """The objectives that the search was for; the dev loss, where the result does not say."""
        return list(self.info.get("settings", {}).get("objectives", {})) or ["loss"]

    @property
    def failures(self) -> pd.DataFrame:
        """The children that an objective failed for: `architecture`, `objective`, `error`."""
        return pd.DataFrame(self.info.get("failures", []), columns=["architecture", "objective", "error"])

    def ranked(self, under: Mapping[str, float] | None = None, by: str | None = None) -> pd.DataFrame:
        """
        The table in the order of an objective, the best first; of equal values the one evaluated first.

        Args:
            under (`dict[str, float]`, *optional*):
                The greatest value allowed in each of some columns, such as `{"latency": 0.01}`.
            by (`str`, *optional*, defaults to the first objective of the search):
                The objective.

        Raises:
            ValueError: for a column that is not there.
        """
        by = by or self.searched[0]
        self._check_columns([by])
        table = self.table
        for column, maximum in (under or {}).items():
            self._check_columns([column])
            table = table[table[column] <= maximum]
        return table.sort_values(by, ascending=self._sign(by) > 0, kind="stable", na_position="last")

    def best(self, under: Mapping[str, float] | None = None, by: str | None = None) -> pd.Series:
        """
        The row of the best value of an objective.

        Args:
            under (`dict[str, float]`, *optional*):
                As for [`SearchResult.ranked`].
            by (`str`, *optional*, defaults to the first objective of the search):
                The objective.

        Raises:
            ValueError: where nothing was evaluated within these limits; the message names the nearest values.
        """
        by = by or self.searched[0]
        ranked = self.ranked(under, by).dropna(subset=by)
        if ranked.empty:
            least = {column: self.table[column].min().item() for column in under or {}}
            raise ValueError(
                f"None of the {len(self)} children evaluated is under {dict(under or {})} with a {by}; the least values"
                f" are {least}."
            )
        return ranked.iloc[0]

    def pareto_front(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """
        The rows that no other row beats in one of `columns` without losing in another, each in its direction.

        Args:
            columns (`Sequence[str]`, *optional*, defaults to the objectives of the search):
                The objectives; `loss` and `parameters`, where the search was for one (what it was for and `parameters`, where
                there is no loss).

        Returns:
            `pandas.DataFrame`: the front, in the order of the last column. Of equal rows the first stands for all.

        Raises:
            ValueError: for a column that is not there.
        """
        columns = self._front_columns(columns)
        table = self.table.dropna(subset=columns).drop_duplicates(columns)
        if table.empty:
            return table
        front = table.iloc[non_dominated(self._to_minimise(table, columns))]
        return front.sort_values(columns[-1], ascending=self._sign(columns[-1]) > 0, kind="stable")

    def knee(self, columns: Sequence[str] | None = None) -> pd.Series:
        """
        The row at the knee of the Pareto front, from which any gain in one objective costs much in another.

        Args:
            columns (`Sequence[str]`, *optional*):
                As for [`SearchResult.pareto_front`].

        Raises:
            ValueError: for a column that is not there, and where no child has a value in all of them.
        """
        front = self.pareto_front(columns)
        if front.empty:
            raise ValueError(
                f"None of the {len(self)} children evaluated has {', '.join(self._front_columns(columns))}."
            )
        return front.iloc[knee(self._to_minimise(front, self._front_columns(columns)))]

    def hypervolume(
        self, columns: Sequence[str] | None = None, reference: Mapping[str, float] | None = None
    ) -> pd.Series:
        """
        The hypervolume of what was found, along the search.

        Args:
            columns (`Sequence[str]`, *optional*):
                As for [`SearchResult.pareto_front`].
            reference (`dict[str, float]`, *optional*, defaults to the worst values of the first generation):
                The worst values that count. To compare searches, give all of them the same.

        Returns:
            `pandas.Series`: by generation, in the product of the objectives' units.

        Raises:
            ValueError: for a column that is not there, or that `reference` lacks.
        """
        columns = self._front_columns(columns)
        values = self._to_minimise(self.table, columns)
        generations = self.table["generation"].to_numpy()
        if reference is None:
            whole = ~np.isnan(values).any(axis=1)
            first = generations == generations[whole].min() if whole.any() else whole
            worst = values[whole & first].max(axis=0) if whole.any() else np.zeros(len(columns))
        else:
            if missing := [column for column in columns if column not in reference]:
                raise ValueError(f"`reference` needs a value for {', '.join(missing)}.")
            worst = np.array([self._sign(column) * reference[column] for column in columns])
        history = hypervolume_history(values, generations, worst)
        return pd.Series(history, index=pd.Index(np.unique(generations), name="generation"), name="hypervolume")

    def row(self, architecture: Architecture | str) -> pd.Series:
        """
        The row of one architecture, such as one to export.

        Raises:
            ValueError: where it was not evaluated.
        """
        rows = self.table[self.table["architecture"] == str(architecture)]
        if rows.empty:
            raise ValueError(f"'{architecture}' is not among the {len(self)} children that this search evaluated.")
        return rows.iloc[0]

    def _front_columns(self, columns: Sequence[str] | None) -> list[str]:
        if columns is None:
            first = "loss" if "loss" in self.table else self.searched[0]
            columns = self.searched if len(self.searched) > 1 else (first, "parameters")
        self._check_columns(columns)
        return list(columns)

    def _sign(self, column: str) -> int:
        direction = self.info.get("objectives", {}).get(column, {}).get("direction")
        return -1 if direction == "maximise" else 1

    def _to_minimise(self, table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
        return table[list(columns)].to_numpy(dtype=float) * [self._sign(column) for column in columns]

    def save(self, directory: str | os.PathLike) -> None:
        """Writes `result.parquet` and `search.json`, each whole or not at all."""
        directory = Path(directory)
        write_json(directory / INFO_NAME, self.info)
        with replacing(directory / TABLE_NAME) as temporary:
            self.table.to_parquet(temporary, index=False)

    @classmethod
    def load(cls, directory: str | os.PathLike) -> "SearchResult":
        """
        Reads what [`SearchResult.save`] wrote.

        Raises:
            FileNotFoundError: where there is no result.
            ValueError: where a file is damaged.
        """
        directory = Path(directory)
        for name in (INFO_NAME, TABLE_NAME):
            if not (directory / name).is_file():
                raise FileNotFoundError(f"There is no search result in '{directory}': '{name}' is missing.")
        try:
            info = json.loads((directory / INFO_NAME).read_text(encoding="utf-8"))
            table = pd.read_parquet(directory / TABLE_NAME)
        except (ValueError, OSError) as error:
            raise ValueError(f"The search result in '{directory}' is damaged: {error}") from error
        return cls(table, info)

    def _check_columns(self, columns: Iterable[str]) -> None:
        unknown = [column for column in columns if column not in self.table]
        if unknown:
            raise ValueError(
                f"No column {', '.join(map(repr, unknown))} in this result; it has {', '.join(self.table)}."
            )


def check_same_settings(previous: SearchResult, settings: Mapping[str, Any]) -> None:
    """
    Checks that a search goes on with what it was begun with.

    Args:
        previous ([`SearchResult`]):
            What is there of it.
        settings (`dict`):
            Those of the search that goes on; see [`search_settings`].

    Raises:
        ValueError: where one differs; the message names it with both values.
    """
    theirs = previous.info.get("settings", {})
    for name in dict.fromkeys([*settings, *theirs]):
        if settings.get(name) != theirs.get(name):
            raise ValueError(
                f"The saved search has `{name}` {theirs.get(name)!r}, this one {settings.get(name)!r}; a search is"
                " resumed with the settings it was begun with."
            )


def fingerprint(tensors: Iterable[torch.Tensor]) -> str:
    """A short hash of tensors (weights, dev data) that tells whether a search can go on with the losses it recorded."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def package_versions() -> dict[str, str]:
    """The versions on which a result may depend."""
    names = ("hf_supernet", "torch", "transformers", "pymoo", "scikit-learn", "numpy")
    return {"python": platform.python_version()} | {name: _version(name) for name in names}


def _version(name: str) -> str:
    if name == "hf_supernet":
        from .. import __version__

        return __version__
    return version(name)


__all__ = ["SearchResult", "check_same_settings", "fingerprint", "package_versions"]
