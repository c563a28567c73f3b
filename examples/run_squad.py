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
#     "torch>=2.6",
# ]
# ///
"""
Fine-tune a model to find answers in a text, on SQuAD or on data of your own in its form, with the `Trainer`.

Any model that `AutoModelForQuestionAnswering` loads will do, a searched child as well as a plain BERT:

    python examples/run_squad.py --model_name_or_path path/to/child --dataset_name rajpurkar/squad --do_train --do_eval \
        --per_device_train_batch_size 12 --learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 \
        --output_dir squad-child

SQuAD v2.0, in which some questions have no answer, from the files as they are published:

    python examples/run_squad.py --model_name_or_path path/to/child --version_2_with_negative \
        --train_file train-v2.0.json --validation_file dev-v2.0.json --do_train --do_eval --output_dir squad2-child

A run that was stopped goes on with `--resume_from_checkpoint True`, or a checkpoint's folder.
The options can also come from one `.json` or `.yaml` file: `python examples/run_squad.py options.yaml`.
"""

import logging
from pathlib import Path

from datasets import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
    set_seed,
)

import hf_supernet  # noqa: F401 (registers `searched-bert` with the Auto classes)
from hf_supernet.data.squad import load_squad_data
from hf_supernet.data.squad_arguments import SquadDataArguments
from hf_supernet.data.squad_questions import SquadQuestions
from hf_supernet.data.squad_windows import make_windows, model_inputs
from hf_supernet.data.tables import random_rows
from hf_supernet.evaluation.squad_card import SquadCard
from hf_supernet.loading import load_config, naming_damaged_weights
from hf_supernet.scripts import check_actions, check_checkpoint, parse_arguments, run_script, set_up_logging
from hf_supernet.training.finetuning import ModelArguments, check_tokenizer
from hf_supernet.training.finetuning_trainer import FineTuningTrainer, hyperparameters


logger = logging.getLogger(__name__)


def check_order(training_args: TrainingArguments) -> None:
    """Refuses what would give the logits of an evaluation in another order than that of the questions."""
    answers = training_args.do_eval or training_args.do_predict
    if answers and training_args.train_sampling_strategy == "group_by_length":
        raise ValueError(
            '`train_sampling_strategy="group_by_length"` sorts the questions of an evaluation too, so that their answers '
            "are not found: evaluate in a run of its own, without it."
        )


