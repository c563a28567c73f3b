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

Any model that `AutoModelForMaskedLM` loads will do, a child that was exported as plain BERT too. The masks are those of
`run_supernet_mlm.py`.
"""

import sys
from dataclasses import dataclass, field

from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    HfArgumentParser,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from hf_supernet import SearchedBertForMaskedLM
from hf_supernet.data import MaskingCollator, load_text_corpus, tokenize_corpus


@dataclass
class ScriptArguments:
    """Which child, and which text."""

    model_name_or_path: str = field(metadata={"help": "The child: a folder, or a Hub id."})
    dataset_name: str | None = field(default=None, metadata={"help": "A data set of the Hub."})
    train_file: list[str] | None = field(
        default=None, metadata={"help": "Local parquet, CSV, JSON or txt files, or patterns, in place of a data set."}
    )
    validation_file: list[str] | None = field(default=None, metadata={"help": "Likewise, for the dev loss."})
    text_column: str = field(default="text", metadata={"help": "The column that holds the text."})
    max_seq_length: int = field(default=128, metadata={"help": "Tokens a sequence."})
    mlm_probability: float = field(default=0.15, metadata={"help": "The share of tokens to predict."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on this many sequences only."})


class MaskedLMTrainer(Trainer):
    """A `Trainer` that sends only the labelled positions through the vocabulary head, where the model can do that."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra_inputs = {}
        if isinstance(self.model, SearchedBertForMaskedLM):
            self.extra_inputs = {"prediction_positions": "labelled"}
        else:
            # Its loss is a mean over its batch, whatever the number of batches that are accumulated.
            self.loss_is_scaled_for_ga = False

    def compute_loss(self, model, inputs, *args, **kwargs):
        return super().compute_loss(model, {**inputs, **self.extra_inputs}, *args, **kwargs)

    def get_eval_dataloader(self, eval_dataset=None):
        collator, self.data_collator = self.data_collator, self.data_collator.frozen()
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = collator


class NewMasksEveryEpoch(TrainerCallback):
    """Tells the collator which epoch it is."""

    def __init__(self, collator: MaskingCollator):
        self.collator = collator

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.collator.set_epoch(int(state.epoch or 0))


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = HfArgumentParser((ScriptArguments, TrainingArguments))
    script_args, training_args = parser.parse_args_into_dataclasses(sys.argv[1:] if argv is None else argv)
    if not (training_args.do_train or training_args.do_eval):
        raise ValueError("There is nothing to do: pass `do_train`, `do_eval`, or both.")
    if (script_args.dataset_name is None) == (script_args.train_file is None):
        raise ValueError("Name the text with exactly one of `dataset_name` and `train_file`.")
    set_seed(training_args.seed)
    model = AutoModelForMaskedLM.from_pretrained(script_args.model_name_or_path)
    tokenizer = AutoTokenizer.from_pretrained(script_args.model_name_or_path)
    with training_args.main_process_first(desc="loading and tokenising the corpus"):
        corpus = load_text_corpus(
            script_args.dataset_name,
            train_file=script_args.train_file,
            validation_file=script_args.validation_file,
            text_column=script_args.text_column,
        )
        tokenized = tokenize_corpus(corpus, tokenizer, script_args.max_seq_length, script_args.text_column)
    dev = tokenized["validation"]
    if script_args.max_eval_samples is not None:
        dev = dev.select(range(min(script_args.max_eval_samples, len(dev))))
    training_args.remove_unused_columns = False  # the collator reads `example_id`
    training_args.prediction_loss_only = True
    collator = MaskingCollator(tokenizer, script_args.mlm_probability, seed=training_args.seed)
    trainer = MaskedLMTrainer(
        model,
        training_args,
        train_dataset=tokenized["train"],
        eval_dataset=dev,
        data_collator=collator,
        processing_class=tokenizer,
        callbacks=[NewMasksEveryEpoch(collator)],
    )
    metrics: dict[str, float] = {}
    if training_args.do_train:
        checkpoint = training_args.resume_from_checkpoint
        result = trainer.train(resume_from_checkpoint={"True": True, "true": True}.get(checkpoint, checkpoint))
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
    return metrics


if __name__ == "__main__":
    main()
