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
import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from hf_supernet.evaluation.answers import AnswersEvaluator, area_under_roc, has_classes, tempered_loss

from .test_evaluator import make_batches, make_supernet, related_architectures


def plain_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=-1)[np.arange(len(labels)), labels].mean())


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Right more often than not, of three labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=200)
    return generator.normal(size=(200, 3)) + 1.5 * np.eye(3)[labels], labels


def test_how_sure_a_child_is_of_itself_does_not_count(answers):
    logits, labels = answers
    found = tempered_loss(logits, labels)
    for scale in (0.1, 3.0, 20.0):
        assert tempered_loss(scale * logits, labels) == pytest.approx(found, abs=1e-6)
        assert found <= plain_loss(scale * logits, labels)
    assert found == pytest.approx(
        min(plain_loss(scale * logits, labels) for scale in np.linspace(0.5, 2, 1501)), abs=1e-6
    )


def test_answers_at_their_ends(answers):
    """Of answers that are always right, nothing is left; of wrong ones, and of equal ones, as much as of a guess."""
    logits, labels = answers
    right = np.eye(3)[labels]
    assert tempered_loss(right, labels) < 1e-6
    for useless in (-right, 0 * right):
        assert tempered_loss(useless, labels) == pytest.approx(math.log(3), abs=2e-3)
    assert math.isnan(tempered_loss(np.where(logits > 3, np.nan, logits), labels))


@pytest.mark.parametrize("number", [2, 3])
def test_the_area_is_the_share_of_pairs_in_the_right_order(answers, number):
    logits, labels = (part[:40] for part in answers)
    logits, labels = logits[labels < number][:, :number], labels[labels < number]
    sureness = logits - np.stack([np.logaddexp.reduce(np.delete(logits, k, 1), axis=1) for k in range(number)], axis=1)
    shares = [
        np.mean([one > other for one in sureness[labels == k, k] for other in sureness[labels != k, k]])
        for k in range(number)
    ]
    assert area_under_roc(logits, labels) == pytest.approx(np.mean(shares)) and 0.6 < np.mean(shares) < 0.99
    # Two classes: neither the temperature nor the threshold counts.
    if number == 2:
        assert area_under_roc(3 * logits + [0, 5], labels) == pytest.approx(np.mean(shares))
    assert area_under_roc(0 * logits, labels) == 0.5
    assert math.isnan(area_under_roc(np.where(logits > 2, np.inf, logits), labels))


@pytest.mark.parametrize("function", [area_under_roc, tempered_loss])
def test_children_are_judged_as_by_themselves(function):
    model, batches = make_supernet("classification"), make_batches("classification")
    evaluator = AnswersEvaluator(model, batches)
    architectures = related_architectures(model)
    found = evaluator.score(function, architectures)
    assert list(found) == list(dict.fromkeys(architectures))
    for architecture, value in found.items():
        child, logits, labels = model.extract_child(architecture).eval(), [], []
        for batch in batches:
            rows = batch["labels"] != -100
            inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
            with torch.no_grad():
                logits.append(child(**inputs).logits[rows])
            labels.append(batch["labels"][rows])
        expected = function(torch.cat(logits).double().numpy(), torch.cat(labels).numpy())
        assert value == pytest.approx(expected, abs=1e-5)
    assert evaluator.score(function, []) == {}


def test_several_scores_take_one_evaluation(monkeypatch):
    model = make_supernet("classification")
    evaluator, some = AnswersEvaluator(model, make_batches("classification")), related_architectures(model)
    walks, walk = [], evaluator._walk
    monkeypatch.setattr(evaluator, "_walk", lambda *args: (walks.append(args[0]), walk(*args)))
    areas = evaluator.score(area_under_roc, some)
    evaluator.score(tempered_loss, some[::-1])
    assert len(walks) == 1
    fewer = evaluator.score(area_under_roc, some[:2])
    assert len(walks) == 2 and all(fewer[item] == pytest.approx(areas[item]) for item in fewer)


def test_nothing_to_evaluate_on():
    model = make_supernet("classification")
    (unlabelled,) = (batch for batch in make_batches("classification") if (batch["labels"] == -100).all())
    for batches in ([], [unlabelled]):
        with pytest.raises(ValueError, match="Nothing to evaluate on: `batches` is empty, or no batch has a label"):
            AnswersEvaluator(model, batches).score(area_under_roc, [model.search_space.default_architecture()])


@pytest.mark.parametrize("head", ["masked-lm", "regression"])
def test_what_has_no_classes(head):
    model = make_supernet(head)
    assert not has_classes(model)
    with pytest.raises(ValueError, match=r"one label of several each; got SupernetBertFor.* Use `Evaluator`"):
        AnswersEvaluator(model, make_batches(head))
