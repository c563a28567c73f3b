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
"""The SQuAD metrics against the published rules, written down a second time, on random answers and on the real questions."""

import random
import socket

import evaluate
import numpy as np
import pandas as pd
import pytest

from hf_supernet.evaluation.squad import SquadMetric, normalize_answer


PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def words(text: str) -> list[str]:
    """Lower case, punctuation deleted (so that it joins words), articles dropped where they stand as words of their own."""
    kept = "".join(c for c in text.lower() if c not in PUNCTUATION)
    # a word ends where letters, digits and underscores end: "a–b" has an article, "a" of "café a" is one too
    marked = "".join(c if c.isalnum() or c == "_" else f"\0{c}\0" for c in kept).split("\0")
    return "".join(" " if piece in ("a", "an", "the") else piece for piece in marked).split()


def overlap(prediction: list[str], gold: list[str]) -> float:
    left, common = list(gold), 0
    for word in prediction:
        if word in left:
            left.remove(word)
            common += 1
    return 2 * common / (len(prediction) + len(gold)) if common else 0.0  # 2PR / (P + R), simplified


def by_hand_v1(texts: dict[str, str], golds: dict[str, list[str]]) -> dict[str, float]:
    exact = [any(words(texts[key]) == words(gold) for gold in golds[key]) for key in golds]
    f1 = [max(overlap(words(texts[key]), words(gold)) for gold in golds[key]) for key in golds]
    return {"exact_match": 100 * sum(exact) / len(golds), "f1": 100 * sum(f1) / len(golds)}


def question_v2(text: str, golds: list[str]) -> tuple[float, float]:
    golds = [words(gold) for gold in golds if words(gold)]
    if not golds:
        return (float(words(text) == []),) * 2
    return float(words(text) in golds), max(overlap(words(text), gold) for gold in golds)


def by_hand_v2(texts: dict, golds: dict, odds: dict, threshold: float = 1.0) -> dict[str, float]:
    raw = {key: question_v2(texts[key], golds[key]) for key in golds}
    nothing = {key: (float(not golds[key]),) * 2 for key in golds}  # what the empty answer scores
    final = {key: nothing[key] if odds[key] > threshold else raw[key] for key in golds}
    results = {}
    for prefix, keys in (
        ("", list(golds)),
        ("HasAns_", [k for k in golds if golds[k]]),
        ("NoAns_", [k for k in golds if not golds[k]]),
    ):
        if keys:
            for i, name in enumerate(("exact", "f1")):
                results[f"{prefix}{name}"] = 100 * sum(final[key][i] for key in keys) / len(keys)
            results[f"{prefix}total"] = len(keys)
    limits = np.sort(np.array(list(odds.values())))
    all_odds = np.array([odds[key] for key in golds])
    for i, name in enumerate(("exact", "f1")):
        # an answer to a question that has none counts 0, whatever it is
        answered = np.array([raw[key][i] if golds[key] else texts[key] == "" for key in golds], dtype=float)
        empty = np.array([nothing[key][i] for key in golds])
        totals = np.array([np.where(all_odds <= limit, answered, empty).sum() for limit in limits])
        best = max(totals.max(), empty.sum())
        results[f"best_{name}"] = 100 * best / len(golds)
        first = limits[np.argmax(totals > best - 1e-9)]
        results[f"best_{name}_thresh"] = 0.0 if empty.sum() > best - 1e-9 else first
    return results


def compute(version: str, texts: dict, golds: dict, odds: dict | None = None, **more) -> dict[str, float]:
    keys = list(texts)
    random.Random(0).shuffle(keys)  # they are matched by id, not by their order
    predictions = [{"id": key, "prediction_text": texts[key]} for key in keys]
    if odds:
        predictions = [row | {"no_answer_probability": odds[row["id"]]} for row in predictions]
    references = [
        {"id": key, "answers": {"text": texts, "answer_start": [0] * len(texts)}} for key, texts in golds.items()
    ]
    return SquadMetric(version).compute(predictions=predictions, references=references, **more)


