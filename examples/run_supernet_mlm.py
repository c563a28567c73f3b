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
Train a supernet with the masked-LM loss.

From scratch, on text files of your own (with `--sampler gradual --alignment_weight 0.1` it is MAGIC-AT):

    python examples/run_supernet_mlm.py --train_file "text/train-*.parquet" --validation_file "text/validation-*.parquet" \
        --vocab_size 8192 --hidden_size 128 --num_hidden_layers 12 \
        --candidate_operators attention-4 feed_forward-512 convolution-3 convolution-5 \
        --do_train --do_eval --max_steps 3000 --per_device_train_batch_size 32 --learning_rate 1e-3 \
        --output_dir supernet

Starting from a pretrained BERT, whose sub-layers the matching candidates take over:

    python examples/run_supernet_mlm.py --model_name_or_path google-bert/bert-base-uncased \
        --dataset_name Salesforce/wikitext --dataset_config_name wikitext-103-raw-v1 \
        --sampler uniform --do_train --do_eval --max_steps 10000 --output_dir supernet-from-bert

With BigNAS, candidates of one kind are slices of the largest, and all children may be ones that a plain BERT can be:

    python examples/run_supernet_mlm.py --train_file "text/train-*.parquet" --validation_file "text/validation-*.parquet" \
        --candidate_operators attention-2 attention-4 feed_forward-512 feed_forward-256 identity --hidden_sizes 128 64 \
        --attention_head_size 32 --weight_sharing sliced --plain_children --zero_init_branches \
        --sampler sandwich --distillation inplace --do_train --do_eval --max_steps 3000 --output_dir supernet-bignas

A run that was stopped goes on with `--resume_from_checkpoint True`, or a checkpoint's folder, and ends as it would have.
The options can also come from one `.json` or `.yaml` file: `python examples/run_supernet_mlm.py options.yaml`.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from transformers import AutoTokenizer, PreTrainedTokenizerBase, set_seed

from hf_supernet import SearchSpace, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.data import MaskingCollator, tokenize_corpus, train_tokenizer
from hf_supernet.data.text_arguments import TextArguments
from hf_supernet.files import replacing_folder
from hf_supernet.loading import check_length, load_config, naming_damaged_weights
from hf_supernet.models.supernet_bert import IMPORTANCES, order_slices
from hf_supernet.scripts import check_actions, parse_arguments, run_script, set_up_logging
from hf_supernet.training import SupernetTrainer, SupernetTrainingArguments
from hf_supernet.training.checkpoints import last_complete_checkpoint, read_supernet_state


logger = logging.getLogger(__name__)

IMPORTANCE_SAMPLES = 512
"""Training sequences by whose loss parts are ordered, with `importance="gradient"`."""

MIN_POSITIONS = 512
"""Tokens that a new supernet can read, where the sequences it is trained on are no longer."""


