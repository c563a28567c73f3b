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
Fine-tune a classifier on GLUE, or on text classification data of your own, with the `Trainer`.

Any model that `AutoModelForSequenceClassification` loads will do, a searched child as well as a plain BERT:

    python examples/run_glue.py --model_name_or_path path/to/child --task_name mrpc --do_train --do_eval \
        --max_seq_length 128 --per_device_train_batch_size 32 --learning_rate 5e-5 --num_train_epochs 3 \
        --output_dir mrpc-child

With local files (parquet, CSV, TSV, JSON) instead of the Hub, and the same network from random weights for comparison:

    python examples/run_glue.py --model_name_or_path path/to/child --random_init --task_name mrpc \
        --train_file glue/mrpc/train.parquet --validation_file glue/mrpc/validation.parquet --do_train --do_eval \
        --output_dir mrpc-random

A teacher (the same task, the same tokenizer), several seeds with their mean and spread, a start from an MNLI model, and a
child of a supernet by its architecture:

    python examples/run_glue.py ... --teacher_model_name_or_path path/to/teacher --seeds 1 2 3
    python examples/run_glue.py ... --task_name rte --init_from mnli-child/seed-{seed} --seeds 1 2 3
    python examples/run_glue.py --model_name_or_path path/to/supernet --architecture A4-F512-C3-F512 ...

With `--lora_r 8` only adapters (and the head) are trained. What `--output_dir` holds at the end is the merged model, and in
`adapter` the adapters by themselves.

