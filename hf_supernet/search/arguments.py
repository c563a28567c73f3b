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
"""SearchArguments: what a search script is asked for, and the strategy, limits and objectives that this makes."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..architecture import to_operator
from ..evaluation.calibration import check_number
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from ..spelling import did_you_mean
from .coarse_to_fine import CoarseToFineSearch
from .constraints import Constraint
from .cost_models import LatencyCost, MultiplyAddCost, ParameterCost
from .early_stopping import EarlyStopping
from .evolutionary import EvolutionarySearch
from .genetic import GeneticSearch
from .latency import LatencyTable
from .latency_overhead import check_num_children
from .latency_tables import LatencyTables
from .linas import LINASSearch
from .nsga2 import NSGA2Search
from .objectives import LOSS, Objective, PopulationObjective, SupportsEvaluate, dev_loss
from .peak_memory import PeakMemory
from .progressive import ProgressiveSearch
from .random_search import RandomSearch
from .shrinking import ShrinkingSearch
from .strategy import SearchStrategy
from .timing import RUNTIMES, LatencySettings


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        CoarseToFineSearch,
        EvolutionarySearch,
        LINASSearch,
        NSGA2Search,
        ProgressiveSearch,
        RandomSearch,
        ShrinkingSearch,
    )
}
OBJECTIVES = ("loss", "parameters", "multiply_adds", "latency", "peak_memory")
_LIMITS = {
    "max_parameters": ("parameters", 1),
    "max_multiply_adds": ("multiply_adds", 1),
    "max_latency_ms": ("latency", 1e-3),
    "max_peak_memory_mib": ("peak_memory", 2**20),
}
"""By option: what it limits, and how many of that one's units the option's unit is."""
_BINNED = ("parameters", "latency")
CHOICES = ("best", "knee")
_CONDITIONS = {
    "latency_batch_size": "batch_size",
    "latency_seq_length": "sequence_length",
    "latency_dtype": "dtype",
    "latency_device": "device",
    "latency_runtime": "runtime",
    "latency_num_threads": "num_threads",
}
"""By option: its name in the settings of a latency table."""


@dataclass
class SearchArguments:
    """What to look for, how, and how latency is measured."""

    output_dir: str = field(metadata={"help": "Where everything goes."})
    max_parameters: int | None = field(
        default=None, metadata={"help": "The most parameters of a child: its encoder with embeddings and pooler."}
    )
    max_multiply_adds: int | None = field(
        default=None,
        metadata={"help": "The most multiply-adds of that encoder for a sequence of max_seq_length tokens."},
    )
    max_latency_ms: float | None = field(
        default=None, metadata={"help": "The longest latency of that encoder for one batch, in milliseconds."}
    )
    max_peak_memory_mib: float | None = field(
        default=None,
        metadata={
            "help": "The most memory that it needs at a time, weights and activations, in MiB; for the batch, the length"
            " and the dtype that latency is measured with."
        },
    )
    strategy: str = field(
        default=EvolutionarySearch.name, metadata={"help": "How to search.", "choices": sorted(STRATEGIES)}
    )
    objectives: list[str] = field(
        default_factory=lambda: ["loss"],
        metadata={
            "help": f"What to search for: one or, with nsga2, linas and others, several of {', '.join(OBJECTIVES)}."
        },
    )
    operators: list[str] | None = field(
        default=None,
        metadata={
            "help": "Search among these of the supernet's candidate operators only, such as attention-4 identity."
        },
    )
    plain_children: bool = field(
        default=False,
        metadata={
            "help": "Search among those children only that a plain BERT can be, one size for all its blocks (with the strategies"
            " coarse-to-fine and random)."
        },
    )
    choose: str = field(
        default="best",
        metadata={
            "help": "Which child to export: the best in the first objective, the knee of the front, or its name."
        },
    )
    population_size: int = field(default=32, metadata={"help": "Children evaluated in a generation."})
    generations: int = field(default=15, metadata={"help": "Number of generations."})
    family_size: int = field(
        default=1,
        metadata={
            "help": "How many children of a generation begin alike, which saves operator calls (evolutionary and nsga2)."
        },
    )
    early_stopping_risk: float | None = field(
        default=None,
        metadata={
            "help": "Stop evaluating children that are beaten beyond doubt: the chance, at most, that one is stopped that"
            " nobody beats on all of the dev text. By default none is stopped."
        },
    )
    calibration_children: list[str] | None = field(
        default=None,
        metadata={
            "help": "Folders of 3 children of this supernet or more, better 6, that were trained alone: the search"
            " minimises losses that are corrected by theirs."
        },
    )
    ray_workers: int = field(
        default=0,
        metadata={
            "help": "Evaluate by so many workers of the Ray cluster that RAY_ADDRESS names, or else of a local one; 0: here."
        },
    )
    seed: int = field(default=42, metadata={"help": "Seed of the search."})
    resume: bool = field(
        default=False, metadata={"help": "Go on with the search in output_dir, if there is one, by its latency table."}
    )
    latency_table: str | None = field(
        default=None, metadata={"help": "A table measured before, for instance on the device that is meant."}
    )
    latency_batch_size: int = field(default=1, metadata={"help": "Sequences in a batch whose latency is measured."})
    latency_seq_length: int | None = field(default=None, metadata={"help": "Their length; by default max_seq_length."})
    latency_dtype: str = field(default="float32", metadata={"help": "The dtype that latency is measured in."})
    latency_device: str | None = field(default=None, metadata={"help": "Where; by default where the search runs."})
    latency_runtime: str = field(
        default="pytorch",
        metadata={"help": "What runs the model whose latency is measured.", "choices": list(RUNTIMES)},
    )
    latency_num_threads: int | None = field(default=None, metadata={"help": "Threads; by default all of PyTorch's."})
    latency_min_run_time: float = field(default=0.5, metadata={"help": "Seconds for which each operator is run."})
    latency_num_children: int = field(
        default=24,
        metadata={
            "help": "Whole children, of each hidden size, to measure too: what they take beyond their operators is fitted."
            " 0 for none."
        },
    )

    def __post_init__(self):
        if self.generations < 1:
            raise ValueError(f"`generations` must be at least 1, got {self.generations}.")
        if self.ray_workers < 0:
            raise ValueError(f"`ray_workers` is a number of workers, 0 for none; got {self.ray_workers}.")
        if self.latency_num_children:
            check_num_children(self.latency_num_children)
        if unknown := [name for name in self.objectives if name not in OBJECTIVES]:
            raise ValueError(f"`objectives` are some of {', '.join(OBJECTIVES)}; got {', '.join(unknown)}.")
        for name in ("max_latency_ms", "max_peak_memory_mib"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"`{name}` must be a positive number, got {value}.")
        genetic = [name for name, strategy in STRATEGIES.items() if issubclass(strategy, GeneticSearch)]
        if self.family_size != 1 and self.strategy not in genetic:
            raise ValueError(
                f"`family_size` is for the strategies {' and '.join(genetic)}; '{self.strategy}' has no families."
            )
        if self.early_stopping_risk is not None:
            EarlyStopping(risk=self.early_stopping_risk)
            if "loss" not in self.objectives:
                raise ValueError(
                    "`early_stopping_risk` stops children whose loss is greater, and loss is none of the `objectives`"
                    f" {', '.join(self.objectives)}."
                )
        if self.calibration_children is not None:
            check_number(len(self.calibration_children))
            if self.early_stopping_risk is not None:
                raise ValueError(
                    "`early_stopping_risk` compares losses that are not corrected yet, so that it could stop the best child of"
                    " a search with `calibration_children`: leave out one or the other."
                )

    def latency_settings(self, max_seq_length: int, device: str) -> LatencySettings:
        """The conditions of a measurement, on `device` by default."""
        return LatencySettings(
            batch_size=self.latency_batch_size,
            sequence_length=self.latency_seq_length or max_seq_length,
            device=self.latency_device or device,
            dtype=self.latency_dtype,
            num_threads=self.latency_num_threads,
            min_run_time=self.latency_min_run_time,
            runtime=self.latency_runtime,
        )

    def check_conditions(self, settings: LatencySettings) -> None:
        """Raises a `ValueError` where an option asks for another condition than a latency table was measured under."""
        for option, name in _CONDITIONS.items():
            wanted, there = getattr(self, option), getattr(settings, name)
            if wanted not in (self.__dataclass_fields__[option].default, there):
                raise ValueError(
                    f"`{option}` is {wanted!r}, and the latencies of the table were measured with {there!r}: leave out the"
                    " option, or measure a table with it."
                )

    def check_choice(self, search_space: SearchSpace) -> None:
        """Raises a `ValueError` where `choose` is none of `CHOICES`, and no architecture of the space."""
        if self.choose not in CHOICES:
            try:
                self.choose = str(search_space.check(self.choose))
            except ValueError as error:
                raise ValueError(
                    f"`choose` is {', '.join(CHOICES)} or the name of a child; got"
                    f" {self.choose!r}{did_you_mean(self.choose, CHOICES)}. {error}"
                ) from error

    def restricted(self, config: SupernetBertConfig) -> SupernetBertConfig:
        """The configuration of the space to search: that of the supernet, or a part of it; see [`with_operators`]."""
        part = config if self.operators is None else with_operators(config, self.operators)
        if self.plain_children and not part.plain_children:
            part = copy.copy(part)
            part.plain_children, part.default_architecture = True, None
        return part

    def known_costs(
        self, config: SupernetBertConfig, max_seq_length: int, table: LatencyTable | LatencyTables | None
    ) -> dict[str, Objective]:
        """What is free to ask, by name: a column of the result each. The latency only where there is a table."""
        costs: list[Objective] = [ParameterCost(config), MultiplyAddCost(config, max_seq_length)]
        if table is not None:
            costs.append(LatencyCost(config, table))
        if self.max_peak_memory_mib is not None or PeakMemory.name in self.objectives:
            settings = self.latency_settings(max_seq_length, "cpu") if table is None else table.settings
            costs.append(PeakMemory(config, settings.batch_size, settings.sequence_length, dtype=settings.dtype))
        return {cost.name: cost for cost in costs}

    def make_strategy(self, config: SupernetBertConfig, costs: Mapping[str, Objective]) -> SearchStrategy:
        """The strategy with its limits and objectives, as far as their costs are known."""
        constraints = [
            Constraint(costs[name], maximum=getattr(self, option) * unit)
            for option, (name, unit) in _LIMITS.items()
            if getattr(self, option) is not None and name in costs
        ]
        objectives = [LOSS if name == "loss" else costs.get(name, Objective(name)) for name in self.objectives]
        strategy, options = STRATEGIES[self.strategy], {}
        if strategy is ShrinkingSearch:
            options["bin_costs"] = [costs[name] for name in _BINNED if name in costs]
        if issubclass(strategy, GeneticSearch):
            options["family_size"] = self.family_size
        space = SearchSpace.from_config(config)
        return strategy(space, constraints, self.population_size, self.seed, objectives, **options)

    def make_loss(
        self, evaluator: SupportsEvaluate, depends_on: Mapping[str, str], costs: Mapping[str, Objective]
    ) -> PopulationObjective:
        """The dev loss, with early stopping where that is wanted."""
        if self.early_stopping_risk is None:
            return dev_loss(evaluator, depends_on)
        others = [costs[name] for name in self.objectives if name != "loss"]
        return dev_loss(evaluator, depends_on, EarlyStopping(risk=self.early_stopping_risk, other_objectives=others))

    def describe_limits(self) -> str:
        """The limits, for a card."""
        given = {option: getattr(self, option) for option in _LIMITS}
        words = {"max_latency_ms": "latency in ms", "max_peak_memory_mib": "peak memory in MiB"}
        words |= {
            "max_parameters": "parameters without the head",
            "max_multiply_adds": "multiply-adds without the head",
        }
        return ", ".join(f"{words[name]} at most {value:,}" for name, value in given.items() if value) or "none"


def with_operators(config: SupernetBertConfig, operators: Sequence[str]) -> SupernetBertConfig:
    """
    The configuration of the part of a supernet's space that has only some of its candidates.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's. It stays as it is.
        operators (`Sequence[str]`):
            The candidates to keep, in the long or the compact form.

    Raises:
        ValueError: for one that is a candidate of no layer, and where a layer would have none.
    """
    wanted = {to_operator(operator) for operator in operators}
    known = dict.fromkeys(item for row in config.layer_candidates for item in row)
    if unknown := sorted(wanted - set(known)):
        raise ValueError(
            f"`operators` are some of the supernet's candidates, {', '.join(map(str, known))}; got"
            f" {', '.join(map(str, unknown))}{did_you_mean(str(unknown[0]), map(str, known))}."
        )
    rows = [[str(item) for item in row if item in wanted] for row in config.layer_candidates]
    if [] in rows:
        left = ", ".join(map(str, config.layer_candidates[rows.index([])]))
        raise ValueError(
            f"`operators` leave layer {rows.index([])} without a candidate; it has {left}: keep one of them."
        )
    restricted: Any = copy.copy(config)
    restricted.candidate_operators, restricted.default_architecture = rows, None
    return restricted


__all__ = ["OBJECTIVES", "STRATEGIES", "SearchArguments", "with_operators"]