@dataclass
class ModelArguments:
    """Which supernet: one to go on with, a BERT to start from, or sizes for a new one."""

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "A supernet to train further, or a BERT to start from; left out: a new supernet."},
    )
    tokenizer_name: str | None = field(
        default=None,
        metadata={"help": "The tokenizer, where it is not the model's; for a new supernet, left out: one is trained."},
    )
    vocab_size: int = field(default=8192, metadata={"help": "The vocabulary of a tokenizer that is trained."})
    candidate_operators: list[str] | None = field(
        default=None,
        metadata={
            "help": "What each layer may choose from, such as attention-4 feed_forward-512 convolution-3 identity."
        },
    )
    num_hidden_layers: int = field(default=12, metadata={"help": "Layers (operators on a path) of a new supernet."})
    hidden_size: int = field(default=128, metadata={"help": "Hidden size of a new supernet."})
    embedding_size: int | None = field(
        default=None, metadata={"help": "Embedding size of a new supernet, where it is not the hidden size."}
    )
    attention_head_size: int | None = field(
        default=None, metadata={"help": "Size of one head; left out: the heads split the hidden size."}
    )
    dropout: float = field(default=0.1, metadata={"help": "Dropout of a new supernet."})
    identity_placement: str = field(
        default="anywhere", metadata={"help": "Where identities may stand.", "choices": ["anywhere", "end"]}
    )
    weight_sharing: str = field(
        default="separate",
        metadata={
            "help": "separate: each candidate has its own weights; sliced: those of one kind are parts of the largest.",
            "choices": ["separate", "sliced"],
        },
    )
    hidden_sizes: list[int] | None = field(
        default=None,
        metadata={"help": "Hidden sizes to search, with --weight_sharing sliced; the largest is the model's."},
    )
    importance: str | None = field(
        default=None,
        metadata={
            "help": "What orders the heads and units of a BERT whose weights are sliced, so that small children keep those that"
            " matter: magnitude (the default there) or gradient (on training text).",
            "choices": list(IMPORTANCES),
        },
    )
    plain_children: bool = field(
        default=False, metadata={"help": "Only children that a plain BERT can be, one size for all its blocks."}
    )
    zero_init_branches: bool = field(
        default=False, metadata={"help": "Operators of a new supernet start as ones that add nothing, as in BigNAS."}
    )
    mixture: str | None = field(
        default=None,
        metadata={
            "help": "Weights that are mixtures of experts for each architecture: one mixture a linear layer, or a neuron.",
            "choices": ["layer", "neuron"],
        },
    )
    num_experts: int = field(default=2, metadata={"help": "With a mixture: the number of experts."})
    expert_operators: str = field(
        default="feed_forward",
        metadata={"help": "With a mixture: the operators that have experts.", "choices": ["feed_forward", "all"]},
    )
    revision: str = field(default="main", metadata={"help": "The revision of the model on the Hub."})
    token: str | None = field(default=None, metadata={"help": "The token for private repositories of the Hub."})


@dataclass
class DataTrainingArguments(TextArguments):
    """Which text, and what becomes of it."""

    streaming: bool = field(default=False, metadata={"help": "Read the corpus while it is used; needs max_steps."})
    max_train_samples: int | None = field(default=None, metadata={"help": "Train on this many sequences only."})
    preprocessing_num_workers: int | None = field(default=None, metadata={"help": "Processes that tokenise."})

    def __post_init__(self):
        super().__post_init__()
        if self.python_prose and self.streaming:
            raise ValueError("`python_prose` is in memory: leave out `streaming`.")
        if self.streaming and self.preprocessing_num_workers is not None:
            raise ValueError("`preprocessing_num_workers` does not go with `streaming`; set `dataloader_num_workers`.")


def load_tokenizer(
    model_args: ModelArguments, data_args: DataTrainingArguments, training_args: SupernetTrainingArguments, corpus
) -> PreTrainedTokenizerBase:
    """The tokenizer that is named, or the model's, or a new one, which is kept in the output folder."""
    named = model_args.tokenizer_name or model_args.model_name_or_path
    if named:
        return AutoTokenizer.from_pretrained(named, revision=model_args.revision, token=model_args.token)
    folder = Path(training_args.output_dir) / "tokenizer"
    # A run that goes on keeps its tokenizer, and one process makes it for all.
    is_made = training_args.resume_from_checkpoint is not None or training_args.local_process_index > 0
    if is_made and (folder / "tokenizer.json").is_file():
        return AutoTokenizer.from_pretrained(folder)
    logger.info(f"Training a tokenizer with a vocabulary of {model_args.vocab_size}")
    texts = (row[data_args.text_column] or "" for row in corpus["train"])
    longest = max(MIN_POSITIONS, data_args.max_seq_length)
    tokenizer = train_tokenizer(texts, model_args.vocab_size, model_max_length=longest)
    with replacing_folder(folder) as temporary:
        tokenizer.save_pretrained(temporary)
    return tokenizer


def search_space_options(model_args: ModelArguments) -> dict[str, Any]:
    """What says which children there are and what they share, of a new supernet and of one that starts from a BERT."""
    return {
        "identity_placement": model_args.identity_placement,
        "weight_sharing": model_args.weight_sharing,
        "hidden_sizes": model_args.hidden_sizes,
        "plain_children": model_args.plain_children,
        "mixture": model_args.mixture,
        "num_experts": model_args.num_experts,
        "expert_operators": model_args.expert_operators,
    }


