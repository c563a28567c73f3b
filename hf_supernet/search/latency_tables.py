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
"""LatencyTables: the latencies of a supernet's children, also where the hidden size is searched: a table for each size."""

import os
from collections.abc import Iterable
from typing import Any

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..files import write_json
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from ..sized_costs import SizedCostTable
from .latency import LatencyTable
from .latency_conditions import check_equal
from .latency_files import read_latencies
from .timing import LatencyMeasurement, LatencySettings


_SHARED = ("unit", "device", "settings", "head")
"""What all tables of a file have in common, and is written once."""


class LatencyTables:
    """
    A [`LatencyTable`] for each hidden size of a supernet: one, where that is not searched. An operator takes what the
    table of the child's hidden size says.

    Build it by [`LatencyTables.measure`] and [`LatencyTables.with_overhead`], or by [`LatencyTables.load`].

    Args:
        tables (`Iterable[LatencyTable]`):
            One for each hidden size, all measured under the same conditions: their latencies are compared.

    Raises:
        ValueError: without a table, for two of one hidden size, and for other conditions; the message names what differs.

    Example:

    ```python
    >>> tables = LatencyTables.measure(model.config, LatencySettings(batch_size=1, sequence_length=128, num_threads=1))
    >>> tables = tables.with_overhead(model.config)
    >>> tables.latency("H64:A4-F1024-C5-F1024")  # seconds
    ```
    """

    def __init__(self, tables: Iterable[LatencyTable]):
        self.tables: dict[int, LatencyTable] = {}
        for table in tables:
            size, first = table.sizes["hidden_size"], next(iter(self.tables.values()), table)
            if size in self.tables:
                raise ValueError(
                    f"There are two latency tables of hidden size {size}: leave one out, or make one of them by `merged`."
                )
            check_equal("These latency tables do not go together", _conditions_of(first), _conditions_of(table))
            self.tables[size] = table
        if not self.tables:
            raise ValueError("`LatencyTables` take a latency table for each hidden size, got none.")

    @property
    def settings(self) -> LatencySettings:
        """The conditions, the same for all."""
        return self._first.settings

    @property
    def device(self) -> dict[str, Any]:
        """The machine; see [`describe_device`]."""
        return self._first.device

    @classmethod
    def measure(
        cls,
        config: SupernetBertConfig,
        settings: LatencySettings | None = None,
        head: str | None = None,
        progress: bool = False,
    ) -> "LatencyTables":
        """Measures every distinct candidate operator at each hidden size; as [`LatencyTable.measure`]."""
        return cls(LatencyTable.measure(item, settings, head, progress) for item in by_hidden_size(config).values())

    def with_overhead(
        self, config: SupernetBertConfig, num_children: int = 24, seed: int = 0, progress: bool = False
    ) -> "LatencyTables":
        """The same with the overhead of `num_children` whole children of each size; as [`LatencyTable.with_overhead`]."""
        self.check_config(config)
        configs = by_hidden_size(config)
        return LatencyTables(
            table.with_overhead(configs[size], num_children, seed, progress) for size, table in self.tables.items()
        )

    def of(self, architecture: Architecture | str) -> LatencyTable:
        """
        The table of an architecture's hidden size.

        Raises:
            ValueError: for a hidden size without a table, and where there are several and the architecture names none.
        """
        if isinstance(architecture, str):
            architecture = Architecture.from_string(architecture)
        size = architecture.hidden_size
        if size is None and len(self.tables) == 1:
            return self._first
        if size not in self.tables:
            raise ValueError(
                f"'{architecture}' has the hidden size {size}, and there are latency tables of {_listed(self.tables)}."
            )
        return self.tables[size]

    def latency(self, architecture: Architecture | str) -> float:
        """
        The latency of an architecture in seconds, as the table of its hidden size says.

        Raises:
            ValueError: for a hidden size without a table, and for an operator that was not measured.
        """
        return self.of(architecture).latency(architecture)

    def cost_table(self, search_space: SearchSpace) -> CostTable | SizedCostTable:
        """The same in whole nanoseconds, for [`SearchSpace.within`]."""
        if not search_space.hidden_sizes:
            return self._first.cost_table(search_space)
        operators = search_space.operator_space
        return SizedCostTable.from_function(search_space, lambda size: self.tables[size].cost_table(operators))

    def check_config(self, config: SupernetBertConfig) -> None:
        """Raises a `ValueError` where the tables are not one for each hidden size of `config`, and of its other sizes."""
        configs = by_hidden_size(config)
        if len(configs) == 1 == len(self.tables):  # the table itself says what is different
            return self._first.check_config(*configs.values())
        if set(configs) != set(self.tables):
            raise ValueError(
                f"There are latency tables of the hidden sizes {_listed(self.tables)}, and the supernet has"
                f" {_listed(configs)}; it takes one for each: measure tables for this model."
            )
        for size, table in self.tables.items():
            table.check_config(configs[size])

    def measure_child(self, config: SupernetBertConfig, architecture: Architecture | str) -> LatencyMeasurement:
        """
        Measures a whole child on this machine; as [`LatencyTable.measure_child`].

        Args:
            config ([`SupernetBertConfig`]):
                The supernet's.
            architecture ([`Architecture`] or `str`):
                Which child.

        Raises:
            ValueError: where the tables were measured for other sizes.
        """
        self.check_config(config)
        table = self.of(architecture)
        return table.measure_child(by_hidden_size(config)[table.sizes["hidden_size"]], architecture)

    def save(self, path: str | os.PathLike) -> None:
        """Writes all tables to one file of JSON, atomically. A single one is written as [`LatencyTable.save`] does."""
        if len(self.tables) == 1:
            return self._first.save(path)
        parts = [table.to_dict() for table in self.tables.values()]
        shared = {name: parts[0][name] for name in _SHARED}
        own = [{name: value for name, value in part.items() if name not in _SHARED} for part in parts]
        write_json(path, {**shared, "tables": own})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatencyTables":
        """
        Reads what [`LatencyTables.save`] or [`LatencyTable.save`] wrote.

        Raises:
            FileNotFoundError: where there is no such file.
            ValueError: where it is no latency table.
        """
        return read_latencies(path, cls._from_dict)

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> "LatencyTables":
        if "tables" not in values:
            return cls([LatencyTable.from_dict(values)])
        shared = {name: values[name] for name in _SHARED}
        return cls(LatencyTable.from_dict({**shared, **part}) for part in values["tables"])

    @property
    def _first(self) -> LatencyTable:
        return next(iter(self.tables.values()))


def by_hidden_size(config: SupernetBertConfig) -> dict[int, SupernetBertConfig]:
    """The configuration at each hidden size; itself, where that is not searched."""
    if not config.hidden_sizes:
        return {config.hidden_size: config}
    return {size: config.at_hidden_size(size) for size in config.hidden_sizes}


def _conditions_of(table: LatencyTable) -> dict[str, Any]:
    """What the tables of a supernet have in common; how long was measured too, since a file has that once."""
    return {
        "head": table.head,
        **vars(table.settings),
        **{f"device's {name}": it for name, it in table.device.items()},
    }


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sizes))


__all__ = ["LatencyTables", "by_hidden_size"]
