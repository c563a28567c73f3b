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
"""Rows of results: small parquet files, each rewritten whole, that any reader takes together."""

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import transformers
from filelock import FileLock, Timeout

import hf_supernet
from hf_supernet.files import replacing


RESULTS = Path(__file__).resolve().parent / "results"
GROUND_TRUTH, SUPERNETS, BASELINE_ROWS = "ground_truth", "supernets", "baselines"
"""The folders of rows below that of the results."""
STEP_COSTS = "step_costs.json"
"""The file there with what a step of each method costs."""
OTHER_STEP_COSTS = "step_costs-*.json"
"""The files with those of methods that joined later, each measured beside the reference too."""
TRIALS = "scale_trials.parquet"
"""The file there with children of other trainings than the plan's."""


def part_name(which: str, index: int | str, number: int | str) -> str:
    """The name of the part of the ground truth that one share of a set's children makes."""
    return f"part-{which}-{index}-of-{number}"


class BusyError(RuntimeError):
    """Another process works on the same."""


def read_rows(folder: Path, pattern: str = "*.parquet") -> pd.DataFrame:
    """All rows of the parquet files in `folder`, or of some, by the files' names; empty where there is none."""
    parts = [pd.read_parquet(path) for path in sorted(folder.glob(pattern))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def write_rows(path: Path, rows: pd.DataFrame | list[dict[str, Any]]) -> None:
    """Writes a file of rows, whole or not at all."""
    with replacing(path) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)


def check_rows(
    rows: pd.DataFrame, expected: Callable[[pd.Series], str], where: Path | str, text: str | None = None
) -> None:
    """
    Checks that rows are of this plan and this text.

    Args:
        rows (`pandas.DataFrame`):
            With `fingerprint` and `text`.
        expected (`Callable[[pandas.Series], str]`):
            The fingerprint that a row has to have; called once for each fingerprint that is there with equal
            `method` and `budget`.
        where (`Path` or `str`):
            Where the rows come from, for the message.
        text (`str`, *optional*):
            The fingerprint of the text; by default that of the first row.

    Raises:
        ValueError: where they are of others.
    """
    if rows.empty:
        return
    names = [name for name in ("method", "budget") if name in rows]
    for _, row in rows.drop_duplicates([*names, "fingerprint"]).iterrows():
        what = f" of {row['method']}" if names else ""
        try:
            wanted = expected(row)
        except ValueError as error:  # the plan does not have that method any more
            raise ValueError(f"{where} holds rows{what}: {error}") from error
        if row["fingerprint"] != wanted:
            raise ValueError(
                f"{where} holds rows{what} of another plan (fingerprint {row['fingerprint']}, this plan's is {wanted}):"
                " text, sizes, search space or training were others. Take the plan back to what it was, or name another"
                " `results_dir`."
            )
    text = text or rows["text"].iloc[0]
    if others := sorted(set(rows["text"]) - {text}):
        raise ValueError(
            f"{where} holds rows of another text (fingerprint {others[0]}, here it is {text}): the files in `data_dir` are"
            " not those of before. Name the folder of before, or another `results_dir`."
        )


def versions() -> str:
    """What the rows were made with, as JSON."""
    found = {module.__name__: module.__version__ for module in (hf_supernet, transformers, torch)}
    return json.dumps(found | {"python": platform.python_version()})


@contextmanager
def only_process(work_dir: Path, name: str) -> Iterator[None]:
    """
    Within this context, no other process works on `name`; the mark goes with the process, however it ends.

    Raises:
        BusyError: where one does.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work_dir / f"{name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"Another process works on {name}: wait for it, or end it.") from None
    try:
        yield
    finally:
        lock.release()


def read_step_costs(results: Path) -> dict[str, dict[str, Any]]:
    """What steps were measured to cost, by method; of one that was measured twice, what `STEP_COSTS` says."""
    found: dict[str, dict[str, Any]] = {}
    for path in [*sorted(results.glob(OTHER_STEP_COSTS)), results / STEP_COSTS]:
        if path.is_file():
            found |= json.loads(path.read_text(encoding="utf-8"))["costs"]
    return found


__all__ = [
    "BASELINE_ROWS",
    "GROUND_TRUTH",
    "OTHER_STEP_COSTS",
    "RESULTS",
    "STEP_COSTS",
    "SUPERNETS",
    "TRIALS",
    "BusyError",
    "check_rows",
    "only_process",
    "part_name",
    "read_rows",
    "read_step_costs",
    "versions",
    "write_rows",
]
