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
"""Correcting a supernet's losses by children trained alone."""

import random

import numpy as np
import pytest

from hf_supernet import Architecture
from hf_supernet.evaluation.calibration import CalibratedEvaluator, Calibration, choose_children, operator_counts
from hf_supernet.evaluation.ranking import kendall_tau
from hf_supernet.search import dev_loss


OPERATORS = ["A4", "F64", "C3", "I"]


def children(number, seed=0, layers=6, operators=OPERATORS):
    generator = random.Random(seed)
    drawn = {"-".join(generator.choices(operators, k=layers)) for _ in range(20 * number)}
    return [Architecture.from_string(path) for path in sorted(drawn)[:: max(1, len(drawn) // number)][:number]]


def flattened(architectures, worths, seed=0):
    """Losses through a supernet that makes too little of operators, and alone."""
    scores = 3 + 0.01 * np.random.default_rng(seed).standard_normal(len(architectures))
    return scores, scores + operator_counts(architectures, list(worths)) @ np.array(list(worths.values()))


WORTHS = {"A4": 0.01, "F64": -0.05, "C3": -0.03}


def test_what_operators_are_worth_is_found_from_a_few_children_and_holds_for_others():
    everyone = children(60)
    few = choose_children(everyone, 8)
    others = [child for child in everyone if child not in few]
    scores, losses = flattened([*few, *others], WORTHS)
    calibration = Calibration(few, scores[:8], losses[:8])
    assert calibration.worths == pytest.approx(WORTHS, abs=0.004)
    corrected = calibration.predict(others, scores[8:])
    np.testing.assert_allclose(np.diff(corrected), np.diff(losses[8:]), atol=0.02)
    assert kendall_tau(losses[8:], scores[8:]) < 0.5
    assert kendall_tau(losses[8:], corrected) > 0.9


@pytest.mark.parametrize("shift", [0.0, -0.4])
def test_a_supernet_that_is_off_by_the_same_for_all_keeps_its_ranking(shift):
    few = children(8)
    scores, _ = flattened(few, {})
    calibration = Calibration(few, scores, scores + shift)
    np.testing.assert_allclose(calibration.predict(few, scores), scores + shift, atol=1e-12)


def test_where_no_child_has_an_operator_losses_are_shifted_alike():
    few = [Architecture.from_string("I-I")] * 3
    calibration = Calibration(few, [1.0] * 3, [2.0] * 3)
    np.testing.assert_array_equal(calibration.predict(few, [1.0, 2.0, 3.0]), [2.0, 3.0, 4.0])


def test_a_search_finds_the_best_child_alone_by_calibrated_losses():
    everyone = children(40)
    scores, losses = flattened(everyone, WORTHS)
    of = dict(zip(everyone, scores, strict=True))
    few = choose_children(everyone, 10)
    calibration = Calibration(few, [of[child] for child in few], [losses[everyone.index(child)] for child in few])

    class Through:
        def evaluate(self, architectures):
            return {child: of[child] for child in architectures}

    objective = dev_loss(CalibratedEvaluator(Through(), calibration))
    judged = {child: judgement.value for child, judgement in objective.judge(everyone)}
    assert min(judged, key=judged.get) == everyone[int(np.argmin(losses))]
    assert min(of, key=of.get) != everyone[int(np.argmin(losses))]


def test_an_operator_that_no_child_trained_alone_has_is_worth_what_the_supernet_says():
    few = children(8)
    scores, losses = flattened(few, WORTHS)
    calibration = Calibration(few, scores, losses)
    known, unknown = (Architecture.from_string(path) for path in ("I-I-I-I-I-I", "C9-I-I-I-I-I"))
    first, second = calibration.predict([known, unknown], [3.0, 3.1])
    assert second - first == pytest.approx(0.1)


def test_a_child_without_a_loss_fails_alone():
    few = children(8)
    scores, losses = flattened(few, WORTHS)
    calibration = Calibration(few, scores, losses)
    of = dict(zip(few, scores, strict=True)) | {few[2]: float("nan"), few[5]: float("inf")}

    class Through:
        def evaluate(self, architectures):
            return {child: of[child] for child in architectures}

    found = CalibratedEvaluator(Through(), calibration).evaluate(few)
    assert list(found) == few and np.isnan(found[few[2]]) and found[few[5]] == np.inf
    assert found[few[0]] == calibration.predict(few[:1], scores[:1])[0]
    assert list(CalibratedEvaluator(Through(), calibration).evaluate([few[5]]).values()) == [np.inf]


def test_chosen_children_tell_more_than_most_drawn_at_random():
    candidates = children(80)

    def told(some):
        design = np.column_stack([np.ones(len(some)), operator_counts(some, ["A4", "C3", "F64"])])
        return np.linalg.slogdet(design.T @ design + 1e-3 * np.eye(4))[1]

    drawn = [told(random.Random(seed).sample(candidates, 6)) for seed in range(50)]
    assert told(choose_children(candidates, 6)) > np.quantile(drawn, 0.98)


def test_the_choice_is_the_same_for_a_seed_and_never_takes_a_child_twice():
    candidates = children(30)
    chosen = choose_children(candidates + candidates, 10, seed=1)
    assert chosen == choose_children(candidates, 10, seed=1)
    assert len(set(chosen)) == 10
    assert set(choose_children(candidates, len(candidates))) == set(candidates)


def test_too_many_children_are_refused():
    with pytest.raises(ValueError, match=r"`number` must be from 1 to the number of different candidates, 4; got 5"):
        choose_children(children(4), 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["A4-I"] * 2, [1, 2], [1, 2]), r"needs 3 children trained alone, better 6 or more; got 2"),
        ((["A4-I", "I-I", "A4-A4"], [1, 2], [1, 2, 3]), r"`scores` must have one number for each of the 3 children"),
        ((["A4-I", "I-I", "A4-A4"], [1, 2, 3], [1, float("nan"), 3]), r"`losses` has nan for I-I: leave such"),
        (
            (["A4-I", "I-I", "A4-A4-I"], [1, 2, 3], [1, 2, 3]),
            r"A4-A4-I has 3 layers, the first of those trained alone 2",
        ),
        (
            (["A4-I", "I-I", "H64:A4-I"], [1, 2, 3], [1, 2, 3]),
            r"H64:A4-I has 64, the first of those trained alone None",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_refused(arguments, message):
    paths, scores, losses = arguments
    with pytest.raises(ValueError, match=message):
        Calibration([Architecture.from_string(path) for path in paths], scores, losses)
