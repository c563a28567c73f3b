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
"""Cost models: free objectives that are sums over the layers, so that architectures within a limit can be drawn."""

from collections.abc import Iterator, Sequence

from ..architecture import Architecture
from ..constrained_sampling import CostTable
from ..costs import multiply_add_table, parameter_table
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from ..sized_costs import SizedCostTable
from .latency import NANOSECONDS, LatencyTable
from .latency_tables import LatencyTables
from .objectives import Judgement, Objective


class AdditiveCost(Objective):
    """
    A cost model that is a sum over the layers, so that architectures within a limit can be drawn without trying: a free
    objective that is minimised.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        table ([`CostTable`] or [`SizedCostTable`]):
            The cost of each candidate, in whole numbers; the latter where the hidden size is searched.
    """

    name: str
    """The name of its column in a result."""
    unit: str = ""
    scale: int = 1
    """How many whole numbers of the table are one unit of the cost."""

    def __init__(self, search_space: SearchSpace, table: CostTable | SizedCostTable):
        super().__init__(self.name, "minimise", self.unit, "free")
        table.check(search_space)
        self.search_space = search_space
        self.table = table

    def __call__(self, architecture: Architecture) -> int | float:
        """What an architecture costs."""
        total = self.search_space.cost(architecture, self.table)
        return total if self.scale == 1 else total / self.scale

    def judge(self, architectures: Sequence[Architecture]) -> Iterator[tuple[Architecture, Judgement]]:
        for architecture in architectures:
            yield architecture, Judgement(self(architecture))

    def format(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:,.0f} {self.name.replace('_', '-')}"


class ParameterCost(AdditiveCost):
    """
    The number of parameters of a child.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        head (`str`, *optional*):
            Counted with which head; see [`count_parameters`].
    """

    name = "parameters"

    def __init__(self, config: SupernetBertConfig, head: str | None = None):
        search_space = SearchSpace.from_config(config)
        super().__init__(search_space, parameter_table(config, search_space, head))


class MultiplyAddCost(AdditiveCost):
    """
    The multiply-adds of a child for one sequence.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        sequence_length (`int`):
            The number of tokens.
        head (`str`, *optional*):
            Counted with which head; see [`count_multiply_adds`].
    """

    name = "multiply_adds"

    def __init__(self, config: SupernetBertConfig, sequence_length: int, head: str | None = None):
        search_space = SearchSpace.from_config(config)
        super().__init__(search_space, multiply_add_table(config, search_space, sequence_length, head))


class LatencyCost(AdditiveCost):
    """
    The latency of a child in seconds, from what was measured.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        latency_table ([`LatencyTable`] or [`LatencyTables`]):
            The table; where hidden sizes are searched, one for each of them.

    Raises:
        ValueError: where a table was measured for other sizes, or lacks a candidate, and for a hidden size without one.
    """

    name = "latency"
    unit = "s"
    scale = NANOSECONDS

    def __init__(self, config: SupernetBertConfig, latency_table: LatencyTable | LatencyTables):
        latency_table.check_config(config)
        search_space = SearchSpace.from_config(config)
        super().__init__(search_space, latency_table.cost_table(search_space))

    def format(self, value: float) -> str:
        return f"{1e3 * value:g} ms latency"


__all__ = ["AdditiveCost", "LatencyCost", "MultiplyAddCost", "ParameterCost"]
