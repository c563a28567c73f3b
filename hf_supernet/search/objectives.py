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
"""Objectives: what children are judged by, each with its direction, its unit and what it takes to know it."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ..architecture import Architecture
from ..evaluation.distributed import EvaluationStopped, SharedFailure
from ..evaluation.evaluator import is_distributed


if TYPE_CHECKING:
    from .early_stopping import EarlyStopping


DIRECTIONS = ("minimise", "maximise")
COSTS = ("free", "cheap", "expensive")
_RESERVED = ("architecture", "generation")
"""Columns of a result that are no objectives."""


class Judgement(NamedTuple):
    """
    What an objective said of one child.

    Args:
        value (`float`):
            The value, in the objective's unit; NaN where there is none.
        error (`str`, *optional*):
            Why there is none.
    """

    value: float
    error: str | None = None

    @classmethod
    def of(cls, value: Any) -> "Judgement":
        """The judgement of what a function returned: a failure, where that is no finite number."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            return cls(math.nan, f"returned {value!r}, which is no number")
        if not math.isfinite(number):
            return cls(math.nan, f"returned {number}")
        # Parameters are counted in whole numbers, and a table shows them as such.
        return cls(value if isinstance(value, int) and not isinstance(value, bool) else number)

    @classmethod
    def of_failure(cls, error: Exception) -> "Judgement":
        text = str(error) if isinstance(error, SharedFailure) else f"{type(error).__name__}: {error}"
        return cls(math.nan, text)


class Objective:
    """
    What children are judged by. By itself it is a description, for whoever drives a strategy from outside and judges the
    children there; [`run_search`] needs one that can judge: a [`PopulationObjective`], a [`FunctionObjective`] or a cost
    model such as [`ParameterCost`].

    Args:
        name (`str`):
            The name of its column in a result.
        direction (`str`, *optional*, defaults to `"minimise"`):
            `"minimise"` or `"maximise"`.
        unit (`str`, *optional*, defaults to `""`):
            The unit of its values, for people.
        cost (`str`, *optional*, defaults to `"expensive"`):
            What it takes to judge one child. `"free"`: strategies may judge thousands that they do not propose, and
            constraints may limit it. `"cheap"`: only what is proposed is judged. `"expensive"`: and it is remembered in
            a store; the others are judged again where a search is resumed, and have to say the same.
        depends_on (`dict[str, str]`, *optional*):
            What the values depend on besides the architecture, such as `{"supernet": fingerprint(weights)}`: a store
            keeps apart what differs here.

    Raises:
        ValueError: for a name that a result uses itself, and for another direction or cost.
    """

    def __init__(
        self,
        name: str,
        direction: Literal["minimise", "maximise"] = "minimise",
        unit: str = "",
        cost: Literal["free", "cheap", "expensive"] = "expensive",
        depends_on: Mapping[str, str] | None = None,
    ):
        if not name or name in _RESERVED:
            raise ValueError(
                f"The name of an objective is that of its column in a result, and not {' or '.join(_RESERVED)}; got"
                f" {name!r}."
            )
        for argument, value, allowed in (("direction", direction, DIRECTIONS), ("cost", cost, COSTS)):
            if value not in allowed:
                raise ValueError(f"`{argument}` of '{name}' must be one of {', '.join(allowed)}; got {value!r}.")
        self.name = name
        self.direction = direction
        self.unit = unit
        self.cost = cost
        self.depends_on = dict(depends_on or {})
        self.relative = False

    @property
    def sign(self) -> int:
        """1 for what is minimised, -1 for what is maximised: strategies minimise the product with the value."""
        return 1 if self.direction == "minimise" else -1

    def judge(self, architectures: Sequence[Architecture]) -> Iterator[tuple[Architecture, Judgement]]:
        """
        Judges children, each as soon as it can be said. What fails for one child is its judgement, no exception.

        Raises:
            TypeError: where this is a description only.
        """
        raise TypeError(
            f"The objective '{self.name}' only describes; to judge children, make it a `PopulationObjective` or a"
            " `FunctionObjective`."
        )

    def describe(self) -> dict[str, str]:
        """Direction, unit and cost, for the record of a search."""
        return {"direction": self.direction, "unit": self.unit, "cost": self.cost}

    def format(self, value: float) -> str:
        """A value with its name and unit."""
        return f"{value:,g} {self.unit}".rstrip() + f" {self.name.replace('_', '-')}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, direction={self.direction!r}, cost={self.cost!r})"