def check_fixed(model_args: ModelArguments) -> None:
    """Raises a `ValueError` for an option that the supernet to train further has decided already."""
    given = {"candidate_operators": model_args.candidate_operators, **search_space_options(model_args)}
    given |= {name: getattr(model_args, name) for name in ("zero_init_branches", "importance")}
    named = [f"`{name}`" for name, value in given.items() if value != getattr(ModelArguments, name)]
    if named:
        raise ValueError(f"{', '.join(named)}: fixed by the supernet; leave that out to train it further.")


def new_config(model_args: ModelArguments, data_args: DataTrainingArguments) -> SupernetBertConfig:
    """The configuration of a new supernet; its vocabulary is known when there is a tokenizer."""
    fields: dict[str, Any] = {
        "vocab_size": model_args.vocab_size,
        "num_hidden_layers": model_args.num_hidden_layers,
        "hidden_size": model_args.hidden_size,
        "embedding_size": model_args.embedding_size,
        "attention_head_size": model_args.attention_head_size,
        "hidden_dropout_prob": model_args.dropout,
        "attention_probs_dropout_prob": model_args.dropout,
        "max_position_embeddings": max(MIN_POSITIONS, data_args.max_seq_length),
        "zero_init_branches": model_args.zero_init_branches,
        **search_space_options(model_args),
    }
    if model_args.candidate_operators:
        fields["candidate_operators"] = model_args.candidate_operators
    return SupernetBertConfig(**fields)


def load_supernet(model_args: ModelArguments, max_seq_length: int) -> SupernetBertForMaskedLM:
    """The supernet to train further, or a new one that starts from a BERT."""
    hub_options = {"revision": model_args.revision, "token": model_args.token}
    config = load_config(model_args.model_name_or_path, **hub_options)
    check_length(max_seq_length, config)
    name, operators = model_args.model_name_or_path, model_args.candidate_operators
    is_supernet = config.model_type == SupernetBertConfig.model_type
    if is_supernet:
        check_fixed(model_args)
    elif model_args.zero_init_branches:
        raise ValueError(
            "`zero_init_branches` is for training from scratch: the operators of a supernet that starts from a BERT have its"
            " weights. Leave it out."
        )
    with naming_damaged_weights(name):
        if is_supernet:
            return SupernetBertForMaskedLM.from_pretrained(name, **hub_options)
        return SupernetBertForMaskedLM.from_bert(name, operators, **search_space_options(model_args), **hub_options)


def check_arguments(
    model_args: ModelArguments, data_args: DataTrainingArguments, training_args: SupernetTrainingArguments
) -> None:
    """What can be said before anything is read."""
    check_actions(training_args)
    check_importance(model_args)
    if data_args.streaming and training_args.do_train and training_args.max_steps <= 0:
        raise ValueError("A stream has no known length: say with `max_steps` how long to train on it.")
    if training_args.resume_from_checkpoint is True:
        last_complete_checkpoint(training_args.output_dir)
    elif training_args.resume_from_checkpoint is not None:
        read_supernet_state(training_args.resume_from_checkpoint)


def prepare_data(data_args: DataTrainingArguments, corpus, tokenizer: PreTrainedTokenizerBase):
    limit = data_args.max_train_samples
    if data_args.streaming and limit is None:
        # The stream begins anew where it ends, so that `max_steps` decides alone how long the training is.
        corpus["train"] = corpus["train"].repeat(None)
    tokenized = tokenize_corpus(
        corpus,
        tokenizer,
        data_args.max_seq_length,
        data_args.text_column,
        data_args.pack,
        num_proc=data_args.preprocessing_num_workers,
    )
    train, dev = tokenized["train"], tokenized["validation"]
    if limit is not None:
        train = train.take(limit)
        train = train.repeat(None) if data_args.streaming else train
    if data_args.max_eval_samples is not None:
        dev = dev.take(data_args.max_eval_samples)
    return train, dev


