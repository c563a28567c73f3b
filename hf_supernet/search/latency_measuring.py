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
"""Measuring operators and whole children under the conditions of a latency table."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from ..architecture import Architecture
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
from .timing import LatencyMeasurement, LatencySettings, model_call, time_samples


HEAD_CLASSES = {
    None: SearchedBertModel,
    "masked-lm": SearchedBertForMaskedLM,
    "sequence-classification": SearchedBertForSequenceClassification,
    "token-classification": SearchedBertForTokenClassification,
    "question-answering": SearchedBertForQuestionAnswering,
}


def measure_operators(
    config: SupernetBertConfig, settings: LatencySettings, head: str | None, progress: bool = False
) -> tuple[LatencyMeasurement, dict[Operator, LatencyMeasurement]]:
    """
    Measures what all children have in common, and every distinct candidate operator: a stack of as many layers as the
    model has, divided by their number.

    Args:
        config ([`SupernetBertConfig`]):
            Names the candidates and the sizes; one hidden size.
        settings ([`LatencySettings`]):
            The conditions.
        head (`str`, *optional*):
            One of `HEAD_CLASSES`.
        progress (`bool`, *optional*, defaults to `False`):
            Whether to show a progress bar.

    Returns:
        `tuple[LatencyMeasurement, dict[Operator, LatencyMeasurement]]`: a model that has an identity as its only layer,
        and the operators.
    """
    operators = sorted({operator for candidates in config.layer_candidates for operator in candidates})
    copies = config.num_hidden_layers
    base = Architecture((Operator("identity"),))
    calls: dict[Operator | None, Callable[[], Callable[[], object]]] = {
        None: lambda: model_call(build_child(config, base, head), settings)
    }
    for item in operators:
        calls[item] = lambda item=item: _operators_call(_child_config(config, base), item, copies, settings)
    samples = _in_turns(calls, settings, "Measuring latencies", progress)
    measured = LatencyMeasurement.from_samples(samples.pop(None))
    return measured, {item: LatencyMeasurement.from_samples(times, copies) for item, times in samples.items()}


def measure_children(
    config: SupernetBertConfig,
    architectures: Sequence[Architecture],
    settings: LatencySettings,
    head: str | None,
    progress: bool = False,
) -> dict[Architecture, LatencyMeasurement]:
    """Measures whole children with random weights; the arguments are as for [`measure_operators`]."""
    calls = {item: lambda item=item: model_call(build_child(config, item, head), settings) for item in architectures}
    samples = _in_turns(calls, settings, "Measuring children", progress)
    return {item: LatencyMeasurement.from_samples(times) for item, times in samples.items()}


def _in_turns(
    calls: dict[object, Callable[[], Callable[[], object]]], settings: LatencySettings, title: str, progress: bool
) -> dict[object, list[float]]:
    """The samples of each call, in seconds: all are measured before any is measured again. Each turn builds anew."""
    samples: dict[object, list[float]] = {key: [] for key in calls}
    with (
        # The weights drawn here are no draws of the caller's.
        torch.random.fork_rng(devices=[]),
        tqdm(total=settings.repeats * len(calls), desc=title, disable=not progress) as bar,
    ):
        for _ in range(settings.repeats):
            for key, build in calls.items():
                samples[key] += time_samples(build(), settings)
                bar.update()
    return samples


def build_child(config: SupernetBertConfig, architecture: Architecture, head: str | None) -> PreTrainedModel:
    """A child with random weights, on the CPU."""
    return HEAD_CLASSES[head](_child_config(config, architecture))


def _child_config(config: SupernetBertConfig, architecture: Architecture) -> SearchedBertConfig:
    child_config = config.child_config(architecture.operators)
    child_config._attn_implementation = config._attn_implementation
    return child_config


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


__all__ = ["HEAD_CLASSES", "build_child", "measure_children", "measure_operators"]
