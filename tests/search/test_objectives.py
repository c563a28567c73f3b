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
from transformers import Trainer, TrainingArguments

from hf_supernet import SupernetBertForSequenceClassification
from hf_supernet.evaluation import EvaluationStopped
from hf_supernet.search import (
    FunctionObjective,
    Judgement,
    Objective,
    ParameterCost,
    PopulationObjective,
    RandomSearch,
    dev_loss,
    run_search,
)

from .conftest import TabularEvaluator, tiny_config


def test_directions():
    assert Objective("loss").sign == 1 and Objective("accuracy", direction="maximise").sign == -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "architecture"}, "not architecture or generation; got 'architecture'"),
        ({"name": ""}, "name of an objective .* got ''"),
        ({"name": "loss", "direction": "down"}, "`direction` of 'loss' must be one of minimise, maximise; got 'down'"),
        ({"name": "loss", "cost": "dear"}, "`cost` of 'loss' must be one of free, cheap, expensive; got 'dear'"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Objective(**arguments)


@pytest.mark.parametrize(
    ("returned", "value", "error"),
    [
        (3, 3, None),
        (2.5, 2.5, None),
        (np.float32(0.5), 0.5, None),
        (torch.tensor(0.25), 0.25, None),
        (math.nan, math.nan, "returned nan"),
        (-math.inf, math.nan, "returned -inf"),
        ("much", math.nan, "returned 'much', which is no number"),
    ],
)
def test_what_a_function_returns(space, returned, value, error):
    architecture = next(iter(space))
    [(item, judgement)] = FunctionObjective("f", lambda _: returned).judge([architecture])
    assert item == architecture and judgement.error == error
    np.testing.assert_equal(judgement.value, value)
    assert type(judgement.value) in (int, float)


def test_cost_models_and_losses_are_objectives(config, space):
    items = list(space)[:5]
    cost, evaluator = ParameterCost(config), TabularEvaluator(space)
    assert cost.cost == "free" and cost.direction == "minimise"
    assert list(cost.judge(items)) == [(item, Judgement(cost(item))) for item in items]
    assert list(dev_loss(evaluator).judge(items)) == [(item, Judgement(evaluator.loss(item))) for item in items]
    assert evaluator.calls == [items] and list(dev_loss(evaluator).judge([])) == [] and evaluator.calls == [items]


def test_a_population_that_fails_in_a_distributed_run_is_an_error(space, monkeypatch):
    """The other processes take part in judging the whole population, and would wait for ever."""
    monkeypatch.setattr("hf_supernet.search.objectives.is_distributed", lambda: True)

    def fails(architectures):
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        list(PopulationObjective("loss", fails).judge(list(space)[:2]))


def test_a_function_may_say_that_nothing_can_be_judged_any_more(space):
    def board(architectures):
        raise EvaluationStopped("the board does not answer")

    for objective in (FunctionObjective("seconds", board), PopulationObjective("seconds", board)):
        with pytest.raises(EvaluationStopped, match="the board does not answer"):
            run_search(RandomSearch(space, population_size=2, objectives=[objective]), [objective])


def test_a_metric_of_a_trainer(tmp_path):
    """As the docstring of `FunctionObjective` shows: any Trainer, on the child by itself."""
    torch.manual_seed(0)
    model = SupernetBertForSequenceClassification(tiny_config(num_hidden_layers=2)).eval()
    generator = torch.Generator().manual_seed(0)
    rows = [
        {"input_ids": torch.randint(5, 99, (11,), generator=generator), "labels": index % 2} for index in range(16)
    ]
    arguments = TrainingArguments(tmp_path, report_to="none", use_cpu=True, disable_tqdm=True)

    def accuracy_of(prediction) -> dict[str, float]:
        return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}

    def accuracy(architecture) -> float:
        child = model.extract_child(architecture)
        trainer = Trainer(child, arguments, eval_dataset=rows, compute_metrics=accuracy_of)
        return trainer.evaluate()["eval_accuracy"]

    objective = FunctionObjective("accuracy", accuracy, direction="maximise", depends_on={"supernet": "random"})
    table = run_search(RandomSearch(model.search_space, (), 2, objectives=[objective]), [objective], 1).table
    input_ids, labels = (torch.stack([torch.as_tensor(row[name]) for row in rows]) for name in ("input_ids", "labels"))
    for path, found in zip(table["architecture"], table["accuracy"], strict=True):
        answers = model(input_ids=input_ids, architecture=path).logits.argmax(-1)
        assert found == (answers == labels).float().mean().item()
