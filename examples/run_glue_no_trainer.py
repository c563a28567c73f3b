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
# /// script
# dependencies = [
#     "hf_supernet",
#     "transformers>=5.23",
#     "accelerate>=1.10",
#     "datasets>=4.0",
#     "evaluate>=0.4.3",
#     "scikit-learn",
#     "scipy",
#     "torch>=2.6",
# ]
# ///
"""
Fine-tune a classifier on GLUE, or on text classification data of your own, with a training loop on Accelerate.

The same data, models, teachers and seeds as in `run_glue.py`, for those who want to change the loop:

    accelerate launch examples/run_glue_no_trainer.py --model_name_or_path path/to/child --task_name mrpc \
        --max_seq_length 128 --per_device_train_batch_size 32 --learning_rate 5e-5 --num_train_epochs 3 \
        --output_dir mrpc-child

A run that was killed goes on where its last checkpoint is, in the middle of an epoch too, and ends with the same weights:

    accelerate launch examples/run_glue_no_trainer.py ... --checkpointing_steps 100 --resume_from_checkpoint last
"""

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from accelerate import Accelerator, PartialState
from accelerate.logging import get_logger
from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs, set_seed
from huggingface_hub import HfApi
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    default_data_collator,
    get_scheduler,
)

import hf_supernet  # noqa: F401 (registers `searched-bert` and `supernet-bert` with the Auto classes)
from hf_supernet.data.glue import GlueData, load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.files import filling_folder, replacing, write_json
from hf_supernet.hub import PICKLES
from hf_supernet.scripts import run_script, set_up_accelerate_logging
from hf_supernet.training.distillation import DistillationArguments, Teacher
from hf_supernet.training.distributed import has_unused_parameters
from hf_supernet.training.finetuning import ClassifierArguments, find_checkpoint, fine_tuning_card, load_classifier
from hf_supernet.training.loop_arguments import parse_loop_arguments
from hf_supernet.training.loop_progress import TrainingProgress, load_checkpoint, mean_over_processes, save_checkpoint
from hf_supernet.training.own_rows import own_rows
from hf_supernet.training.seeds import comparable_settings, fill_in_seed, run_seeds


logger = get_logger(__name__)


def get_dataloaders(
    accelerator: Accelerator,
    data: GlueData,
    data_args: GlueDataArguments,
    args: argparse.Namespace,
    tokenizer: PreTrainedTokenizerBase,
    config: transformers.PreTrainedConfig,
) -> dict[str, dict[str, DataLoader]]:
    """For `train`, `validation` and `test`: a loader for each part, by the ending of its metrics."""
    if data_args.pad_to_max_length:
        collate = default_data_collator
    else:
        collate = DataCollatorWithPadding(
            tokenizer, pad_to_multiple_of=None if accelerator.mixed_precision == "no" else 8
        )
    loaders = {}
    for kind in ("train", "validation", "test") if args.do_predict else ("train", "validation"):
        with accelerator.main_process_first():
            tokenized = {
                ending: data.tokenize(split, tokenizer, config, data_args)
                for ending, split in data_args.subsets(kind, data.splits_of(kind)).items()
            }
        batch_size = args.per_device_train_batch_size if kind == "train" else args.per_device_eval_batch_size
        # A loader draws a seed for its workers whenever it is started. From a generator of its own, so that to start it
        # once more when a run is resumed does not move the stream that dropout draws from.
        loaders[kind] = {
            ending: accelerator.prepare(
                DataLoader(
                    split,
                    shuffle=kind == "train",
                    collate_fn=collate,
                    batch_size=batch_size,
                    generator=torch.Generator().manual_seed(args.seed),
                )
            )
            for ending, split in tokenized.items()
        }
    return loaders


