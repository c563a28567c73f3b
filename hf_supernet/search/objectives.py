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
"""Cost models, limits on them, and the part of a search space that keeps the limits."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..architecture import Architecture
from ..constrained_sampling import CostTable, check_limits
from ..costs import multiply_add_table, parameter_table
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from .latency import NANOSECONDS, LatencyTable


_MAX_ATTEMPTS = 10_000
"""Draws under one constraint that may fail another before sampling tries to repair."""
_MAX_FAILURES = 1_000
"""Changes in a row that may come no nearer to the limits before a repair is given up."""
_TRIAL_DRAWS = 50


class AdditiveCost:
    """
    A cost model that is a sum over the layers, so that architectures within a limit can be drawn without trying.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        table ([`CostTable`]):
            The cost of each candidate, in whole numbers.
    """

    name: str
    """The name of its column in a result."""
    scale: int = 1
    """How many whole numbers of the table are one unit of the cost."""

    def __init__(self, search_space: SearchSpace, table: CostTable):
        table.check(search_space)
        self.search_space = search_space
        self.table = table

    def __call__(self, architecture: Architecture) -> int | float:
        """What an architecture costs."""
        total = self.search_space.cost(architecture, self.table)
        return total if self.scale == 1 else total / self.scale

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
    The latency of a child in seconds, from a table that was measured.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        latency_table ([`LatencyTable`]):
            The table.

    Raises:
        ValueError: where the table was measured for other sizes, or lacks a candidate.
    """

    name = "latency"
    scale = NANOSECONDS

    def __init__(self, config: SupernetBertConfig, latency_table: LatencyTable):
        latency_table.check_config(config)
        search_space = SearchSpace.from_config(config)
        super().__init__(search_space, latency_table.cost_table(search_space))

    def format(self, value: float) -> str:
        return f"{1e3 * value:g} ms latency"


@dataclass(frozen=True)
class Constraint:
    """
    Limits on a cost, both included.

    Args:
        cost ([`AdditiveCost`]):
            The cost model.
        minimum (`float`, *optional*):
            The least value allowed, in the unit of the cost (latencies in seconds).
        maximum (`float`, *optional*):
            The greatest value allowed.

    Raises:
        ValueError: without any limit, for one that is not finite, and where no architecture of the space keeps them;
            the message names the range that can be reached.
    """

    cost: AdditiveCost
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self):
        if self.minimum is None and self.maximum is None:
            raise ValueError(f"A constraint on {self.cost.name} needs a `minimum` or a `maximum`.")
        check_limits(self.minimum, self.maximum)
        space, cost = self.cost.search_space, self.cost
        least, most = space.cheapest(cost.table), space.dearest(cost.table)
        reach = f"this space reaches {cost.format(cost(least))} ('{least}') to {cost.format(cost(most))} ('{most}')"
        too_low = self.maximum is not None and self.maximum < cost(least)
        too_high = self.minimum is not None and self.minimum > cost(most)
        if too_low or too_high:
            raise ValueError(f"No architecture has {self}: {reach}.")
        try:
            self.sample(random.Random(0))
        except ValueError as error:  # a gap between the costs that are reached
            raise ValueError(f"No architecture has {self}, although {reach}: {error}") from error

    def _bounds(self) -> tuple[float | None, float | None]:
        scale = self.cost.scale
        return tuple(None if bound is None else bound * scale for bound in (self.minimum, self.maximum))

    def sample(self, generator: random.Random) -> Architecture:
        """Draws uniformly from the architectures within the limits."""
        return self.cost.search_space.sample_within(generator, self.cost.table, *self._bounds())

    def violation(self, architecture: Architecture) -> float:
        """By how much the limit is missed, as a share of the limit; 0 where it is kept."""
        value = self.cost.search_space.cost(architecture, self.cost.table)
        minimum, maximum = self._bounds()
        if maximum is not None and value > maximum:
            return (value - maximum) / max(maximum, 1)
        if minimum is not None and value < minimum:
            return (minimum - value) / max(minimum, 1)
        return 0.0

    def to_dict(self) -> dict[str, float | None]:
        """The limits, for the record of a search."""
        return {"minimum": self.minimum, "maximum": self.maximum}

    def __str__(self) -> str:
        limits = [("at least", self.minimum), ("at most", self.maximum)]
        return " and ".join(f"{word} {self.cost.format(limit)}" for word, limit in limits if limit is not None)


