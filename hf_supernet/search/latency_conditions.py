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
"""What a latency table holds for: the model's sizes, the conditions, the machine; and what two tables have in common."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..models.searched_bert.configuration_searched_bert import SearchedBertConfig
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from .latency_measuring import HEAD_CLASSES
from .timing import LatencySettings


if TYPE_CHECKING:
    from .latency import LatencyTable


SIZES = (
    "hidden_size",
    "embedding_size",
    "vocab_size",
    "attention_head_size",
    "hidden_act",
    "max_position_embeddings",
)
"""The fields of a configuration on which latencies depend, besides the operators."""
_EFFORT = ("min_run_time", "repeats")
"""The settings that say how long was measured, not what."""


def sizes_of(config: SupernetBertConfig | SearchedBertConfig) -> dict[str, Any]:
    """The values of `SIZES`."""
    return {name: getattr(config, name) for name in SIZES}


def conditions_of(table: "LatencyTable") -> dict[str, Any]:
    """All that two tables have in common whose measurements can stand side by side."""
    settings = {name: value for name, value in asdict(table.settings).items() if name not in _EFFORT}
    device = {f"device's {name}": value for name, value in table.device.items()}
    return {"head": table.head, **settings, **table.sizes, **device}


def check_measurable(config: SupernetBertConfig, settings: LatencySettings, head: str | None) -> None:
    """Raises a `ValueError` for an unknown head, several hidden sizes, and a sequence longer than the model allows."""
    if head not in HEAD_CLASSES:
        raise ValueError(f"`head` must be one of {', '.join(map(repr, HEAD_CLASSES))}; got {head!r}.")
    check_one_size(config)
    if settings.sequence_length > config.max_position_embeddings:
        raise ValueError(
            f"`sequence_length` {settings.sequence_length} is more than `max_position_embeddings`"
            f" {config.max_position_embeddings}."
        )


def check_one_size(config: SupernetBertConfig | SearchedBertConfig) -> None:
    """Raises a `ValueError` where several hidden sizes are searched."""
    if sizes := getattr(config, "hidden_sizes", None):
        raise ValueError(
            f"A latency table is of one hidden size, and this supernet searches {', '.join(map(str, sizes))}: make one"
            " for each, by `LatencyTables.measure`."
        )


def check_equal(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raises a `ValueError` that says `what`, and in which conditions the two differ."""
    different = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
    if different:
        listed = "; ".join(f"{name}: {mine.get(name)!r} and {theirs.get(name)!r}" for name in different)
        raise ValueError(f"{what}: they differ in {listed}. Measure under the same conditions.")


def more_samples(one: dict, two: dict) -> dict:
    """What is in one of the two, and of what is in both, the measurement with more samples."""
    taken = {key: value for key, value in two.items() if key not in one or value.samples > one[key].samples}
    return one | taken


__all__ = [
    "SIZES",
    "check_equal",
    "check_measurable",
    "check_one_size",
    "conditions_of",
    "more_samples",
    "sizes_of",
]
