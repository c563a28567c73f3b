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
"""The nine GLUE tasks and their metrics, without a download.

[GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding](https://huggingface.co/papers/1804.07461).
"""

from dataclasses import dataclass
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from transformers.utils import logging

from ..spelling import did_you_mean


logger = logging.get_logger(__name__)


@dataclass(frozen=True)
class GlueTask:
    """
    What the benchmark fixes about one task.

    Args:
        text_columns (`tuple[str, ...]`):
            The one or two columns with the text.
        label_names (`tuple[str, ...]`):
            The names of the classes, in the order of their ids; empty for a regression.
        metrics (`tuple[str, ...]`):
            The keys [`GlueMetric`] answers with.
        selection_metric (`str`):
            The one to compare models by: the metric the BERT paper reports for the task (F1 for MRPC and QQP, Spearman
            for STS-B, accuracy elsewhere), and Matthews for CoLA, which the benchmark ranks by.
        validation_splits (`tuple[str, ...]`, *optional*, defaults to `("validation",)`):
            The splits with labels that are kept for evaluation; the first is the one to select models on.
        test_splits (`tuple[str, ...]`, *optional*, defaults to `("test",)`):
            The splits without labels.
    """

    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    selection_metric: str
    validation_splits: tuple[str, ...] = ("validation",)
    test_splits: tuple[str, ...] = ("test",)

    @property
    def is_regression(self) -> bool:
        return not self.label_names

    @property
    def num_labels(self) -> int:
        """Outputs of the model: one for a regression."""
        return len(self.label_names) or 1


ACCURACY = ("accuracy",)
ACCURACY_AND_F1 = ("accuracy", "f1")

# Columns, names and order of the labels are those of `nyu-mll/glue` on the Hub.
GLUE_TASKS: dict[str, GlueTask] = {
    "cola": GlueTask(
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("matthews_correlation",),
        selection_metric="matthews_correlation",
    ),
    "mnli": GlueTask(
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        ACCURACY,
        selection_metric="accuracy",
        validation_splits=("validation_matched", "validation_mismatched"),
        test_splits=("test_matched", "test_mismatched"),
    ),
    "mrpc": GlueTask(
        ("sentence1", "sentence2"), ("not_equivalent", "equivalent"), ACCURACY_AND_F1, selection_metric="f1"
    ),
    "qnli": GlueTask(
        ("question", "sentence"), ("entailment", "not_entailment"), ACCURACY, selection_metric="accuracy"
    ),
    "qqp": GlueTask(
        ("question1", "question2"), ("not_duplicate", "duplicate"), ACCURACY_AND_F1, selection_metric="f1"
    ),
    "rte": GlueTask(
        ("sentence1", "sentence2"), ("entailment", "not_entailment"), ACCURACY, selection_metric="accuracy"
    ),
    "sst2": GlueTask(("sentence",), ("negative", "positive"), ACCURACY, selection_metric="accuracy"),
    "stsb": GlueTask(("sentence1", "sentence2"), (), ("pearson", "spearmanr"), selection_metric="spearmanr"),
    "wnli": GlueTask(
        ("sentence1", "sentence2"), ("not_entailment", "entailment"), ACCURACY, selection_metric="accuracy"
    ),
}


def canonical_task_name(name: str) -> str:
    """
    The key of [`GLUE_TASKS`] that `name` means: case and hyphens do not matter (`"STS-B"` is `"stsb"`).

    Args:
        name (`str`):
            A task.

    Returns:
        `str`: The task's name as the Hub spells it.

    Raises:
        ValueError: if it is none of the nine tasks; the message names a close one.
    """
    canonical = name.lower().replace("-", "")
    if canonical not in GLUE_TASKS:
        raise ValueError(
            f'Unknown GLUE task "{name}"{did_you_mean(canonical, GLUE_TASKS)}; the tasks are {", ".join(GLUE_TASKS)}.'
        )
    return canonical


