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
"""A budget as limits on the costs of children, with errors that say what can be reached."""

from collections.abc import Mapping

from ..architecture import Architecture
from ..costs import count_multiply_adds, count_parameters
from ..models.supernet_bert import SupernetBertConfig
from ..search.constraints import Constraint
from ..search.cost_models import AdditiveCost, LatencyCost, MultiplyAddCost, ParameterCost
from ..search.latency_tables import LatencyTables
from ..search_space import SearchSpace
from .choice_arguments import BudgetArguments


HEAD = "sequence-classification"


class RelativeLatencyCost(LatencyCost):
    """
    A [`LatencyCost`] that speaks of its values as shares of the latency of the largest child, the reference.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        tables ([`LatencyTables`]):
            What was measured.
    """

    def __init__(self, config: SupernetBertConfig, tables: LatencyTables):
        super().__init__(config, tables)
        self.reference = self(largest(config, self.search_space))

    def format(self, value: float) -> str:
        return f"{value / self.reference:.3f} of the reference's latency"


def largest(config: SupernetBertConfig, space: SearchSpace) -> Architecture:
    """The child with the most parameters: BERT itself."""
    return space.dearest(ParameterCost(config).table)


def cost_models(
    config: SupernetBertConfig,
    sequence_length: int,
    tables: LatencyTables | None = None,
) -> dict[str, AdditiveCost]:
    """
    The costs of a supernet's children, by name; of whole classifiers, head included.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        sequence_length (`int`):
            The number of tokens that multiply-adds are counted for.
        tables ([`LatencyTables`], *optional*):
            What was measured; without it, latencies are not known.
    """
    costs = [ParameterCost(config, HEAD), MultiplyAddCost(config, sequence_length, HEAD)]
    if tables is not None:
        costs.append(RelativeLatencyCost(config, tables))
    return {cost.name: cost for cost in costs}


def constraints_of(args: BudgetArguments, costs: Mapping[str, AdditiveCost]) -> list[Constraint]:
    """
    The limits of a budget on the costs that are known.

    Args:
        args ([`BudgetArguments`]):
            The limits.
        costs (`dict[str, AdditiveCost]`):
            From [`cost_models`].

    Raises:
        ValueError: for a limit that no child keeps; the message has the range that can be reached and what widens it.
    """
    constraints = []
    for name, limit in args.limits.items():
        if name not in costs:
            continue
        cost = costs[name]
        maximum = limit * cost.reference if isinstance(cost, RelativeLatencyCost) else limit
        try:
            constraints.append(Constraint(cost, maximum=maximum))
        except ValueError as error:
            raise ValueError(
                f"The budget can't be kept. {error} Raise it, or search smaller children: `min_blocks`, `feed_forward_sizes`,"
                " `hidden_sizes`, or `head_counts` with `space='free'`."
            ) from error
    return constraints


def check_that_it_binds(args: BudgetArguments, config: SupernetBertConfig, sequence_length: int) -> None:
    """
    Raises a `ValueError` where the reference keeps the budget as it is, so that there is nothing to compress.

    Args:
        args ([`BudgetArguments`]):
            The limits.
        config ([`SupernetBertConfig`]):
            The supernet's configuration.
        sequence_length (`int`):
            The number of tokens that multiply-adds are counted for.
    """
    space = SearchSpace.from_config(config)
    sizes = sizes_of(config, largest(config, space), sequence_length)
    if args.max_latency_ratio is None and all(sizes[name] <= limit for name, limit in args.limits.items()):
        has = " and ".join(f"{sizes[name]:,} {name.replace('_', '-')}" for name in args.limits)
        raise ValueError(
            f"The reference has {has}, which is within the budget: there is nothing to compress. Lower it."
        )


def sizes_of(config: SupernetBertConfig, architecture: Architecture, sequence_length: int) -> dict[str, int]:
    """The parameters and multiply-adds of a child, by the names of [`cost_models`]."""
    return {
        "parameters": count_parameters(config, architecture, HEAD),
        "multiply_adds": count_multiply_adds(config, architecture, sequence_length, HEAD),
    }


def keeps_sizes(
    args: BudgetArguments, config: SupernetBertConfig, architecture: Architecture, sequence_length: int
) -> bool:
    """Whether a child keeps the limits on parameters and multiply-adds."""
    sizes = sizes_of(config, architecture, sequence_length)
    return all(sizes[name] <= limit for name, limit in args.limits.items() if name in sizes)


__all__ = [
    "HEAD",
    "RelativeLatencyCost",
    "check_that_it_binds",
    "constraints_of",
    "cost_models",
    "keeps_sizes",
    "largest",
    "sizes_of",
]
