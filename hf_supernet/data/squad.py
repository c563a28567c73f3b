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
"""Questions with a context that holds the answer, in the form of SQuAD: from the Hub or local files, checked."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, load_dataset

from .squad_arguments import SquadDataArguments
from .tables import check_column, read_file, with_text


# as `rajpurkar/squad` on the Hub
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "context": Value("string"),
        "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
    }
)


def load_squad_data(
    args: SquadDataArguments, kinds: Iterable[str], cache_dir: str | None = None, token: str | None = None
) -> dict[str, Dataset]:
    """
    Read the data and check it: columns, texts, ids, and that each answer stands where it is said to stand.

    Args:
        args (`SquadDataArguments`):
            What to read.
        kinds (`Iterable[str]`):
            The splits to read, of `"train"`, `"validation"`, `"test"`.
        cache_dir (`str`, *optional*):
            Where `datasets` keeps what it reads.
        token (`str`, *optional*):
            Access token of the Hub.

    Returns:
        `dict[str, Dataset]`: The splits, with the columns `id`, `question`, `context` and `answers` (`text` and
        `answer_start`, two lists). The test split lacks `answers` where it has none.

    Raises:
        ValueError: for a missing split or column, a row without text, an id that occurs twice, an answer that is not in the
            context or not at its place, and a question without an answer unless `version_2_with_negative`.
    """
    kinds = list(kinds)
    for kind in kinds:
        if args.files and f"{kind}_file" not in args.files:
            raise ValueError(f"The {kind} split is needed: pass `{kind}_file` beside {', '.join(args.files)}.")
    splits = _read_splits(args, cache_dir, token)
    if missing := [kind for kind in kinds if kind not in splits]:
        raise ValueError(f"The data has no {missing[0]} split, only {', '.join(splits)}.")
    return {kind: _checked(kind, splits[kind], args) for kind in kinds}


def _read_splits(args: SquadDataArguments, cache_dir: str | None, token: str | None) -> dict[str, Dataset]:
    if not args.files:
        return dict(load_dataset(args.dataset_name, args.dataset_config_name, cache_dir=cache_dir, token=token))
    splits = {}
    for argument, path in args.files.items():
        rows = _rows_of_published_form(path, argument, args) if Path(path).suffix == ".json" else None
        splits[argument.removesuffix("_file")] = (
            read_file(path, argument, cache_dir) if rows is None else Dataset.from_list(rows)
        )
    return splits


def _rows_of_published_form(path: str, argument: str, args: SquadDataArguments) -> list[dict] | None:
    """
    The questions of a file with all under `data`, `None` for other JSON: as SQuAD publishes them, articles of paragraphs of
    questions, or in the form of `transformers`' examples, plain rows.
    """
    try:
        articles = json.loads(Path(path).read_text(encoding="utf-8"))["data"]
    except (json.JSONDecodeError, KeyError, TypeError):  # lines of JSON, or a list
        return None
    if not any("paragraphs" in article for article in articles):
        return articles
    columns = (args.id_column_name, args.question_column_name, args.context_column_name, args.answer_column_name)
    try:
        return [
            dict(zip(columns, (qa["id"], qa["question"], paragraph["context"], qa.get("answers")), strict=True))
            for article in articles
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'`{argument}`: "{path}" has "data", but not in the form of SQuAD: articles with "paragraphs", those with '
            f'"context" and "qas", those with "id", "question" and "answers" ({type(error).__name__}: {error}).'
        ) from error


def _checked(name: str, split: Dataset, args: SquadDataArguments) -> Dataset:
    """The split with the columns of [`FEATURES`], each row checked."""
    if len(split) == 0:
        raise ValueError(f"The {name} split is empty.")
    columns = {
        "id": args.id_column_name,
        "question": args.question_column_name,
        "context": args.context_column_name,
    }
    for target, column in columns.items():
        split = with_text(name, split, column, f"{target}_column_name")
    twice, count = Counter(split[args.id_column_name]).most_common(1)[0]
    if count > 1:
        raise ValueError(f'The {name} split has {count} rows with the id "{twice}"; the answers are told apart by it.')
    answers = args.answer_column_name
    has_answers = name != "test" or (
        answers in split.column_names and any(_answers(value, "test")["text"] for value in split[answers])
    )
    if has_answers:
        check_column(name, split, answers, "answer_column_name")
        columns["answers"] = answers

    def convert(rows: dict[str, list], numbers: list[int]) -> dict[str, list]:
        converted = {target: rows[column] for target, column in columns.items()}
        for i, number in enumerate(numbers):
            where = f"The {name} split, row {number}"
            context = converted["context"][i]
            if not context.strip():
                raise ValueError(f"{where}: the context is empty.")
            if has_answers:
                found = converted["answers"][i] = _answers(converted["answers"][i], where)
                _check_answers(found, context, args.version_2_with_negative, where)
        return converted

    return split.map(
        convert,
        batched=True,
        with_indices=True,
        remove_columns=split.column_names,
        features=Features({target: FEATURES[target] for target in columns}),
        desc=f"Checking the {name} split",
    )


def _answers(value: Any, where: str) -> dict[str, list]:
    """The answers of a question as two lists, from any of the forms they come in."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
        if parsed is None:
            return {"text": [], "answer_start": []}
        if not isinstance(parsed, dict):
            parsed = {key: [answer[key] for answer in parsed] for key in ("text", "answer_start")}
        texts, starts = list(parsed["text"]), [int(start) for start in parsed["answer_start"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{where}: the answers are {value!r:.200}, expected {{"text": [...], "answer_start": [...]}} or a list of '
            f'{{"text": ..., "answer_start": ...}}, in a CSV file as JSON.'
        ) from error
    if len(texts) != len(starts):
        raise ValueError(f"{where}: there are {len(texts)} answers, but {len(starts)} values of `answer_start`.")
    return {"text": texts, "answer_start": starts}


def _check_answers(answers: dict[str, list], context: str, may_be_missing: bool, where: str) -> None:
    if not answers["text"] and not may_be_missing:
        raise ValueError(
            f"{where}: the question has no answer. Data with such questions needs `version_2_with_negative`."
        )
    for text, start in zip(answers["text"], answers["answer_start"], strict=True):
        if not text or not text.strip():
            raise ValueError(f"{where}: an answer is empty; a question without an answer has an empty list of them.")
        if start < 0 or context[start : start + len(text)] != text:
            found = context.find(text)
            hint = f"it is found at {found}" if found >= 0 else "it is nowhere in the context"
            raise ValueError(f'{where}: the answer "{text}" does not stand at `answer_start={start}`; {hint}.')


__all__ = ["FEATURES", "load_squad_data"]
