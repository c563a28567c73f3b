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
"""Which architectures are trained and compared: the searched child, a random one, and two parts of the checkpoint itself."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from transformers import BertConfig, PreTrainedModel
from transformers.utils import logging

from ..architecture import Architecture
from ..evaluation.answers import AnswersEvaluator, area_under_roc, has_classes, tempered_loss
from ..evaluation.evaluator import Evaluator
from ..models.supernet_bert import SupernetBertConfig, SupernetBertForSequenceClassification
from ..search.constraints import Constraint
from ..search.cost_models import AdditiveCost
from ..search.evolutionary import EvolutionarySearch
from ..search.objectives import LOSS, PopulationObjective, dev_loss
from ..search.random_search import RandomSearch
from ..search.result import SearchResult, fingerprint
from ..search.run import run_search
from ..search.store import STORE_NAME, EvaluationStore
from ..search.timing import LatencySettings
from .baselines import config_of, narrower, random_children, shallower
from .budget import keeps_sizes
from .choice_arguments import BudgetArguments, ChoiceArguments
from .latency import first_within
from .task_data import TaskData


logger = logging.get_logger(__name__)


class Measuring(NamedTuple):
    """
    What it takes to see whether a child keeps the budget.

    Args:
        budget ([`BudgetArguments`]): The limits.
        settings ([`LatencySettings`]): The conditions of latencies, and the length for multiply-adds.
        reference ([`~transformers.PreTrainedModel`]): The reference, as a user loads it.
    """

    budget: BudgetArguments
    settings: LatencySettings
    reference: PreTrainedModel

    def choose(
        self, children: Iterable[Architecture], config_of: Callable[[Architecture], SupernetBertConfig]
    ) -> dict[str, Any]:
        """
        The first child that keeps the whole budget, its latency measured as a whole.

        Args:
            children (`Iterable[Architecture]`):
                In the order of preference.
            config_of (`Callable[[Architecture], SupernetBertConfig]`):
                The configuration of a supernet that a child belongs to.

        Returns:
            `dict[str, Any]`: its `architecture` in the compact form and, with a limit on latencies, its `latency_ratio`; or
            `architecture` `None` and why there is none, as `reason`.
        """
        length, limits = self.settings.sequence_length, ", ".join(f"{k} {v:,}" for k, v in self.budget.limits.items())
        small = (child for child in children if keeps_sizes(self.budget, config_of(child), child, length))
        limit = self.budget.max_latency_ratio
        found, ratio = first_within(small, config_of, self.reference, limit, self.settings)
        if found is not None:
            return {"architecture": str(found)} | ({} if ratio is None else {"latency_ratio": ratio})
        nearest = "" if ratio is None else f"; the least latency measured is {ratio:.3f} of the reference's"
        return {"architecture": None, "reason": f"none keeps the budget ({limits}){nearest}"}


def search_children(
    supernet: SupernetBertForSequenceClassification,
    task: TaskData,
    constraints: list[Constraint],
    costs: Mapping[str, AdditiveCost],
    args: ChoiceArguments,
    seed: int,
    batch_size: int,
    folder: Path,
) -> SearchResult:
    """
    Compares children within the budget on the rows that no training saw: by how well they tell classes apart ([`area_under_roc`]),
    or by their loss, where they predict numbers. A search that was killed goes on.

    Spaces of plain children are searched at random (small ones whole), others by evolution.

    Args:
        supernet ([`SupernetBertForSequenceClassification`]):
            Trained.
        task ([`TaskData`]):
            The rows.
        constraints (`list[Constraint]`):
            The budget.
        costs (`dict[str, AdditiveCost]`):
            What is recorded besides the loss.
        args ([`ChoiceArguments`]):
            How many children.
        seed (`int`):
            Of the search.
        batch_size (`int`):
            Rows of a batch.
        folder (`Path`):
            Where the result is kept.
    """
    space, batches = supernet.search_space, task.batches(task.search, batch_size)
    strategy = EvolutionarySearch if space.combines_freely else RandomSearch
    seen = {
        "supernet": fingerprint(supernet.state_dict().values()),
        "dev_data": fingerprint(tensor for batch in batches for tensor in batch.values()),
    }
    objectives = _objectives(supernet, task, batches, seen)
    with EvaluationStore(folder / STORE_NAME) as store:
        return run_search(
            strategy(space, constraints, args.population_size, seed, objectives[:1]),
            [*objectives, *costs.values()],
            args.generations,
            store,
            output_dir=folder,
            progress=True,
        )


def _objectives(
    supernet: SupernetBertForSequenceClassification, task: TaskData, batches: list, seen: dict[str, str]
) -> list[PopulationObjective]:
    """What is searched by, and what is recorded beside it; from one evaluation."""
    if not has_classes(supernet) or len(set(task.search["labels"][:])) < 2:
        return [dev_loss(Evaluator(supernet, batches), seen)]
    evaluator = AnswersEvaluator(supernet, batches)
    return [
        PopulationObjective("auc", partial(evaluator.score, area_under_roc), "maximise", depends_on=seen),
        PopulationObjective(
            LOSS.name,
            partial(evaluator.score, tempered_loss),
            unit=LOSS.unit,
            depends_on=seen | {"temperature": "best"},
        ),
    ]


def warn_of_untrained(result: SearchResult, constant_loss: float) -> None:
    """
    Warns where no child that was searched answers better than all alike.

    Args:
        result ([`SearchResult`]):
            What was searched.
        constant_loss (`float`):
            The loss of the best constant answer, on the same rows.
    """
    best = float(result.table["loss"].min())
    if best >= constant_loss:
        logger.warning(
            f"The best of {len(result)} children has the loss {best:.4g} on the rows that are held out, and a constant answer"
            f" {constant_loss:.4g}: the supernet learned nothing that it would share. Its training may have collapsed (see"
            " `supernet/trainer_state.json`: lower `learning_rate`), or was too short (`num_train_epochs`, more rows)."
        )


def choose_child(result: SearchResult, config: SupernetBertConfig, measuring: Measuring) -> dict[str, Any]:
    """
    The best child of the search that keeps the budget.

    Args:
        result ([`SearchResult`]):
            What was searched.
        config ([`SupernetBertConfig`]):
            The supernet's.
        measuring ([`Measuring`]):
            The budget.

    Raises:
        ValueError: where none does, although the latency table predicts it.
    """
    by = result.searched[0]
    names = result.ranked().dropna(subset=by)["architecture"]
    chosen = measuring.choose(map(Architecture.from_string, names), lambda child: config)
    if chosen["architecture"] is None:
        raise ValueError(
            f"Of the {len(result)} children that the search evaluated, {chosen['reason']}: the table promised more than"
            " the machine holds, as it may while other programs run. Start it again with a larger `latency_min_run_time`, or budget:"
            " the supernet is kept."
        )
    row = result.row(chosen["architecture"])
    return chosen | {name: float(row[name]) for name in dict.fromkeys((by, LOSS.name))}


def choose_baselines(
    names: Iterable[str],
    bert: BertConfig,
    supernet: SupernetBertForSequenceClassification,
    constraints: list[Constraint],
    measuring: Measuring,
    seed: int,
    loss: Callable[[Architecture], float],
) -> dict[str, dict[str, Any]]:
    """
    The architectures that the child is compared with, each the largest of its kind within the budget (of random ones: the
    first that uses it).

    Args:
        names (`Iterable[str]`):
            Some of `BASELINES`.
        bert ([`~transformers.BertConfig`]):
            The checkpoint's sizes.
        supernet ([`SupernetBertForSequenceClassification`]):
            Which random children are of.
        constraints (`list[Constraint]`):
            The budget on its children.
        measuring ([`Measuring`]):
            The budget.
        seed (`int`):
            Of the random child.
        loss (`Callable[[Architecture], float]`):
            Of a part of the checkpoint, as for [`~baselines.shallower`].

    Returns:
        `dict[str, dict[str, Any]]`: what [`Measuring.choose`] says, by name.
    """
    own = partial(config_of, bert)
    kinds = {
        "layers_dropped": lambda: measuring.choose(shallower(bert, loss), own),
        "narrowed": lambda: measuring.choose(narrower(bert), own),
        "random_child": lambda: measuring.choose(
            random_children(supernet.search_space, constraints, seed), lambda child: supernet.config
        ),
    }
    return {name: kinds[name]() for name in names}


__all__ = ["Measuring", "choose_baselines", "choose_child", "search_children", "warn_of_untrained"]
