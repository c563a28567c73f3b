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
"""Questions ready for a model, and what its logits answer and score."""

import os
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import EvalPrediction, PreTrainedConfig, PreTrainedTokenizerBase

from ..evaluation.squad import SquadMetric
from ..evaluation.squad_answers import Answers, find_answers
from ..files import write_json
from .squad_arguments import SquadDataArguments
from .squad_windows import context_tokens, make_windows, model_inputs


class SquadQuestions:
    """
    A split to answer.

    Args:
        split (`Dataset`):
            Questions, as [`~hf_supernet.data.squad.load_squad_data`] reads them.
        tokenizer (`PreTrainedTokenizerBase`):
            The model's tokenizer.
        config (`PreTrainedConfig`):
            The model's config.
        args (`SquadDataArguments`):
            How to cut the contexts and how to choose the answers.
        labels (`bool`):
            Whether the windows get `start_positions` and `end_positions`, without which the `Trainer` computes no metrics.

    Attributes:
        inputs (`Dataset`): The windows of the contexts, what a model's `forward` takes.
        answers (`Answers`, *optional*): Those of the last call of [`compute_metrics`].
    """

    def __init__(
        self,
        split: Dataset,
        tokenizer: PreTrainedTokenizerBase,
        config: PreTrainedConfig,
        args: SquadDataArguments,
        labels: bool,
    ):
        self.split, self.args = split, args
        windows = make_windows(split, tokenizer, config, args, labels)
        self.inputs, self.tokens = model_inputs(windows), context_tokens(windows)
        self.answers: Answers | None = None

    @property
    def have_answers(self) -> bool:
        """Whether the right answers are known."""
        return "answers" in self.split.column_names

    def answer(self, predictions: tuple[np.ndarray, ...]) -> Answers:
        """
        The answers that logits stand for.

        Args:
            predictions (`tuple[np.ndarray, ...]`):
                What the model returned for `inputs`; first the start and the end logits, each of shape
                `(num_windows, sequence_length)`.

        Returns:
            `Answers`: The best spans of each context.
        """
        start_logits, end_logits = predictions[:2]
        return find_answers(
            start_logits,
            end_logits,
            self.tokens,
            self.split["id"][:],
            self.split["context"][:],
            n_best_size=self.args.n_best_size,
            max_answer_length=self.args.max_answer_length,
        )

    def score(self, answers: Answers) -> dict[str, float]:
        """
        [`~hf_supernet.evaluation.squad.SquadMetric`] of answers, with its keys.

        For questions that may have no answer the best spans are scored with the odds of no answer, and
        `null_score_diff_threshold` decides: the same as to score the answers that it leaves, but so the best threshold is
        found as well.
        """
        predictions = [{"id": key, "prediction_text": text} for key, text in answers.best_texts.items()]
        references = self.split.select_columns(["id", "answers"]).to_list()
        if not self.args.version_2_with_negative:
            return SquadMetric("squad").compute(predictions=predictions, references=references)
        for row, odds in zip(predictions, answers.null_odds.values(), strict=True):
            row["no_answer_probability"] = odds
        return SquadMetric("squad_v2").compute(
            predictions=predictions,
            references=references,
            no_answer_threshold=self.args.null_score_diff_threshold,
        )

    def compute_metrics(self, output: EvalPrediction) -> dict[str, float]:
        """[`answer`] and [`score`], for the `Trainer`; the answers are kept as `answers`."""
        self.answers = self.answer(output.predictions)
        return self.score(self.answers)

    def write(self, answers: Answers, folder: str | os.PathLike, prefix: str = "") -> None:
        """
        Write `predictions.json` (the text by the id of the question, as the official scorers read it),
        `nbest_predictions.json` and, where questions may have no answer, `null_odds.json`.

        Args:
            answers (`Answers`):
                The answers to these questions.
            folder (`str` or `os.PathLike`):
                Where to write.
            prefix (`str`, *optional*, defaults to `""`):
                What the names of the files begin with.
        """
        negative, folder = self.args.version_2_with_negative, Path(folder)
        threshold = self.args.null_score_diff_threshold if negative else None
        write_json(folder / f"{prefix}predictions.json", answers.predictions(threshold))
        write_json(folder / f"{prefix}nbest_predictions.json", answers.nbest(with_null=negative))
        if negative:
            write_json(folder / f"{prefix}null_odds.json", answers.null_odds)


__all__ = ["SquadQuestions"]
