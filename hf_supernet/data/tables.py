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
"""Tables of texts to fine-tune on: reading local files, and checks of their columns that say what to do."""

from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Value, load_dataset
from datasets.exceptions import DatasetGenerationError

from ..spelling import did_you_mean


# File endings, the loader of `datasets` that reads them, and how it has to read them. A sentence "None" or "N/A" is text.
READERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".parquet": ("parquet", {}),
    ".csv": ("csv", {"keep_default_na": False, "na_values": [""]}),
    ".tsv": ("csv", {"keep_default_na": False, "na_values": [""], "sep": "\t"}),
    ".json": ("json", {}),
    ".jsonl": ("json", {}),
}


def check_file(path: str, argument: str) -> None:
    """
    Refuse a file that is not there or that [`read_file`] does not read.

    Args:
        path (`str`):
            The file.
        argument (`str`):
            The name of the option it was given as, for the message.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if its ending is not one of [`READERS`].
    """
    ending = Path(path).suffix
    if ending not in READERS:
        raise ValueError(f'`{argument}`: "{path}" ends in "{ending}", supported are {", ".join(READERS)}.')
    if not Path(path).is_file():
        raise FileNotFoundError(f'`{argument}`: there is no file "{path}".')


def read_file(path: str, argument: str, cache_dir: str | None = None) -> Dataset:
    """
    Read a parquet, CSV, TSV or JSON (lines) file.

    Args:
        path (`str`):
            The file, as [`check_file`] allows it.
        argument (`str`):
            The name of the option it was given as, for the message.
        cache_dir (`str`, *optional*):
            Where `datasets` keeps what it reads.

    Returns:
        `Dataset`: Its rows.

    Raises:
        ValueError: if the file has no rows or is not what its ending says.
    """
    reader, options = READERS[Path(path).suffix]
    try:
        return load_dataset(reader, data_files=path, split="train", cache_dir=cache_dir, **options)
    except (ValueError, StopIteration, DatasetGenerationError) as error:
        raise ValueError(
            f'`{argument}`: "{path}" has no rows or is no {reader} file ({error.__cause__ or error}).'
        ) from error


def check_column(name: str, split: Dataset, column: str, argument: str) -> None:
    """
    Refuse a split without a column.

    Args:
        name (`str`):
            The name of the split, for the message.
        split (`Dataset`):
            The split.
        column (`str`):
            The column.
        argument (`str`):
            The name of the option that names the column, for the message.

    Raises:
        ValueError: if the column is not there; the message has a close one.
    """
    if column not in split.column_names:
        raise ValueError(
            f'The {name} split has no column "{column}"{did_you_mean(column, split.column_names)}; its columns are '
            f"{', '.join(split.column_names)}. Pass the right name as `{argument}`."
        )


def with_text(name: str, split: Dataset, column: str, argument: str) -> Dataset:
    """
    A split whose column holds text in every row.

    Args:
        name (`str`):
            The name of the split, for the message.
        split (`Dataset`):
            The split.
        column (`str`):
            The column.
        argument (`str`):
            The name of the option that names the column, for the message.

    Returns:
        `Dataset`: The split, where need be with numbers turned to text.

    Raises:
        ValueError: if the column is not there, or a row has no text in it.
    """
    check_column(name, split, column, argument)
    if None in (values := split[column][:]):
        raise ValueError(f'The {name} split has no text in column "{column}" of row {values.index(None)}.')
    if split.features[column] in (Value("string"), Value("large_string")):
        return split
    return split.cast_column(column, Value("string"))  # a file whose sentences are all numbers, for instance


def random_rows(split: Dataset, size: int | None, seed: int) -> Dataset:
    """
    A random subset that depends on the seed alone.

    Args:
        split (`Dataset`):
            The rows.
        size (`int`, *optional*):
            How many to take; all by default, and where there are no more.
        seed (`int`):
            Another seed takes other rows.

    Returns:
        `Dataset`: The rows taken, in their old order.
    """
    rows = np.random.default_rng(seed).permutation(len(split))[:size]
    return split.select(np.sort(rows))


__all__ = ["READERS", "check_column", "check_file", "random_rows", "read_file", "with_text"]
