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
"""Latencies of whole classifiers, measured side by side as they are exported, and tables that predict them for a search."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from ..architecture import Architecture
from ..export.to_bert import plain_bert_obstacle, to_bert
from ..models.searched_bert import SearchedBertForSequenceClassification
from ..models.supernet_bert import SupernetBertConfig
from ..search.latency import LatencyTable
from ..search.latency_overhead import check_num_children
from ..search.latency_tables import LatencyTables, by_hidden_size
from ..search.timing import LatencyMeasurement, LatencySettings, model_call, time_samples
from ..search_space import SearchSpace
from .budget import HEAD


_AT_A_TIME = 4
"""Models that are measured side by side with the reference; more would take memory for nothing."""


class RelativeLatency(NamedTuple):
    """
    A latency beside that of a reference.

    Args:
        ratio (`float`): The median, over the turns, of the two latencies' ratio.
        low (`float`): The first quartile of that ratio.
        high (`float`): The third.
        measured ([`LatencyMeasurement`]): The model's own, in seconds.
    """

    ratio: float
    low: float
    high: float
    measured: LatencyMeasurement

    def to_dict(self) -> dict[str, Any]:
        """For a file of JSON; seconds under `latency` and `latency_iqr`."""
        return {
            "latency_ratio": self.ratio,
            "latency_ratio_quartiles": [self.low, self.high],
            "latency": self.measured.median,
            "latency_iqr": self.measured.iqr,
        }


def as_exported(child: SearchedBertForSequenceClassification) -> PreTrainedModel:
    """A child as `export_child` would write it: a plain BERT where it is one."""
    return to_bert(child) if plain_bert_obstacle(child.config) is None else child


def random_weights(config: SupernetBertConfig, architecture: Architecture) -> PreTrainedModel:
    """The network of a child as it would be exported, for measurements: its weights mean nothing."""
    child_config = config.child_config(architecture.operators, architecture.hidden_size)
    child_config._attn_implementation = config._attn_implementation
    with torch.random.fork_rng(devices=[]):
        return as_exported(SearchedBertForSequenceClassification(child_config))


def measure_side_by_side(
    models: Mapping[str, PreTrainedModel], reference: str, settings: LatencySettings
) -> dict[str, RelativeLatency]:
    """
    Measures models in turns: in each, every one is run, so that a spell in which the machine was busy touches all alike.

    Args:
        models (`dict[str, PreTrainedModel]`):
            By name. They are put into evaluation mode and moved to the device and dtype of the settings.
        reference (`str`):
            The name of the one that the others are compared with.
        settings ([`LatencySettings`]):
            The conditions; `repeats` is the number of turns.

    Returns:
        `dict[str, RelativeLatency]`: by name, the reference included.
    """
    calls = {name: model_call(model, settings) for name, model in models.items()}
    turns = [{name: time_samples(call, settings) for name, call in calls.items()} for _ in range(settings.repeats)]
    found = {}
    for name in models:
        ratios = [statistics.median(turn[name]) / statistics.median(turn[reference]) for turn in turns]
        low, ratio, high = (round(float(value), 4) for value in np.quantile(ratios, [0.25, 0.5, 0.75]))
        measured = LatencyMeasurement.from_samples([sample for turn in turns for sample in turn[name]])
        found[name] = RelativeLatency(ratio, low, high, measured)
    return found


def first_within(
    children: Iterable[Architecture],
    config_of: Callable[[Architecture], SupernetBertConfig],
    reference: PreTrainedModel,
    limit: float | None,
    settings: LatencySettings,
) -> tuple[Architecture | None, float | None]:
    """
    The first child whose latency, measured whole beside the reference, keeps a limit: what a table predicts may be off by some
    percent, and a budget is a budget. It is measured twice, and has to keep the limit both times: of many that are measured
    once, the one that is taken would be the one that chance was kind to.

    Args:
        children (`Iterable[Architecture]`):
            In the order of preference.
        config_of (`Callable[[Architecture], SupernetBertConfig]`):
            The configuration of a supernet that a child belongs to.
        reference ([`~transformers.PreTrainedModel`]):
            The reference, as a user loads it.
        limit (`float`, *optional*):
            The greatest ratio of the two latencies. Without one the first child is taken, and nothing is measured.
        settings ([`LatencySettings`]):
            The conditions.

    Returns:
        `tuple[Architecture | None, float | None]`: the child, and its ratio where it was measured, the larger of the two. Where
        none keeps the limit, `None` and the least ratio; where there are no children, `None` twice.
    """
    remaining, least = iter(children), None
    if limit is None:
        return next(remaining, None), None
    while group := list(islice(remaining, _AT_A_TIME)):
        models = {str(child): random_weights(config_of(child), child) for child in group}
        measured = measure_side_by_side({"": reference, **models}, "", settings)
        for child in group:
            name, ratio = str(child), measured[str(child)].ratio
            if ratio <= limit:
                ratio = max(ratio, measure_side_by_side({"": reference, name: models[name]}, "", settings)[name].ratio)
            if ratio <= limit:
                return child, ratio
            least = ratio if least is None else min(least, ratio)
    return None, least


def measure_tables(config: SupernetBertConfig, settings: LatencySettings, num_children: int) -> LatencyTables:
    """
    Latency tables for the children of a supernet, fitted on whole children.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's.
        settings ([`LatencySettings`]):
            The conditions.
        num_children (`int`):
            Children that each table is fitted on, or as many as there are; 0 for the plain sums of operators.

    Returns:
        [`LatencyTables`]: one for each hidden size.
    """

    def measure(config: SupernetBertConfig) -> LatencyTable:
        table = LatencyTable.measure(config, settings, HEAD, progress=True)
        number = min(num_children, SearchSpace.from_config(config).num_paths())
        try:
            check_num_children(number)
        except ValueError:  # asked for none, or there are too few to fit anything
            return table
        return table.with_overhead(config, number, progress=True)

    return LatencyTables(map(measure, by_hidden_size(config).values()))


__all__ = [
    "RelativeLatency",
    "as_exported",
    "first_within",
    "measure_side_by_side",
    "measure_tables",
    "random_weights",
]