A run that was stopped goes on with `--resume_from_checkpoint True`, or a checkpoint's folder.
The options can also come from one `.json` or `.yaml` file: `python examples/run_glue.py options.yaml`.
"""

import copy
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from transformers import (
    DataCollator,
    DataCollatorWithPadding,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

import hf_supernet  # noqa: F401 (registers `searched-bert` and `supernet-bert` with the Auto classes)
from hf_supernet.data.glue import GlueData, load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.files import replacing
from hf_supernet.scripts import check_actions, check_checkpoint, parse_arguments, run_script, set_up_logging
from hf_supernet.training.best_metric import check_best_metric
from hf_supernet.training.checkpoints import last_whole_checkpoint
from hf_supernet.training.distillation import DistillationArguments
from hf_supernet.training.early_stopping import EarlyStoppingArguments
from hf_supernet.training.finetuning import ClassifierArguments, fine_tuning_card, load_classifier
from hf_supernet.training.finetuning_trainer import FineTuningTrainer, hyperparameters
from hf_supernet.training.lora import LoraArguments
from hf_supernet.training.seeds import SeedArguments, comparable_settings, fill_in_seed, run_seeds


logger = logging.getLogger(__name__)

ARGUMENT_TYPES = (
    ClassifierArguments,
    GlueDataArguments,
    DistillationArguments,
    EarlyStoppingArguments,
    LoraArguments,
    SeedArguments,
    TrainingArguments,
)


def used_kinds(training_args: TrainingArguments) -> list[str]:
    """The kinds of data that the run needs."""
    used = {"train": training_args.do_train, "validation": training_args.do_eval, "test": training_args.do_predict}
    return [kind for kind, is_used in used.items() if is_used]


def tokenize(
    data: GlueData,
    data_args: GlueDataArguments,
    training_args: TrainingArguments,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
) -> dict[str, dict[str, datasets.Dataset]]:
    """For `train`, `validation` and `test`: each part, by the ending of its metrics; nothing where it is not used."""
    tokenized: dict[str, dict[str, datasets.Dataset]] = {"train": {}, "validation": {}, "test": {}}
    with training_args.main_process_first(desc="tokenizing the data"):
        for kind in used_kinds(training_args):
            splits = data_args.subsets(kind, data.splits_of(kind))
            tokenized[kind] = {
                ending: data.tokenize(split, tokenizer, config, data_args) for ending, split in splits.items()
            }
    return tokenized


def get_collator(
    data_args: GlueDataArguments, training_args: TrainingArguments, tokenizer: PreTrainedTokenizerBase
) -> DataCollator:
    if data_args.pad_to_max_length:
        return default_data_collator
    mixed_precision = training_args.fp16 or training_args.bf16
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if mixed_precision else None)


def logits_of(predictions: Any) -> np.ndarray:
    """The logits, which are the first of what a model that also returns hidden states predicts."""
    return predictions[0] if isinstance(predictions, tuple) else predictions


def evaluate(trainer: FineTuningTrainer, tokenized: dict[str, datasets.Dataset]) -> dict[str, float]:
    """The metrics of all parts, logged, saved, and put on the card."""
    results: dict[str, float] = {}
    for ending, dataset in tokenized.items():
        metrics = trainer.evaluate(eval_dataset=dataset) | {"eval_samples": len(dataset)}
        metrics = {f"{name}{ending}": value for name, value in metrics.items()}
        results |= metrics
        trainer.log_metrics("eval", metrics)
        trainer.save_metrics("eval", results)
    trainer.card.metrics.update(results)
    return results


def predict(trainer: FineTuningTrainer, data: GlueData, tokenized: dict[str, datasets.Dataset]) -> None:
    for ending, dataset in tokenized.items():
        output = trainer.predict(dataset, metric_key_prefix="predict")
        metrics = {f"{name}{ending}": value for name, value in output.metrics.items()}
        trainer.log_metrics("predict", metrics)
        trainer.save_metrics("predict", metrics)
        if trainer.is_world_process_zero():
            table = data.prediction_table(logits_of(output.predictions), trainer.model.config)
            with replacing(os.path.join(trainer.args.output_dir, data.predictions_file(ending))) as temporary:
                temporary.write_text(table, encoding="utf-8")


def fine_tune(
    model_args: ClassifierArguments,
    data_args: GlueDataArguments,
    distillation_args: DistillationArguments,
    stopping_args: EarlyStoppingArguments,
    lora_args: LoraArguments,
    training_args: TrainingArguments,
) -> dict[str, float]:
    """One run with one seed: train, evaluate, predict, as far as asked for. Returns the metrics of the evaluation."""
    set_seed(training_args.seed)
    teacher_name = fill_in_seed(distillation_args.teacher_model_name_or_path, training_args.seed)
    distillation_args = replace(distillation_args, teacher_model_name_or_path=teacher_name)
    model_args = replace(model_args, init_from=fill_in_seed(model_args.init_from, training_args.seed))
    with training_args.main_process_first(desc="loading the data"):
        data = load_glue_data(data_args, used_kinds(training_args), model_args.cache_dir, model_args.token)
    trains = training_args.do_train
    if trains:
        scores = () if training_args.prediction_loss_only else data.score_names
        check_best_metric(training_args, ("loss", *scores))
    model, tokenizer = load_classifier(model_args, data_args, data, trains)
    teacher = distillation_args.load_teacher(model, tokenizer, data_args.max_seq_length, trains, **model_args.hub)
    tokenized = tokenize(data, data_args, training_args, tokenizer, model.config)
    model = lora_args.adapt(model, trains, model_args.random_init)
    settings = model_args.hyperparameters | hyperparameters(training_args)
    settings |= distillation_args.hyperparameters | stopping_args.hyperparameters | lora_args.hyperparameters
    trainer = FineTuningTrainer(
        model=model,
        args=training_args,
        train_dataset=tokenized["train"].get(""),
        eval_dataset=tokenized["validation"].get(""),
        compute_metrics=lambda output: data.score(logits_of(output.predictions), output.label_ids, model.config),
        processing_class=tokenizer,
        data_collator=get_collator(data_args, training_args, tokenizer),
        callbacks=stopping_args.callbacks(training_args),
        card=fine_tuning_card(model_args, data_args, training_args.output_dir, training_args.hub_model_id, settings),
        teacher=teacher,
    )

    if trains:
        trainer.train_and_save(train_samples=len(trainer.train_dataset))
    results = evaluate(trainer, tokenized["validation"])
    predict(trainer, data, tokenized["test"])
    if training_args.push_to_hub:
        trainer.push_to_hub()
    elif trains:
        trainer.create_model_card()
    return results


def check_seeds(training_args: TrainingArguments) -> None:
    """Refuses what makes sense for one run only."""
    if not training_args.do_train:
        raise ValueError("`seeds` are those of a training, and there is none: pass `do_train`.")
    if training_args.push_to_hub:
        raise ValueError("`seeds` gives several models, and `push_to_hub` takes one: publish the one you choose.")
    if training_args.resume_from_checkpoint not in (None, True):
        raise ValueError(
            f'`resume_from_checkpoint`: "{training_args.resume_from_checkpoint}" belongs to one of the `seeds`; leave it'
            " out, each goes on from its own last checkpoint."
        )


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """
    Run the script.

    Args:
        argv (`list[str]`, *optional*):
            The options; by default those of the command line.

    Returns:
        `dict[str, Any]`: The metrics of the evaluation, empty without `--do_eval`; with `--seeds` the summary of all
        ([`~hf_supernet.training.seeds.summarize`]).
    """
    *options, seed_args, training_args = parse_arguments(ARGUMENT_TYPES, argv)
    check_actions(training_args, ("do_train", "do_eval", "do_predict"))
    set_up_logging(logger, training_args)
    logger.info(f"Training/evaluation parameters {training_args}")
    if seed_args.seeds is None:
        check_checkpoint(training_args)
        return fine_tune(*options, training_args)

    def run(seed: int, folder: Path) -> dict[str, float]:
        args = copy.copy(training_args)
        args.seed, args.output_dir = seed, str(folder)
        args.resume_from_checkpoint = last_whole_checkpoint(folder)
        return fine_tune(*options, args)

    check_seeds(training_args)
    settings = comparable_settings(*options, training_args)
    return run_seeds(seed_args.seeds, training_args.output_dir, settings, run, training_args.process_index == 0)


if __name__ == "__main__":
    run_script(main)
