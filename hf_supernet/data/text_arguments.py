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
"""The options that say which text to read, for all of the scripts that train or evaluate with the masked-LM loss."""

from dataclasses import dataclass, field
from typing import ClassVar

from datasets import DatasetDict, IterableDatasetDict

from ..local_paths import is_local
from .corpora import load_text_corpus
from .prose import python_prose


@dataclass
class TextArguments:
    """
    Which text, and what becomes of it.

    The text is one of: a data set of the Hub or a data set folder (`dataset_name`), local files (`train_file`,
    `validation_file`), or the prose of the Python installation (`python_prose`).

    Args:
        dataset_name (`str`, *optional*):
            Name of a data set on the Hub, or a folder.
        dataset_config_name (`str`, *optional*):
            Configuration of that data set.
        train_file (`list[str]`, *optional*):
            Parquet, CSV, TSV, JSON (lines) or txt files, or patterns, to train on.
        validation_file (`list[str]`, *optional*):
            Likewise, for the dev loss.
        python_prose (`bool`, *optional*, defaults to `False`):
            Read the English prose of the Python installation: small, and no download.
        text_column (`str`, *optional*, defaults to `"text"`):
            The column that holds the text.
        validation_split_percentage (`int`, *optional*, defaults to 5):
            Percent of the documents to hold out where there is no validation split.
        max_seq_length (`int`, *optional*, defaults to 128):
            Tokens a sequence.
        pack (`bool`, *optional*, defaults to `True`):
            Whether neighbouring documents fill sequences to the brim. Where not, each document begins a sequence of its
            own, as the inputs of a task do.
        mlm_probability (`float`, *optional*, defaults to 0.15):
            The share of tokens to predict.
        max_eval_samples (`int`, *optional*):
            Evaluate on this many sequences only, the first ones.

    Raises:
        ValueError: for no text or two, options that do not go together, and sizes and shares out of range.
    """

    trains: ClassVar[bool] = True
    """Whether there has to be text to train on; where not, `validation_file` alone is enough."""

    dataset_name: str | None = field(default=None, metadata={"help": "A data set of the Hub."})
    dataset_config_name: str | None = field(default=None, metadata={"help": "Its configuration."})
    train_file: list[str] | None = field(
        default=None, metadata={"help": "Local parquet, CSV, JSON or txt files, or patterns, in place of a data set."}
    )
    validation_file: list[str] | None = field(default=None, metadata={"help": "Likewise, for the dev loss."})
    python_prose: bool = field(
        default=False, metadata={"help": "The prose of the Python installation: small, and no download."}
    )
    text_column: str = field(default="text", metadata={"help": "The column that holds the text."})
    validation_split_percentage: int = field(
        default=5, metadata={"help": "Percent of the documents to hold out where there is no validation split."}
    )
    max_seq_length: int = field(default=128, metadata={"help": "Tokens a sequence."})
    pack: bool = field(
        default=True,
        metadata={
            "help": "Fill sequences with neighbouring documents; otherwise each document begins one of its own."
        },
    )
    mlm_probability: float = field(default=0.15, metadata={"help": "The share of tokens to predict."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on this many sequences only."})

    def __post_init__(self):
        if self.trains and self.validation_file is not None and self.train_file is None:
            raise ValueError(
                "`validation_file` goes with `train_file`; the other sources have a dev split of their own."
            )
        files = self.train_file is not None or self.validation_file is not None
        if [self.dataset_name is not None, files, self.python_prose].count(True) != 1:
            names = "`train_file`" if self.trains else "`validation_file` (or `train_file`)"
            raise ValueError(f"Name the text with exactly one of `dataset_name`, {names} and `python_prose`.")
        if self.dataset_config_name is not None and self.dataset_name is None:
            raise ValueError(
                "`dataset_config_name` goes with `dataset_name`; the other sources have no configurations."
            )
        if self.python_prose and self.text_column != "text":
            raise ValueError(f"`python_prose` has the column 'text': leave out `text_column` ({self.text_column!r}).")
        if self.max_seq_length < 3:
            raise ValueError(
                f"`max_seq_length` must be at least 3 ([CLS], a token, [SEP]), got {self.max_seq_length}."
            )
        if not 0 < self.mlm_probability <= 1:
            raise ValueError(f"`mlm_probability` must be above 0 and at most 1, got {self.mlm_probability}.")
        if self.max_eval_samples is not None and self.max_eval_samples < 1:
            raise ValueError(f"`max_eval_samples` must be at least 1, got {self.max_eval_samples}.")

    @property
    def hub_dataset(self) -> str | None:
        """The data set's name on the Hub; `None` for local files and folders."""
        return None if self.dataset_name is None or is_local(self.dataset_name) else self.dataset_name

    @property
    def description(self) -> str:
        """The text in words, for a model card."""
        if self.hub_dataset is not None:
            return " ".join(name for name in (self.hub_dataset, self.dataset_config_name) if name)
        return "the English prose of a Python installation" if self.python_prose else "local files"

    def load(self, seed: int, streaming: bool = False) -> DatasetDict | IterableDatasetDict:
        """
        Reads the text.

        Args:
            seed (`int`):
                Where documents are held out, another seed holds out others: scripts that share a supernet share it.
            streaming (`bool`, *optional*, defaults to `False`):
                Whether to read the text while it is used; not for `python_prose`.

        Returns:
            `datasets.DatasetDict`, or `datasets.IterableDatasetDict` if `streaming`: the splits `train` (where there is
            one) and `validation`.

        Raises:
            FileNotFoundError, ValueError: as [`load_text_corpus`].
        """
        if self.python_prose:
            return python_prose(self.validation_split_percentage, seed)
        return load_text_corpus(
            self.dataset_name,
            self.dataset_config_name,
            train_file=self.train_file,
            validation_file=self.validation_file,
            text_column=self.text_column,
            streaming=streaming,
            validation_split_percentage=self.validation_split_percentage,
            seed=seed,
        )


__all__ = ["TextArguments"]
