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
"""Text corpora from the Hub and from local files, checked before any long work."""

import difflib
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import (
    Dataset,
    DatasetDict,
    IterableDataset,
    IterableDatasetDict,
    load_dataset,
    load_dataset_builder,
)
from datasets.exceptions import DatasetsError

from .hashing import text_hash


BUILDERS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".parquet": "parquet",
    ".txt": "text",
}
_CHECKED_ROWS = 100


def load_text_corpus(
    name_or_path: str | None = None,
    config: str | None = None,
    train_file: str | Sequence[str] | None = None,
    validation_file: str | Sequence[str] | None = None,
    text_column: str = "text",
    streaming: bool = False,
    validation_split_percentage: int = 5,
    document_column: str | None = None,
    seed: int = 0,
) -> DatasetDict | IterableDatasetDict:
    """
    Loads a corpus as the splits `"train"` and `"validation"`.

    Files, their format and their columns are checked before anything is converted. Of parquet files only the text (and
    the document column, where it is used) is read. A row is a document. In a `.txt` file a document is a paragraph (up to
    a blank line), or a line where the file has no blank lines.

    Without a validation split, documents are held out by a hash of their text: the same ones whatever their order, and
    equal documents stay on one side. In memory the share held out is exact; of a stream it is so on average.

    Args:
        name_or_path (`str`, *optional*):
            A data set of the Hub, or a folder that `datasets.load_dataset` reads.
        config (`str`, *optional*):
            The configuration of that data set.
        train_file (`str` or `list[str]`, *optional*):
            Local `.parquet`, `.csv`, `.tsv`, `.json`, `.jsonl` or `.txt` files in place of `name_or_path`; patterns
            such as `"text/train-*.parquet"` are allowed.
        validation_file (`str` or `list[str]`, *optional*):
            Likewise, the validation split; without `train_file` it is the only one.
        text_column (`str`, *optional*, defaults to `"text"`):
            The column that holds the text.
        streaming (`bool`, *optional*, defaults to `False`):
            Whether to read the corpus while it is used.
        validation_split_percentage (`int`, *optional*, defaults to 5):
            How many percent of the documents to hold out where there is no validation split.
        document_column (`str`, *optional*):
            A column that says which larger document (article, book) a row belongs to; rows of one are held out
            together. Defaults to a document being a row.
        seed (`int`, *optional*, defaults to 0):
            Another seed holds out other documents.

    Returns:
        `datasets.DatasetDict`, or `datasets.IterableDatasetDict` if `streaming`.

    Raises:
        FileNotFoundError: for a file that does not exist and a pattern that matches nothing.
        ValueError: for sources that contradict each other, unknown or mixed formats, a column that is not there or
            holds no text, CSV or JSON files with different columns, an empty corpus, a split of empty rows only, and if
            there is no validation split and none can be made.
    """
    if name_or_path is not None and validation_file is not None:
        raise ValueError("`validation_file` goes with `train_file`; a data set of the Hub has its own splits.")
    if (name_or_path is None) == (train_file is None and validation_file is None):
        raise ValueError(
            "Give either `name_or_path` (a data set of the Hub) or `train_file` (local files), got"
            f" {name_or_path!r} and {train_file!r}. `python_prose()` is a corpus that needs neither."
        )
    if name_or_path is not None:
        splits = _load_named(name_or_path, config, text_column, streaming)
    else:
        if config is not None:
            raise ValueError(f"`config` goes with `name_or_path`, local files have none; got {config!r}.")
        holds_out_documents = document_column is not None and validation_file is None
        columns = [text_column, document_column] if holds_out_documents else [text_column]
        splits = _load_files(train_file, validation_file, columns, streaming)
    if "validation" not in splits:
        if not 0 < validation_split_percentage < 100:
            raise ValueError(
                "There is no validation split: name `validation_file`, or set `validation_split_percentage` to a"
                f" number between 0 and 100 to hold documents out (it is {validation_split_percentage})."
            )
        column = document_column or text_column
        splits["train"], splits["validation"] = hold_out(splits["train"], validation_split_percentage, column, seed)
    for name, split in splits.items():
        check_text_column(split, text_column, f"the {name} split")
        if not any(str(row[text_column] or "").strip() for row in split):  # read up to the first that has text
            raise ValueError(f"The {name} split has no text: all its rows are empty in column {text_column!r}.")
    return IterableDatasetDict(splits) if streaming else DatasetDict(splits)