def load_model(
    model_args: ModelArguments, data_args: SquadDataArguments, trains: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model with its tokenizer. If it is not to be trained, its head has to be there already."""
    hub = {
        "cache_dir": model_args.cache_dir,
        "revision": model_args.model_revision,
        "token": model_args.token,
        "trust_remote_code": model_args.trust_remote_code,
    }
    # two outputs, the start and the end, whatever the checkpoint classified before
    config = load_config(model_args.config_name or model_args.model_name_or_path, num_labels=2, **hub)
    tokenizer = AutoTokenizer.from_pretrained(model_args.tokenizer_name or model_args.model_name_or_path, **hub)
    check_tokenizer(tokenizer, config, data_args)
    if model_args.random_init:
        model = AutoModelForQuestionAnswering.from_config(config, trust_remote_code=model_args.trust_remote_code)
        return model, tokenizer
    with naming_damaged_weights(model_args.model_name_or_path):
        model, loaded = AutoModelForQuestionAnswering.from_pretrained(
            model_args.model_name_or_path,
            config=config,
            ignore_mismatched_sizes=model_args.ignore_mismatched_sizes,
            output_loading_info=True,
            **hub,
        )
    if loaded["missing_keys"] and not trains:
        raise ValueError(
            f'"{model_args.model_name_or_path}" was not trained to answer questions, it lacks the weights '
            f"{', '.join(sorted(loaded['missing_keys']))}: pass `do_train`, or a model that has been."
        )
    return model, tokenizer


def prepare(
    splits: dict[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    args: SquadDataArguments,
) -> tuple[Dataset | None, SquadQuestions | None, SquadQuestions | None]:
    """The windows to train on, the questions to evaluate, and those to predict the answers of, as far as there are such."""
    train_windows, validation, test = None, None, None
    if "train" in splits:
        split = random_rows(splits["train"], args.max_train_samples, args.subset_seed)
        train_windows = model_inputs(make_windows(split, tokenizer, config, args, labels=True))
    if "validation" in splits:
        split = random_rows(splits["validation"], args.max_eval_samples, args.subset_seed)
        validation = SquadQuestions(split, tokenizer, config, args, labels=True)
    if "test" in splits:
        split = splits["test"]
        split = split.select(range(min(args.max_predict_samples or len(split), len(split))))
        test = SquadQuestions(split, tokenizer, config, args, labels=False)
    return train_windows, validation, test


def get_collator(training_args: TrainingArguments, tokenizer: PreTrainedTokenizerBase) -> DataCollatorWithPadding:
    """Pads a batch on the right; windows of a tokenizer that pads on the left have their length already."""
    multiples = (training_args.fp16 or training_args.bf16) and tokenizer.padding_side == "right"
    return DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8 if multiples else None)


def evaluate(trainer: FineTuningTrainer, questions: SquadQuestions) -> dict[str, float]:
    metrics = trainer.evaluate() | {"eval_samples": len(questions.split), "eval_windows": len(questions.inputs)}
    trainer.log_metrics("eval", metrics)
    trainer.save_metrics("eval", metrics)
    trainer.card.metrics.update(metrics)
    if trainer.is_world_process_zero() and not trainer.args.prediction_loss_only:
        questions.write(questions.answers, trainer.args.output_dir)
    return metrics


def predict(trainer: FineTuningTrainer, questions: SquadQuestions) -> None:
    output = trainer.predict(questions.inputs, metric_key_prefix="predict")
    answers = questions.answer(output.predictions)
    scores = questions.score(answers) if questions.have_answers else {}
    metrics = output.metrics | {f"predict_{name}": value for name, value in scores.items()}
    metrics["predict_samples"] = len(questions.split)
    trainer.log_metrics("predict", metrics)
    trainer.save_metrics("predict", metrics)
    if trainer.is_world_process_zero():
        questions.write(answers, trainer.args.output_dir, prefix="predict_")


def main(argv: list[str] | None = None) -> dict[str, float]:
    """
    Run the script.

    Args:
        argv (`list[str]`, *optional*):
            The options; by default those of the command line.

    Returns:
        `dict[str, float]`: The metrics of the evaluation, empty without `--do_eval`.
    """
    model_args, data_args, training_args = parse_arguments(
        (ModelArguments, SquadDataArguments, TrainingArguments), argv
    )
    used = {"train": training_args.do_train, "validation": training_args.do_eval, "test": training_args.do_predict}
    check_actions(training_args, ("do_train", "do_eval", "do_predict"))
    check_checkpoint(training_args)
    check_order(training_args)
    training_args.label_names = ["start_positions", "end_positions"]
    set_up_logging(logger, training_args)
    logger.info(f"Training/evaluation parameters {training_args}")
    set_seed(training_args.seed)

    kinds = [kind for kind, is_used in used.items() if is_used]
    with training_args.main_process_first(desc="loading the data"):
        splits = load_squad_data(data_args, kinds, model_args.cache_dir, model_args.token)
    model, tokenizer = load_model(model_args, data_args, trains=training_args.do_train)
    with training_args.main_process_first(desc="cutting the contexts into windows"):
        train_dataset, validation, test = prepare(splits, tokenizer, model.config, data_args)
    trainer = FineTuningTrainer(
        model=model,
        args=training_args,
        train_dataset=train_dataset,
        eval_dataset=validation and validation.inputs,
        compute_metrics=validation and validation.compute_metrics,
        processing_class=tokenizer,
        data_collator=get_collator(training_args, tokenizer),
        card=SquadCard(
            model_name=training_args.hub_model_id or Path(training_args.output_dir).resolve().name,
            start=model_args.model_name_or_path,
            random_init=model_args.random_init,
            data_name=data_args.description,
            dataset_name=data_args.hub_dataset,
            hyperparameters=hyperparameters(training_args),
        ),
    )

    if training_args.do_train:
        trainer.train_and_save(train_windows=len(trainer.train_dataset))
    results = evaluate(trainer, validation) if training_args.do_eval else {}
    if training_args.do_predict:
        predict(trainer, test)
    if training_args.push_to_hub:
        trainer.push_to_hub()
    elif training_args.do_train:
        trainer.create_model_card()
    return results


if __name__ == "__main__":
    run_script(main)
