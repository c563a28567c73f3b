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
"""Limits on free objectives, and the part of a search space that keeps them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..architecture import Architecture
from ..constrained_sampling import check_limits
from ..search_space import SearchSpace
from .cost_models import AdditiveCost
from .objectives import FunctionObjective


_MAX_ATTEMPTS = 10_000
"""Draws under one constraint that may fail another before sampling tries to repair."""
_MAX_FAILURES = 1_000
"""Changes in a row that may come no nearer to the limits before a repair is given up."""
_TRIAL_DRAWS = 50
_RANGE_DRAWS = 500
"""Draws by which the range is told that one limit leaves of another cost."""


@dataclass(frozen=True)
class Constraint:
    """
    Limits on a free objective, both included.

    Args:
        cost ([`AdditiveCost`] or [`FunctionObjective`]):
            What is limited. Architectures within the limits of a sum over the layers are drawn by construction; those
            within the limits of another function are found by trying, and by changes of one operator after the other.
        minimum (`float`, *optional*):
            The least value allowed, in the unit of the cost (latencies in seconds).
        maximum (`float`, *optional*):
            The greatest value allowed.

    Raises:
        TypeError: for an objective that is not free.
        ValueError: without any limit, for one that is not finite, and where no architecture of the space keeps them;
            the message names the range that can be reached. For a function that is found out by [`FeasibleSpace`].
    """

    cost: AdditiveCost | FunctionObjective
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self):
        if not callable(self.cost) or self.cost.cost != "free":
            raise TypeError(
                f"A constraint limits a free objective, which is known without running the child; got {self.cost!r}."
            )
        if self.minimum is None and self.maximum is None:
            raise ValueError(f"A constraint on {self.cost.name} needs a `minimum` or a `maximum`.")
        check_limits(self.minimum, self.maximum)
        if self.is_additive:
            self._check_that_it_is_reached()

    @property
    def is_additive(self) -> bool:
        """Whether architectures within the limits can be drawn by construction."""
        return isinstance(self.cost, AdditiveCost)

    def _check_that_it_is_reached(self) -> None:
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

    def scaled_bounds(self) -> tuple[float | None, float | None]:
        """The limits in the whole numbers of the cost's table."""
        scale = self.cost.scale if self.is_additive else 1
        return tuple(None if bound is None else bound * scale for bound in (self.minimum, self.maximum))

    def sample(self, generator: random.Random) -> Architecture:
        """Draws uniformly from the architectures within the limits; only of an [`AdditiveCost`]."""
        return self.cost.search_space.sample_within(generator, self.cost.table, *self.scaled_bounds())

    def violation(self, architecture: Architecture) -> float:
        """By how much the limit is missed, as a share of the limit; 0 where it is kept, infinity where it failed."""
        if self.is_additive:
            value = self.cost.search_space.cost(architecture, self.cost.table)
        else:
            value = self.cost(architecture)
        minimum, maximum = self.scaled_bounds()
        if value != value:  # a function that failed
            return float("inf")
        if maximum is not None and value > maximum:
            return (value - maximum) / self._unit(maximum)
        if minimum is not None and value < minimum:
            return (minimum - value) / self._unit(minimum)
        return 0.0

    def _unit(self, bound: float) -> float:
        return max(bound, 1) if self.is_additive else abs(bound) or 1

    def to_dict(self) -> dict[str, float | None]:
        """The limits, for the record of a search."""
        return {"minimum": self.minimum, "maximum": self.maximum}

    def __str__(self) -> str:
        limits = [("at least", self.minimum), ("at most", self.maximum)]
        return " and ".join(f"{word} {self.cost.format(limit)}" for word, limit in limits if limit is not None)


