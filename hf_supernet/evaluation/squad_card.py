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
"""The model card of a model that was fine-tuned to find answers in a text."""

from dataclasses import dataclass
from typing import ClassVar

from huggingface_hub import EvalResult

from .glue_card import METRIC_TYPES, FineTuningCard


_METRICS = ("exact_match", "exact", "f1")
"""Of v1.1 and v2.0."""


@dataclass
class SquadCard(FineTuningCard):
    """
    What the card of a fine-tuned question answering model says; for the arguments see [`FineTuningCard`].
    """

    description: ClassVar[str] = "Question answering model"
    pipeline_tag: ClassVar[str] = "question-answering"

    @property
    def usage(self) -> list[str]:
        """The lines of Python that load the model and find an answer: the best start, and the best end from there on."""
        return [
            "from transformers import AutoModelForQuestionAnswering, AutoTokenizer",
            "",
            f'tokenizer = AutoTokenizer.from_pretrained("{self.model_name}")',
            f'model = AutoModelForQuestionAnswering.from_pretrained("{self.model_name}")',
            'inputs = tokenizer("Where is the tower?", "The tower is in Paris.", return_tensors="pt")',
            "output = model(**inputs)",
            "start = int(output.start_logits[0].argmax())",
            "end = start + int(output.end_logits[0, start:].argmax())",
            'answer = tokenizer.decode(inputs["input_ids"][0, start : end + 1])',
        ]

    @property
    def scores(self) -> dict[str, float]:
        """The metrics that are scores or losses of an evaluation: no counts, and nothing of thresholds that were not used."""
        return {
            name: value
            for name, value in super().scores.items()
            if not name.endswith(("total", "windows")) and not name.startswith("best_")
        }

    @property
    def results(self) -> list[EvalResult]:
        """Exact match and F1."""
        return [
            EvalResult(
                task_type=self.pipeline_tag,
                task_name="Question Answering",
                dataset_type=self.dataset_name or "custom",
                dataset_name=self.data_name,
                dataset_split="validation",
                metric_type=METRIC_TYPES.get(name, name),
                metric_name=name,
                metric_value=round(value, 4),
            )
            for name, value in self.scores.items()
            if name in _METRICS
        ]


__all__ = ["SquadCard"]
