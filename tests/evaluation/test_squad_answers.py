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
"""Answers from logits against a search through all spans, one by one, on random logits of random windows."""

import math

import numpy as np
import pytest

import hf_supernet.evaluation.squad_answers
from hf_supernet.evaluation.squad_answers import Answers, ContextTokens, find_answers


def random_windows(
    seed: int, questions: int = 7
) -> tuple[np.ndarray, np.ndarray, ContextTokens, list[str], list[str]]:
    """Contexts of words of a few letters, each a token, in overlapping windows of up to 9 of them, 4 special positions."""
    rng = np.random.default_rng(seed)
    rows, contexts = [], []
    for question in range(questions):
        words = ["".join(rng.choice(list("abcde"), rng.integers(1, 4))) for _ in range(rng.integers(1, 25))]
        ends = np.cumsum([len(word) + 1 for word in words]) - 1
        starts = ends - [len(word) for word in words]
        contexts.append(" ".join(words))
        for first in range(0, max(1, len(words) - 4), 5):
            shift = rng.integers(0, 3)  # a longer question before it
            rows.append((question, rng.integers(0, 2), 2 + shift, starts[first : first + 9], ends[first : first + 9]))
    columns = list(zip(*rows, strict=True))
    chars = [np.full((len(rows), 9), -7) for _ in range(2)]
    for i, row in enumerate(rows):
        for values, mine in zip(row[3:], chars, strict=True):
            mine[i, : len(values)] = values
    tokens = ContextTokens(*map(np.array, columns[:3]), np.array([len(starts) for starts in columns[3]]), *chars)
    start, end = rng.normal(scale=3, size=(2, len(rows), 15)).astype(np.float32)
    return start, end, tokens, [f"q{i}" for i in range(questions)], contexts


def all_spans(start, end, tokens: ContextTokens, contexts: list[str], max_answer_length: int) -> list[list[tuple]]:
    """For each question score and text of every span, the best first, one entry for each place in the context."""
    found = [{} for _ in contexts]
    for w, question in enumerate(tokens.question):
        for i in range(tokens.length[w]):
            for j in range(i, min(i + max_answer_length, tokens.length[w])):
                place = int(tokens.char_start[w, i]), int(tokens.char_end[w, j])
                at = tokens.first_position[w]
                logits = start[w, at + i], end[w, at + j]
                score = float(logits[0] + logits[1])
                if place[0] < place[1] and tokens.char_start[w, i] < tokens.char_end[w, i]:
                    found[question][place] = max(
                        found[question].get(place, (-math.inf,)), (score, *map(float, logits))
                    )
    return [
        sorted(((*value, context[slice(*place)]) for place, value in spans.items()), reverse=True)
        for spans, context in zip(found, contexts, strict=True)
    ]


def null_scores(start, end, tokens: ContextTokens) -> list[float]:
    """The lowest over the windows of a question."""
    scores = {}
    for w, question in enumerate(tokens.question):
        score = float(start[w, tokens.null_position[w]] + end[w, tokens.null_position[w]])
        scores[question] = min(score, scores.get(question, math.inf))
    return [scores[question] for question in sorted(scores)]


