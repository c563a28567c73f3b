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
"""The options of the training loop on Accelerate that fine-tunes classifiers."""

import argparse
from pathlib import Path

from transformers import HfArgumentParser, SchedulerType

from ..data.glue_arguments import GlueDataArguments
from .distillation import DistillationArguments
from .finetuning import ClassifierArguments, find_checkpoint
from .seeds import SeedArguments


def parse_loop_arguments(
    argv: list[str],
) -> tuple[ClassifierArguments, GlueDataArguments, DistillationArguments, SeedArguments, argparse.Namespace]:
    """
    The options of `run_glue_no_trainer.py`.

    Args:
        argv (`list[str]`):
            The words of the command line.

    Returns:
        `tuple`: Model, data, teacher and seeds, which are those of `run_glue.py`, and the others.

    Raises:
        ValueError: for a number that cannot be, and for options that do not go together.
        FileNotFoundError: where there is no checkpoint to resume from.
    """
    parser = HfArgumentParser((ClassifierArguments, GlueDataArguments, DistillationArguments, SeedArguments))
    training = parser.add_argument_group("training")
    training.add_argument("--output_dir", required=True, help="Where checkpoints, model and results go.")
    training.add_argument("--do_predict", action="store_true", help="Predict the test split at the end.")
    training.add_argument("--per_device_train_batch_size", type=int, default=8, help="Rows a batch and process.")
    training.add_argument("--per_device_eval_batch_size", type=int, default=8, help="The same for evaluations.")
    training.add_argument("--gradient_accumulation_steps", type=int, default=1, help="Batches an optimizer step.")
    training.add_argument("--learning_rate", type=float, default=5e-5, help="Highest learning rate.")
    training.add_argument("--weight_decay", type=float, default=0.0, help="Decay of matrices; others have none.")
    training.add_argument("--max_grad_norm", type=float, default=1.0, help="Gradients are clipped to this norm.")
    training.add_argument("--num_train_epochs", type=int, default=3, help="Number of epochs.")
    training.add_argument("--max_train_steps", type=int, help="Number of optimizer steps, instead of epochs.")
    training.add_argument("--lr_scheduler_type", type=SchedulerType, default="linear", choices=list(SchedulerType))
    training.add_argument("--num_warmup_steps", type=int, default=0, help="Steps of warm-up.")
    training.add_argument("--seed", type=int, default=42, help="Seed of weights, dropout and order.")
    training.add_argument("--checkpointing_steps", help='Save every n steps, or at the end of each "epoch".')
    training.add_argument("--resume_from_checkpoint", help='A checkpoint\'s folder, or "last": that of the output.')
    training.add_argument("--report_to", help="Tracker to report to, such as tensorboard.")
    training.add_argument("--push_to_hub", action="store_true", help="Upload the model at the end.")
    training.add_argument("--hub_model_id", help="Repository to upload to; by default the name of the output.")
    training.add_argument("--hub_token", help="Access token to upload with.")
    *options, args = parser.parse_args_into_dataclasses(argv)
    if args.checkpointing_steps not in (None, "epoch") and not (
        args.checkpointing_steps.isdecimal() and int(args.checkpointing_steps) > 0
    ):
        raise ValueError(f'`checkpointing_steps` is "epoch" or a number of steps, got "{args.checkpointing_steps}".')
    for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs", "max_train_steps"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"`{name}` must be at least 1, got {getattr(args, name)}.")
    seeds = options[-1].seeds
    if seeds is None:
        args.resume_from_checkpoint = find_checkpoint(args.resume_from_checkpoint, Path(args.output_dir))
    elif args.resume_from_checkpoint not in (None, "last", "True", "true"):
        raise ValueError(
            f'`resume_from_checkpoint`: "{args.resume_from_checkpoint}" belongs to one of the `seeds`; leave it out, each'
            " goes on from its own last checkpoint."
        )
    elif args.push_to_hub:
        raise ValueError("`seeds` gives several models, and `push_to_hub` takes one: publish the one you choose.")
    return *options, args


__all__ = ["parse_loop_arguments"]