def random_case(seed: int, unanswerable: float, questions: int = 60) -> tuple[dict, dict, dict]:
    """Answers of a few words, articles, punctuation and odd white space, so that all of them meet often."""
    rng = random.Random(seed)
    pieces = [
        "The",
        "a",
        "an",
        "the ",
        "red",
        "Red",
        "fox",
        "fox's",
        "foxs",
        "1,000",
        "1000",
        ".",
        "–",
        "a–b",
        "é",
        "A.",
        "\t",
    ]
    texts, golds, odds = {}, {}, {}
    for i in range(questions):
        key = f"q{i}"
        golds[key] = [" ".join(rng.choices(pieces, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 4))]
        texts[key] = rng.choice([rng.choice(golds[key]), " ".join(rng.choices(pieces, k=rng.randint(0, 4))), ""])
        if rng.random() < unanswerable:
            golds[key] = []
        odds[key] = rng.gauss(0, 3)
    return texts, golds, odds


@pytest.mark.parametrize("seed", range(20))
def test_random_answers_v1(seed):
    texts, golds, _ = random_case(seed, unanswerable=0)
    scores = compute("squad", texts, golds)
    assert scores == pytest.approx(by_hand_v1(texts, golds), abs=1e-9)
    assert list(scores) == ["exact_match", "f1"]
    assert all(type(value) is float for value in scores.values())  # not numpy's: the results go to JSON


@pytest.mark.parametrize("unanswerable", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_random_answers_v2(seed, unanswerable):
    texts, golds, odds = random_case(seed, unanswerable)
    expected = by_hand_v2(texts, golds, odds, threshold=1.5)
    assert compute("squad_v2", texts, golds, odds, no_answer_threshold=1.5) == pytest.approx(expected, abs=1e-9)
    assert ("HasAns_f1" in expected, "NoAns_f1" in expected) == (unanswerable < 1, unanswerable > 0)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Eiffel-Tower, Paris ", "eiffeltower paris"),
        ("an apple a day", "apple day"),
        ("a.b a–b", "ab –b"),
        ("theatre and analysis", "theatre and analysis"),
        ("‘quoted’", "‘quoted’"),  # punctuation is that of ASCII
        (" . ", ""),
    ],
)
def test_normalization(text, normalized):
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("prediction", "golds", "exact_match", "f1"),
    [
        ("the Eiffel tower", ["Eiffel Tower", "tower"], 100, 100),
        ("tower in Paris", ["Eiffel Tower", "in Paris"], 0, 80),
        ("big big dog", ["big dog dog"], 0, 100 * 2 / 3),  # words count as often as they occur
        ("the", ["."], 100, 0),  # v1.1: equal, but there is no common word
        ("", ["red"], 0, 0),
    ],
)
def test_worked_examples_v1(prediction, golds, exact_match, f1):
    scores = compute("squad", {"1": prediction}, {"1": golds})
    assert scores == pytest.approx({"exact_match": exact_match, "f1": f1})


@pytest.mark.parametrize(
    ("prediction", "golds", "odds", "exact", "f1"),
    [
        ("", [], 0.0, 100, 100),
        ("red", [], 0.0, 0, 0),
        ("red", [], 3.0, 100, 100),  # above the threshold: counts as no answer
        ("red", ["red"], 3.0, 0, 0),
        ("red", ["red"], 1.0, 100, 100),  # the threshold itself is not above it
        ("the", ["."], 0.0, 100, 100),  # v2.0: a gold answer without words stands for no answer
        ("red", [".", "red"], 0.0, 100, 100),
    ],
)
def test_worked_examples_v2(prediction, golds, odds, exact, f1):
    scores = compute("squad_v2", {"1": prediction}, {"1": golds}, {"1": odds})
    assert (scores["exact"], scores["f1"], scores["total"]) == (exact, f1, 1)


def test_the_best_threshold():
    texts = dict.fromkeys("abcd", "red")
    golds = {"a": ["red"], "b": [], "c": ["red car"], "d": []}
    odds = {"a": -2.0, "b": -1.0, "c": 0.5, "d": 4.0}
    scores = compute("squad_v2", texts, golds, odds)
    # up to -2 only `a` is answered, rightly, and `b` and `d` rightly not; `c` would add 2/3, but only after `b` costs 1
    assert (scores["best_exact"], scores["best_exact_thresh"]) == (75.0, -2.0)
    assert (scores["best_f1"], scores["best_f1_thresh"]) == (75.0, -2.0)