@pytest.mark.parametrize("max_answer_length", [1, 3, 100])
@pytest.mark.parametrize("n_best_size", [1, 5, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_the_best_spans_of_all(seed, n_best_size, max_answer_length, monkeypatch):
    monkeypatch.setattr(hf_supernet.evaluation.squad_answers, "_CANDIDATES_AT_ONCE", 150)  # a few windows at a time
    start, end, tokens, ids, contexts = random_windows(seed)
    answers = find_answers(start, end, tokens, ids, contexts, n_best_size, max_answer_length)
    for spans, expected in zip(
        answers.candidates, all_spans(start, end, tokens, contexts, max_answer_length), strict=True
    ):
        found = [(span["score"], span["start_logit"], span["end_logit"], span["text"]) for span in spans]
        assert found == expected[:n_best_size]
    best = {key: spans[0]["text"] for key, spans in zip(ids, answers.candidates, strict=True)}
    assert answers.best_texts == answers.predictions() == best
    assert [null["score"] for null in answers.null] == null_scores(start, end, tokens)


@pytest.mark.parametrize("seed", range(3))
def test_a_question_is_left_empty_above_the_threshold(seed):
    start, end, tokens, ids, contexts = random_windows(seed, questions=20)
    answers = find_answers(start, end, tokens, ids, contexts)
    spans, nulls = all_spans(start, end, tokens, contexts, 30), null_scores(start, end, tokens)
    odds = {key: null - best[0][0] for key, best, null in zip(ids, spans, nulls, strict=True)}
    assert answers.null_odds == pytest.approx(odds)
    for threshold in (*list(odds.values())[:3], -5.0, 0.0):  # an equal score is not above it
        expected = {key: "" if odds[key] > threshold else best[0][3] for key, best in zip(ids, spans, strict=True)}
        assert answers.predictions(threshold) == expected


@pytest.mark.parametrize("n_best_size", [1, 4])
def test_the_n_best_with_and_without_no_answer(n_best_size):
    start, end, tokens, ids, contexts = random_windows(5, questions=20)
    answers = find_answers(start, end, tokens, ids, contexts, n_best_size)
    places = set()
    for with_null in (False, True):
        nbest = answers.nbest(with_null)
        for i, key in enumerate(ids):
            listed = nbest[key]
            scores = np.array([entry["start_logit"] + entry["end_logit"] for entry in listed])
            assert list(scores) == sorted(scores, reverse=True)
            assert [entry["probability"] for entry in listed] == pytest.approx(np.exp(scores) / np.exp(scores).sum())
            texts = [entry["text"] for entry in listed]
            candidates = [span["text"] for span in answers.candidates[i]]
            if with_null:
                places.add(texts.index(""))
                assert len(texts) <= n_best_size + 1
                # nothing gives way to it unless it is one of the best
                assert len(texts) == min(n_best_size, len(candidates) + 1) or texts[-1] == ""
                texts.remove("")
            assert texts == candidates[: len(texts)]
    assert len(places) > 1  # at its place, not always at the end


def test_the_examples_of_transformers_with_all_starts_and_ends():
    """Their rule: pairs of the n best starts and ends of the whole window, those within the context kept. n is all here."""
    start, end, tokens, ids, contexts = random_windows(11, questions=30)
    for w in range(len(start)):  # they read the score of no answer at position 0
        tokens.null_position[w] = 0
    answers = find_answers(start, end, tokens, ids, contexts, 5, max_answer_length=4)
    for question, key in enumerate(ids):
        best, null = (-math.inf, ""), math.inf
        for w in np.flatnonzero(tokens.question == question):
            null = min(null, start[w, 0] + end[w, 0])
            for s in np.argsort(start[w])[::-1]:
                for e in np.argsort(end[w])[::-1]:
                    i, j = s - tokens.first_position[w], e - tokens.first_position[w]
                    if i < 0 or j >= tokens.length[w] or j < i or j - i + 1 > 4:
                        continue
                    text = contexts[question][tokens.char_start[w, i] : tokens.char_end[w, j]]
                    best = max(best, (float(start[w, s] + end[w, e]), text))
        assert answers.best_texts[key] == best[1]
        assert answers.null_odds[key] == pytest.approx(float(null) - best[0])


def one_window(char_start: list[int], char_end: list[int]) -> ContextTokens:
    zero, length = np.array([0]), np.array([len(char_start)])
    return ContextTokens(zero, zero, np.array([1]), length, np.array([char_start]), np.array([char_end]))


def test_tokens_of_no_character_begin_and_end_no_answer():
    tokens = one_window([0, 1, 1], [1, 1, 2])  # some tokenizers make a token of an empty piece
    start, end = np.array([[0, 0, 9, 1]]), np.array([[0, 1, 9, 0]])
    answers = find_answers(start, end, tokens, ["q"], ["ab"], n_best_size=9)
    assert [(span["text"], span["score"]) for span in answers.candidates[0]] == [("a", 1.0), ("b", 1.0), ("ab", 0.0)]


def test_a_context_without_tokens():
    tokens = one_window([0], [0])
    tokens.length[:] = 0
    answers = find_answers(np.ones((1, 4)), np.ones((1, 4)), tokens, ["q"], ["\u200b"])
    assert answers.predictions() == answers.predictions(0.0) == {"q": ""}
    assert answers.null_odds == {"q": 2.0}
    assert answers.nbest() == {"q": []}
    assert [entry["text"] for entry in answers.nbest(with_null=True)["q"]] == [""]


def test_logits_of_half_precision_are_added_in_single():
    tokens = one_window([0, 2], [1, 3])
    start, end = np.array([[0, 1000.5, 0]], dtype=np.float16), np.array([[0, 1000, 1000]], dtype=np.float16)
    assert find_answers(start, end, tokens, ["q"], ["a b"]).candidates[0][0]["score"] == 2000.5


def test_slips():
    start, end, tokens, ids, contexts = random_windows(0)
    with pytest.raises(ValueError, match=r"logits for 3 .start. and \d+ .end. windows, but \d+ windows"):
        find_answers(start[:3], end, tokens, ids, contexts)
    for position in (tokens.null_position[2], tokens.first_position[2]):
        broken = start.copy()
        broken[2, position] = np.nan
        with pytest.raises(ValueError, match=r"1 of \d+ logits are not finite"):
            find_answers(broken, end, tokens, ids, contexts)
    outside = start.copy()
    outside[2, 14] = np.nan  # padding
    assert isinstance(find_answers(outside, end, tokens, ids, contexts), Answers)
