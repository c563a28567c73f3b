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
"""Text classification data for fine-tuning: the GLUE tasks, any data set of the Hub, or local files, in one form."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Value, load_dataset
from transformers import PreTrainedConfig, PreTrainedTokenizerBase
from transformers.utils import logging

from ..evaluation.glue import GLUE_TASKS, GlueMetric
from .glue_arguments import GLUE_ON_THE_HUB, GlueDataArguments
from .tables import check_column, read_file, with_text


logger = logging.get_logger(__name__)

NO_LABEL = -1  # what GLUE's test splits hold instead of a label


@dataclass
class GlueData:
    """
    Data sets with the texts and, under `label`, the id of the label; made by [`load_glue_data`].

    Args:
        splits (`dict[str, Dataset]`):
            `train`, `validation` (`validation_matched` and `validation_mismatched` for MNLI), `test`: those that exist.
            A split without labels has no column `label`.
        text_columns (`tuple[str, ...]`):
            The one or two columns with the text.
        label_names (`tuple[str, ...]`):
            The classes in the order of their ids; empty for a regression.
        task_name (`str`, *optional*):
            The GLUE task, where it is one.
    """

    splits: dict[str, Dataset]
    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    task_name: str | None = None

    @property
    def is_regression(self) -> bool:
        return not self.label_names

    @property
    def metric_name(self) -> str:
        """The task whose metric applies; other data is scored by accuracy, other regressions by their correlations."""
        return self.task_name or ("stsb" if self.is_regression else "sst2")

    @property
    def score_names(self) -> tuple[str, ...]:
        """What [`~GlueData.score`] answers with."""
        names = GLUE_TASKS[self.metric_name].metrics
        return names if len(names) == 1 else (*names, "combined_score")

    def splits_of(self, kind: str) -> dict[str, Dataset]:
        """
        The splits of one kind, each with the ending its metrics get.

        Args:
            kind (`str`):
                `"train"`, `"validation"` or `"test"`.

        Returns:
            `dict[str, Dataset]`: `{"": split}`; for MNLI `{"": matched, "_mm": mismatched}`, as far as present.
        """
        names = {"": (kind, f"{kind}_matched"), "_mm": (f"{kind}_mismatched",)}
        return {ending: self.splits[n] for ending, options in names.items() for n in options if n in self.splits}

    def label_config(self, config: PreTrainedConfig, trains: bool) -> dict[str, Any]:
        """
        The fields with which a model's config speaks of these labels.

        A model that knows the same labels by name keeps its own order of them (an MNLI model may count them otherwise):
        [`tokenize`] follows the config. Names are compared regardless of case.

        Args:
            config (`PreTrainedConfig`):
                The config as it was saved.
            trains (`bool`):
                Whether the model will be trained. If not, a classification head for other labels is an error.

        Returns:
            `dict[str, Any]`: Keyword arguments for `config.update` or `AutoConfig.from_pretrained`.

        Raises:
            ValueError: if the model is not to be trained and its labels are not those of the data.
        """
        if self.is_regression:
            return {"num_labels": 1, "problem_type": "regression"}
        names = list(self.label_names)
        saved = {name.lower(): i for i, name in config.id2label.items()}
        has_names = not all(name == f"LABEL_{i}" for i, name in config.id2label.items())
        if has_names and sorted(saved) == sorted(name.lower() for name in names):
            names.sort(key=lambda name: saved[name.lower()])
        elif (has_names or len(saved) != len(names)) and not trains:
            raise ValueError(
                f"The model answers with the labels {list(config.id2label.values())}, the data has {names}: without "
                "training their relation is unknown."
            )
        elif has_names:
            logger.warning(f"The labels of the checkpoint {list(saved)} are replaced by those of the data, {names}.")
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: i for i, name in enumerate(names)},
            "problem_type": "single_label_classification",
        }

    def tokenize(
        self, split: Dataset, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, args: GlueDataArguments
    ) -> Dataset:
        """
        Turn a split into what a model's `forward` takes: token ids and `labels` numbered as in `config.label2id`.

        Args:
            split (`Dataset`):
                One of `self.splits`, or a subset of it.
            tokenizer (`PreTrainedTokenizerBase`):
                The model's tokenizer.
            config (`PreTrainedConfig`):
                The model's config, with the fields of [`label_config`].
            args (`GlueDataArguments`):
                Lengths, padding, cache.

        Returns:
            `Dataset`: Only the columns the model reads.
        """
        texts = self.text_columns
        max_length = min(args.max_seq_length, longest_input(tokenizer, config))
        padding = "max_length" if args.pad_to_max_length else False
        label_ids = None if self.is_regression else [config.label2id[name] for name in self.label_names]

        def prepare(rows: dict[str, list]) -> dict[str, list]:
            features = tokenizer(
                *(rows[column] for column in texts), padding=padding, max_length=max_length, truncation=True
            )
            if "label" in rows:
                labels = rows["label"]
                features["labels"] = labels if label_ids is None else [label_ids[label] for label in labels]
            return features

        return split.map(
            prepare,
            batched=True,
            remove_columns=split.column_names,
            load_from_cache_file=not args.overwrite_cache,
            desc="Tokenizing",
        )

    def predict(self, logits: np.ndarray, config: PreTrainedConfig) -> np.ndarray:
        """
        The answers that logits stand for.

        Args:
            logits (`np.ndarray` of shape `(num_rows, num_labels)`):
                What the model returned.
            config (`PreTrainedConfig`):
                The config of the model, which says how it numbers the labels.

        Returns:
            `np.ndarray` of shape `(num_rows,)`: Positions in `self.label_names`, or scores for a regression.
        """
        return logits.reshape(-1) if self.is_regression else self._ids_of(config)[logits.argmax(axis=-1)]

    def predictions_file(self, ending: str) -> str:
        """The name of the file for the predictions of a test split, `ending` being its key in [`splits_of`]."""
        return "_".join(["predict_results", *([self.task_name] if self.task_name else [])]) + f"{ending}.txt"

    def prediction_table(self, logits: np.ndarray, config: PreTrainedConfig) -> str:
        """The answers as a table of tabs with a header, `index` and `prediction`: label names, or scores."""
        answers = self.predict(logits, config)
        texts = [f"{answer:.3f}" if self.is_regression else self.label_names[answer] for answer in answers]
        return "index\tprediction\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(texts))

    def score(self, logits: np.ndarray, labels: np.ndarray, config: PreTrainedConfig) -> dict[str, float]:
        """
        The task's metric, and `combined_score`, the mean, where it is two numbers.

        Args:
            logits (`np.ndarray` of shape `(num_rows, num_labels)`):
                What the model returned.
            labels (`np.ndarray` of shape `(num_rows,)`):
                The labels in the numbering of `config`, as [`tokenize`] made them.
            config (`PreTrainedConfig`):
                The config of the model.

        Returns:
            `dict[str, float]`: The scores by name.
        """
        # F1 is that of the data's label 1, whatever number the model gives it
        references = labels if self.is_regression else self._ids_of(config)[labels]
        scores = GlueMetric(self.metric_name).compute(predictions=self.predict(logits, config), references=references)
        if len(scores) > 1:
            scores["combined_score"] = sum(scores.values()) / len(scores)
        return scores

    def _ids_of(self, config: PreTrainedConfig) -> np.ndarray:
        return np.array([self.label_names.index(config.id2label[i]) for i in range(config.num_labels)])


def longest_input(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> int:
    """The number of tokens a model can take, as far as its tokenizer and its config state it."""
    return min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or math.inf)


def load_glue_data(
    args: GlueDataArguments, kinds: Iterable[str], cache_dir: str | None = None, token: str | None = None
) -> GlueData:
    """
    Read the data and check it: columns, texts, labels.

    Args:
        args (`GlueDataArguments`):
            What to read.
        kinds (`Iterable[str]`):
            The kinds of splits that have to be there, of `"train"`, `"validation"`, `"test"`. The others are read where
            present: the labels are those of the training split, also where nothing is trained.
        cache_dir (`str`, *optional*):
            Where `datasets` keeps what it reads.
        token (`str`, *optional*):
            Access token of the Hub.

    Returns:
        `GlueData`: The splits.

    Raises:
        ValueError: for a missing split or column, a row without text, a label that the training data does not have.
    """
    kinds = list(kinds)
    for kind in kinds:
        if args.files and f"{kind}_file" not in args.files:
            raise ValueError(f"The {kind} split is needed: pass `{kind}_file` beside {', '.join(args.files)}.")
    splits = _read_splits(args, cache_dir, token)
    available = list(splits)
    # `train` comes first: the other splits' labels are checked against its labels
    used = [
        "train",
        *(f"{kind}{part}" for kind in kinds for part in ("", "_matched", "_mismatched") if kind != "train"),
    ]
    splits = {name: splits[name] for name in used if name in splits}
    for kind in kinds:
        if not any(name in splits for name in (kind, f"{kind}_matched")):
            raise ValueError(f"The data has no {kind} split, only {', '.join(available)}.")
    for name, split in splits.items():
        if len(split) == 0:
            raise ValueError(f"The {name} split is empty.")
    texts = _text_columns(args, next(iter(splits.values())))
    splits = {name: _with_texts(name, split, texts) for name, split in splits.items()}
    names, ids = _labels(args, splits)
    splits = {name: _with_labels(name, split, args, texts, ids) for name, split in splits.items()}
    return GlueData(splits, texts, names, args.task_name)


def _read_splits(args: GlueDataArguments, cache_dir: str | None, token: str | None) -> dict[str, Dataset]:
    if not args.files:
        name, config_name = args.dataset_name, args.dataset_config_name
        if name is None:
            name, config_name = GLUE_ON_THE_HUB, args.task_name
        return dict(load_dataset(name, config_name, cache_dir=cache_dir, token=token))
    return {name.removesuffix("_file"): read_file(path, name, cache_dir) for name, path in args.files.items()}


def _text_columns(args: GlueDataArguments, split: Dataset) -> tuple[str, ...]:
    if args.text_column_names is not None:
        return tuple(args.text_column_names)
    if args.task_name is not None:
        return GLUE_TASKS[args.task_name].text_columns
    for names in (("sentence1", "sentence2"), ("sentence",), ("text",)):
        if set(names) <= set(split.column_names):
            return names
    names = [
        name
        for name, feature in split.features.items()
        if name != args.label_column_name and getattr(feature, "dtype", None) in ("string", "large_string")
    ]
    if len(names) not in (1, 2):
        raise ValueError(
            f"Which columns hold the text? Name one or two of {split.column_names} as `text_column_names`."
        )
    return tuple(names)


def _with_texts(name: str, split: Dataset, columns: tuple[str, ...]) -> Dataset:
    for column in columns:
        split = with_text(name, split, column, "text_column_names")
    return split


def _labels(args: GlueDataArguments, splits: dict[str, Dataset]) -> tuple[tuple[str, ...], dict[Any, int] | None]:
    """The names of the classes and the id of everything that stands for one; `(), None` for a regression."""
    name, split = next(iter(splits.items()))
    task = GLUE_TASKS.get(args.task_name)
    if task is not None and task.is_regression:
        return (), None
    feature = split.features.get(args.label_column_name)
    if task is None:
        check_column(name, split, args.label_column_name, "label_column_name")
        if not isinstance(feature, (ClassLabel, Value)):
            raise ValueError(f"The column `{args.label_column_name}` holds {feature}: one label a row is needed.")
    if isinstance(feature, ClassLabel) or task is not None:
        names = tuple(feature.names) if isinstance(feature, ClassLabel) else task.label_names
        if task is not None and len(names) != task.num_labels:
            raise ValueError(f"{args.task_name} has {task.num_labels} classes, the {name} split has {names}.")
        ids = {label: i for i, label in enumerate(names)} | {i: i for i in range(len(names))}
    elif feature.dtype.startswith("float"):
        return (), None
    else:
        ids = {value: i for i, value in enumerate(sorted(set(split[args.label_column_name]) - {None}))}
        names = tuple(str(value) for value in ids)
    if len(names) < 2:
        raise ValueError(f"A classification needs at least two labels, the {name} split has {names}.")
    return names, ids


def _with_labels(
    name: str, split: Dataset, args: GlueDataArguments, texts: tuple[str, ...], ids: dict[Any, int] | None
) -> Dataset:
    """Only the texts and `label`: the id of the class, or the score of a regression."""
    is_test, column = name.startswith("test"), args.label_column_name
    if not is_test:
        check_column(name, split, column, "label_column_name")
    values = list(split[column]) if column in split.column_names else [NO_LABEL]
    split = split.select_columns(list(texts))
    if is_test and all(value in (NO_LABEL, None) for value in values):
        return split
    if ids is None:
        wrong = [i for i, value in enumerate(values) if not _is_number(value)]
    else:
        wrong = [i for i, value in enumerate(values) if value not in ids]
    if wrong:
        allowed = "numbers, as the task is a regression" if ids is None else f"{', '.join(map(repr, ids))}"
        raise ValueError(
            f"The {name} split has {len(wrong)} unexpected labels in column `{column}`, the first is "
            f"{values[wrong[0]]!r} in row {wrong[0]}; labels are {allowed}."
        )
    labels = [float(value) for value in values] if ids is None else [ids[value] for value in values]
    return split.add_column("label", labels)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
