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

import os
import random
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..files import write_json
from ..models.searched_bert.configuration_searched_bert import Operator, SearchedBertConfig
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..path_counting import IDENTITY
from ..search_space import SearchSpace
from .latency_conditions import (
    SIZES,
    check_equal,
    check_measurable,
    check_one_size,
    conditions_of,
    more_samples,
    sizes_of,
)
from .latency_files import read_latencies
from .latency_measuring import measure_children, measure_operators
from .latency_overhead import ChildSums, LatencyOverhead, check_num_children
from .timing import LatencyMeasurement, LatencySettings, check_device, describe_device


NANOSECONDS = 10**9

_DRAWS_PER_CHILD = 20


class LatencyTable:
    """
    The latency of each operator on one device, and of what all children have in common (embeddings and head); the
    latency of an architecture is their sum, as in [NAS-BERT](https://huggingface.co/papers/2105.14444), plus an overhead
    that is fitted on whole children.

    We differ in how an operator is measured: not alone, its weights warm in the cache, but as a stack of as many layers
    as the model has, divided by their number; and in the overhead, see [`LatencyOverhead`].

    Build it by [`LatencyTable.measure`] and [`LatencyTable.with_overhead`], or by [`LatencyTable.load`].

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
        overhead ([`LatencyOverhead`], *optional*):
            What whole children take beyond that. Without it, the latency is the plain sum.

    Example:

    ```python
    >>> table = LatencyTable.measure(model.config, LatencySettings(batch_size=1, sequence_length=128, num_threads=1))
    >>> table = table.with_overhead(model.config)
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
        overhead: LatencyOverhead | None = None,
    ):
        self.operators = operators
        self.base = base
        self.sizes = sizes
        self.settings = settings
        self.head = head
        self.device = device
        self.overhead = overhead

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
            ValueError: for an unknown head, a device that is not here, a sequence longer than the model allows, and
                several hidden sizes.
        """
        settings = settings or LatencySettings()
        check_measurable(config, settings, head)
        base, operators = measure_operators(config, settings, head, progress)
        return cls(
            operators, base, sizes_of(config), settings, head, describe_device(settings.device, settings.runtime)
        )

    def with_overhead(
        self, config: SupernetBertConfig, num_children: int = 24, seed: int = 0, progress: bool = False
    ) -> "LatencyTable":
        """
        The same table with the overhead of whole children, fitted on random ones that are measured on this machine.

        Args:
            config ([`SupernetBertConfig`]):
                The supernet's.
            num_children (`int`, *optional*, defaults to 24):
                How many; the fastest and the slowest of the search space by this table are among them.
            seed (`int`, *optional*, defaults to 0):
                The seed of the draws.
            progress (`bool`, *optional*, defaults to `False`):
                Whether to show a progress bar.

        Raises:
            ValueError: for fewer than four children, other sizes, and a table that was measured elsewhere.
        """
        self.check_config(config)
        check_device(self.settings.device)
        here = describe_device(self.settings.device, self.settings.runtime)
        check_equal("This table was measured elsewhere", self.device, here)
        check_num_children(num_children)
        space = SearchSpace.from_config(config)
        table, generator = self.cost_table(space), random.Random(seed)
        drawn = dict.fromkeys((space.cheapest(table), space.dearest(table)))
        drawn |= dict.fromkeys(space.sample(generator) for _ in range(num_children * _DRAWS_PER_CHILD))
        children = self.measure_children(config, list(drawn)[:num_children], progress)
        return self._fitted({str(item): measured for item, measured in children.items()})

    def merged(self, other: "LatencyTable") -> "LatencyTable":
        """
        One table of two that were measured under the same conditions, such as with different candidates. Of what is in
        both, the measurement with more samples is taken; an overhead is fitted anew on the children of both.

        Raises:
            ValueError: where model sizes, settings, head, machine or versions differ; the message names what does. How
                long was measured may differ.
        """
        check_equal("These latency tables do not go together", conditions_of(self), conditions_of(other))
        operators = more_samples(self.operators, other.operators)
        base = more_samples({"base": self.base}, {"base": other.base})["base"]
        fits = [table.overhead.children if table.overhead else {} for table in (self, other)]
        children = more_samples(*({name: child.measured for name, child in fit.items()} for fit in fits))
        merged = LatencyTable(operators, base, self.sizes, self.settings, self.head, self.device)
        return merged._fitted(children) if children else merged

    def latency(self, architecture: Architecture | str) -> float:
        """
        The latency of an architecture in seconds: `base` and its operators, added up, with the overhead.

        Raises:
            ValueError: for an operator that was not measured.
        """
        architecture = self._check(architecture)
        return (self._base_cost() + sum(map(self._cost_of, architecture))) / NANOSECONDS

    def cost_table(self, search_space: SearchSpace) -> CostTable:
        """The same in whole nanoseconds, for [`SearchSpace.within`]; of one hidden size."""
        return CostTable.from_function(search_space, self._cost_of, self._base_cost())

    def check_config(self, config: SupernetBertConfig | SearchedBertConfig) -> None:
        """Raises a `ValueError` where the table was measured for other sizes than those of `config`."""
        check_one_size(config)
        mine = {name: value for name, value in self.sizes.items() if value != sizes_of(config)[name]}
        if mine:
            theirs = {name: sizes_of(config)[name] for name in mine}
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
        (measured,) = self.measure_children(config, [architecture]).values()
        return measured

    def measure_children(
        self, config: SupernetBertConfig, architectures: Iterable[Architecture | str], progress: bool = False
    ) -> dict[Architecture, LatencyMeasurement]:
        """As [`LatencyTable.measure_child`], in turns: a spell in which the machine was busy spoils no child's median."""
        self.check_config(config)
        return measure_children(config, list(map(self._check, architectures)), self.settings, self.head, progress)

    def to_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        return {
            "unit": "seconds",
            "device": self.device,
            "settings": asdict(self.settings),
            "sizes": self.sizes,
            "head": self.head,
            "base": asdict(self.base),
            "operators": {str(operator): asdict(value) for operator, value in self.operators.items()},
            "overhead": None if self.overhead is None else self.overhead.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LatencyTable":
        """What [`LatencyTable.to_dict`] made."""
        if "tables" in values:
            raise ValueError("it has tables of several hidden sizes: read it by `LatencyTables.load`")
        return cls(
            {Operator.from_string(name): LatencyMeasurement(**value) for name, value in values["operators"].items()},
            LatencyMeasurement(**values["base"]),
            {name: values["sizes"][name] for name in SIZES},
            LatencySettings(**values["settings"]),
            values["head"],
            values["device"],
            None if values["overhead"] is None else LatencyOverhead.from_dict(values["overhead"]),
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the table as JSON, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatencyTable":
        """
        Reads a table that [`LatencyTable.save`] wrote.

        Raises:
            FileNotFoundError: where there is no such file.
            ValueError: where it is no latency table, or has those of several hidden sizes.
        """
        return read_latencies(path, cls.from_dict)

    def _check(self, architecture: Architecture | str) -> Architecture:
        if isinstance(architecture, str):
            architecture = Architecture.from_string(architecture)
        if architecture.hidden_size not in (None, self.sizes["hidden_size"]):
            raise ValueError(f"'{architecture}' has another hidden size than this table, {self.sizes['hidden_size']}.")
        return architecture

    def _fitted(self, children: dict[str, LatencyMeasurement]) -> "LatencyTable":
        plain = LatencyTable(self.operators, self.base, self.sizes, self.settings, self.head, self.device)
        base, sums = plain._base_cost() / NANOSECONDS, {}
        for name, measured in children.items():
            operators = Architecture.from_string(name).operators
            depth = sum(operator != IDENTITY for operator in operators)
            sums[name] = ChildSums(plain.latency(name) - base, depth, measured)
        plain.overhead = LatencyOverhead.fit(base, sums)
        return plain

    def _base_cost(self) -> int:
        return round((self.base.median + (self.overhead.constant if self.overhead else 0)) * NANOSECONDS)

    def _cost_of(self, operator: Operator) -> int:
        if operator not in self.operators:
            known = ", ".join(map(str, self.operators))
            raise ValueError(f"The latency of {operator} was not measured; this table has {known}.")
        seconds = self.operators[operator].median
        if self.overhead is not None:
            seconds = self.overhead.factor * seconds + self.overhead.per_layer * (operator != IDENTITY)
        return round(seconds * NANOSECONDS)


__all__ = ["LatencyTable"]
