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
"""A tiny space, and an evaluator that knows the loss of every architecture by heart."""

import functools
import itertools
import random

import pytest

from hf_supernet import Architecture, SearchSpace, SupernetBertConfig
from hf_supernet.search import predictors


def tiny_config(**fields) -> SupernetBertConfig:
    sizes = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 6, "max_position_embeddings": 40}
    candidates = ["attention-4", "feed_forward-37", "convolution-3", "identity"]
    return SupernetBertConfig(**{**sizes, "candidate_operators": candidates, **fields})


@functools.cache
def random_number(text: str) -> float:
    return random.Random(text).random()


class TabularEvaluator:
    """A sum over the layers, and over neighbours, of random numbers; counts what it is asked."""

    def __init__(self, search_space: SearchSpace, seed: int = 0):
        self.search_space = search_space
        self.seed = seed
        self.calls: list[list[Architecture]] = []

    @property
    def evaluated(self) -> list[Architecture]:
        return [architecture for call in self.calls for architecture in call]

    def loss(self, architecture: Architecture) -> float:
        parts = [f"{self.seed}/{layer}/{operator}" for layer, operator in enumerate(architecture)]
        pairs = itertools.pairwise(parts)
        return sum(map(random_number, parts)) + 0.3 * sum(random_number(f"{one}+{two}") for one, two in pairs)

    def evaluate(self, architectures: list[Architecture]) -> dict[Architecture, float]:
        self.calls.append(list(architectures))
        return {architecture: self.loss(self.search_space.check(architecture)) for architecture in architectures}


@pytest.fixture(params=["anywhere", "end"])
def config(request) -> SupernetBertConfig:
    return tiny_config(identity_placement=request.param)


@pytest.fixture
def space(config) -> SearchSpace:
    return SearchSpace.from_config(config)


@pytest.fixture
def ridge_only(monkeypatch) -> None:
    """One predictor without cross-validation to speak of, for tests in which it does not matter which it is."""
    monkeypatch.setattr(predictors, "PREDICTORS", {"ridge": predictors.PREDICTORS["ridge"]})
    monkeypatch.setattr(predictors, "_FOLDS", 2)
