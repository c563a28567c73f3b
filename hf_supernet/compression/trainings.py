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
"""The trainings of a compression: of the reference, of the supernet, and of single children."""

import copy
import math
import tempfile
from pathlib import Path

from transformers import PreTrainedModel, SchedulerType, TrainingArguments, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import IntervalStrategy

from ..evaluation.glue_card import FineTuningCard
from ..models.supernet_bert import SupernetBertConfig, SupernetBertForSequenceClassification
from ..training.checkpoints import last_complete_checkpoint, last_whole_checkpoint
from ..training.distillation import DistillationLoss, Teacher
from ..training.finetuning_trainer import FineTuningTrainer
from ..training.trainer import SupernetTrainer
from .arguments import CompressionTrainingArguments
from .task_data import TaskData


_CONSTANT_END = 0.1
_END = 0.05
_WARMUP = 0.1


def steps_for(num_rows: int, args: TrainingArguments, epochs: float) -> int:
    """
    The optimizer steps of a training of some epochs, as a `Trainer` counts them.

    Args:
        num_rows (`int`):
            The training rows.
        args ([`~transformers.TrainingArguments`]):
            The size of a batch.
        epochs (`float`):
            How many.

    Raises:
        ValueError: where no batch is whole, and others are dropped.
    """
    batches = -(-num_rows // args.train_batch_size)
    if args.dataloader_drop_last:
        batches = num_rows // args.train_batch_size
    if not batches:
        raise ValueError(
            f"{num_rows} training rows are less than one batch of {args.train_batch_size}, and `dataloader_drop_last` drops what"
            " is no whole batch: nothing would be trained. Leave it out, or lower `per_device_train_batch_size`."
        )
    return math.ceil(epochs * max(1, -(-batches // args.gradient_accumulation_steps)))


def supernet_steps(num_rows: int, args: CompressionTrainingArguments) -> int:
    """The optimizer steps of the supernet's training: `max_steps`, or those of `num_train_epochs`."""
    of_epochs = steps_for(num_rows, args, args.num_train_epochs)
    return args.max_steps if args.max_steps > 0 else of_epochs


def constant_end(steps: int, warmup_steps: int) -> dict[str, float]:
    """
    Options of the schedule `"warmup_stable_decay"` by which a learning rate falls to 5 % of its peak and stays there for the last
    tenth of the steps, as in [BigNAS](https://huggingface.co/papers/2003.11142) (there it falls exponentially).

    Args:
        steps (`int`):
            All of them.
        warmup_steps (`int`):
            Those in which it rises.
    """
    decay = max(1, steps - warmup_steps - round(_CONSTANT_END * steps))
    return {"num_stable_steps": 0, "num_decay_steps": decay, "min_lr_ratio": _END}


def check_training(
    config: SupernetBertConfig,
    task: TaskData,
    args: CompressionTrainingArguments,
    teacher: PreTrainedModel | None = None,
) -> None:
    """
    Sets up the training of a supernet and leaves it at that, so that options that do not go together are refused before the
    reference is trained. The random state is another afterwards: each training sets its own.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's.
        task ([`TaskData`]):
            The rows.
        args ([`CompressionTrainingArguments`]):
            How.
        teacher ([`~transformers.PreTrainedModel`], *optional*):
            As for [`train_supernet`]; it is frozen.

    Raises:
        ValueError: as [`SupernetTrainer`], for a sampler, a distillation, an alignment or an optimizer that does not fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = _supernet_trainer(SupernetBertForSequenceClassification(config), task, args, Path(folder), teacher)
        trainer.create_optimizer_and_scheduler(trainer.args.max_steps)


def train_supernet(
    supernet: SupernetBertForSequenceClassification,
    task: TaskData,
    args: CompressionTrainingArguments,
    checkpoints: Path,
    folder: Path,
    teacher: PreTrainedModel | None = None,
) -> None:
    """
    Trains a supernet on the training rows, and saves it with the log of the training.

    Args:
        supernet ([`SupernetBertForSequenceClassification`]):
            Trained in place.
        task ([`TaskData`]):
            The rows. Evaluations, where `args` asks for some, are on those that are held out.
        args ([`CompressionTrainingArguments`]):
            How.
        checkpoints (`Path`):
            The folder of checkpoints; where it has some, the training goes on from the last one.
        folder (`Path`):
            Where to save.
        teacher ([`~transformers.PreTrainedModel`], *optional*):
            With `distillation="teacher"`, where `args` names none.
    """
    set_seed(args.seed)
    trainer = _supernet_trainer(supernet, task, args, checkpoints, teacher)
    try:
        checkpoint = last_complete_checkpoint(checkpoints)
    except ValueError:  # none was begun, or the run was killed while it wrote the first
        checkpoint = None
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model(str(folder))
    trainer.state.save_to_json(str(folder / TRAINER_STATE_NAME))


def _supernet_trainer(
    supernet: SupernetBertForSequenceClassification,
    task: TaskData,
    args: CompressionTrainingArguments,
    checkpoints: Path,
    teacher: PreTrainedModel | None,
) -> SupernetTrainer:
    own = copy.copy(args)
    own.output_dir, own.max_steps = str(checkpoints), supernet_steps(len(task.train), args)
    if own.lr_scheduler_type == SchedulerType.WARMUP_STABLE_DECAY and not own.lr_scheduler_kwargs:
        own.lr_scheduler_kwargs = constant_end(own.max_steps, own.get_warmup_steps(own.max_steps))
    return SupernetTrainer(
        supernet,
        own,
        train_dataset=task.train,
        eval_dataset=task.search,
        data_collator=task.collator,
        processing_class=task.tokenizer,
        teacher=teacher,
    )


def fine_tune(
    model: PreTrainedModel,
    task: TaskData,
    args: TrainingArguments,
    steps: int,
    learning_rate: float | None,
    checkpoints: Path,
    teacher: PreTrainedModel | None = None,
    distillation_weight: float = 0.0,
) -> None:
    """
    Fine-tunes one classifier on the training rows, with a linear schedule; nothing is evaluated on the way.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            Trained in place.
        task ([`TaskData`]):
            The rows.
        args ([`~transformers.TrainingArguments`]):
            All but the number of steps, the learning rate and its schedule.
        steps (`int`):
            Optimizer steps.
        learning_rate (`float`, *optional*, defaults to that of `args`):
            The highest learning rate.
        checkpoints (`Path`):
            The folder of checkpoints; where it has some, the training goes on from the last one.
        teacher ([`~transformers.PreTrainedModel`], *optional*):
            What to learn from beside the labels.
        distillation_weight (`float`, *optional*, defaults to 0.0):
            How much that counts, from 0 to 1.
    """
    set_seed(args.seed)
    own = copy.copy(args)
    own.output_dir, own.max_steps = str(checkpoints), steps
    own.learning_rate = args.learning_rate if learning_rate is None else learning_rate
    own.lr_scheduler_type, own.lr_scheduler_kwargs, own.warmup_steps = SchedulerType.LINEAR, {}, _WARMUP
    own.eval_strategy, own.eval_on_start = IntervalStrategy.NO, False
    answers = None
    if teacher is not None and distillation_weight > 0:
        loss, length = DistillationLoss(distillation_weight), task.tokenizer.model_max_length
        answers = Teacher(teacher, task.tokenizer, model, task.tokenizer, length, loss)
    trainer = FineTuningTrainer(
        card=FineTuningCard("", "", False, ""),  # it is of the trainer's output folder, which holds checkpoints alone
        teacher=answers,
        model=model,
        args=own,
        train_dataset=task.train,
        data_collator=task.collator,
        processing_class=task.tokenizer,
    )
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(checkpoints))


__all__ = ["check_training", "constant_end", "fine_tune", "steps_for", "supernet_steps", "train_supernet"]
