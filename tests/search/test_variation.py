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
import random

import numpy as np
import pytest
from pymoo.core.population import Population

from hf_supernet.search import FeasibleSpace
from hf_supernet.search.variation import ArchitectureProblem, StepwiseMutation, UnseenOnly, recombine


def test_encoding_round_trips(space):
    problem = ArchitectureProblem(FeasibleSpace(space))
    drawn = [space.sample(random.Random(seed)) for seed in range(10)]
    rows = problem.encode(drawn)
    assert rows.shape == (10, 6) and problem.decode(rows) == drawn
    assert (rows >= problem.xl).all() and (rows <= problem.xu).all()


def test_a_child_is_legal_and_has_every_operator_from_a_parent(space):
    generator = random.Random(0)
    for _ in range(300):
        one, two = space.sample(generator), space.sample(generator)
        child = recombine(space, one, two, generator)
        assert child in space
        assert all(operator in pair for operator, *pair in zip(child, one, two, strict=True))


def test_both_parents_contribute_and_equal_ones_give_themselves(space):
    generator = random.Random(0)
    one, two = space.check("A4-A4-A4-A4-A4-A4"), space.check("F37-F37-F37-F37-F37-F37")
    counts = [sum(str(item) == "attention-4" for item in recombine(space, one, two, generator)) for _ in range(200)]
    assert 2.5 < np.mean(counts) < 3.5 and max(counts) >= 5 and min(counts) <= 1
    assert recombine(space, one, one, generator) == one


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_mutations_are_legal_and_of_the_wanted_strength(space, probability):
    problem = ArchitectureProblem(FeasibleSpace(space))
    parents = [space.check("A4-A4-A4-A4-A4-I")] * 300
    population = StepwiseMutation(probability)(
        problem, Population.new("X", problem.encode(parents)), random_state=np.random.default_rng(0)
    )
    mutated = problem.decode(population.get("X"))
    assert all(architecture in space for architecture in mutated)
    distances = [architecture.distance(parents[0]) for architecture in mutated]
    if probability == 0:
        assert set(distances) == {1}
    else:
        assert 1.5 < np.mean(distances) < 3.5


def test_unseen_only():
    def population(*rows):
        return Population.new("X", np.array(rows))

    unseen = UnseenOnly()
    unseen.add(np.array([[0, 1]]))
    kept = unseen.do(population([0, 1], [1, 1], [1, 1], [2, 2], [3, 3]), population([2, 2]), Population())
    assert kept.get("X").tolist() == [[1, 1], [3, 3]]
