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
"""From the start and end logits of windows to answers: the best spans, their texts, and whether there is an answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


_CANDIDATES_AT_ONCE = 2**22  # bounds the memory, about 16 MB an array


@dataclass
class ContextTokens:
    """
    Where the tokens of the contexts stand, for `num_windows` windows in the order of their questions.

    Args:
        question (`np.ndarray` of shape `(num_windows,)`):
            The number of the question a window belongs to, from 0.
        null_position (`np.ndarray` of shape `(num_windows,)`):
            The position of the token that stands for "no answer" in the window.
        first_position (`np.ndarray` of shape `(num_windows,)`):
            The position of the first token of the context; the others follow it.
        length (`np.ndarray` of shape `(num_windows,)`):
            The number of tokens of the context.
        char_start, char_end (`np.ndarray` of shape `(num_windows, longest)`):
            Which characters of the whole context a token covers; what lies beyond `length` is not used. `longest` is at
            least 1.
    """

    question: np.ndarray
    null_position: np.ndarray
    first_position: np.ndarray
    length: np.ndarray
    char_start: np.ndarray
    char_end: np.ndarray


@dataclass
class Answers:
    """
    What a model answers to each question; made by [`find_answers`].

    Args:
        ids (`list[str]`):
            The questions.
        candidates (`list[list[dict[str, Any]]]`):
            For each the best spans of its context, the best first: `text`, `score`, `start_logit`, `end_logit`. No text is
            empty. The list is, if no window holds a token of the context.
        null (`list[dict[str, Any]]`):
            Likewise the empty answer, with the lowest score that a window gives it: one window with the answer is enough.
        n_best_size (`int`):
            How many candidates were asked for.
    """

    ids: list[str]
    candidates: list[list[dict[str, Any]]]
    null: list[dict[str, Any]]
    n_best_size: int

    @property
    def best_texts(self) -> dict[str, str]:
        """The best answer to each question that is not empty."""
        return {key: spans[0]["text"] if spans else "" for key, spans in zip(self.ids, self.candidates, strict=True)}

    @property
    def null_odds(self) -> dict[str, float]:
        """By how much the score of no answer exceeds that of the best answer."""
        rows = zip(self.ids, self.candidates, self.null, strict=True)
        return {key: null["score"] - (spans[0]["score"] if spans else 0.0) for key, spans, null in rows}

    def predictions(self, null_threshold: float | None = None) -> dict[str, str]:
        """
        The answer to each question.

        Args:
            null_threshold (`float`, *optional*):
                The answer is empty where the value of [`null_odds`] is higher. By default every question is answered.

        Returns:
            `dict[str, str]`: The text by the id of the question.
        """
        if null_threshold is None:
            return self.best_texts
        odds = self.null_odds
        return {key: "" if odds[key] > null_threshold else text for key, text in self.best_texts.items()}

    def nbest(self, with_null: bool = False) -> dict[str, list[dict[str, Any]]]:
        """
        The best answers to each question with their `probability`, the softmax of the scores of those listed.

        Args:
            with_null (`bool`, *optional*, defaults to `False`):
                Whether the empty answer is among them: at its place, or after the `n_best_size` best.

        Returns:
            `dict[str, list[dict[str, Any]]]`: `text`, `probability`, `start_logit`, `end_logit` by the id of the question.
        """
        result = {}
        for key, spans, null in zip(self.ids, self.candidates, self.null, strict=True):
            listed = spans
            if with_null:
                listed = sorted([*spans, null], key=lambda span: -span["score"])
                if len(listed) > self.n_best_size and listed[-1] is not null:
                    listed.pop()
            scores = np.array([span["score"] for span in listed])
            weights = np.exp(scores - scores.max(initial=-np.inf))
            result[key] = [
                {"text": span["text"], "probability": probability}
                | {name: span[name] for name in ("start_logit", "end_logit")}
                for span, probability in zip(listed, (weights / weights.sum()).tolist(), strict=True)
            ]
        return result


def find_answers(
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    tokens: ContextTokens,
    ids: list[str],
    contexts: list[str],
    n_best_size: int = 20,
    max_answer_length: int = 30,
) -> Answers:
    """
    The best spans of each context over all its windows, the sum of start and end logit being the score of a span.

    Every span of at most `max_answer_length` tokens is looked at. (The examples of `transformers` look only at those
    between the `n_best_size` best starts and ends of a window, and may miss the best.) A span that lies in two windows is
    listed once, with its higher score.

    Args:
        start_logits, end_logits (`np.ndarray` of shape `(num_windows, sequence_length)`):
            What the model returned.
        tokens (`ContextTokens`):
            Where the tokens of the contexts stand in the windows.
        ids (`list[str]`):
            The questions.
        contexts (`list[str]`):
            The context of each question.
        n_best_size (`int`, *optional*, defaults to 20):
            How many spans to keep for each question.
        max_answer_length (`int`, *optional*, defaults to 30):
            The most tokens a span may have.

    Returns:
        `Answers`: The spans, and the scores of the empty answer.

    Raises:
        ValueError: if the logits are not those of the windows, or are not finite.
    """
    windows = len(tokens.question)
    if not len(start_logits) == len(end_logits) == windows:
        raise ValueError(
            f"There are logits for {len(start_logits)} (start) and {len(end_logits)} (end) windows, but {windows} windows: "
            "each needs its logits, in the order of the windows."
        )
    start_logits, end_logits = (np.asarray(logits, dtype=np.float32) for logits in (start_logits, end_logits))
    spans = _best_spans(start_logits, end_logits, tokens, n_best_size, max_answer_length)
    spans = spans.sort_values(["question", "score"], ascending=[True, False], kind="stable")
    spans = spans.drop_duplicates(["question", "char_start", "char_end"]).groupby("question").head(n_best_size)
    candidates: list[list[dict[str, Any]]] = [[] for _ in ids]
    columns = ("question", "char_start", "char_end", "score", "start_logit", "end_logit")
    for question, start, end, *scores in zip(*(spans[column].tolist() for column in columns), strict=True):
        text = contexts[question][start:end]
        candidates[question].append({"text": text} | dict(zip(columns[3:], scores, strict=True)))
    return Answers(ids, candidates, _null_answers(start_logits, end_logits, tokens), n_best_size)


def _best_spans(
    start_logits: np.ndarray, end_logits: np.ndarray, tokens: ContextTokens, n_best_size: int, max_answer_length: int
) -> pd.DataFrame:
    """The `n_best_size` best spans of each window."""
    longest = min(max_answer_length, tokens.char_start.shape[1])
    chunk = max(1, _CANDIDATES_AT_ONCE // max(1, tokens.char_start.shape[1] * longest))
    tables = []
    for first in range(0, len(tokens.question), chunk):
        rows = np.arange(first, min(first + chunk, len(tokens.question)))
        starts = _context_logits(start_logits, tokens, rows)
        ends = _context_logits(end_logits, tokens, rows)
        # scores[w, i, n]: the span of n + 1 tokens from token i of window w
        padded = np.pad(ends, ((0, 0), (0, longest - 1)), constant_values=-np.inf)
        scores = starts[:, :, None] + np.lib.stride_tricks.sliding_window_view(padded, longest, axis=1)
        scores = scores.reshape(len(rows), -1)
        kept = min(n_best_size, scores.shape[1])
        best = np.sort(np.argpartition(scores, -kept, axis=1)[:, -kept:], axis=1)
        window, best = np.repeat(np.arange(len(rows)), kept), best.reshape(-1)
        possible = np.isfinite(scores[window, best])
        window, best = window[possible], best[possible]
        begin, end = best // longest, best // longest + best % longest
        tables.append(
            pd.DataFrame(
                {
                    "question": tokens.question[rows][window],
                    "char_start": tokens.char_start[rows[window], begin],
                    "char_end": tokens.char_end[rows[window], end],
                    "score": scores[window, best],
                    "start_logit": starts[window, begin],
                    "end_logit": ends[window, end],
                }
            )
        )
    return pd.concat(tables)


def _context_logits(logits: np.ndarray, tokens: ContextTokens, rows: np.ndarray) -> np.ndarray:
    """The logits of the tokens of the context; minus infinity where a window has fewer, and for tokens of no character."""
    columns = np.arange(max(1, tokens.length[rows].max()))
    inside = columns < tokens.length[rows, None]
    positions = np.where(inside, tokens.first_position[rows, None] + columns, 0)
    values = np.take_along_axis(logits[rows], positions, axis=1)
    _check_finite(values[inside])
    inside &= tokens.char_end[rows, : len(columns)] > tokens.char_start[rows, : len(columns)]
    return np.where(inside, values, -np.inf)


def _null_answers(start_logits: np.ndarray, end_logits: np.ndarray, tokens: ContextTokens) -> list[dict[str, Any]]:
    windows = np.arange(len(tokens.question))
    starts, ends = start_logits[windows, tokens.null_position], end_logits[windows, tokens.null_position]
    _check_finite(starts + ends)
    order = np.lexsort((starts + ends, tokens.question))
    _, first = np.unique(tokens.question[order], return_index=True)
    lowest = order[first]
    rows = zip((starts + ends)[lowest].tolist(), starts[lowest].tolist(), ends[lowest].tolist(), strict=True)
    return [{"text": "", "score": score, "start_logit": start, "end_logit": end} for score, start, end in rows]


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(values))} of {values.size} logits are not finite numbers: a model whose "
            "training diverged answers so (lower the learning rate)."
        )


__all__ = ["Answers", "ContextTokens", "find_answers"]
