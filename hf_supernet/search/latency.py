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
"""LatencyTable: what each operator takes on the device at hand, measured once, and summed over an architecture."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..files import write_json
from ..models.searched_bert.configuration_searched_bert import Operator, SearchedBertConfig
from ..models.searched_bert.modeling_searched_bert import (
    SearchedBertForMaskedLM,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    build_operator,
    prepare_masks,
)
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from .timing import (
    LatencyMeasurement,
    LatencySettings,
    describe_device,
    measure_model,
    model_call,
    time_samples,
)


NANOSECONDS = 10**9

_HEAD_CLASSES = {
    None: SearchedBertModel,
    "masked-lm": SearchedBertForMaskedLM,
    "sequence-classification": SearchedBertForSequenceClassification,
    "token-classification": SearchedBertForTokenClassification,
    "question-answering": SearchedBertForQuestionAnswering,
}
_SIZES = (
    "hidden_size",
    "embedding_size",
    "vocab_size",
    "attention_head_size",
    "hidden_act",
    "max_position_embeddings",
)
"""The fields of a configuration on which latencies depend, besides the operators."""


def _build(config: SupernetBertConfig, architecture: Architecture, head: str | None) -> PreTrainedModel:
    child_config = config.child_config(architecture.operators)
    child_config._attn_implementation = config._attn_implementation
    return _HEAD_CLASSES[head](child_config)


def _operators_call(
    config: SearchedBertConfig, operator: Operator, copies: int, settings: LatencySettings
) -> Callable[[], object]:
    """`copies` layers of one operator, each with weights of its own, so that these are as cold as in a whole model."""
    place = {"device": settings.device, "dtype": settings.torch_dtype}
    layers = nn.ModuleList(build_operator(config, operator) for _ in range(copies)).to(**place).eval()
    start = torch.randn(settings.batch_size, settings.sequence_length, config.hidden_size, **place)
    masks = prepare_masks(config, start, torch.ones(start.shape[:2], dtype=torch.long, device=settings.device))

    def run():
        hidden_states = start
        for layer in layers:
            hidden_states = layer(hidden_states, *masks)
        return hidden_states

    return run


class LatencyTable:
    """
    The latency of each operator on one device, and of what all children have in common (embeddings and head); the
    latency of an architecture is their sum, as in [NAS-BERT](https://huggingface.co/papers/2105.14444).

    We differ in how an operator is measured: not alone, its weights warm in the cache, but as a stack of as many layers
    as the model has, divided by their number.

    Build it by [`LatencyTable.measure`] or [`LatencyTable.load`].

    Args:
        operators (`dict[Operator, LatencyMeasurement]`):
            By operator.
        base ([`LatencyMeasurement`]):
            A model that has an identity as its only layer.
        sizes (`dict`):
            The fields of the configuration that the table holds for.
        settings ([`LatencySettings`]):
            The conditions.
        head (`str`, *optional*):
            The head in `base`.
        device (`dict`):
            The machine; see [`describe_device`].

    Example:

    ```python
    >>> table = LatencyTable.measure(model.config, LatencySettings(batch_size=1, sequence_length=128, num_threads=1))
    >>> table.latency("A4-F1024-C5-F1024")  # seconds
    ```
    """

    def __init__(
        self,
        operators: dict[Operator, LatencyMeasurement],
        base: LatencyMeasurement,
        sizes: dict,
        settings: LatencySettings,
        head: str | None,
        device: dict,
    ):
        self.operators = operators
        self.base = base
        self.sizes = sizes
        self.settings = settings
        self.head = head
        self.device = device

    @classmethod
    def measure(
        cls,
        config: SupernetBertConfig,
        settings: LatencySettings | None = None,
        head: str | None = None,
        progress: bool = False,
    ) -> "LatencyTable":
        """
        Measures every distinct candidate operator of a supernet on this machine.

        Args:
            config ([`SupernetBertConfig`]):
                Names the candidates and the sizes. Weights do not matter and are random.
            settings ([`LatencySettings`], *optional*):
                The conditions.
            head (`str`, *optional*):
                `"masked-lm"` (all positions are predicted), `"sequence-classification"`, `"token-classification"` or
                `"question-answering"`. Defaults to the bare model with its pooler.
            progress (`bool`, *optional*, defaults to `False`):
                Whether to show a progress bar.

        Raises:
            ValueError: for an unknown head, a device that is not here, and a sequence longer than the model allows.
        """
        settings = settings or LatencySettings()
        if head not in _HEAD_CLASSES:
            raise ValueError(f"`head` must be one of {', '.join(map(repr, _HEAD_CLASSES))}; got {head!r}.")
        if settings.sequence_length > config.max_position_embeddings:
            raise ValueError(
                f"`sequence_length` {settings.sequence_length} is more than `max_position_embeddings`"
                f" {config.max_position_embeddings}."
            )
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are no draws of the caller's
            return cls._measure(config, settings, head, progress)

    @classmethod
    def _measure(
        cls, config: SupernetBertConfig, settings: LatencySettings, head: str | None, progress: bool
    ) -> "LatencyTable":
        operators = sorted({operator for candidates in config.layer_candidates for operator in candidates})
        copies = config.num_hidden_layers
        base_model = _build(config, Architecture((Operator("identity"),)), head)
        samples: dict[Operator | None, list[float]] = {item: [] for item in (None, *operators)}
        with tqdm(total=settings.repeats * len(samples), desc="Measuring latencies", disable=not progress) as bar:
            for _ in range(settings.repeats):
                for item in samples:
                    if item is None:
                        call = model_call(base_model, settings)
                    else:
                        call = _operators_call(base_model.config, item, copies, settings)
                    samples[item] += time_samples(call, settings)
                    bar.update()
        base = LatencyMeasurement.from_samples(samples.pop(None))
        measured = {item: LatencyMeasurement.from_samples(times, copies) for item, times in samples.items()}
        return cls(measured, base, _sizes_of(config), settings, head, describe_device(settings.device))

    def latency(self, architecture: Architecture | str) -> float:
        """
        The latency of an architecture in seconds: `base` and its operators, added up.

        Raises:
            ValueError: for an operator that was not measured.
        """
        if isinstance(architecture, str):
            architecture = Architecture.from_string(architecture)
        return (_nanoseconds(self.base) + sum(map(self._cost_of, architecture))) / NANOSECONDS

    def cost_table(self, search_space: SearchSpace) -> CostTable:
        """The same in whole nanoseconds, for [`SearchSpace.within`]."""
        return CostTable.from_function(search_space, self._cost_of, _nanoseconds(self.base))

    def check_config(self, config: SupernetBertConfig | SearchedBertConfig) -> None:
        """Raises a `ValueError` where the table was measured for other sizes than those of `config`."""
        mine = {name: value for name, value in self.sizes.items() if value != _sizes_of(config)[name]}
        if mine:
            theirs = {name: _sizes_of(config)[name] for name in mine}
            raise ValueError(
                f"This latency table was measured for {mine}, but the model has {theirs}; measure a table for this model."
            )

    def measure_child(self, config: SupernetBertConfig, architecture: Architecture | str) -> LatencyMeasurement:
        """
        Measures a whole child on this machine under the conditions of the table, to check what the table predicts.

        Args:
            config ([`SupernetBertConfig`]):
                The sizes.
            architecture ([`Architecture`] or `str`):
                Which child. Its weights do not matter and are random.

        Raises:
            ValueError: where the table was measured for other sizes.
        """
        self.check_config(config)
        if isinstance(architecture, str):
            architecture = Architecture.from_string(architecture)
        with torch.random.fork_rng(devices=[]):
            return measure_model(_build(config, architecture, self.head), self.settings)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the table as JSON, atomically."""
        write_json(
            path,
            {
                "unit": "seconds",
                "device": self.device,
                "settings": asdict(self.settings),
                "sizes": self.sizes,
                "head": self.head,
                "base": asdict(self.base),
                "operators": {str(operator): asdict(value) for operator, value in self.operators.items()},
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatencyTable":
        """
        Reads a table that [`LatencyTable.save`] wrote.

        Raises:
            FileNotFoundError: where there is no such file.
            ValueError: where it is no latency table.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(
                {
                    Operator.from_string(name): LatencyMeasurement(**value)
                    for name, value in values["operators"].items()
                },
                LatencyMeasurement(**values["base"]),
                {name: values["sizes"][name] for name in _SIZES},
                LatencySettings(**values["settings"]),
                values["head"],
                values["device"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"'{path}' is not a latency table, or a damaged one: {error!r}.") from error

    def _cost_of(self, operator: Operator) -> int:
        if operator not in self.operators:
            known = ", ".join(map(str, self.operators))
            raise ValueError(f"The latency of {operator} was not measured; this table has {known}.")
        return _nanoseconds(self.operators[operator])


def _nanoseconds(measurement: LatencyMeasurement) -> int:
    return round(measurement.median * NANOSECONDS)


def _sizes_of(config: SupernetBertConfig | SearchedBertConfig) -> dict:
    return {name: getattr(config, name) for name in _SIZES}


__all__ = ["LatencyTable"]