class GlueMetric(evaluate.Metric):
    """
    The GLUE metrics as an `evaluate.Metric` that is simply constructed: no script to find, no network.

    The answers have the keys of `evaluate`'s own `glue` metric: `matthews_correlation` (cola); `accuracy` and `f1` of
    label 1 (mrpc, qqp); `pearson` and `spearmanr` (stsb); `accuracy` (the others, either part of mnli).

    Where a score is not defined it is 0.0, and a warning says so: a correlation with a constant, the F1 of predictions
    and references that both lack label 1. So an untrained model that answers the same everywhere has a score like any other.

    Unlike `evaluate`'s metric, regression values are kept in double precision.

    Args:
        config_name (`str`):
            One of the nine tasks. `"mnli_matched"` and `"mnli_mismatched"` are understood as well.
        keep_in_memory (`bool`, *optional*):
            Whether to collect the batches in memory; by default wherever one process computes the metric. Then nothing is
            written that another run could clash with.
        **kwargs:
            Passed on to `evaluate.Metric`. With `num_process` above 1, where the processes meet in files, the same unique
            `experiment_id` has to be given in all of them.

    Example:

    ```python
    >>> from hf_supernet.evaluation.glue import GlueMetric

    >>> GlueMetric("mrpc").compute(predictions=[1, 0, 1, 1], references=[1, 0, 0, 1])
    {'accuracy': 0.75, 'f1': 0.8}
    ```
    """

    def __init__(self, config_name: str, keep_in_memory: bool | None = None, **kwargs: Any):
        parts_of_mnli = {"mnli_matched": "mnli", "mnli_mismatched": "mnli"}
        config_name = canonical_task_name(parts_of_mnli.get(config_name, config_name))
        num_process = kwargs.get("num_process", 1)
        if num_process > 1 and kwargs.get("experiment_id") is None:
            raise ValueError(
                f"With `num_process={num_process}` the processes exchange their predictions in files: pass the same "
                "`experiment_id`, unique to this run, in all of them, so that two runs do not read each other's."
            )
        self.task = GLUE_TASKS[config_name]
        keep_in_memory = num_process == 1 if keep_in_memory is None else keep_in_memory
        super().__init__(config_name=config_name, keep_in_memory=keep_in_memory, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("float64" if self.task.is_regression else "int64")
        return evaluate.MetricInfo(
            description=f"The metric of the GLUE task {self.config_name}: {', '.join(self.task.metrics)}.",
            citation="",
            inputs_description="`predictions` and `references`: label ids, or scores for stsb.",
            features=datasets.Features({"predictions": value, "references": value}),
            reference_urls=["https://huggingface.co/papers/1804.07461"],
        )

    def _compute(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        predictions, references = np.asarray(predictions), np.asarray(references)
        if len(references) == 0:
            raise ValueError("There is nothing to score: no predictions and references were added.")
        if self.task.is_regression:
            return self._correlations(predictions, references)
        scores = {
            "matthews_correlation": lambda: matthews_corrcoef(references, predictions),
            "accuracy": lambda: accuracy_score(references, predictions),
            "f1": lambda: self._f1(predictions, references),
        }
        return {name: float(scores[name]()) for name in self.task.metrics}

    def _f1(self, predictions: np.ndarray, references: np.ndarray) -> float:
        if not (predictions == 1).any() and not (references == 1).any():
            logger.warning(f"{self.config_name}: no prediction and no reference has label 1, F1 is reported as 0.0")
        return f1_score(references, predictions, zero_division=0.0)

    def _correlations(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        for name, values in (("predictions", predictions), ("references", references)):
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} {name} are not finite numbers: a model "
                    "whose training diverged answers so (lower the learning rate), or labels are missing."
                )
        for name, values in (("predictions", predictions), ("references", references)):
            if np.ptp(values) == 0:
                logger.warning(
                    f"{self.config_name}: all {name} are {values[0]:g}, the correlations are reported as 0.0"
                )
                return dict.fromkeys(self.task.metrics, 0.0)
        return {
            "pearson": float(pearsonr(predictions, references)[0]),
            "spearmanr": float(spearmanr(predictions, references)[0]),
        }
