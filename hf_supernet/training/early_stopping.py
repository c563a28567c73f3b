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
"""Early stopping as an option of a fine-tuning script."""

from dataclasses import dataclass, field
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainingArguments
from transformers.trainer_utils import IntervalStrategy


@dataclass
class EarlyStoppingArguments:
    """
    Whether to stop when evaluations no longer improve.

    Args:
        early_stopping_patience (`int`, *optional*):
            Stop after so many evaluations in a row that were not better than the best one.
        early_stopping_threshold (`float`, *optional*, defaults to 0.0):
            By how much `metric_for_best_model` has to be better to count.

    Raises:
        ValueError: for a patience below 1, a negative threshold, or a threshold without a patience.
    """

    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "Stop after so many evaluations in a row without improvement."}
    )
    early_stopping_threshold: float = field(
        default=0.0, metadata={"help": "By how much metric_for_best_model has to improve to count."}
    )

    def __post_init__(self):
        if self.early_stopping_patience is None and self.early_stopping_threshold != 0:
            raise ValueError("`early_stopping_threshold` needs a patience: pass `early_stopping_patience` too.")
        if self.early_stopping_patience is not None and self.early_stopping_patience < 1:
            raise ValueError(f"`early_stopping_patience` must be at least 1, got {self.early_stopping_patience}.")
        if self.early_stopping_threshold < 0:
            raise ValueError(f"`early_stopping_threshold` must not be negative, got {self.early_stopping_threshold}.")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings for a model card, by a readable name; none without early stopping."""
        return {} if self.early_stopping_patience is None else {"early stopping": self.early_stopping_patience}

    def callbacks(self, training_args: TrainingArguments) -> list[TrainerCallback]:
        """
        The callback, where a patience is set. A resumed run then counts on from where its checkpoint was.

        Args:
            training_args ([`~transformers.TrainingArguments`]):
                The arguments of the training; `restore_callback_states_from_checkpoint` is switched on in them.

        Raises:
            ValueError: where there are no evaluations during the training, or the best model is not kept.
        """
        if self.early_stopping_patience is None:
            return []
        if training_args.eval_strategy == IntervalStrategy.NO:
            raise ValueError(
                "`early_stopping_patience` counts evaluations during the training, and there are none: pass `eval_strategy`"
                " (`epoch` or `steps`) and the same as `save_strategy`."
            )
        if not training_args.load_best_model_at_end:
            raise ValueError(
                "`early_stopping_patience` would leave the model of the last evaluation, not of the best: pass"
                " `load_best_model_at_end` too (and `metric_for_best_model`, by default the loss)."
            )
        training_args.restore_callback_states_from_checkpoint = True
        return [EarlyStoppingCallback(self.early_stopping_patience, self.early_stopping_threshold)]


__all__ = ["EarlyStoppingArguments"]
