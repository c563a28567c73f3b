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
"""The options of a compression: the checkpoint, the data, and the training; the others are in `choice_arguments`."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ..data.glue_arguments import GlueDataArguments, local_glue_files
from ..evaluation.glue import canonical_task_name
from ..training.arguments import SupernetTrainingArguments
from .choice_arguments import BudgetArguments, ChoiceArguments, LatencyArguments, SpaceArguments


@dataclass
class CheckpointArguments:
    """
    Which model to compress.

    Args:
        model_name_or_path (`str`):
            A BERT encoder, on the Hub or in a folder. One that was fine-tuned on the task is the reference as it is; any
            other is fine-tuned first.
        tokenizer_name (`str`, *optional*):
            Tokenizer, if not that of the model.
        cache_dir (`str`, *optional*):
            Where to keep what is downloaded.
        model_revision (`str`, *optional*, defaults to `"main"`):
            Branch, tag or commit on the Hub.
        token (`str`, *optional*):
            Access token of the Hub; by default that of `hf auth login`.
    """

    model_name_or_path: str = field(metadata={"help": "A BERT encoder on the Hub or in a folder, fine-tuned or not."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not that of the model."})
    cache_dir: str | None = field(default=None, metadata={"help": "Where to keep what is downloaded."})
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit on the Hub."})
    token: str | None = field(default=None, metadata={"help": "Access token of the Hub."})


@dataclass
class TaskDataArguments(GlueDataArguments):
    """
    Which data the model is for: as for fine-tuning ([`GlueDataArguments`]), from a folder of tasks too.

    Args:
        data_dir (`str`, *optional*):
            A folder with `<task>/train.parquet` and `<task>/validation.parquet`, see [`local_glue_files`].
        search_samples (`int`, *optional*):
            How many training rows are held out of all training, to choose a child by. Defaults to a tenth of them, at
            most 1000. (The validation split is for the report alone.)

    Raises:
        ValueError: as [`GlueDataArguments`], for `data_dir` without a task or beside files, for a number of rows below 1,
            and for a test split, which is not used.
        FileNotFoundError: where `data_dir` lacks a file.
    """

    data_dir: str | None = field(
        default=None, metadata={"help": "A folder with TASK/train.parquet and TASK/validation.parquet."}
    )
    search_samples: int | None = field(
        default=None,
        metadata={
            "help": "Training rows held out of all training, to choose a child by. Default: a tenth, at most 1000."
        },
    )

    def __post_init__(self):
        if self.data_dir is not None:
            if self.task_name is None or self.files or self.dataset_name is not None:
                raise ValueError(
                    "`data_dir` is a folder of GLUE tasks: pass `task_name` beside it, and no other data."
                )
            self.task_name = canonical_task_name(self.task_name)
            for name, path in local_glue_files(self.data_dir, self.task_name).items():
                setattr(self, name, path)
        super().__post_init__()
        if self.search_samples is not None and self.search_samples < 1:
            raise ValueError(f"`search_samples` must be at least 1, got {self.search_samples}.")
        if self.test_file is not None or self.max_predict_samples is not None:
            raise ValueError(
                "`test_file` and `max_predict_samples` are for predictions, and a compression makes none: use `run_glue.py`"
                " with the compressed child."
            )


@dataclass
class CompressionTrainingArguments(SupernetTrainingArguments):
    r"""
    [`SupernetTrainingArguments`] with other defaults: BigNAS (`sampler="sandwich"`, `distillation="inplace"`), a learning rate that
    rises over a tenth of the steps, falls, and stays at 5 % of its peak for the last tenth, a weight decay of 0.01, batches
    of 32 rows, and one checkpoint at a time.

    They are those of the supernet's training. The fine-tunings before and after it have their own lengths, learning rates
    and a linear schedule, and all else of these.

    Raises:
        ValueError: as [`SupernetTrainingArguments`], for a teacher without `distillation="teacher"`, for options of the Trainer
            that a compression does by itself, and for batches, lengths and learning rates by which nothing could be trained.
    """

    output_dir: str | None = field(default=None, metadata={"help": "Where everything goes."})
    sampler: str = field(default="sandwich", metadata={"help": "Which architectures a step trains."})
    distillation: str = field(
        default="inplace",
        metadata={"help": "inplace (the largest path's soft outputs), teacher (the reference's), or none."},
    )
    lr_scheduler_type: str = field(
        default="warmup_stable_decay",
        metadata={"help": "Of the supernet's training; by default it falls to 5 %% and stays there in the end."},
    )
    warmup_steps: float = field(default=0.1, metadata={"help": "Steps of warm-up, or below 1 their share."})
    weight_decay: float = field(default=0.01, metadata={"help": "Decay of weights."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Rows of a batch in training."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Rows of a batch in evaluation."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints to keep."})

    def __post_init__(self):
        if self.output_dir is None:
            raise ValueError("Pass `output_dir`: where everything goes.")
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "per_device_eval_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not (self.max_steps > 0 or 0 < self.num_train_epochs < float("inf")):
            raise ValueError(
                f"The supernet would not be trained: `num_train_epochs` must be positive, got {self.num_train_epochs}, or"
                " `max_steps` be set."
            )
        for name in ("learning_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative, got {getattr(self, name)}.")
        super().__post_init__()
        if self.teacher_model_name_or_path is not None and self.distillation != "teacher":
            raise ValueError(
                "`teacher_model_name_or_path` goes with `distillation='teacher'`, got"
                f" {self.distillation!r}; without it, that teacher is the reference."
            )
        for name, instead in (
            ("push_to_hub", "publish the child with `python -m hf_supernet.publish`"),
            ("load_best_model_at_end", "the child is the best one on the rows that are held out"),
            ("resume_from_checkpoint", "started again, a compression goes on by itself"),
        ):
            if getattr(self, name):
                raise ValueError(f"`{name}` is not for a compression: {instead}. Leave it out.")


class CompressionSettings(NamedTuple):
    """All options of a compression; the types of the fields are what a command line is read into, in this order."""

    checkpoint: CheckpointArguments
    data: TaskDataArguments
    budget: BudgetArguments
    space: SpaceArguments
    choice: ChoiceArguments
    latency: LatencyArguments
    training: CompressionTrainingArguments


__all__ = ["CheckpointArguments", "CompressionSettings", "CompressionTrainingArguments", "TaskDataArguments"]