class FeasibleSpace:
    """
    The architectures of a search space that keep all constraints.

    With one constraint on a sum over the layers, draws are uniform. With several, they are drawn under one and tried on
    the others, which is uniform too; only where a bounded number of draws finds nothing, the nearest of them is changed,
    one operator at a time, until it keeps the constraints.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        constraints (`Sequence[Constraint]`, *optional*):
            What has to be kept.

    Raises:
        ValueError: where a constraint belongs to another space, and where no architecture was found that keeps all; the
            message names what was reached.
    """

    def __init__(self, search_space: SearchSpace, constraints: Sequence[Constraint] = ()):
        for constraint in constraints:
            if constraint.is_additive and constraint.cost.search_space != search_space:
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
            ValueError: where none was found; the message names the constraints, the nearest that was seen, and what of
                each cost is left by the limit on another.
        """
        nearest, least = None, float("inf")
        for _ in range(_MAX_ATTEMPTS):
            architecture = self._source(generator)
            violation = self.violation(architecture)
            if violation == 0:
                return architecture
            if nearest is None or violation < least:
                nearest, least = architecture, violation
        architecture = self._descend(nearest, generator)
        if architecture not in self:
            raise ValueError(self._why_none(architecture))
        return architecture

    def repair(self, architecture: Architecture, generator: random.Random, first_layer: int = 0) -> Architecture:
        """
        An architecture that keeps all constraints, as like the given one as random changes of one operator make it.

        Each change comes nearer to the limits; where no change does, a new architecture is drawn. Only where changes
        from `first_layer` on are not enough, the layers in front of it change too.
        """
        if first_layer:
            architecture = self._descend(architecture, generator, first_layer)
        repaired = self._descend(architecture, generator)
        return repaired if repaired in self else self.sample(generator)

    def _descend(self, architecture: Architecture, generator: random.Random, first_layer: int = 0) -> Architecture:
        """Random changes of one operator, those kept that come nearer to the limits, until none is found that does."""
        violation, failures = self.violation(architecture), 0
        if violation > 0 and not self._can_change(architecture):
            return architecture
        while violation > 0 and failures < _MAX_FAILURES:
            other = self.search_space.mutate(architecture, 1, generator)
            is_kept = other.first_difference(architecture) >= first_layer
            other_violation = self.violation(other) if is_kept else violation
            if other_violation < violation:
                architecture, violation, failures = other, other_violation, 0
            else:
                failures += 1
        return architecture

    def _can_change(self, architecture: Architecture) -> bool:
        """Whether another architecture of its hidden size differs from it in one thing; then one does from that one, too."""
        others = self.search_space.neighbours(architecture)
        return any(other.hidden_size == architecture.hidden_size for other in others)

    def _best_source(self) -> Callable[[random.Random], Architecture]:
        """Draws under the constraint from which most draws keep the others too."""
        additive = [constraint for constraint in self.constraints if constraint.is_additive]
        if len(additive) <= 1:
            return additive[0].sample if additive else self.search_space.sample

        def kept(constraint: Constraint) -> int:
            generator = random.Random(0)
            return sum(constraint.sample(generator) in self for _ in range(_TRIAL_DRAWS))

        return max(additive, key=kept).sample

    def _why_none(self, nearest: Architecture) -> str:
        seen = " and ".join(item.cost.format(item.cost(nearest)) for item in self.constraints)
        nearest_text = f"The nearest has {seen} ('{nearest}')"
        if len(self.constraints) == 1:
            constraint = self.constraints[0]
            reach = _range_text(constraint, self.search_space.sample)
            return f"No architecture was found that has {constraint}. {nearest_text}; {reach} were drawn."
        wanted = ", and ".join(map(str, self.constraints))
        left = [
            f"with {one}, {_range_text(other, one.sample)} are reached"
            for one in self.constraints
            for other in self.constraints
            if one is not other and one.is_additive
        ]
        functions = [item for item in self.constraints if not item.is_additive]
        left += [
            f"of all architectures, {_range_text(item, self.search_space.sample)} were drawn" for item in functions
        ]
        # Of a sum over the layers it was checked that its limits can be kept, of a function nobody knows.
        start = "No architecture" if functions else "Each constraint can be kept, but no architecture"
        return f"{start} was found that keeps all: {wanted}. {nearest_text}; {'; '.join(left)}. Relax one of them."


def _range_text(constraint: Constraint, source: Callable[[random.Random], Architecture]) -> str:
    """The range of a constraint's cost among draws from `source`."""
    generator, cost = random.Random(0), constraint.cost
    values = [cost(source(generator)) for _ in range(_RANGE_DRAWS)]
    values = [value for value in values if value == value]  # a function may have failed
    return f"{cost.format(min(values))} to {cost.format(max(values))}" if values else f"no {cost.name} at all"


__all__ = ["Constraint", "FeasibleSpace"]