def hold_out(
    dataset: Dataset | IterableDataset, percentage: float, column: str = "text", seed: int = 0
) -> tuple[Dataset | IterableDataset, Dataset | IterableDataset]:
    """
    Splits off `percentage` percent of the distinct values of `column`, chosen by hash, with all their rows.

    Args:
        dataset (`datasets.Dataset` or `datasets.IterableDataset`): The rows to split.
        percentage (`float`): How many percent to hold out, between 0 and 100.
        column (`str`, *optional*, defaults to `"text"`): Rows with the same value here stay together.
        seed (`int`, *optional*, defaults to 0): Another seed holds out others.

    Returns:
        The rows that are left and the rows held out, both in their old order. At least one document is on either side.

    Raises:
        ValueError: for a column that is not there and for fewer than two distinct values.
    """
    check_column(dataset, column)
    if isinstance(dataset, IterableDataset):
        keywords = {"column": column, "seed": seed, "threshold": percentage / 100}
        return (
            dataset.filter(_is_held_out, fn_kwargs={**keywords, "wanted": False}),
            dataset.filter(_is_held_out, fn_kwargs={**keywords, "wanted": True}),
        )
    hashes = np.array([text_hash(str(value), seed) for value in dataset[column]], dtype=np.uint64)
    documents = np.unique(hashes)
    if len(documents) < 2:
        raise ValueError(
            f"A validation split can't be held out of {len(documents)} distinct document(s); name `validation_file`,"
            " or cut the text into more documents (in a .txt file, blank lines separate them)."
        )
    number = min(max(1, round(len(documents) * percentage / 100)), len(documents) - 1)
    held_out = hashes < documents[number]
    return dataset.select(np.flatnonzero(~held_out)), dataset.select(np.flatnonzero(held_out))


def _is_held_out(row: dict, column: str, seed: int, threshold: float, wanted: bool) -> bool:
    return (text_hash(str(row[column]), seed) < threshold * 2**64) == wanted


def check_column(dataset: Dataset | IterableDataset, column: str, where: str = "the data set"):
    """Raises a `ValueError` that lists the columns if `column` is not one of them, or if there is no row at all."""
    _check_rows(list(dataset.take(1)), dataset.column_names, column, where)


def check_text_column(dataset: Dataset | IterableDataset, column: str, where: str = "the data set"):
    """[`check_column`], and that its first rows hold text."""
    rows = list(dataset.take(_CHECKED_ROWS))
    _check_rows(rows, dataset.column_names, column, where)
    for row in rows:
        if not isinstance(row[column], str | None):
            raise ValueError(
                f"Column {column!r} of {where} holds {type(row[column]).__name__}, not text: {row[column]!r:.60}."
            )


def _check_rows(rows: list[dict], columns: list[str] | None, column: str, where: str):
    columns = columns or list(rows[0] if rows else ())  # some streams do not know their columns
    if columns and column not in columns:
        close = difflib.get_close_matches(column, columns, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"There is no column {column!r} in {where}, it has {', '.join(map(repr, columns))}.{hint}")
    if not rows:
        raise ValueError(f"The corpus is empty: {where} has no rows.")


def _load_named(
    name: str, config: str | None, text_column: str, streaming: bool
) -> dict[str, Dataset | IterableDataset]:
    path = Path(name).expanduser()
    if path.is_file():
        raise ValueError(f"{name!r} is a file: pass it as `train_file`.")
    if not path.is_dir() and (path.suffix in BUILDERS or glob.has_magic(name) or name.startswith((".", "/", "~"))):
        raise FileNotFoundError(f"There is no folder {name!r}; files and patterns are passed as `train_file`.")
    source = str(path.resolve()) if path.is_dir() else name
    features = load_dataset_builder(source, config).info.features
    if features is not None and text_column not in features:  # known before the download of some data sets only
        check_column(Dataset.from_dict({column: [] for column in features}), text_column, repr(name))
    splits = load_dataset(source, config, streaming=streaming)
    if "train" not in splits:
        raise ValueError(f"Data set {name!r} has no split 'train', it has {', '.join(map(repr, splits))}.")
    return {split: splits[split] for split in ("train", "validation") if split in splits}


