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
"""The options that say which questions to fine-tune on, and how they are prepared and answered."""

from dataclasses import dataclass, field

from ..local_paths import is_local
from .tables import check_file


@dataclass
class SquadDataArguments:
    """
    Which questions to fine-tune on, how to cut their contexts into windows, and how to choose the answers.

    The data is a data set of the Hub or a local data set folder (`dataset_name`), or local files (`train_file`,
    `validation_file`, `test_file`).

    Args:
        dataset_name (`str`, *optional*):
            Name of a data set on the Hub, such as `"rajpurkar/squad"` or `"rajpurkar/squad_v2"`, or a folder.
        dataset_config_name (`str`, *optional*):
            Configuration of that data set.
        train_file (`str`, *optional*):
            Parquet, CSV, TSV or JSON (lines) file to train on; JSON also in the nested form in which SQuAD is published.
        validation_file (`str`, *optional*):
            File to evaluate on.
        test_file (`str`, *optional*):
            File to answer the questions of; answers of its own are scored where present.
        version_2_with_negative (`bool`, *optional*, defaults to `False`):
            Whether some questions have no answer, as in SQuAD v2.0.
        id_column_name (`str`, *optional*, defaults to `"id"`):
            The column with a name for each question, by which its answer is found in the files that are written.
        question_column_name (`str`, *optional*, defaults to `"question"`):
            The column with the question.
        context_column_name (`str`, *optional*, defaults to `"context"`):
            The column with the text that holds the answer.
        answer_column_name (`str`, *optional*, defaults to `"answers"`):
            The column with the answers: `{"text": [...], "answer_start": [...]}`, or a list of `{"text", "answer_start"}`,
            or one of the two as JSON (in CSV files). `answer_start` counts characters of the context from 0.
        max_seq_length (`int`, *optional*, defaults to 384):
            The length of a window in tokens, with question and special tokens.
        doc_stride (`int`, *optional*, defaults to 128):
            How many tokens of the context two neighbouring windows have in common. (So it is in the tokenizers and
            examples of `transformers`; in the script of the BERT paper it is the distance of their beginnings.)
        max_query_length (`int`, *optional*, defaults to 64):
            Longer questions are cut to this number of tokens.
        pad_to_max_length (`bool`, *optional*, defaults to `False`):
            Pad everything to `max_seq_length` instead of each batch to its longest window.
        n_best_size (`int`, *optional*, defaults to 20):
            How many answers to keep for each question in `nbest_predictions.json`.
        max_answer_length (`int`, *optional*, defaults to 30):
            Answers of more tokens are not considered.
        null_score_diff_threshold (`float`, *optional*, defaults to 0.0):
            With `version_2_with_negative`, the answer is empty where the score of no answer exceeds that of the best
            answer by more than this.
        max_train_samples (`int`, *optional*):
            Train on a random subset of this many questions.
        max_eval_samples (`int`, *optional*):
            Evaluate on a random subset of this many questions.
        max_predict_samples (`int`, *optional*):
            Predict only for the first questions.
        subset_seed (`int`, *optional*, defaults to 0):
            Seed of the random subsets. It is apart from the seed of the training, so that runs with different seeds see
            the same questions.
        overwrite_cache (`bool`, *optional*, defaults to `False`):
            Tokenize again even where a cached result exists.
    """

    dataset_name: str | None = field(default=None, metadata={"help": "Data set on the Hub, or a data set folder."})
    dataset_config_name: str | None = field(default=None, metadata={"help": "Configuration of that data set."})
    train_file: str | None = field(
        default=None, metadata={"help": "Parquet, CSV, TSV or JSON (lines, or nested as SQuAD's) file to train on."}
    )
    validation_file: str | None = field(default=None, metadata={"help": "File to evaluate on."})
    test_file: str | None = field(default=None, metadata={"help": "File to answer the questions of."})
    version_2_with_negative: bool = field(
        default=False, metadata={"help": "Whether some questions have no answer, as in SQuAD v2.0."}
    )
    id_column_name: str = field(default="id", metadata={"help": "The column with a name for each question."})
    question_column_name: str = field(default="question", metadata={"help": "The column with the question."})
    context_column_name: str = field(
        default="context", metadata={"help": "The column with the text that holds the answer."}
    )
    answer_column_name: str = field(
        default="answers", metadata={"help": "The column with the answers, `text` and `answer_start`."}
    )
    max_seq_length: int = field(default=384, metadata={"help": "The length of a window in tokens."})
    doc_stride: int = field(
        default=128, metadata={"help": "How many tokens of the context neighbouring windows have in common."}
    )
    max_query_length: int = field(default=64, metadata={"help": "Longer questions are cut to this number of tokens."})
    pad_to_max_length: bool = field(
        default=False,
        metadata={"help": "Pad everything to max_seq_length instead of each batch to its longest window."},
    )
    n_best_size: int = field(default=20, metadata={"help": "How many answers to keep for each question."})
    max_answer_length: int = field(default=30, metadata={"help": "Answers of more tokens are not considered."})
    null_score_diff_threshold: float = field(
        default=0.0,
        metadata={"help": "The answer is empty where no answer scores better than the best one by more than this."},
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "Train on a random subset of this many questions."}
    )
    max_eval_samples: int | None = field(
        default=None, metadata={"help": "Evaluate on a random subset of this many questions."}
    )
    max_predict_samples: int | None = field(default=None, metadata={"help": "Predict only for the first questions."})
    subset_seed: int = field(
        default=0, metadata={"help": "Seed of the random subsets, apart from the seed of the training."}
    )
    overwrite_cache: bool = field(default=False, metadata={"help": "Tokenize again even where a cache exists."})

    def __post_init__(self):
        if self.files and self.dataset_name is not None:
            raise ValueError(
                f'Both a data set (`dataset_name="{self.dataset_name}"`) and local files ({", ".join(self.files)}) are '
                "given; give one of the two."
            )
        if not self.files and self.dataset_name is None:
            raise ValueError(
                "No data is given: pass `dataset_name` (rajpurkar/squad, for instance), or local files with "
                "`train_file`, `validation_file`, `test_file`."
            )
        for name in ("max_seq_length", "max_query_length", "n_best_size", "max_answer_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        for name in ("max_train_samples", "max_eval_samples", "max_predict_samples"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if self.doc_stride < 0:
            raise ValueError(f"`doc_stride` is a number of tokens, it can't be {self.doc_stride}.")
        if self.null_score_diff_threshold != 0 and not self.version_2_with_negative:
            raise ValueError(
                f"`null_score_diff_threshold={self.null_score_diff_threshold}` is for questions without an answer: it "
                "needs `version_2_with_negative`."
            )
        for name, path in self.files.items():
            check_file(path, name)

    @property
    def files(self) -> dict[str, str]:
        """The local files that are given, by the name of their argument."""
        names = ("train_file", "validation_file", "test_file")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def hub_dataset(self) -> str | None:
        """The data set's name on the Hub; `None` for local files and folders."""
        if self.files or is_local(self.dataset_name):
            return None
        return self.dataset_name

    @property
    def description(self) -> str:
        """The data in words, for a model card."""
        return "questions from local files" if self.hub_dataset is None else f"`{self.hub_dataset}`"


__all__ = ["SquadDataArguments"]
