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

A run that was stopped goes on with `--resume_from_checkpoint True`, or a checkpoint's folder.
The options can also come from one `.json` or `.yaml` file: `python examples/run_glue.py options.yaml`.
"""

import logging
import os
import sys
from typing import Any

import datasets
import transformers
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

import hf_supernet  # noqa: F401 (registers `searched-bert` and `supernet-bert` with the Auto classes)
from hf_supernet.data.glue import GlueData, load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.files import replacing
from hf_supernet.training.finetuning import ModelArguments, fine_tuning_card, load_classifier


logger = logging.getLogger(__name__)


class GlueTrainer(Trainer):
    """
    A `Trainer` that counts the loss once and writes our model card.

    The loss of a batch is the mean over its rows, so the Trainer has to divide it by the number of accumulated batches
    itself. It leaves that out for models that take any keyword argument, as BERT does, and then multiplies by the number of
    processes too: 4 batches of 4 train with four times the gradient of one batch of 16. `accepts_loss_kwargs` is its switch.

    Args:
        card (`FineTuningCard`):
            The card; the metrics are added as they come.
        **kwargs:
            The arguments of `Trainer`.
    """

    def __init__(self, card: FineTuningCard, **kwargs):
        kwargs["model"].accepts_loss_kwargs = False
        super().__init__(**kwargs)
        self.card = card

    def create_model_card(self, *args, **kwargs) -> None:
        if self.is_world_process_zero():
            self.card.write(self.args.output_dir)


def parse_arguments(argv: list[str]) -> tuple[ModelArguments, GlueDataArguments, TrainingArguments]:
    parser = HfArgumentParser((ModelArguments, GlueDataArguments, TrainingArguments))
    if len(argv) == 1 and argv[0].endswith(".json"):
        model_args, data_args, training_args = parser.parse_json_file(argv[0])
    elif len(argv) == 1 and argv[0].endswith((".yaml", ".yml")):
        model_args, data_args, training_args = parser.parse_yaml_file(argv[0])
    else:
        model_args, data_args, training_args = parser.parse_args_into_dataclasses(argv)
    if not (training_args.do_train or training_args.do_eval or training_args.do_predict):
        raise ValueError("There is nothing to do: pass at least one of `do_train`, `do_eval`, `do_predict`.")
    checkpoint = training_args.resume_from_checkpoint
    checkpoint = {"True": True, "true": True}.get(checkpoint, checkpoint)  # True: the last one of `output_dir`
    if isinstance(checkpoint, str) and not os.path.isdir(checkpoint):
        raise FileNotFoundError(f'`resume_from_checkpoint`: there is no folder "{checkpoint}".')
    training_args.resume_from_checkpoint = checkpoint
    return model_args, data_args, training_args


def set_up_logging(training_args: TrainingArguments) -> None:
    logging.basicConfig(
        format="%(asctime)s - %(levelname)s - %(name)s - %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
        handlers=[logging.StreamHandler(sys.stdout)],
    )
    if training_args.should_log:
        transformers.utils.logging.set_verbosity_info()
    log_level = training_args.get_process_log_level()
    logger.setLevel(log_level)
    datasets.utils.logging.set_verbosity(log_level)
    transformers.utils.logging.set_verbosity(log_level)
    transformers.utils.logging.enable_default_handler()
    transformers.utils.logging.enable_explicit_format()
    logger.warning(
        f"Process rank: {training_args.local_process_index}, device: {training_args.device}, "
        f"n_gpu: {training_args.n_gpu}, distributed training: {training_args.parallel_mode.value == 'distributed'}"
    )


def hyperparameters(args: TrainingArguments) -> dict[str, Any]:
    if not args.do_train:
        return {}
    batch_size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    length = {"steps": args.max_steps} if args.max_steps > 0 else {"epochs": args.num_train_epochs}
    return {
        "learning rate": args.learning_rate,
        "schedule": args.lr_scheduler_type.value,
        "optimizer": args.optim.value,
        "batch size": batch_size,
        **length,
        "seed": args.seed,
    }


def predict(trainer: GlueTrainer, data: GlueData, tokenized: dict[str, datasets.Dataset]) -> None:
    for ending, dataset in tokenized.items():
        output = trainer.predict(dataset, metric_key_prefix="predict")
        metrics = {f"{name}{ending}": value for name, value in output.metrics.items()}
        trainer.log_metrics("predict", metrics)
        trainer.save_metrics("predict", metrics)
        logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
        if trainer.is_world_process_zero():
            with replacing(os.path.join(trainer.args.output_dir, data.predictions_file(ending))) as temporary:
                temporary.write_text(data.prediction_table(logits, trainer.model.config), encoding="utf-8")


def main(argv: list[str] | None = None) -> dict[str, float]:
    """
    Run the script.

    Args:
        argv (`list[str]`, *optional*):
            The options; by default those of the command line.

    Returns:
        `dict[str, float]`: The metrics of the evaluation, empty without `--do_eval`.
    """
    model_args, data_args, training_args = parse_arguments(sys.argv[1:] if argv is None else argv)
    set_up_logging(training_args)
    logger.info(f"Training/evaluation parameters {training_args}")
    set_seed(training_args.seed)

    kinds = {
        "train": training_args.do_train,
        "validation": training_args.do_eval,
        "test": training_args.do_predict,
    }
    with training_args.main_process_first(desc="loading the data"):
        data = load_glue_data(
            data_args, [kind for kind, used in kinds.items() if used], model_args.cache_dir, model_args.token
        )
    model, tokenizer = load_classifier(model_args, data_args, data, trains=training_args.do_train)

    def prepare(kind: str) -> dict[str, datasets.Dataset]:
        if not kinds[kind]:
            return {}
        splits = data_args.subsets(kind, data.splits_of(kind))
        with training_args.main_process_first(desc="tokenizing the data"):
            return {
                ending: data.tokenize(split, tokenizer, model.config, data_args) for ending, split in splits.items()
            }

    train_dataset, eval_datasets, test_datasets = prepare("train").get(""), prepare("validation"), prepare("test")

    def compute_metrics(p: EvalPrediction) -> dict[str, float]:
        logits = p.predictions[0] if isinstance(p.predictions, tuple) else p.predictions
        return data.score(logits, p.label_ids, model.config)

    if data_args.pad_to_max_length:
        data_collator = default_data_collator
    else:
        mixed_precision = training_args.fp16 or training_args.bf16
        data_collator = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if mixed_precision else None)

    trainer = GlueTrainer(
        model=model,
        args=training_args,
        train_dataset=train_dataset,
        eval_dataset=eval_datasets.get(""),
        compute_metrics=compute_metrics,
        processing_class=tokenizer,
        data_collator=data_collator,
        card=fine_tuning_card(
            model_args,
            data_args,
            training_args.output_dir,
            training_args.hub_model_id,
            hyperparameters(training_args),
        ),
    )

    if training_args.do_train:
        train_result = trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
        metrics = train_result.metrics | {"train_samples": len(train_dataset)}
        trainer.save_model()  # the tokenizer too
        trainer.log_metrics("train", metrics)
        trainer.save_metrics("train", metrics)
        trainer.save_state()

    results = {}
    for ending, eval_dataset in eval_datasets.items():
        metrics = trainer.evaluate(eval_dataset=eval_dataset) | {"eval_samples": len(eval_dataset)}
        metrics = {f"{name}{ending}": value for name, value in metrics.items()}
        results.update(metrics)
        trainer.log_metrics("eval", metrics)
        trainer.save_metrics("eval", results)
    trainer.card.metrics.update(results)

    predict(trainer, data, test_datasets)

    if training_args.push_to_hub:
        trainer.push_to_hub()
    elif training_args.do_train:
        trainer.create_model_card()
    return results


if __name__ == "__main__":
    main()