def get_optimizer(model: PreTrainedModel, args: argparse.Namespace) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]  # biases and norms
    groups = [{"params": matrices, "weight_decay": args.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=args.learning_rate)


@torch.no_grad()
def get_logits(
    accelerator: Accelerator, model: torch.nn.Module, loader: DataLoader
) -> tuple[np.ndarray, np.ndarray | None]:
    """The logits of all rows, in their order, and the labels where there are some."""
    model.eval()
    logits, labels = [], []
    for batch in loader:
        outputs = model(**batch)
        logits.append(accelerator.gather_for_metrics(outputs.logits.float()).cpu())
        if "labels" in batch:
            labels.append(accelerator.gather_for_metrics(batch["labels"]).cpu())
    return torch.cat(logits).numpy(), torch.cat(labels).numpy() if labels else None


def evaluate(
    accelerator: Accelerator, model: torch.nn.Module, loaders: dict[str, DataLoader], data: GlueData
) -> dict[str, float]:
    config = accelerator.unwrap_model(model).config
    results = {}
    for ending, loader in loaders.items():
        logits, labels = get_logits(accelerator, model, loader)
        scores = data.score(logits, labels, config)
        results |= {f"eval_{name}{ending}": value for name, value in scores.items()}
        results[f"eval_samples{ending}"] = len(logits)
    return results


def train_epoch(
    accelerator: Accelerator,
    model: torch.nn.Module,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler,
    progress: TrainingProgress,
    args: argparse.Namespace,
    bar: tqdm,
    teacher: Teacher | None = None,
) -> None:
    """Train on what is left of the current epoch, up to `max_train_steps`."""
    model.train()
    loader.set_epoch(progress.epoch)
    num_batches, accumulated = len(loader), args.gradient_accumulation_steps
    remaining = accelerator.skip_first_batches(loader, progress.batches) if progress.batches else loader
    for batch in remaining:
        if progress.steps >= args.max_train_steps:
            break
        batch, factor = own_rows(accelerator, batch)
        with accelerator.accumulate(model):
            outputs = model(**batch)
            loss = outputs.loss
            if teacher is not None:
                loss = teacher.loss.combine(loss, teacher.distance(outputs.logits, batch))
            loss = loss * factor  # so that the mean over the processes is one over all rows, each of them once
            # `backward` divides by the number of accumulated batches; at the end of an epoch there may be fewer
            in_this_step = min(accumulated, num_batches - progress.batches // accumulated * accumulated)
            accelerator.backward(loss * (accumulated / in_this_step))
            if accelerator.sync_gradients and args.max_grad_norm > 0:
                accelerator.clip_grad_norm_(model.parameters(), args.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        progress.batches += 1
        progress.loss_sum += loss.item()
        progress.loss_count += 1
        if not accelerator.sync_gradients:
            continue
        lr_scheduler.step()
        progress.steps += 1
        bar.update()
        if args.checkpointing_steps not in (None, "epoch") and progress.steps % int(args.checkpointing_steps) == 0:
            save_checkpoint(accelerator, progress, Path(args.output_dir))


def hyperparameters(args: argparse.Namespace, accelerator: Accelerator) -> dict[str, Any]:
    return {
        "learning rate": args.learning_rate,
        "schedule": args.lr_scheduler_type.value,
        "optimizer": "AdamW",
        "batch size": args.per_device_train_batch_size * args.gradient_accumulation_steps * accelerator.num_processes,
        "steps": args.max_train_steps,
        "seed": args.seed,
    }


def training_function(
    model_args: ClassifierArguments,
    data_args: GlueDataArguments,
    distillation_args: DistillationArguments,
    args: argparse.Namespace,
    accelerator: Accelerator,
) -> dict[str, float]:
    kinds = ["train", "validation", "test"] if args.do_predict else ["train", "validation"]
    with accelerator.main_process_first():
        data = load_glue_data(data_args, kinds, model_args.cache_dir, model_args.token)
    set_seed(args.seed)
    model, tokenizer = load_classifier(model_args, data_args, data, trains=True)
    config = model.config
    teacher = distillation_args.load_teacher(model, tokenizer, data_args.max_seq_length, **model_args.hub)
    if teacher is not None:
        teacher.to(accelerator.device)
    loaders = get_dataloaders(accelerator, data, data_args, args, tokenizer, config)
    train_loader = loaders["train"][""]
    accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=has_unused_parameters(model))
    model, optimizer = accelerator.prepare(model, get_optimizer(model, args))
    steps_per_epoch = math.ceil(len(train_loader) / args.gradient_accumulation_steps)
    if args.max_train_steps is None:
        args.max_train_steps = args.num_train_epochs * steps_per_epoch
    # Not prepared: Accelerate would step it once for each process, while this schedule counts optimizer steps.
    lr_scheduler = get_scheduler(args.lr_scheduler_type, optimizer, args.num_warmup_steps, args.max_train_steps)
    same = ("seed", "per_device_train_batch_size", "gradient_accumulation_steps")
    setup = {"rows": len(train_loader.dataset), "processes": accelerator.num_processes}
    progress = TrainingProgress(setup | {name: getattr(args, name) for name in same})
    accelerator.register_for_checkpointing(lr_scheduler, progress)
    # not before all that can be wrong with the options was checked, so that a slip leaves no folder
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    if args.report_to is not None:
        accelerator.init_trackers("glue", config=hyperparameters(args, accelerator))
    if args.resume_from_checkpoint is None:
        set_seed(args.seed, device_specific=True)  # dropout differs between the processes
    else:
        load_checkpoint(accelerator, args.resume_from_checkpoint)
        logger.info(f"Resumed from {args.resume_from_checkpoint}: epoch {progress.epoch}, step {progress.steps}")

    logger.info(f"Training on {len(train_loader.dataset)} rows for {args.max_train_steps} steps")
    bar = tqdm(total=args.max_train_steps, initial=progress.steps, disable=not accelerator.is_main_process)
    while progress.steps < args.max_train_steps or progress.batches > 0:
        train_epoch(accelerator, model, train_loader, optimizer, lr_scheduler, progress, args, bar, teacher)
        progress.results = evaluate(accelerator, model, loaders["validation"], data)
        progress.epoch, progress.batches = progress.epoch + 1, 0
        logger.info(f"epoch {progress.epoch}: {progress.results}")
        if args.report_to is not None:
            accelerator.log(progress.results, step=progress.steps)
        if args.checkpointing_steps == "epoch":
            save_checkpoint(accelerator, progress, Path(args.output_dir))
    bar.close()
    for ending, loader in loaders.get("test", {}).items():
        logits, _ = get_logits(accelerator, model, loader)
        if accelerator.is_main_process:
            with replacing(Path(args.output_dir) / data.predictions_file(ending)) as temporary:
                temporary.write_text(data.prediction_table(logits, config), encoding="utf-8")
    train_loss = mean_over_processes(accelerator, progress.loss_sum) / progress.loss_count
    results = progress.results | {"train_loss": train_loss, "train_samples": len(train_loader.dataset)}
    settings = model_args.hyperparameters | hyperparameters(args, accelerator) | distillation_args.hyperparameters
    card = fine_tuning_card(model_args, data_args, args.output_dir, args.hub_model_id, settings, results)
    card.describe(accelerator.unwrap_model(model), tokenizer)
    save_model(accelerator, model, tokenizer, card, args)
    return results


def save_model(
    accelerator: Accelerator,
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    card: FineTuningCard,
    args: argparse.Namespace,
) -> None:
    """Model, tokenizer, card and `all_results.json`: each file is moved into the output folder when it is whole."""
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    output_dir = Path(args.output_dir)
    with filling_folder(output_dir) as temporary:
        accelerator.unwrap_model(model).save_pretrained(temporary, save_function=accelerator.save)
        tokenizer.save_pretrained(temporary)
    card.write(output_dir)
    write_json(output_dir / "all_results.json", card.metrics)
    if args.push_to_hub:
        api = HfApi(token=args.hub_token)
        repo_id = api.create_repo(args.hub_model_id or output_dir.resolve().name, exist_ok=True).repo_id
        api.upload_folder(repo_id=repo_id, folder_path=output_dir, ignore_patterns=["step_*", "tmp-*", "_*", *PICKLES])


def run_once(
    model_args: ClassifierArguments,
    data_args: GlueDataArguments,
    distillation_args: DistillationArguments,
    args: argparse.Namespace,
) -> dict[str, float]:
    """One training with one seed; returns what `all_results.json` holds."""
    model_args = replace(model_args, init_from=fill_in_seed(model_args.init_from, args.seed))
    teacher_name = fill_in_seed(distillation_args.teacher_model_name_or_path, args.seed)
    distillation_args = replace(distillation_args, teacher_model_name_or_path=teacher_name)
    accelerator = Accelerator(
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        log_with=args.report_to,
        project_dir=args.output_dir,
        # the order of an epoch is a function of the seed and the epoch, so that it can be entered in the middle
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
    )
    set_up_accelerate_logging(accelerator)
    logger.info(accelerator.state, main_process_only=False)
    results = training_function(model_args, data_args, distillation_args, args, accelerator)
    for tracker in accelerator.trackers:
        tracker.finish()
    return results


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """
    Run the script.

    Args:
        argv (`list[str]`, *optional*):
            The options; by default those of the command line.

    Returns:
        `dict[str, Any]`: What `all_results.json` holds.
    """
    *options, seed_args, args = parse_loop_arguments(sys.argv[1:] if argv is None else argv)
    if seed_args.seeds is None:
        return run_once(*options, args)

    def run(seed: int, folder: Path) -> dict[str, float]:
        has_checkpoint = next(folder.glob("step_*"), None) is not None
        checkpoint = find_checkpoint("last" if has_checkpoint else None, folder)
        changed = {"seed": seed, "output_dir": str(folder), "resume_from_checkpoint": checkpoint}
        return run_once(*options, argparse.Namespace(**(vars(args) | changed)))

    settings = comparable_settings(*options, vars(args))
    return run_seeds(seed_args.seeds, args.output_dir, settings, run, PartialState().is_main_process)


if __name__ == "__main__":
    run_script(main)
