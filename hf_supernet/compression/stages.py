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
"""compress: a checkpoint, a task and a budget in; the compressed child, its card and a comparison out."""

import copy
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, BertForSequenceClassification, PreTrainedModel, set_seed

from ..architecture import Architecture
from ..data.glue import load_glue_data
from ..data.tables import random_rows
from ..export import export_child
from ..export.to_bert import plain_bert_obstacle
from ..models.searched_bert import SearchedBertForSequenceClassification
from ..models.supernet_bert import SupernetBertForSequenceClassification
from ..scripts import check_one_process
from ..search.constraints import FeasibleSpace
from ..search.latency import LatencyTable
from ..search.latency_tables import LatencyTables
from ..search.result import fingerprint, package_versions
from ..search.timing import check_device, describe_device
from ..search_space import SearchSpace
from ..training.distillation import Teacher
from ..training.seeds import comparable_settings
from ..training.settings import read_settings
from ..training.trained_classifiers import load_trained_classifier
from .arguments import CompressionSettings
from .arms import Arm, plan_arms
from .baselines import untrained_child
from .budget import check_that_it_binds, constraints_of, cost_models, largest, sizes_of
from .checkpoint import load_checkpoint
from .choice_arguments import BudgetArguments, ChoiceArguments, LatencyArguments
from .choosing import Measuring, choose_baselines, choose_child, search_children, warn_of_untrained
from .comparison import arm_row, child_facts, model_row, reference_row, with_latencies
from .latency import as_exported, measure_side_by_side, measure_tables
from .run_folder import RunFolder
from .supernet import make_supernet, supernet_config, supernet_options
from .task_data import prepare_task
from .trainings import check_training, fine_tune, steps_for, supernet_steps, train_supernet


TABLES = "latency_tables"
OPEN_STAGES = (TABLES, "search", "architectures.json")
"""What the budget and the options of the search decide; until they have, a run can go on with others."""


def late_settings() -> set[str]:
    """The names of the options that no training up to the supernet's depends on."""
    names = {option.name for kind in (BudgetArguments, ChoiceArguments, LatencyArguments) for option in fields(kind)}
    return {name for name in names if not name.startswith("reference_")}