class FunctionObjective(Objective):
    """
    An objective that judges one child at a time, by any function.

    Args:
        name (`str`):
            As for [`Objective`], like the other arguments.
        function (`Callable[[Architecture], float]`):
            Where it raises an `Exception`, or returns no finite number, the child is recorded as failed; where the child is not to
            blame, because nothing can be judged any more, it raises [`EvaluationStopped`], which ends the search. In a distributed
            run each process calls it, and what the first one finds counts.

    Example:

    ```python
    >>> def accuracy(architecture):
    ...     trainer = Trainer(model.extract_child(architecture), args, eval_dataset=dev_data, compute_metrics=accuracy_of)
    ...     return trainer.evaluate()["eval_accuracy"]


    >>> FunctionObjective("accuracy", accuracy, direction="maximise", depends_on={"supernet": fingerprint(weights)})
    ```
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Architecture], float],
        direction: Literal["minimise", "maximise"] = "minimise",
        unit: str = "",
        cost: Literal["free", "cheap", "expensive"] = "expensive",
        depends_on: Mapping[str, str] | None = None,
    ):
        super().__init__(name, direction, unit, cost, depends_on)
        self.function = function

    def __call__(self, architecture: Architecture) -> float:
        """The value of one child, NaN where it has none."""
        return self._judge_one(architecture).value

    def judge(self, architectures: Sequence[Architecture]) -> Iterator[tuple[Architecture, Judgement]]:
        for architecture in architectures:
            yield architecture, self._judge_one(architecture)

    def _judge_one(self, architecture: Architecture) -> Judgement:
        try:
            return Judgement.of(self.function(architecture))
        except EvaluationStopped:
            raise
        except Exception as error:
            return Judgement.of_failure(error)


class PopulationObjective(Objective):
    """
    An objective that judges many children at once, such as `Evaluator.evaluate`, which computes common beginnings once.

    Where it raises, the children are judged one by one, so that only those fail that have to. In a distributed run the
    other processes have to know of it, as with [`DistributedEvaluator`]; an error that this process alone saw is raised: the
    others wait for it.

    Args:
        name (`str`):
            As for [`Objective`], like the other arguments.
        function (`Callable[[list[Architecture]], Mapping[Architecture, float]]`):
            Gives the value of each child.
        relative (`bool`, *optional*, defaults to `False`):
            Whether a value depends on the other children it was judged with: a store takes those of one call together.

    Example:

    ```python
    >>> evaluator = Evaluator(model, batches)
    >>> weights = {"supernet": fingerprint(model.state_dict().values())}
    >>> loss = PopulationObjective("loss", evaluator.evaluate, unit="nats per label", depends_on=weights)
    ```
    """

    def __init__(
        self,
        name: str,
        function: Callable[[list[Architecture]], Mapping[Architecture, float]],
        direction: Literal["minimise", "maximise"] = "minimise",
        unit: str = "",
        cost: Literal["cheap", "expensive"] = "expensive",
        depends_on: Mapping[str, str] | None = None,
        relative: bool = False,
    ):
        super().__init__(name, direction, unit, cost, depends_on)
        self.function = function
        self.relative = relative

    def judge(self, architectures: Sequence[Architecture]) -> Iterator[tuple[Architecture, Judgement]]:
        architectures = list(architectures)
        if not architectures:
            return
        try:
            values = self.function(architectures)
            judged = [(item, Judgement.of(values[item])) for item in architectures]
        except EvaluationStopped:
            raise
        except Exception as error:
            if is_distributed() and not isinstance(error, SharedFailure):
                raise
            if len(architectures) == 1:
                judged = [(architectures[0], Judgement.of_failure(error))]
            else:
                judged = (pair for item in architectures for pair in self.judge([item]))
        yield from judged


class SupportsEvaluate(Protocol):
    """What a search needs of an evaluator, such as [`Evaluator`]."""

    def evaluate(self, architectures: list[Architecture]) -> Mapping[Architecture, float]: ...


LOSS = Objective("loss", unit="nats per label")
"""The dev loss, described: what strategies minimise where no objectives are given."""


def dev_loss(
    evaluator: SupportsEvaluate,
    depends_on: Mapping[str, str] | None = None,
    early_stopping: "EarlyStopping | None" = None,
) -> PopulationObjective:
    """
    The dev loss of children through their supernet.

    Args:
        evaluator ([`Evaluator`]):
            Judges a population.
        depends_on (`dict[str, str]`, *optional*):
            Fingerprints of the weights and the dev data; needed where the losses go to a store.
        early_stopping ([`EarlyStopping`], *optional*):
            Stops children that are beaten beyond doubt before they have seen all dev batches. By default none is.

    Returns:
        [`PopulationObjective`]: named `loss`, in nats per label.
    """
    if early_stopping is None:
        return PopulationObjective(LOSS.name, evaluator.evaluate, unit=LOSS.unit, depends_on=depends_on)
    evaluate = functools.partial(early_stopping.evaluate, evaluator)
    # Without fingerprints there is no store to tell losses apart in.
    depends_on = depends_on and {**depends_on, "early_stopping": early_stopping.describe()}
    return PopulationObjective(LOSS.name, evaluate, unit=LOSS.unit, depends_on=depends_on, relative=True)


__all__ = [
    "COSTS",
    "DIRECTIONS",
    "LOSS",
    "FunctionObjective",
    "Judgement",
    "Objective",
    "PopulationObjective",
    "SupportsEvaluate",
    "dev_loss",
]
