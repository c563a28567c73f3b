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
"""Classifiers that were fine-tuned before: as the start of another fine-tuning, or as its teacher."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from ..loading import naming_damaged_weights


# What two models of one network may differ in: where they come from, their labels, what they return, and what acts in
# training only. A Trainer switches `use_cache` off, and gives a model the token ids of its tokenizer.
_NOT_THE_NETWORK = {
    "_name_or_path",
    "architectures",
    "auto_map",
    "chunk_size_feed_forward",
    "default_architecture",
    "dtype",
    "id2label",
    "initializer_range",
    "label2id",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "problem_type",
    "return_dict",
    "transformers_version",
    "use_cache",
}


def load_trained_classifier(name_or_path: str, argument: str, **hub) -> PreTrainedModel:
    """
    Loads a sequence classification model whose head was trained.

    Args:
        name_or_path (`str`):
            A model on the Hub or in a folder.
        argument (`str`):
            The name of the option it was given as, for the message.
        hub:
            Passed on to `from_pretrained` (`cache_dir`, `token`, `trust_remote_code`).

    Returns:
        [`~transformers.PreTrainedModel`]: The model, with the labels that it was trained on.

    Raises:
        ValueError: where there is no such model, its weights are damaged, or it has no head that was trained.
        OSError: where the folder has no weights.
    """
    try:
        config = AutoConfig.from_pretrained(name_or_path, **hub)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'`{argument}`: "{name_or_path}" is no model, neither a folder with a `config.json` nor one on the Hub'
            f" ({error})."
        ) from error
    with naming_damaged_weights(name_or_path):
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            name_or_path, config=config, output_loading_info=True, **hub
        )
    if loaded["missing_keys"]:
        raise ValueError(
            f'`{argument}`: "{name_or_path}" was not fine-tuned as a classifier, it lacks the weights '
            f"{', '.join(sorted(loaded['missing_keys']))}. Name the output folder of a fine-tuning."
        )
    return model


def label_positions(config: PreTrainedConfig, wanted: PreTrainedConfig) -> list[int] | None:
    """
    Where a model's logits have the labels of another model.

    Args:
        config ([`~transformers.PreTrainedConfig`]):
            Of the model whose logits are read.
        wanted ([`~transformers.PreTrainedConfig`]):
            Has the labels, in the order that is wanted.

    Returns:
        `list[int]`, *optional*: `logits[:, positions]` is in the wanted order. `None` where the labels are not the same
        by name, regardless of case, or have no names (`LABEL_0`, ...). Regressions, which have one output, are the same.
    """
    if config.num_labels == wanted.num_labels == 1:
        return [0]
    names = [name.lower() for _, name in sorted(config.id2label.items())]
    wanted_names = [name.lower() for _, name in sorted(wanted.id2label.items())]
    if sorted(names) != sorted(wanted_names) or names == [f"label_{i}" for i in range(len(names))]:
        return None
    return [names.index(name) for name in wanted_names]


def check_same_network(model: PreTrainedModel, source: PreTrainedModel, name_or_path: str) -> None:
    """
    Refuses a model that is another network, whatever its head.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The model that is to get weights.
        source ([`~transformers.PreTrainedModel`]):
            The model that has them.
        name_or_path (`str`):
            The name of `source`, for the message.

    Raises:
        ValueError: where their configurations describe two networks; the message has the first three differences.
    """
    mine, theirs = _network(model.config), _network(source.config)
    differing = [
        f"{name} {theirs.get(name)!r} instead of {mine.get(name)!r}"
        for name in sorted(mine | theirs)
        if mine.get(name) != theirs.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if differing[3:] else ""
        raise ValueError(
            f'`init_from`: "{name_or_path}" is another network than the model: {"; ".join(differing[:3])}{more}. Start'
            " from a model that was fine-tuned from this one."
        )


def take_over(model: PreTrainedModel, source: PreTrainedModel, name_or_path: str) -> bool:
    """
    Gives a classifier the weights of one that was fine-tuned before.

    The body, pooler included, is taken over as it is. So is the head where the labels are the same by name (or both
    are regressions), its rows in the order of the model's labels. Otherwise the head stays as it was drawn: three rows
    that tell entailed, neutral and contradicted apart say nothing of two other classes, even where the numbers agree.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The classifier to change, in place.
        source ([`~transformers.PreTrainedModel`]):
            The same network, fine-tuned.
        name_or_path (`str`):
            The name of `source`, for messages.

    Returns:
        `bool`: Whether the head was taken over too.

    Raises:
        ValueError: where `source` is another network.
    """
    check_same_network(model, source, name_or_path)
    model.base_model.load_state_dict(source.base_model.state_dict())
    positions = label_positions(source.config, model.config)
    if positions is None:
        return False
    body = f"{model.base_model_prefix}."
    trained = source.state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(body):
                continue
            weights = trained[name]
            # the last layer of the head has a row for each label; a head may have layers in front of it
            is_last = name.rpartition(".")[0] == _last_layer(model)
            parameter.copy_(weights[positions] if is_last else weights)
    return True


def _network(config: PreTrainedConfig) -> dict[str, Any]:
    fields = config.to_dict().items()
    skipped = ("dropout", "_token_id")
    return {
        name: value
        for name, value in fields
        if name not in _NOT_THE_NETWORK and not any(word in name for word in skipped)
    }


def _last_layer(model: PreTrainedModel) -> str:
    """The name of the layer that gives the logits: the last linear one."""
    return [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)][-1]


__all__ = ["check_same_network", "label_positions", "load_trained_classifier", "take_over"]
