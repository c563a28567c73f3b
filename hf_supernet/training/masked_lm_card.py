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
"""The model card of a child that was trained on alone."""

from dataclasses import dataclass
from typing import ClassVar

from huggingface_hub import EvalResult

from ..evaluation.glue_card import FineTuningCard


@dataclass
class MaskedLMCard(FineTuningCard):
    """
    What the card of a child says that was trained with the masked-LM loss; for the arguments see [`FineTuningCard`].
    """

    section: ClassVar[str] = "training alone"
    description: ClassVar[str] = "Masked language model"
    pipeline_tag: ClassVar[str] = "fill-mask"

    @property
    def results(self) -> list[EvalResult]:
        """None: a loss on text that nobody else has is for the table, not for the comparisons of the Hub."""
        return []

    @property
    def usage(self) -> list[str]:
        """The lines of Python that load the model and fill in a token."""
        mask = "[MASK]" if self._tokenizer is None else self._tokenizer.mask_token
        return [
            "from transformers import pipeline",
            "",
            f'fill_mask = pipeline("{self.pipeline_tag}", model="{self.model_name}")',
            f'answer = fill_mask("A sentence to {mask} it on.")',
        ]


__all__ = ["MaskedLMCard"]
