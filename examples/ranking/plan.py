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
"""What fixes a ranking benchmark: text, search space, trainings, methods, children and seeds, read from a YAML file."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from huggingface_hub.errors import StrictDataclassError
from settings import (
    ChildTrainingSettings,
    Method,
    ModelSettings,
    TextSettings,
    TrainingSettings,
    read_settings,
    unknown_name,
)
from transformers import set_seed

from hf_supernet import (
    Architecture,
    SearchedBertForMaskedLM,
    SearchSpace,
    SupernetBertConfig,
    SupernetBertForMaskedLM,
)


SETS = ("test", "tuning")
"""The children on which methods are compared, and those on which defaults, sweeps and remedies are chosen."""

STRATA = ("random", "neighbour", "extreme", "no_mixing")
BUDGETS = ("equal_steps", "equal_compute")
BASELINES = ("parameters", "multiply_adds", "untrained", "grad_norm", "synflow")
"""What ranks children without a training of the supernet."""

REFERENCE = "uniform"
"""The method that the others are compared with."""


FIRST_COMMON_START = 1_000_000
"""Children's seeds and this make the seeds of the supernets whose weights they start with in common."""


class Child(NamedTuple):
    """A child of the benchmark: its path through the supernet, and why it is in."""

    architecture: Architecture
    stratum: str


@dataclass(frozen=True)
class RankingPlan:
    """
    Everything that fixes a ranking benchmark.

    Args:
        text (`TextSettings`), model (`ModelSettings`):
            The text, the sizes and the space.
        child_training (`ChildTrainingSettings`):
            How a child is trained alone.
        tuning_child_training (`ChildTrainingSettings`, *optional*, defaults to `child_training`):
            How a tuning child is trained alone.
        supernet_training (`TrainingSettings`):
            How the supernet is trained.
        child_seeds (`list[int]`):
            Each child is trained alone with each of these.
        supernet_seeds (`dict[str, list[int]]`):
            For the sets `test` and `tuning`: the seeds of the supernets.
        methods (`dict[str, dict]`):
            By name, what a method sets: fields of [`TrainingSettings`], which it changes, and of [`Method`].
        comparison (`list[str]`, *optional*, defaults to all):
            The methods that are compared on the test children; others are for the tuning children alone.
        pairs (`list[list[str]]`, *optional*):
            Pairs of methods whose difference the report shows beside those to the reference.
        test_children, tuning_children (`dict[str, list[str]]`, *optional*):
            By stratum, the paths of the children; written by `draw_children.py`.

    Raises:
        ValueError: for settings that are not known, can't be or don't go together, and for children outside the space,
            in the wrong stratum, or of which two are the same network.
    """

    text: TextSettings
    model: ModelSettings
    child_training: ChildTrainingSettings
    supernet_training: TrainingSettings
    child_seeds: list[int]
    supernet_seeds: dict[str, list[int]]
    methods: dict[str, dict]
    comparison: list[str] = field(default_factory=list)
    pairs: list[list[str]] = field(default_factory=list)
    test_children: dict[str, list[str]] = field(default_factory=dict)
    tuning_children: dict[str, list[str]] = field(default_factory=dict)
    tuning_child_training: ChildTrainingSettings | None = None

    def __post_init__(self):
        if not self.comparison:
            object.__setattr__(self, "comparison", list(self.methods))
        self._check_seeds()
        for name in self.methods:
            if name in BASELINES:
                raise ValueError(f"{name!r} is a baseline, not a method: give the method another name.")
            self.method(name)
        for name in self.comparison:
            self.method(name)
        for pair in self.pairs:
            if len(pair) != 2:
                raise ValueError(f"`pairs` has two methods each, got {pair}.")
            for name in pair:
                self.method(name)
        self._check_children()

    # ---- Parts ----

    def config(self, method: Method | None = None) -> SupernetBertConfig:
        """The supernet's configuration, by default without what a method makes of it."""
        values = asdict(self.model)
        dropout = values.pop("dropout")
        return SupernetBertConfig(
            **values,
            vocab_size=self.text.vocab_size,
            max_position_embeddings=self.text.max_seq_length,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            **(method.model_fields() if method is not None else {}),
        )

    def search_space(self) -> SearchSpace:
        """The search space."""
        return SearchSpace.from_config(self.config())

    def new_supernet(self, seed: int, method: Method | None = None) -> SupernetBertForMaskedLM:
        """The supernet, by default without what a method makes of it, as it is before its training."""
        set_seed(seed)
        return SupernetBertForMaskedLM(self.config(method))

    def new_child(self, architecture: Architecture, seed: int) -> SearchedBertForMaskedLM:
        """A child, alone, as it is before its training."""
        set_seed(seed)
        return SearchedBertForMaskedLM(self.config().child_config(architecture.operators))

    def child_at_start(self, architecture: Architecture, seed: int, which: str) -> SearchedBertForMaskedLM:
        """A child of a set as its training begins."""
        if not self.training_alone(which).common_start:
            return self.new_child(architecture, seed)
        child = self.new_supernet(FIRST_COMMON_START + seed).extract_child(architecture)
        set_seed(seed)
        return child

    def method(self, name: str) -> Method:
        """
        A method by its name.

        Raises:
            ValueError: for one that the plan does not have, or that sets something unknown.
        """
        if name not in self.methods:
            raise ValueError(f"The plan has no method {name!r}; it has {', '.join(self.methods) or 'none'}.")
        values, training = self.methods[name], asdict(self.supernet_training)
        choices = self._layer_choices() if "splitting" in values else []
        given = {
            "name": name,
            "training": training,
            "plan_steps": self.supernet_training.steps,
            "layer_choices": choices,
        }
        known = [*(item.name for item in fields(Method) if item.name not in given), *training]
        for option in values:
            if option not in known:
                raise ValueError(f"Method {name!r}: {unknown_name(option, known)}")
        own = {option: value for option, value in values.items() if option not in training}
        training |= {option: value for option, value in values.items() if option in training}
        method = read_settings(Method, {**given, **own}, f"methods.{name}")
        if method.splitting is not None:
            self._check_splitting(method)
        if method.model_fields().keys() & values.keys():
            self._check_model(method)
        return method

    def children(self, which: str) -> list[Child]:
        """
        The children of a set.

        Raises:
            ValueError: where there are none yet.
        """
        listed = {"test": self.test_children, "tuning": self.tuning_children}[which]
        if not listed:
            raise ValueError(f"The plan has no {which} children yet: draw them with draw_children.py.")
        return [Child(Architecture.from_string(path), stratum) for stratum in listed for path in listed[stratum]]

    def training_alone(self, which: str) -> ChildTrainingSettings:
        """How the children of a set are trained alone."""
        if which == "tuning" and self.tuning_child_training is not None:
            return self.tuning_child_training
        return self.child_training

    def _check_splitting(self, method: Method) -> None:
        """That so many splits are possible, at equal compute too."""
        try:
            method.splitting.check(method.layer_choices)
            method.steps("equal_compute")
        except ValueError as error:
            raise ValueError(f"Method {method.name!r}: {error}") from error

    def _check_model(self, method: Method) -> None:
        try:
            self.config(method)
        except StrictDataclassError as error:
            raise ValueError(f"Method {method.name!r}: {error.__cause__}") from error

    def _layer_choices(self) -> list[int]:
        """The numbers of candidates of the layers that have several."""
        return [len(row) for row in self.config().layer_candidates if len(row) > 1]

    # ---- Fingerprints: only what a row depends on, so that children, seeds and methods can be added ----

    def child_fingerprint(self, which: str) -> str:
        """Tells apart plans whose children of a set, trained alone, come out differently."""
        return _fingerprint(self.text, self.model, self.training_alone(which))

    def method_fingerprint(self, name: str, budget: str) -> str:
        """Tells apart plans in which a method comes out differently."""
        method = self.method(name)
        return _fingerprint(self.text, self.model, method, method.steps(budget))

    def baseline_fingerprint(self) -> str:
        """Tells apart plans in which the baselines come out differently."""
        return _fingerprint(self.text, self.model, self.supernet_training.batch_size)

    # ---- Checks ----

    def _check_seeds(self) -> None:
        if set(self.supernet_seeds) != set(SETS):
            raise ValueError(f"`supernet_seeds` must name {' and '.join(SETS)}, got {list(self.supernet_seeds)}.")
        for name, seeds in {"child_seeds": self.child_seeds, **self.supernet_seeds}.items():
            if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
                raise ValueError(f"The seeds of {name} must be different numbers from 0 on, got {seeds}.")
        if both := set(self.supernet_seeds["test"]) & set(self.supernet_seeds["tuning"]):
            raise ValueError(f"`supernet_seeds`: {sorted(both)} are in both sets; tune with other seeds.")

    def _check_children(self) -> None:
        space = self.search_space()
        seen: dict[Architecture, str] = {}
        for which, listed in (("test", self.test_children), ("tuning", self.tuning_children)):
            for stratum, paths in listed.items():
                if stratum not in STRATA:
                    raise ValueError(f"`{which}_children`: {unknown_name(stratum, STRATA)}")
                for path in paths:
                    architecture = space.check(path)
                    if mixes_tokens(architecture) == (stratum == "no_mixing"):
                        does = "does not mix" if stratum != "no_mixing" else "mixes"
                        raise ValueError(f"`{which}_children`: {path} {does} tokens, but stands in {stratum!r}.")
                    network = architecture.canonical()
                    if network in seen:
                        raise ValueError(f"{path} and {seen[network]} are the same network: keep one of the two.")
                    seen[network] = path


