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
"""The model to fine-tune: its options and how it is loaded, for both of the examples' scripts."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from ..data.glue import GlueData, longest_input
from ..data.glue_arguments import GlueDataArguments
from ..evaluation.glue_card import FineTuningCard
from ..loading import load_config, naming_damaged_weights
from ..models.supernet_bert import SupernetBertPreTrainedModel
from .trained_classifiers import load_trained_classifier, take_over


logger = logging.get_logger(__name__)


@dataclass
class ModelArguments:
    """
    Which model to fine-tune.

    Args:
        model_name_or_path (`str`):
            A model on the Hub or in a folder.
        config_name (`str`, *optional*):
            Configuration, if not that of the model.
        tokenizer_name (`str`, *optional*):
            Tokenizer, if not that of the model.
        random_init (`bool`, *optional*, defaults to `False`):
            Take only the configuration of the model and start from random weights.
        cache_dir (`str`, *optional*):
            Where to keep what is downloaded.
        model_revision (`str`, *optional*, defaults to `"main"`):
            Branch, tag or commit on the Hub.
        token (`str`, *optional*):
            Access token of the Hub; by default that of `hf auth login`.
        trust_remote_code (`bool`, *optional*, defaults to `False`):
            Whether to run code that a model's repository carries.
        ignore_mismatched_sizes (`bool`, *optional*, defaults to `False`):
            Start the classification head anew where the checkpoint's has other labels.
    """

    model_name_or_path: str = field(metadata={"help": "A model on the Hub or in a folder."})
    config_name: str | None = field(default=None, metadata={"help": "Configuration, if not that of the model."})
    tokenizer_name: str | None = field(default=None, metadata={"help": "Tokenizer, if not that of the model."})
    random_init: bool = field(
        default=False, metadata={"help": "Take only the configuration of the model and start from random weights."}
    )
    cache_dir: str | None = field(default=None, metadata={"help": "Where to keep what is downloaded."})
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit on the Hub."})
    token: str | None = field(default=None, metadata={"help": "Access token of the Hub."})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "Whether to run code that a model's repository carries."}
    )
    ignore_mismatched_sizes: bool = field(
        default=False, metadata={"help": "Start the head anew where the checkpoint's has other labels."}
    )


@dataclass
class ClassifierArguments(ModelArguments):
    """
    Which classifier to fine-tune, and what it starts from.

    Args:
        architecture (`str`, *optional*):
            For a supernet: fine-tune its child of this architecture (`"A4-F512-C3-I"`). Without it the whole supernet is
            fine-tuned, on the path of its default architecture.
        init_from (`str`, *optional*):
            Start from the weights of this model, which is the same network, fine-tuned on another task: body and pooler
            are taken over, and the head where the labels are the same by name. A folder or a model on the Hub. With
            `--seeds`, `{seed}` in it stands for the seed.

    Raises:
        ValueError: for `init_from` with `random_init`.
    """

    architecture: str | None = field(
        default=None, metadata={"help": "Fine-tune the child of this architecture of a supernet, as in A4-F512-C3-I."}
    )
    init_from: str | None = field(
        default=None,
        metadata={"help": "Start from the weights of this model: the same network, fine-tuned on another task."},
    )

    def __post_init__(self):
        if self.init_from is not None and self.random_init:
            raise ValueError("Both `init_from` and `random_init` say what weights to start from: pass one of the two.")

    @property
    def hub(self) -> dict[str, Any]:
        """Arguments of `from_pretrained` that hold for every model that is loaded."""
        return {"cache_dir": self.cache_dir, "token": self.token, "trust_remote_code": self.trust_remote_code}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings for a model card, by a readable name."""
        return {} if self.architecture is None else {"architecture": f"`{self.architecture}`"}


def load_classifier(
    model_args: ClassifierArguments, data_args: GlueDataArguments, data: GlueData, trains: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """
    A sequence classification model with the labels of the data, and its tokenizer.

    Args:
        model_args (`ClassifierArguments`):
            Which model.
        data_args (`GlueDataArguments`):
            How long the inputs are to be.
        data (`GlueData`):
            The data with its labels.
        trains (`bool`):
            Whether the model will be trained. If not, it has to know the labels already.

    Returns:
        `tuple[PreTrainedModel, PreTrainedTokenizerBase]`: Model and tokenizer.

    Raises:
        ValueError: if the tokenizer is not the model's, the labels are others and there will be no training, the
            weights are damaged, `architecture` is none of the model's, or `init_from` is another network.
        OSError: where there is no such model.
    """
    hub = model_args.hub | {"revision": model_args.model_revision}
    config = load_config(model_args.config_name or model_args.model_name_or_path, **hub)
    start = None
    if model_args.init_from is not None:
        if not trains:
            raise ValueError("`init_from` is a start for training, and there is none: pass `do_train`.")
        start = load_trained_classifier(model_args.init_from, "init_from", **model_args.hub)
    config.update(data.label_config(config if start is None else start.config, trains=trains))
    tokenizer = AutoTokenizer.from_pretrained(model_args.tokenizer_name or model_args.model_name_or_path, **hub)
    check_tokenizer(tokenizer, config, data_args)
    if model_args.random_init or start is not None:
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=model_args.trust_remote_code)
    else:
        with naming_damaged_weights(model_args.model_name_or_path):
            model = AutoModelForSequenceClassification.from_pretrained(
                model_args.model_name_or_path,
                config=config,
                ignore_mismatched_sizes=model_args.ignore_mismatched_sizes,
                **hub,
            )
    if model_args.architecture is not None:
        model = extract_child(model, model_args.architecture, model_args.model_name_or_path)
    if start is not None:
        has_head = take_over(model, start, model_args.init_from)
        logger.warning(
            f'Starting from the weights of "{model_args.init_from}", the head {"included" if has_head else "drawn anew"}.'
        )
    return model, tokenizer


