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
"""The GLUE metrics against formulas written out by hand, and the table of tasks against the real data."""

import socket

import evaluate
import numpy as np
import pytest
import torch
from datasets import load_dataset
from scipy.stats import rankdata

from hf_supernet.evaluation.glue import GLUE_TASKS, GlueMetric, canonical_task_name


def by_hand(name: str, predictions: np.ndarray, references: np.ndarray) -> float:
    """The definitions, with counts and sums only."""
    if name == "accuracy":
        return (predictions == references).mean()
    if name in ("f1", "matthews_correlation"):
        tp = ((predictions == 1) & (references == 1)).sum()
        tn = ((predictions == 0) & (references == 0)).sum()
        fp = ((predictions == 1) & (references == 0)).sum()
        fn = ((predictions == 0) & (references == 1)).sum()
        if name == "f1":
            return 2 * tp / (2 * tp + fp + fn)
        return (tp * tn - fp * fn) / np.sqrt(float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    if name == "spearmanr":
        predictions, references = rankdata(predictions), rankdata(references)
    a, b = predictions - predictions.mean(), references - references.mean()
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def random_answers(task: str, seed: int, rows: int = 97) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if GLUE_TASKS[task].is_regression:
        references = rng.integers(0, 11, rows) / 2  # with ties, as people's scores have
        return references + rng.normal(size=rows), references
    references = rng.integers(0, GLUE_TASKS[task].num_labels, rows)
    wrong = rng.random(rows) < 0.4
    return np.where(wrong, rng.integers(0, GLUE_TASKS[task].num_labels, rows), references), references


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("task", GLUE_TASKS)
def test_agrees_with_the_definitions(task, seed):
    predictions, references = random_answers(task, seed)
    scores = GlueMetric(task).compute(predictions=predictions, references=references)
    assert tuple(scores) == GLUE_TASKS[task].metrics
    for name, value in scores.items():
        assert value == pytest.approx(by_hand(name, predictions, references), abs=1e-12), name
        assert type(value) is float  # not numpy's: the results go to JSON


@pytest.mark.parametrize(
    ("task", "predictions", "references", "expected"),
    [
        ("mrpc", [1, 0, 1, 1], [1, 0, 0, 1], {"accuracy": 3 / 4, "f1": 4 / 5}),
        ("mnli", [2, 0, 1, 2], [2, 1, 1, 0], {"accuracy": 1 / 2}),
        ("cola", [1, 1, 0, 0], [1, 0, 0, 0], {"matthews_correlation": 2 / np.sqrt(12)}),
        ("cola", [0, 1, 1], [1, 0, 0], {"matthews_correlation": -1.0}),
        ("stsb", [1.0, 2.0, 4.0], [0.0, 3.0, 5.0], {"pearson": 66 / np.sqrt(42 * 114), "spearmanr": 1.0}),
    ],
)
def test_worked_examples(task, predictions, references, expected):
    assert GlueMetric(task).compute(predictions=predictions, references=references) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["mrpc", "stsb"])
def test_batches_add_up_and_nothing_is_left_over(task):
    predictions, references = random_answers(task, seed=3)
    metric = GlueMetric(task)
    whole = metric.compute(predictions=predictions, references=references)
    for rows in np.array_split(np.arange(len(references)), 5):
        metric.add_batch(predictions=torch.tensor(predictions[rows]), references=torch.tensor(references[rows]))
    assert metric.compute() == pytest.approx(whole, abs=1e-12)
    assert metric.compute(predictions=predictions, references=references) == pytest.approx(whole, abs=1e-12)


def test_scores_that_are_not_defined_are_zero():
    zeros, ones = np.zeros(5, int), np.ones(5, int)
    mixed = np.array([0, 1, 1, 0, 1])
    assert GlueMetric("cola").compute(predictions=ones, references=mixed) == {"matthews_correlation": 0.0}
    assert GlueMetric("qqp").compute(predictions=zeros, references=zeros) == {"accuracy": 1.0, "f1": 0.0}
    for predictions, references in (
        (np.full(5, 2.5), np.arange(5.0)),
        (np.arange(5.0), np.full(5, 2.5)),
        ([1.0], [2.0]),
    ):
        scores = GlueMetric("stsb").compute(predictions=predictions, references=references)
        assert scores == {"pearson": 0.0, "spearmanr": 0.0}


def test_a_diverged_model_is_not_scored():
    with pytest.raises(ValueError, match="1 of 3 predictions are not finite"):
        GlueMetric("stsb").compute(predictions=[0.1, float("nan"), 2.0], references=[0.0, 1.0, 2.0])


def test_no_predictions_at_all():
    with pytest.raises(ValueError, match="nothing to score"):
        GlueMetric("rte").compute(predictions=[], references=[])


@pytest.mark.parametrize(("name", "meant"), [("STS-B", "stsb"), ("SST-2", "sst2"), ("CoLA", "cola"), ("mnli", "mnli")])
def test_task_names_are_forgiving(name, meant):
    assert canonical_task_name(name) == meant
    assert GlueMetric(name).config_name == meant


def test_unknown_task_names_a_close_one():
    with pytest.raises(ValueError, match=r'Unknown GLUE task "mprc" .did you mean "mrpc".*cola, mnli, mrpc'):
        GlueMetric("mprc")
    with pytest.raises(ValueError, match='Unknown GLUE task "squad"; the tasks are'):
        canonical_task_name("squad")


def test_it_needs_no_network_and_writes_no_file(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the metric opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    metrics = [GlueMetric("sst2", cache_dir=str(tmp_path)) for _ in range(2)]
    assert isinstance(metrics[0], evaluate.Metric)
    for metric, prediction in zip(metrics, (0, 1), strict=True):  # both are filled at the same time, as by two runs
        metric.add_batch(predictions=[prediction] * 4, references=[1] * 4)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert [metric.compute()["accuracy"] for metric in metrics] == [0.0, 1.0]


def test_processes_that_meet_in_files_need_a_name_for_their_run():
    with pytest.raises(ValueError, match="same `experiment_id`"):
        GlueMetric("sst2", num_process=2, process_id=0)


@pytest.mark.parametrize("task", GLUE_TASKS)
def test_the_table_is_that_of_the_real_data(task, real_data, tmp_path):
    path = real_data / "glue" / task / f"{GLUE_TASKS[task].validation_splits[0]}.parquet"
    split = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path))
    assert set(GLUE_TASKS[task].text_columns) | {"label", "idx"} == set(split.column_names)
    assert tuple(getattr(split.features["label"], "names", ())) == GLUE_TASKS[task].label_names
    assert GLUE_TASKS[task].selection_metric in GLUE_TASKS[task].metrics