class Compression:
    """
    A compression in stages, each of which leaves what it made in the output folder: `latency_tables`, `reference`, `supernet`,
    `architectures.json` (with `search`), `models/<name>`, `comparison.json`, `child`.

    Making one checks all that can be checked before anything is trained; [`~Compression.run`] does the rest. Started again
    with the same settings, it takes what is there. Trainings go on from their last checkpoint, and end as they would have.

    Args:
        settings ([`CompressionSettings`]):
            All options.

    Raises:
        OSError: where there is no such checkpoint.
        ValueError: for a checkpoint that is no BERT, data that is not as it should be, sizes that do not fit, a teacher of
            another task, options of the training that do not go together, a budget that no child keeps or that the reference keeps
            as it is, and an output folder with a run of other settings.
    """

    def __init__(self, settings: CompressionSettings):
        check_one_process("A compression")
        self.settings, self.args = settings, settings.training
        checkpoint_args, data_args = settings.checkpoint, settings.data
        data = load_glue_data(data_args, ["train", "validation"], checkpoint_args.cache_dir, checkpoint_args.token)
        set_seed(self.args.seed)  # of a new head
        self.checkpoint = load_checkpoint(checkpoint_args, data_args, data)
        bert = self.checkpoint.model.config
        self.task = prepare_task(data, data_args, self.checkpoint.tokenizer, bert)
        self.options = supernet_options(bert, settings.space)
        self.config = supernet_config(bert, self.options)
        self.space = SearchSpace.from_config(self.config)
        self.conditions = settings.latency.conditions(
            data_args.max_seq_length, bert.max_position_embeddings, str(self.args.device)
        )
        check_device(self.conditions.device)
        check_that_it_binds(settings.budget, self.config, self.conditions.sequence_length)
        self._check_training()
        self._prepare_budget()

    def _check_training(self) -> None:
        """Refuses a teacher that can't teach and options that do not go together: better now than behind the first training."""
        name, start = self.args.teacher_model_name_or_path, self.checkpoint
        if name is not None:
            tokenizer, length = AutoTokenizer.from_pretrained(name), self.settings.data.max_seq_length
            Teacher(self.teacher, tokenizer, start.model, start.tokenizer, length)
        teacher = None
        if self.args.distillation == "teacher":
            # Teachers are frozen; the reference, which is one by default, may have to be trained first.
            teacher = copy.deepcopy(start.model) if name is None else self.teacher
        check_training(self.config, self.task, self.args, teacher)

    def _prepare_budget(self) -> None:
        """Costs and limits. Only when all of it is in order, the folder is claimed."""
        budget, length = self.settings.budget, self.conditions.sequence_length
        FeasibleSpace(self.space, constraints_of(budget, cost_models(self.config, length)))
        weights = fingerprint(self.checkpoint.model.state_dict().values())
        facts = {"weights": weights, "rows": self.task.fingerprint}
        settings = comparable_settings(*self.settings, facts)
        self.folder = RunFolder(self.args.output_dir, settings, late_settings(), OPEN_STAGES)
        tables = None
        if budget.max_latency_ratio is not None:
            kept = [] if self.folder.changed else (self.folder.path / TABLES).glob("*.json")
            found = [LatencyTable.load(path) for path in kept]
            number = self.settings.latency.latency_num_children
            tables = LatencyTables(found) if found else measure_tables(self.config, self.conditions, number)
        self.costs = cost_models(self.config, length, tables)
        self.constraints = constraints_of(budget, self.costs)
        FeasibleSpace(self.space, self.constraints)
        self.folder.claim()

        def save_tables(folder: Path, checkpoints: Path) -> None:
            for size, table in tables.tables.items():
                table.save(folder / f"{size}.json")

        if tables is not None:
            self.folder.folder(TABLES, save_tables)

    # ---- The stages ----

    @cached_property
    def reference(self) -> BertForSequenceClassification:
        """The checkpoint as a classifier of the task; fine-tuned, where it was not yet."""

        def make(folder: Path, checkpoints: Path) -> None:
            model, choice = self.checkpoint.model, self.settings.choice
            if not self.checkpoint.is_fine_tuned:
                steps = steps_for(len(self.task.train), self.args, choice.reference_epochs)
                fine_tune(model, self.task, self.args, steps, choice.reference_learning_rate, checkpoints)
            self._save(model, folder)

        folder = self.folder.folder("reference", make)
        return BertForSequenceClassification.from_pretrained(folder).to(self.args.device).eval()

    @cached_property
    def teacher(self) -> PreTrainedModel:
        """What the fine-tunings learn from, and with `distillation="teacher"` the supernet: the reference, or one that was named."""
        name = self.args.teacher_model_name_or_path
        if name is None:
            return self.reference
        return load_trained_classifier(name, "teacher_model_name_or_path").to(self.args.device)

    def new_supernet(self) -> SupernetBertForSequenceClassification:
        """The supernet as it is before its training: the largest child is the reference, the parts that matter in front."""
        space = self.settings.space
        rows = random_rows(self.task.train, space.importance_samples, self.args.seed)
        batches = self.task.batches(rows, self.args.train_batch_size)
        return make_supernet(self.reference, self.options, space.importance, batches)

    @cached_property
    def supernet(self) -> SupernetBertForSequenceClassification:
        """The trained supernet."""

        def make(folder: Path, checkpoints: Path) -> None:
            teacher = self.teacher if self.args.distillation == "teacher" else None
            train_supernet(self.new_supernet(), self.task, self.args, checkpoints, folder, teacher)

        folder = self.folder.folder("supernet", make)
        return SupernetBertForSequenceClassification.from_pretrained(folder).to(self.args.device).eval()

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """The architectures of the child and of the baselines, and the number of children that were evaluated."""

        def make() -> dict[str, Any]:
            choice, seed = self.settings.choice, self.args.seed
            measuring = Measuring(self.settings.budget, self.conditions, self.reference)
            result = search_children(
                self.supernet, self.task, self.constraints, self.costs, choice, seed, self.args.eval_batch_size,
                self.folder.path / "search",
            )  # fmt: skip
            warn_of_untrained(result, self.task.constant_loss)
            child = choose_child(result, self.config, measuring)
            baselines = choose_baselines(
                choice.baselines, self.reference.config, self.supernet, self.constraints, measuring, seed,
                self._loss_of_part,
            )  # fmt: skip
            return {"children_evaluated": len(result), "architectures": {"child": child, **baselines}}

        return self.folder.json("architectures", make)

    @cached_property
    def arms(self) -> list[Arm]:
        """The models of the comparison, besides the reference."""
        steps = supernet_steps(len(self.task.train), self.args)
        epochs = self.settings.choice.finetune_epochs
        return plan_arms(self.chosen["architectures"], steps, steps_for(len(self.task.train), self.args, epochs))

    def model(self, arm: Arm) -> SearchedBertForSequenceClassification:
        """A model of the comparison, trained as planned."""
        choice = self.settings.choice

        def make(folder: Path, checkpoints: Path) -> None:
            if arm.supernet_steps:
                child, rate = self.supernet.extract_child(arm.architecture), choice.finetune_learning_rate
            else:
                child = untrained_child(self.reference, Architecture.from_string(arm.architecture))
                rate = choice.baseline_learning_rate
            if arm.own_steps:
                weight = choice.finetune_distillation_weight
                fine_tune(child, self.task, self.args, arm.own_steps, rate, checkpoints, self.teacher, weight)
            self._save(child, folder)

        folder = self.folder.folder(f"models/{arm.name}", make)
        return SearchedBertForSequenceClassification.from_pretrained(folder)

    def compare(self) -> dict[str, Any]:
        """All models on the validation split and side by side on this machine, kept in `comparison.json`."""
        return self.folder.json("comparison", self._compare)

    def export(self, comparison: dict[str, Any]) -> None:
        """The child as a model repository with its card; where it was fine-tuned, the one from before too."""
        rows = {row["name"]: row for row in comparison["models"]}
        folders = {"child": "child", "child_straight": "child-straight" if "child" in rows else "child"}
        how = read_settings(self.folder.path / "supernet", self.space)
        for name, folder in folders.items():
            target = self.folder.path / folder
            if name not in rows or target.exists():
                continue
            row = rows[name]
            facts = child_facts(comparison, row, folder, self.settings, how)
            straight = name == "child_straight"
            model = self.supernet if straight else self.model(next(arm for arm in self.arms if arm.name == name))
            architecture = row["architecture"] if straight else None
            export_child(model, architecture, target, tokenizer=self.checkpoint.tokenizer, facts=facts)

    def run(self) -> dict[str, Any]:
        """
        All stages. Until a child is chosen, a run that failed goes on with another budget, another search and other baselines too.

        Returns:
            `dict[str, Any]`: what is in `comparison.json`.
        """
        for arm in self.arms:
            self.model(arm)
        comparison = self.compare()
        self.export(comparison)
        return comparison

    # ---- Behind the scenes ----

    def _loss_of_part(self, architecture: Architecture) -> float:
        child = untrained_child(self.reference, architecture)
        return self.task.search_loss(child, self.args.eval_batch_size, self.args.device)

    def _save(self, model: PreTrainedModel, folder: Path) -> None:
        model.save_pretrained(folder)
        self.checkpoint.tokenizer.save_pretrained(folder)

    def _compare(self) -> dict[str, Any]:
        args, conditions, length = self.args, self.conditions, self.conditions.sequence_length
        paths = len(args.build_sampler(self.space, self.config).sample(0))
        passes = 1 if args.split_batch else paths
        own = largest(self.config, self.space)
        # Of one network two models may be there: it is measured once.
        networks: dict[str, PreTrainedModel] = {"reference": self.reference}
        scores = self.task.scores(self.reference, args.eval_batch_size, args.device)
        row = model_row(sizes_of(self.config, own, length), "bert", scores, self.task.metric)
        rows = [reference_row(row, str(own))]
        for arm in self.arms:
            child = self.model(arm)
            kind = "bert" if plain_bert_obstacle(child.config) is None else "searched-bert"
            architecture = Architecture.from_operators(child.config.operators)
            scores = self.task.scores(child, args.eval_batch_size, args.device)
            row = model_row(sizes_of(child.config, architecture, length), kind, scores, self.task.metric)
            rows.append(arm_row(row, arm, passes))
            networks[arm.architecture] = as_exported(child.cpu())
        latencies = measure_side_by_side(networks, "reference", conditions)
        chosen = self.chosen
        return {
            "task": self.settings.data.task_name,
            "metric": self.task.metric,
            "budget": self.settings.budget.limits,
            "seed": args.seed,
            "supernet_steps": supernet_steps(len(self.task.train), args),
            "paths_per_step": paths,
            "passes_per_step": passes,
            "children_evaluated": chosen["children_evaluated"],
            "rows": {
                "train": len(self.task.train),
                "search": len(self.task.search),
                "validation": sum(map(len, self.task.validation.values())),
            },
            "sequence_length": length,
            "max_position_embeddings": self.config.max_position_embeddings,
            "device": describe_device(conditions.device),
            "latency_conditions": f"batch {conditions.batch_size} x {length} tokens, {conditions.dtype},"
            f" {conditions.num_threads} CPU thread(s)",
            "models": with_latencies(rows, latencies),
            "left_out": {
                name: choice["reason"] for name, choice in chosen["architectures"].items() if "reason" in choice
            },
            "versions": package_versions(),
        }


def compress(settings: CompressionSettings) -> dict[str, Any]:
    """
    Compresses a BERT for a task: fine-tunes it where it was not yet, makes it a supernet, trains that, searches the best child
    within the budget, fine-tunes it, compares it, and exports it. See [`Compression`].

    Args:
        settings ([`CompressionSettings`]):
            All options.

    Returns:
        `dict[str, Any]`: the comparison, as in `comparison.json` of the output folder.
    """
    return Compression(settings).run()


__all__ = ["Compression", "compress"]