def extract_child(model: PreTrainedModel, architecture: str, name_or_path: str) -> PreTrainedModel:
    """
    The child of a supernet, by the option `architecture`.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The supernet.
        architecture (`str`):
            In the compact form.
        name_or_path (`str`):
            The name of the model, for the message.

    Raises:
        ValueError: where the model is no supernet, or has no such architecture.
    """
    if not isinstance(model, SupernetBertPreTrainedModel):
        raise ValueError(
            f'`architecture` names a child of a supernet, and "{name_or_path}" is a {model.config.model_type} model:'
            " leave it out."
        )
    try:
        return model.extract_child(architecture)
    except ValueError as error:
        raise ValueError(f'`architecture`: "{name_or_path}" has no such child. {error}') from error


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, args: GlueDataArguments) -> None:
    """
    Refuse a tokenizer that is not the model's; say so where the texts are cut shorter than asked for.

    Raises:
        ValueError: if the tokenizer has more tokens than the model has embeddings, or none but special ones.
    """
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        # What transformers makes of a folder that has a model alone: to it, every word is unknown.
        raise ValueError(
            f"The tokenizer has no tokens but special ones ({', '.join(tokenizer.all_special_tokens)}): its files are not beside"
            " the model. Pass one as `tokenizer_name`, or save it there with `tokenizer.save_pretrained`."
        )
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"The tokenizer has {len(tokenizer)} tokens, the model embeds {config.vocab_size}: it is not the tokenizer of "
            "this model. Pass the right one as `tokenizer_name`."
        )
    if args.max_seq_length > longest_input(tokenizer, config):
        logger.warning(
            f"`max_seq_length={args.max_seq_length}` is more than the model takes; texts are cut at "
            f"{longest_input(tokenizer, config)} tokens."
        )


def fine_tuning_card(
    model_args: ClassifierArguments,
    data_args: GlueDataArguments,
    output_dir: str,
    hub_model_id: str | None,
    hyperparameters: dict[str, Any],
    metrics: dict[str, float] | None = None,
) -> FineTuningCard:
    """
    The card of a fine-tuned model.

    Args:
        model_args (`ClassifierArguments`):
            The model it started from.
        data_args (`GlueDataArguments`):
            The data.
        output_dir (`str`):
            The folder the model is written to: its name is the model's, unless it goes to the Hub.
        hub_model_id (`str`, *optional*):
            The model's name on the Hub.
        hyperparameters (`dict[str, Any]`):
            The settings of the training, by a readable name.
        metrics (`dict[str, float]`, *optional*):
            The results, where there are some already.

    Returns:
        `FineTuningCard`: The card, not yet written.
    """
    return FineTuningCard(
        model_name=hub_model_id or Path(output_dir).resolve().name,
        start=model_args.init_from or model_args.model_name_or_path,
        random_init=model_args.random_init,
        data_name=data_args.description,
        task_name=data_args.task_name,
        dataset_name=data_args.hub_dataset,
        hyperparameters=hyperparameters | {"tokens of a text, at most": data_args.max_seq_length},
        metrics=metrics or {},
    )


def find_checkpoint(name: str | None, output_dir: str | os.PathLike) -> Path | None:
    """
    The folder to resume from.

    Args:
        name (`str`, *optional*):
            A folder; `"last"` (or `"True"`) is the `step_*` of `output_dir` with the most steps.
        output_dir (`str` or `os.PathLike`):
            Where the run writes its checkpoints.

    Returns:
        `Path`, *optional*: The folder, `None` where no name is given.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if name in ("last", "True", "true"):
        folders = [path for path in Path(output_dir).glob("step_*") if path.name.removeprefix("step_").isdecimal()]
        if not folders:
            raise FileNotFoundError(f'`resume_from_checkpoint`: "{output_dir}" has no checkpoint `step_*`.')
        return max(folders, key=lambda path: int(path.name.removeprefix("step_")))
    if name is not None and not Path(name).is_dir():
        raise FileNotFoundError(f'`resume_from_checkpoint`: there is no folder "{name}".')
    return None if name is None else Path(name)
