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
"""The model card of a fine-tuned classifier: what it was made from and what it scored, nothing that is not known."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from huggingface_hub import EvalResult, ModelCardData
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..cards.architecture import architecture_table, blank_copy
from ..cards.citations import papers_of
from ..cards.limits import NO_BIAS_MEASURED, model_limits
from ..cards.rendering import render
from ..cards.sections import write_card_section
from ..local_paths import is_local, public_name
from ..models.searched_bert import SearchedBertPreTrainedModel
from ..models.supernet_bert import SupernetBertPreTrainedModel
from .glue import GLUE_TASKS


SECTION = "fine-tuning"
"""The name of our section of a card."""

METRIC_TYPES = {"pearson": "pearsonr", "exact": "exact_match"}
"""What the Hub calls a metric that has another name here."""


@dataclass
class FineTuningCard:
    """
    What the card of a fine-tuned model says.

    Args:
        model_name (`str`):
            Name of the fine-tuned model: its repository on the Hub, or its folder.
        start (`str`):
            Name of the model it started from, on the Hub or as a folder.
        random_init (`bool`):
            Whether only the configuration of `start` was used, with random weights.
        data_name (`str`):
            What the model was trained on, in words.
        task_name (`str`, *optional*):
            The GLUE task, where it is one.
        dataset_name (`str`, *optional*):
            The data set on the Hub, where it came from there.
        hyperparameters (`dict[str, Any]`, *optional*, defaults to `{}`):
            The settings of the training.
        metrics (`dict[str, float]`, *optional*, defaults to `{}`):
            The results so far, with the Trainer's names (`eval_accuracy`, `eval_accuracy_mm`, `eval_samples`).
    """

    section: ClassVar[str] = SECTION
    description: ClassVar[str] = "Text classifier"
    pipeline_tag: ClassVar[str] = "text-classification"

    model_name: str
    start: str
    random_init: bool
    data_name: str
    task_name: str | None = None
    dataset_name: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    _model: PreTrainedModel | None = field(default=None, init=False, repr=False)
    _tokenizer: PreTrainedTokenizerBase | None = field(default=None, init=False, repr=False)

    def describe(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> None:
        """
        Lets the card say what the model is: its size, its architecture where it is a child, and its limits.

        Args:
            model ([`~transformers.PreTrainedModel`]):
                The model, with or without adapters; its weights do not matter.
            tokenizer ([`~transformers.PreTrainedTokenizerBase`], *optional*):
                Its tokenizer.
        """
        self._model, self._tokenizer = blank_copy(model), tokenizer

    @property
    def title(self) -> str:
        """The model's name without that of its owner."""
        return self.model_name.rstrip("/").rpartition("/")[2]

    @property
    def scores(self) -> dict[str, float]:
        """The metrics that are scores or losses of an evaluation, without its times and counts."""
        skipped = ("samples", "runtime", "per_second", "steps", "epoch", "time")
        return {
            name.removeprefix("eval_"): value
            for name, value in self.metrics.items()
            if name.startswith("eval_") and not any(word in name for word in skipped)
        }

    @property
    def results(self) -> list[EvalResult]:
        """The scores that have a place on the Hub, an entry for each."""
        task = GLUE_TASKS.get(self.task_name)
        metrics = task.metrics if task else ("accuracy", "pearson", "spearmanr")
        splits = task.validation_splits if task else ("validation",)
        return [
            EvalResult(
                task_type=self.pipeline_tag,
                task_name="Text Classification",
                dataset_type="nyu-mll/glue" if task else self.dataset_name or "custom",
                dataset_name=self.data_name,
                dataset_config=self.task_name,
                dataset_split=splits[-1] if name.endswith("_mm") else splits[0],
                metric_type=METRIC_TYPES.get(name.removesuffix("_mm"), name.removesuffix("_mm")),
                metric_name=name,
                metric_value=round(value, 4),
            )
            for name, value in self.scores.items()
            if name.removesuffix("_mm") in metrics
        ]

    def data(self) -> ModelCardData:
        """The metadata, with the scores as a `model-index`."""
        results = self.results
        return ModelCardData(
            library_name="transformers",
            pipeline_tag=self.pipeline_tag,
            language="en" if self.task_name else None,
            base_model=None if self.random_init or is_local(self.start) else self.start,
            datasets=[self.dataset_name] if self.dataset_name else None,
            metrics=sorted({result.metric_type for result in results}) or None,
            model_name=self.title,
            eval_results=results or None,
        )

    @property
    def usage(self) -> list[str]:
        """The lines of Python that load the model and use it."""
        lines = [
            "from transformers import pipeline",
            "",
            f'classifier = pipeline("{self.pipeline_tag}", model="{self.model_name}")',
        ]
        columns = GLUE_TASKS[self.task_name].text_columns if self.task_name else ()
        if len(columns) == 1:
            lines.append('answer = classifier("A sentence to try it on.")')
        elif columns:
            lines.append('answer = classifier({"text": "A sentence to try it on.", "text_pair": "And another one."})')
        return lines

    def text(self) -> str:
        """The section of the card, in Markdown."""
        start = public_name(self.start)
        model = self._model
        is_supernet = isinstance(model, SupernetBertPreTrainedModel)  # whose class is one of a child's as well
        is_child = isinstance(model, SearchedBertPreTrainedModel) and not is_supernet
        language = "en" if self.task_name else None
        methods = ["distillation"] * ("teacher" in self.hyperparameters) + ["glue"] * bool(self.task_name)
        return render(
            "fine_tuned",
            title=self.title,
            description=self.description,
            parameters=None if model is None else model.num_parameters(),
            data=self.data_name,
            origin=f"random weights, with the configuration of `{start}`" if self.random_init else f"`{start}`",
            is_child=None if model is None else is_child,
            is_supernet=is_supernet,
            usage="\n".join(self.usage),
            rows=self.metrics.get("eval_samples"),
            scores={name: f"{value:.4f}" for name, value in self.scores.items()},
            hyperparameters=self.hyperparameters,
            table=architecture_table(model) if is_child else None,
            config=None if model is None else model.config,
            limits=[] if model is None else [*model_limits(model, self._tokenizer, language), NO_BIAS_MEASURED],
            papers=papers_of(methods),
        )

    def write(self, folder: str | os.PathLike) -> Path:
        """
        Write the card as `README.md`; where there is one, our section and our metadata are replaced, the rest is kept.

        Args:
            folder (`str` or `os.PathLike`):
                The folder of the model.

        Returns:
            `Path`: The file.
        """
        return write_card_section(Path(folder) / "README.md", self.section, self.text(), self.data())
