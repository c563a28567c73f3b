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

import pandas as pd
import torch
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from ..files import replacing, write_json


TABLE_NAME = "result.parquet"
INFO_NAME = "search.json"


class SearchResult:
    """
    All that a search evaluated.

    Args:
        table (`pandas.DataFrame`):
            A row for each architecture, in the order of evaluation: `architecture` (the compact form), `loss`, the costs
            (`parameters`, `multiply_adds`, `latency` in seconds, those that the search was given) and `generation`.
        info (`dict`):
            `settings` (of the strategy, with its seed and constraints, and what the losses depend on), `versions`, and
            what else was said of the search.
    """

    def __init__(self, table: pd.DataFrame, info: Mapping[str, Any]):
        self.table = table
        self.info = dict(info)

    def __len__(self) -> int:
        return len(self.table)

    def ranked(self, under: Mapping[str, float] | None = None) -> pd.DataFrame:
        """
        The table in the order of the loss, the best first; of equal losses the one evaluated first.

        Args:
            under (`dict[str, float]`, *optional*):
                The greatest value allowed in each of some columns, such as `{"latency": 0.01}`.

        Raises:
            ValueError: for a column that is not there.
        """
        table = self.table
        for column, maximum in (under or {}).items():
            self._check_columns([column])
            table = table[table[column] <= maximum]
        return table.sort_values("loss", kind="stable", na_position="last")

    def best(self, under: Mapping[str, float] | None = None) -> pd.Series:
        """
        The row of the least loss.

        Args:
            under (`dict[str, float]`, *optional*):
                As for [`SearchResult.ranked`].

        Raises:
            ValueError: where nothing was evaluated within these limits; the message names the nearest values.
        """
        ranked = self.ranked(under).dropna(subset="loss")
        if ranked.empty:
            least = {column: self.table[column].min() for column in under or {}}
            raise ValueError(
                f"None of the {len(self)} children evaluated is under {dict(under or {})} with a loss; the least values"
                f" are {least}."
            )
        return ranked.iloc[0]

    def pareto_front(self, columns: Sequence[str] = ("loss", "parameters")) -> pd.DataFrame:
        """
        The rows that no other row beats in one of `columns` without losing in another, all being minimised.

        Args:
            columns (`Sequence[str]`, *optional*, defaults to `("loss", "parameters")`):
                The objectives.

        Returns:
            `pandas.DataFrame`: the front, in the order of the second column. Of equal rows the first stands for all.

        Raises:
            ValueError: for a column that is not there.
        """
        self._check_columns(columns)
        columns = list(columns)
        table = self.table.dropna(subset=columns).drop_duplicates(columns)
        if table.empty:
            return table
        front = NonDominatedSorting().do(table[columns].to_numpy(dtype=float), only_non_dominated_front=True)
        return table.iloc[sorted(front)].sort_values(columns[-1], kind="stable")

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


def fingerprint(tensors: Iterable[torch.Tensor]) -> str:
    """A short hash of tensors (weights, dev data) that tells whether a search can go on with the losses it recorded."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()[:16]


def package_versions() -> dict[str, str]:
    """The versions on which a result may depend."""
    names = ("hf_supernet", "torch", "transformers", "pymoo", "numpy")
    return {"python": platform.python_version()} | {name: _version(name) for name in names}


def _version(name: str) -> str:
    if name == "hf_supernet":
        from .. import __version__

        return __version__
    return version(name)


__all__ = ["SearchResult", "fingerprint", "package_versions"]
