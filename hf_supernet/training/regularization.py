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
"""Regularisation of some paths and not of others."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from ..architecture import Architecture
from ..models.searched_bert.modeling_searched_bert import SearchedBertSelfAttention
from ..models.supernet_bert import SupernetBertPreTrainedModel
from ..models.supernet_bert.sliced import parameters_read


REGULARIZED_PATHS = ("all", "largest")
"""Which of a step's paths have dropout, and whose weights decay."""


def dropouts_of(models: Iterable[nn.Module]) -> list[tuple[nn.Module, str]]:
    """The modules that drop something out, each with the name of the attribute that is its probability."""
    found = []
    for module in (module for model in models for module in model.modules()):
        if isinstance(module, nn.Dropout):
            found.append((module, "p"))
        elif isinstance(module, SearchedBertSelfAttention):
            found.append((module, "dropout"))
    return found


@contextmanager
def without_dropout(dropouts: list[tuple[nn.Module, str]]) -> Iterator[None]:
    """
    Within this context nothing is dropped out, and no random number is drawn for it.

    The modules stay in training mode, by which activation checkpointing goes. It runs layers again in the backward pass: that
    has to lie within the context too.

    Args:
        dropouts (`list[tuple[nn.Module, str]]`):
            From [`dropouts_of`].
    """
    before = [getattr(module, name) for module, name in dropouts]
    for module, name in dropouts:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for (module, name), probability in zip(dropouts, before, strict=True):
            setattr(module, name, probability)


def parameters_off(model: SupernetBertPreTrainedModel, architecture: Architecture) -> set[int]:
    """
    What the encoder of a supernet has beside the path of an architecture.

    Args:
        model ([`SupernetBertForMaskedLM`] or another supernet):
            The supernet.
        architecture ([`Architecture`]):
            The path; of an operator that is a slice of a larger one, all of that one counts as its own.

    Returns:
        `set[int]`: the `id` of each parameter.
    """
    encoder = model.base_model.encoder
    path = [encoder.layer[index][str(operator)] for index, operator in enumerate(architecture)]
    read = {id(parameter) for operator in path for parameter in parameters_read(operator)}
    return {id(parameter) for parameter in encoder.parameters()} - read


__all__ = ["REGULARIZED_PATHS", "dropouts_of", "parameters_off", "without_dropout"]
