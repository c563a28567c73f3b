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
"""EvaluationStore: what children were found to be, remembered beyond the search that asked."""

import json
import math
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..architecture import Architecture
from .objectives import Judgement, Objective


STORE_NAME = "evaluations.sqlite"
_LAYOUT = 1
_IN_MEMORY = ":memory:"
_CREATE = """
CREATE TABLE IF NOT EXISTS evaluations (
    objective TEXT NOT NULL, depends_on TEXT NOT NULL, path TEXT NOT NULL, value, error TEXT,
    PRIMARY KEY (objective, depends_on, path)
) WITHOUT ROWID
"""


class StoredEvaluation(NamedTuple):
    """
    A row of a store.

    Args:
        objective (`str`): The name of the objective.
        depends_on (`str`): What the value depends on besides the path, as JSON.
        path (`str`): The architecture in its compact form, identities where they stand.
        value (`float`, *optional*): The value; `None` where there is none.
        error (`str`, *optional*): Why there is none.
    """

    objective: str
    depends_on: str
    path: str
    value: float | None
    error: str | None


class EvaluationStore:
    """
    An append-only file of evaluations, keyed by what was judged: the objective, what its values depend on (fingerprints
    of weights and data), and the path. A search that was killed is given its store again and asks for nothing twice;
    another search of the same supernet on the same data profits too.

    It is an SQLite file, from the standard library: each value is durable when `add` returns, and a process that is killed
    while it writes leaves a file that opens, which a parquet part does not; keys are looked up without reading
    everything; a second process waits for its turn in place of losing rows. The first value of a key stays.

    Args:
        path (`str` or `os.PathLike`, *optional*):
            The file, made where it is not there. By default the store lives in memory: for a process that answers from
            what another one stored.

    Raises:
        ValueError: for a file that is no store.

    Example:

    ```python
    >>> with EvaluationStore("search/evaluations.sqlite") as store:
    ...     result = run_search(strategy, [loss, ParameterCost(model.config)], store=store)
    ```
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self.path = None if path is None else Path(path)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A minute: several searches may write to one file.
            self._connection = sqlite3.connect(self.path or _IN_MEMORY, timeout=60)
        except sqlite3.OperationalError as error:
            raise ValueError(f"'{self.path}' cannot be opened as a store of evaluations: {error}.") from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ValueError(f"'{self.path}' is no store of evaluations, or damaged: {error}.") from error
        except ValueError:
            self._connection.close()
            raise

    def _open(self) -> None:
        layout = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if layout not in (0, _LAYOUT) or (layout == 0 and tables):
            raise ValueError(f"'{self.path}' is an SQLite file, but no store of evaluations that this version reads.")
        with self._connection:
            self._connection.execute(_CREATE)
            self._connection.execute(f"PRAGMA user_version = {_LAYOUT}")

    @classmethod
    def in_memory(cls, rows: Iterable[StoredEvaluation]) -> "EvaluationStore":
        """A store of rows that another process read from its file; see [`EvaluationStore.rows`]."""
        store = cls()
        with store._connection:
            store._connection.executemany("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?)", rows)
        return store

    def rows(self) -> list[StoredEvaluation]:
        """All that is stored, in the order of the keys."""
        return [StoredEvaluation(*row) for row in self._connection.execute("SELECT * FROM evaluations")]

    def get(self, objective: Objective, architecture: Architecture) -> Judgement | None:
        """What `objective` said of this path; `None` where it was not asked yet."""
        found = self._connection.execute(
            "SELECT value, error FROM evaluations WHERE objective = ? AND depends_on = ? AND path = ?",
            (*_key(objective), str(architecture)),
        ).fetchone()
        return None if found is None else Judgement(math.nan if found[0] is None else found[0], found[1])

    def add(self, objective: Objective, judged: Iterable[tuple[Architecture, Judgement]]) -> None:
        """Appends what `objective` said, all of it or nothing. What is there already stays as it is."""
        key = _key(objective)
        rows = [
            (*key, str(architecture), None if math.isnan(judgement.value) else judgement.value, judgement.error)
            for architecture, judgement in judged
        ]
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO evaluations VALUES (?, ?, ?, ?, ?)", rows)

    def forget_failures(self) -> int:
        """Removes the children that failed, so that they are judged again; returns their number."""
        with self._connection:
            return self._connection.execute("DELETE FROM evaluations WHERE value IS NULL").rowcount

    def close(self) -> None:
        self._connection.close()

    def __len__(self) -> int:
        return self._connection.execute("SELECT count(*) FROM evaluations").fetchone()[0]

    def __enter__(self) -> "EvaluationStore":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _key(objective: Objective) -> tuple[str, str]:
    return objective.name, json.dumps(objective.depends_on, sort_keys=True)


__all__ = ["STORE_NAME", "EvaluationStore", "StoredEvaluation"]
