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
# dependencies = ["hf_supernet", "transformers>=5.23", "accelerate>=1.10", "datasets>=4.0", "torch>=2.6"]
# ///
"""
Train a searched child on alone, with the masked-LM loss, before it is fine-tuned.

The weights that a child has from its supernet are shared with all the others; some training by itself makes them its own
(NAS-BERT, https://huggingface.co/papers/2105.14444, trains its children anew from scratch):

    python examples/run_child_mlm.py --model_name_or_path search/child \
        --train_file "text/train-*.parquet" --validation_file "text/validation-*.parquet" \
        --do_train --do_eval --max_steps 5000 --per_device_train_batch_size 32 --learning_rate 5e-4 \
        --output_dir child-trained

Any model that `AutoModelForMaskedLM` loads will do if its head was trained, a child that was exported as plain BERT too.
The masks, and the documents that are held out where there is no validation split, are those of `run_supernet_mlm.py`.
The options can also come from one `.json` or `.yaml` file: `python examples/run_child_mlm.py options.yaml`.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
    set_seed,
)

from hf_supernet import SupernetBertConfig
from hf_supernet.data import MaskingCollator, tokenize_corpus
from hf_supernet.data.text_arguments import TextArguments
from hf_supernet.loading import check_length, load_config, load_trained
from hf_supernet.scripts import check_actions, check_checkpoint, parse_arguments, run_script, set_up_logging
from hf_supernet.training.finetuning_trainer import hyperparameters
from hf_supernet.training.masked_lm_card import MaskedLMCard
from hf_supernet.training.masked_lm_trainer import MaskedLMTrainer, NewMasksEveryEpoch


logger = logging.getLogger(__name__)


@dataclass
class ModelArguments:
    """Which child."""

    model_name_or_path: str = field(metadata={"help": "The child: a folder, or a Hub id."})


def load_child(name_or_path: str, max_seq_length: int) -> PreTrainedModel:
    config = load_config(name_or_path)
    if config.model_type == SupernetBertConfig.model_type:
        raise ValueError(
            f"'{name_or_path}' is a supernet, and what is trained here is one of its children: search it first, or save what"
            " its `extract_child` returns."
        )
    check_length(max_seq_length, config)
    return load_trained(AutoModelForMaskedLM, name_or_path, "masked language modelling", config=config)


def prepare_data(data_args: TextArguments, training_args: TrainingArguments, tokenizer: PreTrainedTokenizerBase):
    with training_args.main_process_first(desc="loading and tokenising the corpus"):
        corpus = data_args.load(training_args.seed)
        tokenized = tokenize_corpus(corpus, tokenizer, data_args.max_seq_length, data_args.text_column, data_args.pack)
    train, dev = tokenized["train"], tokenized["validation"]
    return train, dev if data_args.max_eval_samples is None else dev.take(data_args.max_eval_samples)


def make_card(model_args: ModelArguments, data_args: TextArguments, training_args: TrainingArguments) -> MaskedLMCard:
    settings = hyperparameters(training_args)
    return MaskedLMCard(
        model_name=training_args.hub_model_id or Path(training_args.output_dir).resolve().name,
        start=model_args.model_name_or_path,
        random_init=False,
        data_name=data_args.description,
        dataset_name=data_args.hub_dataset,
        hyperparameters=settings and settings | {"tokens of a sequence": data_args.max_seq_length},
    )


def main(argv: list[str] | None = None) -> dict[str, float]:
    model_args, data_args, training_args = parse_arguments((ModelArguments, TextArguments, TrainingArguments), argv)
    check_actions(training_args)
    check_checkpoint(training_args)
    set_up_logging(logger, training_args)
    set_seed(training_args.seed)
    model = load_child(model_args.model_name_or_path, data_args.max_seq_length)
    tokenizer = AutoTokenizer.from_pretrained(model_args.model_name_or_path)
    train, dev = prepare_data(data_args, training_args, tokenizer)
    training_args.remove_unused_columns = False  # the collator reads `example_id`
    training_args.prediction_loss_only = True
    collator = MaskingCollator(tokenizer, data_args.mlm_probability, seed=training_args.seed)
    trainer = MaskedLMTrainer(
        model,
        training_args,
        train_dataset=train,
        eval_dataset=dev,
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=[NewMasksEveryEpoch(collator)],
    )
    trainer.card = make_card(model_args, data_args, training_args)
    trainer.card.describe(model, tokenizer)
    metrics: dict[str, float] = {}
    if training_args.do_train:
        result = trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
        trainer.save_model()
        trainer.save_state()
        trainer.log_metrics("train", result.metrics)
        trainer.save_metrics("train", result.metrics)
        metrics |= result.metrics
    if training_args.do_eval:
        evaluated = trainer.evaluate()
        trainer.log_metrics("eval", evaluated)
        trainer.save_metrics("eval", evaluated)
        metrics |= evaluated
    trainer.card.metrics.update(metrics)
    if training_args.push_to_hub:
        trainer.push_to_hub()
    elif training_args.do_train:
        trainer.create_model_card()
    return metrics


if __name__ == "__main__":
    run_script(main)
