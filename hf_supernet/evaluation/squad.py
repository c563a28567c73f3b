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
"""Exact match and F1 of SQuAD v1.1 and v2.0, by the rules of the official scorers, without a download.

[SQuAD: 100,000+ Questions for Machine Comprehension of Text](https://huggingface.co/papers/1606.05250),
[Know What You Don't Know: Unanswerable Questions for SQuAD](https://huggingface.co/papers/1806.03822).
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import datasets
import evaluate
import numpy as np

from ..spelling import did_you_mean


SQUAD_VERSIONS = ("squad", "squad_v2")

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """An answer as it is compared: lower case, without ASCII punctuation, articles and superfluous white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, answer: str) -> float:
    """1.0 if both are equal once normalized by [`normalize_answer`], else 0.0."""
    return float(normalize_answer(prediction) == normalize_answer(answer))


def word_f1(prediction: str, answer: str) -> float:
    """The F1 of the words of a prediction, as bags and normalized by [`normalize_answer`]; 0.0 without a common word."""
    predicted, expected = normalize_answer(prediction).split(), normalize_answer(answer).split()
    common = sum((Counter(predicted) & Counter(expected)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(expected)
    return 2 * precision * recall / (precision + recall)


def _f1_or_no_answer(prediction: str, answer: str) -> float:
    """[`word_f1`]; in SQuAD v2.0 the answer may be that there is none, and nothing is then as good as nothing."""
    return word_f1(prediction, answer) if normalize_answer(answer) else exact_match(prediction, answer)


class SquadMetric(evaluate.Metric):
    """
    The metrics of SQuAD as an `evaluate.Metric` that is simply constructed: no script to find, no network.

    The keys are those of `evaluate`'s own `squad` and `squad_v2`, the numbers those of the official scorers, in percent:

    - `"squad"` (v1.1): `exact_match` and `f1`, each question scored by the gold answer that fits best.
    - `"squad_v2"`: `exact`, `f1` and `total`; the same for the questions with an answer (`HasAns_...`) and for those without
      (`NoAns_...`), where there are such. The right answer to a question without one is the empty string. A prediction
      whose `no_answer_probability` is above `no_answer_threshold` counts as empty. `best_exact` and `best_f1` are what the
      best threshold would give, `best_exact_thresh` and `best_f1_thresh` that threshold; they have a meaning only if
      `no_answer_probability` differs from question to question and the predictions are not empty.

    Predictions and references are matched by `id`, in any order. A question without a prediction is an error (the official
    scorer of v1.1 gives it 0 with a message, that of v2.0 stops).

    Args:
        config_name (`str`, *optional*, defaults to `"squad"`):
            `"squad"` or `"squad_v2"`.
        keep_in_memory (`bool`, *optional*, defaults to `True`):
            Whether to collect the batches in memory instead of in files.
        **kwargs:
            Passed on to `evaluate.Metric`.

    Example:

    ```python
    >>> from hf_supernet.evaluation.squad import SquadMetric

    >>> references = [{"id": "1", "answers": {"text": ["the Eiffel Tower", "Eiffel Tower, Paris"], "answer_start": [0, 4]}}]
    >>> SquadMetric().compute(predictions=[{"id": "1", "prediction_text": "Eiffel tower!"}], references=references)
    {'exact_match': 100.0, 'f1': 100.0}
    ```
    """

    def __init__(self, config_name: str = "squad", keep_in_memory: bool = True, **kwargs: Any):
        if config_name not in SQUAD_VERSIONS:
            raise ValueError(
                f'Unknown metric "{config_name}"{did_you_mean(config_name, SQUAD_VERSIONS)}; there are '
                f"{', '.join(SQUAD_VERSIONS)}."
            )
        super().__init__(config_name=config_name, keep_in_memory=keep_in_memory, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        text, number = datasets.Value("string"), datasets.Value("float64")
        predictions = {"id": text, "prediction_text": text}
        if self.config_name == "squad_v2":
            predictions["no_answer_probability"] = number
        answers = {"text": datasets.List(text), "answer_start": datasets.List(datasets.Value("int32"))}
        return evaluate.MetricInfo(
            description="Exact match and F1 of SQuAD.",
            citation="",
            inputs_description="`predictions` with `id` and `prediction_text`, `references` with `id` and `answers`.",
            features=datasets.Features({"predictions": predictions, "references": {"id": text, "answers": answers}}),
            reference_urls=["https://rajpurkar.github.io/SQuAD-explorer/"],
        )

    def _compute(
        self, predictions: Iterable[dict], references: Iterable[dict], no_answer_threshold: float = 1.0
    ) -> dict[str, float]:
        predictions, references = _by_id(predictions, "predictions"), _by_id(references, "references")
        if not references:
            raise ValueError("There is nothing to score: no predictions and references were added.")
        if missing := [key for key in references if key not in predictions]:
            raise ValueError(f'{len(missing)} questions have no prediction, the first has the id "{missing[0]}".')
        answers = {key: row["answers"]["text"] for key, row in references.items()}
        texts = {key: predictions[key]["prediction_text"] for key in references}
        if self.config_name == "squad":
            return _scores(texts, answers)
        odds = {key: predictions[key]["no_answer_probability"] for key in references}
        return _scores_with_no_answers(texts, answers, odds, no_answer_threshold)


def _by_id(rows: Iterable[dict], what: str) -> dict[str, dict]:
    rows = list(rows)
    by_id = {row["id"]: row for row in rows}
    if len(by_id) < len(rows):
        twice = next(key for key, count in Counter(row["id"] for row in rows).items() if count > 1)
        raise ValueError(f'`id` must be unique; the {what} have "{twice}" more than once.')
    return by_id


def _scores(texts: dict[str, str], answers: dict[str, list[str]]) -> dict[str, float]:
    if without := [key for key, golds in answers.items() if not golds]:
        raise ValueError(
            f'{len(without)} questions have no gold answer, the first is "{without[0]}": score them with '
            'SquadMetric("squad_v2").'
        )
    best = {"exact_match": _best(exact_match, texts, answers), "f1": _best(word_f1, texts, answers)}
    return {name: 100.0 * sum(scores.values()) / len(answers) for name, scores in best.items()}


def _best(
    score: Callable[[str, str], float], texts: dict[str, str], answers: dict[str, list[str]]
) -> dict[str, float]:
    """Each question's score with the gold answer that fits best."""
    return {key: max(score(texts[key], gold) for gold in golds) for key, golds in answers.items()}


def _scores_with_no_answers(
    texts: dict[str, str], answers: dict[str, list[str]], odds: dict[str, float], threshold: float
) -> dict[str, float]:
    has_answer = {key: bool(golds) for key, golds in answers.items()}
    # gold answers of which the normalization leaves nothing are no answers
    golds = {key: [gold for gold in golds if normalize_answer(gold)] or [""] for key, golds in answers.items()}
    raw = {"exact": _best(exact_match, texts, golds), "f1": _best(_f1_or_no_answer, texts, golds)}
    final = {
        name: {key: float(not has_answer[key]) if odds[key] > threshold else score for key, score in scores.items()}
        for name, scores in raw.items()
    }
    groups = {
        "": list(answers),
        "HasAns_": [key for key in answers if has_answer[key]],
        "NoAns_": [key for key in answers if not has_answer[key]],
    }
    results = {}
    for prefix, keys in groups.items():
        if keys:
            for name, scores in final.items():
                results[f"{prefix}{name}"] = 100.0 * sum(scores[key] for key in keys) / len(keys)
            results[f"{prefix}total"] = len(keys)
    for name, scores in raw.items():
        results[f"best_{name}"], results[f"best_{name}_thresh"] = _best_threshold(scores, texts, odds, has_answer)
    return results


def _best_threshold(
    scores: dict[str, float], texts: dict[str, str], odds: dict[str, float], has_answer: dict[str, bool]
) -> tuple[float, float]:
    """
    The highest score that a threshold for `odds` gives, in percent, and the lowest threshold that gives it.

    As the official scorer does, it starts with no question answered, then lets them be answered one by one in the order of
    their odds: one with an answer adds its score, one without takes away 1 if there is a prediction.
    """
    keys = sorted(odds, key=odds.get)
    changes = [scores[key] if has_answer[key] else -float(texts[key] != "") for key in keys]
    totals = np.cumsum([float(len(keys) - sum(has_answer.values())), *changes])
    best = int(totals.argmax())  # the first of equal ones: 0 is that no question is answered
    return 100.0 * float(totals[best]) / len(keys), odds[keys[best - 1]] if best else 0.0


__all__ = ["SQUAD_VERSIONS", "SquadMetric", "exact_match", "normalize_answer", "word_f1"]
