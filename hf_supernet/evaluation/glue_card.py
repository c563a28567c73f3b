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

from ..cards.sections import write_card_section
from .glue import GLUE_TASKS


SECTION = "fine-tuning"
"""The name of our section of a card."""


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

    @property
    def scores(self) -> dict[str, float]:
        """The metrics that are scores or losses of an evaluation, without its times and counts."""
        skipped = ("samples", "runtime", "per_second", "steps", "epoch", "time")
        return {
            name.removeprefix("eval_"): value
            for name, value in self.metrics.items()
            if name.startswith("eval_") and not any(word in name for word in skipped)
        }

    def data(self) -> ModelCardData:
        """The metadata, with the scores as a `model-index`."""
        task = GLUE_TASKS.get(self.task_name)
        metrics = task.metrics if task else ("accuracy", "pearson", "spearmanr")
        splits = task.validation_splits if task else ("validation",)
        results = [
            EvalResult(
                task_type=self.pipeline_tag,
                task_name="Text Classification",
                dataset_type="nyu-mll/glue" if task else self.dataset_name or "custom",
                dataset_name=self.data_name,
                dataset_config=self.task_name,
                dataset_split=splits[-1] if name.endswith("_mm") else splits[0],
                metric_type=name.removesuffix("_mm"),
                metric_name=name,
                metric_value=round(value, 4),
            )
            for name, value in self.scores.items()
            if name.removesuffix("_mm") in metrics
        ]
        return ModelCardData(
            library_name="transformers",
            pipeline_tag=self.pipeline_tag,
            language="en" if self.task_name else None,
            base_model=None if self.random_init or Path(self.start).exists() else self.start,
            datasets=[self.dataset_name] if self.dataset_name else None,
            metrics=sorted({result.metric_type for result in results}) or None,
            model_name=self.model_name,
            eval_results=results or None,
        )

    @property
    def usage(self) -> list[str]:
        """The lines of Python that load the model and use it."""
        return [
            "from transformers import pipeline",
            "",
            f'classifier = pipeline("{self.pipeline_tag}", model="{self.model_name}")',
        ]

    def text(self) -> str:
        """The section of the card, in Markdown."""
        start = Path(self.start).resolve().name if Path(self.start).exists() else self.start
        origin = f"random weights, with the configuration of `{start}`" if self.random_init else f"`{start}`"
        lines = [
            f"# {self.model_name}",
            "",
            f"{self.description}, trained on {self.data_name}, starting from {origin}.",
            "",
            "```python",
            "import hf_supernet  # registers the `searched-bert` architecture; not needed for a plain BERT",
            *self.usage,
            "```",
            "",
        ]
        if self.scores:
            rows = self.metrics.get("eval_samples")
            lines += [
                f"## Results on the validation set{f' ({rows} rows)' if rows else ''}",
                "",
                "| | |",
                "| --- | --- |",
            ]
            lines += [f"| {name} | {value:.4f} |" for name, value in self.scores.items()] + [""]
        if self.hyperparameters:
            lines += ["## Training", "", "| | |", "| --- | --- |"]
            lines += [f"| {name} | {value} |" for name, value in self.hyperparameters.items()] + [""]
        return "\n".join(lines)

    def write(self, folder: str | os.PathLike) -> Path:
        """
        Write the card as `README.md`; where there is one, our section and our metadata are replaced, the rest is kept.

        Args:
            folder (`str` or `os.PathLike`):
                The folder of the model.

        Returns:
            `Path`: The file.
        """
        return write_card_section(Path(folder) / "README.md", SECTION, self.text(), self.data())