def read_plan(path: str | Path) -> RankingPlan:
    """
    Reads a plan.

    Raises:
        FileNotFoundError, ValueError: for no such file, and as by [`RankingPlan`].
    """
    values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{path} is no plan: it holds {type(values).__name__}, not settings by name.")
    try:
        return read_settings(RankingPlan, values, "the plan")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def mixes_tokens(architecture: Architecture) -> bool:
    """Whether a token's output depends on other tokens: by an attention, or a convolution over more than one."""
    return any(
        operator.kind == "attention" or (operator.kind == "convolution" and operator.size > 1)
        for operator in architecture
    )


def _fingerprint(*parts: Any) -> str:
    text = json.dumps([_given(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _given(settings: Any) -> Any:
    """
    What differs from the defaults, so that a setting can be added to the dataclasses whose default means "as before".
    The defaults that are there never change: rows of before would be taken for rows of after.
    """
    if not is_dataclass(settings):
        return settings
    # looking on does not change what is looked at, a cost comes in by the number of steps
    without = ("name", "evaluation_points", "step_cost", "pass_cost", "plan_steps", "layer_choices")
    values = {item.name: (getattr(settings, item.name), item) for item in fields(settings) if item.name not in without}
    defaults = {
        name: item.default_factory() if item.default_factory is not MISSING else item.default
        for name, (_, item) in values.items()
    }
    return {name: _given(value) for name, (value, _) in values.items() if value != defaults[name]}


__all__ = [
    "BASELINES",
    "BUDGETS",
    "REFERENCE",
    "SETS",
    "STRATA",
    "Child",
    "RankingPlan",
    "mixes_tokens",
    "read_plan",
]