class FeasibleSpace:
    """
    The architectures of a search space that keep all constraints.

    With one constraint, draws are uniform. With several, they are drawn under one and tried on the others, which is
    uniform too; only where a bounded number of draws finds nothing, the nearest of them is changed, one operator at a
    time, until it keeps the constraints.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        constraints (`Sequence[Constraint]`, *optional*):
            What has to be kept.

    Raises:
        ValueError: where a constraint belongs to another space, and where no architecture was found that keeps all.
    """

    def __init__(self, search_space: SearchSpace, constraints: Sequence[Constraint] = ()):
        for constraint in constraints:
            if constraint.cost.search_space != search_space:
                raise ValueError(f"The constraint on {constraint.cost.name} belongs to another search space.")
        self.search_space = search_space
        self.constraints = tuple(constraints)
        self._source = self._best_source()
        self.sample(random.Random(0))

    def __contains__(self, architecture: Architecture) -> bool:
        return self.violation(architecture) == 0

    def violation(self, architecture: Architecture) -> float:
        """The sum of what the constraints are missed by; 0 where all are kept."""
        return sum(constraint.violation(architecture) for constraint in self.constraints)

    def sample(self, generator: random.Random) -> Architecture:
        """
        Draws an architecture that keeps all constraints.

        Raises:
            ValueError: where none was found; the message names the constraints and the nearest that was seen.
        """
        nearest, least = None, float("inf")
        for _ in range(_MAX_ATTEMPTS):
            architecture = self._source(generator)
            violation = self.violation(architecture)
            if violation == 0:
                return architecture
            if violation < least:
                nearest, least = architecture, violation
        architecture = self._descend(nearest, generator)
        if architecture not in self:
            wanted = ", and ".join(map(str, self.constraints))
            seen = " and ".join(item.cost.format(item.cost(architecture)) for item in self.constraints)
            raise ValueError(
                f"Each constraint can be kept, but no architecture was found that keeps all: {wanted}. The nearest has"
                f" {seen} ('{architecture}'); relax one of them."
            )
        return architecture

    def repair(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """
        An architecture that keeps all constraints, as like the given one as random changes of one operator make it.

        Each change comes nearer to the limits; where no change does, a new architecture is drawn.
        """
        repaired = self._descend(architecture, generator)
        return repaired if repaired in self else self.sample(generator)

    def _descend(self, architecture: Architecture, generator: random.Random) -> Architecture:
        """Random changes of one operator, those kept that come nearer to the limits, until none is found that does."""
        violation, failures = self.violation(architecture), 0
        while violation > 0 and failures < _MAX_FAILURES and self.search_space.num_paths() > 1:
            other = self.search_space.mutate(architecture, 1, generator)
            if self.violation(other) < violation:
                architecture, violation, failures = other, self.violation(other), 0
            else:
                failures += 1
        return architecture

    def _best_source(self):
        """Draws under the constraint from which most draws keep the others too."""
        if not self.constraints:
            return self.search_space.sample
        if len(self.constraints) == 1:
            return self.constraints[0].sample

        def kept(constraint: Constraint) -> int:
            generator = random.Random(0)
            return sum(constraint.sample(generator) in self for _ in range(_TRIAL_DRAWS))

        return max(self.constraints, key=kept).sample


__all__ = ["AdditiveCost", "Constraint", "FeasibleSpace", "LatencyCost", "MultiplyAddCost", "ParameterCost"]