def _load_files(
    train_file: str | Sequence[str] | None,
    validation_file: str | Sequence[str] | None,
    columns: list[str],
    streaming: bool,
) -> dict[str, Dataset | IterableDataset]:
    given = {"train": (train_file, "train_file"), "validation": (validation_file, "validation_file")}
    files = {split: _expand(names, argument) for split, (names, argument) in given.items() if names is not None}
    if len(files) == 2:
        held_out = {Path(name).resolve() for name in files["validation"]}
        in_both = [name for name in files["train"] if Path(name).resolve() in held_out]
        if in_both:
            raise ValueError(f"In both `train_file` and `validation_file`: {', '.join(in_both)}.")
    for names in files.values():  # all splits are looked into before the first is read
        found = {name: _check_file(name, columns) for name in names}
        if Path(names[0]).suffix != ".parquet":
            _check_same_columns(found)
    return {split: _open(names, streaming, columns) for split, names in files.items()}


def _expand(patterns: str | Sequence[str], argument: str) -> list[str]:
    """The files behind names and patterns, each once, in the order given; of a pattern, sorted."""
    names = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        path = str(Path(pattern).expanduser())
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) and not Path(path).exists() else [path]
        if not found:
            raise FileNotFoundError(f"No file matches the pattern {pattern!r} of `{argument}`.")
        for name in found:
            if not Path(name).is_file():
                kind = "is a folder; name its files" if Path(name).is_dir() else "does not exist"
                raise FileNotFoundError(f"{name!r} of `{argument}` {kind}.")
            if Path(name).suffix not in BUILDERS:
                raise ValueError(
                    f"The format of {name!r} is not known by its extension; known are {', '.join(BUILDERS)}."
                )
            if Path(name).stat().st_size == 0:
                raise ValueError(f"The corpus has an empty file: {name!r} of `{argument}`.")
            names[name] = None
    formats = {Path(name).suffix for name in names}
    if len({BUILDERS[suffix] for suffix in formats}) != 1 or len(formats & {".csv", ".tsv"}) == 2:
        raise ValueError(f"`{argument}` must be files of one format, got {', '.join(sorted(formats)) or 'none'}.")
    return list(names)


def _open(names: list[str], streaming: bool, columns: list[str] | None = None) -> Dataset | IterableDataset:
    """The rows of files of one format; of parquet, which holds each column apart, only `columns` are read."""
    suffix = Path(names[0]).suffix
    options: dict[str, Any] = {}
    if suffix == ".parquet":
        options["columns"] = columns
    elif suffix == ".tsv":
        options["sep"] = "\t"
    elif suffix == ".txt":
        options["sample_by"] = "paragraph" if any(_has_blank_lines(name) for name in names) else "line"
    # `datasets` takes a name with brackets for a pattern
    escaped = [glob.escape(name) for name in names]
    return load_dataset(BUILDERS[suffix], data_files=escaped, split="train", streaming=streaming, **options)


def _check_file(name: str, columns: list[str]) -> list[str]:
    """Checks that the file can be read, and has text and the other columns asked for; returns all that it has."""
    try:
        first_rows = Dataset.from_list(list(_open([name], streaming=True).take(_CHECKED_ROWS)))
    except (ValueError, DatasetsError) as error:  # pyarrow's, pandas' and decoding errors are ValueErrors
        raise ValueError(f"{name!r} can't be read as {BUILDERS[Path(name).suffix]}: {error}") from error
    text_column, *others = columns
    check_text_column(first_rows, text_column, repr(name))
    for column in others:
        check_column(first_rows, column, repr(name))
    return first_rows.column_names


def _check_same_columns(found: dict[str, list[str]]) -> None:
    """`datasets` reads all columns of these formats, those that the first file has."""
    first = next(iter(found))
    for name, columns in found.items():
        if new := [column for column in columns if column not in found[first]]:
            raise ValueError(
                f"The files have different columns: {name!r} has {', '.join(map(repr, new))}, which {first!r} has not."
                " Give all of them the same columns, or convert them to parquet, of which only what is needed is read."
            )


def _has_blank_lines(name: str, characters: int = 1 << 20) -> bool:
    with open(name, encoding="utf-8") as file:
        return "\n\n" in file.read(characters).strip()