@pytest.fixture(scope="module")
def real_answers(real_data) -> tuple[dict, dict]:
    """A prediction to each question of the validation set: a gold span, often moved at its ends, or nothing."""
    rng = random.Random(0)
    texts, golds = {}, {}
    for row in pd.read_parquet(real_data / "squad" / "validation.parquet").itertuples():
        golds[row.id] = list(row.answers["text"])
        gold = rng.randrange(len(golds[row.id]))
        start = int(row.answers["answer_start"][gold])
        begin = max(0, start - rng.choice([0, 0, 0, 4, 15]))
        end = max(begin, start + len(golds[row.id][gold]) + rng.choice([0, 0, 0, -3, 1, 12]))
        texts[row.id] = row.context[begin:end] if rng.random() < 0.9 else ""
    return texts, golds


def test_the_whole_validation_set_v1(real_answers):
    texts, golds = real_answers
    scores = compute("squad", texts, golds)
    assert scores == pytest.approx(by_hand_v1(texts, golds), abs=1e-9)
    assert len(golds) == 10570
    assert 30 < scores["exact_match"] < scores["f1"] < 90  # a case in which rules make a difference


def test_the_whole_validation_set_v2(real_answers):
    """With every third question made unanswerable, as the data here is v1.1."""
    texts, golds = real_answers
    golds = {key: [] if i % 3 == 0 else answers for i, (key, answers) in enumerate(golds.items())}
    rng = random.Random(1)
    odds = {key: rng.gauss(1.0 if not golds[key] else -1.0, 2.0) for key in golds}
    scores = compute("squad_v2", texts, golds, odds, no_answer_threshold=0.3)
    assert scores == pytest.approx(by_hand_v2(texts, golds, odds, threshold=0.3), abs=1e-9)


def test_batches_add_up():
    texts, golds, odds = random_case(3, unanswerable=0.5)
    whole = compute("squad_v2", texts, golds, odds)
    metric = SquadMetric("squad_v2")
    for keys in (list(texts)[:7], list(texts)[7:]):
        metric.add_batch(
            predictions=[{"id": k, "prediction_text": texts[k], "no_answer_probability": odds[k]} for k in keys],
            references=[{"id": k, "answers": {"text": golds[k], "answer_start": [0] * len(golds[k])}} for k in keys],
        )
    assert metric.compute() == pytest.approx(whole)


def test_it_needs_no_network_and_writes_no_file(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the metric opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    metric = SquadMetric(cache_dir=str(tmp_path))
    assert isinstance(metric, evaluate.Metric)
    metric.add(
        prediction={"id": "1", "prediction_text": "x"},
        reference={"id": "1", "answers": {"text": ["x"], "answer_start": [0]}},
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert metric.compute() == {"exact_match": 100.0, "f1": 100.0}


def test_slips():
    with pytest.raises(
        ValueError, match=r'Unknown metric "squad_v3" .did you mean "squad.*; there are squad, squad_v2'
    ):
        SquadMetric("squad_v3")
    with pytest.raises(ValueError, match="nothing to score"):
        SquadMetric().compute(predictions=[], references=[])
    with pytest.raises(ValueError, match='1 questions have no prediction, the first has the id "b"'):
        compute("squad", {"a": "x", "c": "x"}, {"a": ["x"], "b": ["x"]})
    with pytest.raises(ValueError, match=r'1 questions have no gold answer, the first is "b".*SquadMetric."squad_v2"'):
        compute("squad", {"a": "x", "b": "x"}, {"a": ["x"], "b": []})
    twice = [{"id": "a", "prediction_text": "x"}] * 2
    references = [{"id": key, "answers": {"text": ["x"], "answer_start": [0]}} for key in "ab"]
    with pytest.raises(ValueError, match='`id` must be unique; the predictions have "a" more than once'):
        SquadMetric().compute(predictions=twice, references=references)