def check_importance(model_args: ModelArguments) -> None:
    """Raises a `ValueError` for an order of parts where there is none to choose."""
    if model_args.importance is not None and not orders_parts(model_args):
        raise ValueError(
            "`importance` orders the parts of a pretrained BERT, of which small children keep the first: it goes with a BERT as"
            " `model_name_or_path`, `weight_sharing='sliced'` and no `mixture`. Leave it out."
        )


def orders_parts(model_args: ModelArguments) -> bool:
    """Whether there are slices of pretrained weights, where the order of parts matters."""
    return model_args.model_name_or_path is not None and (
        model_args.weight_sharing == "sliced" and model_args.mixture is None
    )


def importance_batches(train_dataset, collator: MaskingCollator, batch_size: int):
    """The sequences that a gradient is taken of, in batches."""
    return DataLoader(train_dataset.take(IMPORTANCE_SAMPLES), batch_size, collate_fn=collator)


def prepare(model_args: ModelArguments, data_args: DataTrainingArguments, training_args: SupernetTrainingArguments):
    """The supernet, the tokenizer and the data; what is quickly checked comes before what takes long."""
    model = load_supernet(model_args, data_args.max_seq_length) if model_args.model_name_or_path else None
    config = model.config if model else new_config(model_args, data_args)
    space = SearchSpace.from_config(config)
    training_args.build_sampler(space, config)
    training_args.build_alignment(space)
    corpus = data_args.load(training_args.seed, data_args.streaming)
    tokenizer = load_tokenizer(model_args, data_args, training_args, corpus)
    if model is None:
        config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
        model = SupernetBertForMaskedLM(config)
    elif len(tokenizer) > config.vocab_size:
        model.resize_token_embeddings(len(tokenizer))
    train, dev = prepare_data(data_args, corpus, tokenizer)
    if orders_parts(model_args):
        collator = MaskingCollator(tokenizer, data_args.mlm_probability, seed=training_args.seed)
        batches = importance_batches(train, collator, training_args.per_device_train_batch_size)
        order_slices(model, model_args.importance or "magnitude", batches)
    return model, tokenizer, train, dev


def card_facts(model_args: ModelArguments, data_args: DataTrainingArguments) -> dict[str, Any]:
    """What the card says that the trainer does not know."""
    return {
        "finetuned_from": model_args.model_name_or_path,
        "dataset": data_args.description,
        "dataset_tags": data_args.hub_dataset,
    }


def main(argv: list[str] | None = None) -> dict[str, float]:
    types = (ModelArguments, DataTrainingArguments, SupernetTrainingArguments)
    model_args, data_args, training_args = parse_arguments(types, argv)
    check_arguments(model_args, data_args, training_args)
    set_up_logging(logger, training_args)
    set_seed(training_args.seed)

    # One process makes what the others then read: the tokenizer, and the tokenised corpus in the cache.
    with training_args.main_process_first(desc="loading and tokenising the corpus"):
        model, tokenizer, train_dataset, eval_dataset = prepare(model_args, data_args, training_args)
    logger.info(f"The search space: {model.search_space}")

    trainer = SupernetTrainer(
        model,
        training_args,
        train_dataset=train_dataset if training_args.do_train else None,
        eval_dataset=eval_dataset,
        data_collator=MaskingCollator(tokenizer, data_args.mlm_probability, seed=training_args.seed),
        processing_class=tokenizer,
    )
    metrics: dict[str, float] = {}
    if training_args.do_train:
        result = trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
        trainer.save_model()
        trainer.save_state()
        metrics |= result.metrics
        trainer.log_metrics("train", result.metrics)
        trainer.save_metrics("train", result.metrics)
    if training_args.do_eval:
        evaluated = trainer.evaluate()
        metrics |= evaluated
        trainer.log_metrics("eval", evaluated)
        trainer.save_metrics("eval", evaluated)
    if training_args.push_to_hub:
        trainer.push_to_hub(**card_facts(model_args, data_args))
    else:
        trainer.create_model_card(**card_facts(model_args, data_args))
    return metrics


if __name__ == "__main__":
    run_script(main)
