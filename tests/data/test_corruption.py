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
import re

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict

from hf_supernet.data import corruption_task, load_text_corpus
from hf_supernet.data.corruption import _corrupt, _drop_word, _sentences


NAMES = ["Anna", "Bela", "Carl", "Dora", "Emil", "Fred", "Gina", "Hans"]
PLACES = ["the market", "an old bridge", "some distant island", "the town hall", "a very small garden"]


def make_corpus(number: int = 60) -> DatasetDict:
    texts = [
        f"On day {number}, {NAMES[number % 8]} went to {PLACES[number % 5]} of Lima with {NAMES[number % 7]} and her dog."
        f" Nobody there, said Mr. Smith, had seen it for {chr(97 + number % 26) * 3} years! Short one."
        for number in range(number)
    ]
    rows = [{"text": text} for text in texts]
    return DatasetDict(train=Dataset.from_list(rows[:45]), validation=Dataset.from_list(rows[45:]))


def words_of(sentence: str) -> list[str]:
    return re.findall(r"[a-z]+", sentence.lower())


def test_columns_balance_and_disjoint_splits():
    corpus = make_corpus()
    task = corruption_task(corpus)
    for name, split in task.items():
        assert split.column_names == ["sentence", "label", "idx"]
        assert split.features["label"] == ClassLabel(names=["intact", "corrupted"])
        assert split["idx"][:] == list(range(len(split)))
        assert sum(split["label"]) * 2 == len(split)
        text = " ".join(corpus[name]["text"])
        for sentence, label in zip(split["sentence"], split["label"], strict=True):
            assert (sentence in text) == (label == 0)
            assert sentence[0].isupper() and sentence[-1] in ".!"
            assert "  " not in sentence and " ." not in sentence and " ," not in sentence
    assert not set(task["train"]["sentence"]) & set(task["validation"]["sentence"])
    # Sentences that both splits of the corpus have are used once: only the training split keeps them.
    assert len(task["train"]) == 45 + 26 - 1
    assert len(task["validation"]) == 14


def test_deterministic_by_seed():
    corpus = make_corpus()
    first, again, other = (corruption_task(corpus, seed=seed)["train"] for seed in (0, 0, 1))
    assert first["sentence"][:] == again["sentence"][:]
    assert first["label"][:] == again["label"][:]
    assert first["label"][:] != other["label"][:]


def test_corruptions_move_words_and_little_else():
    sentence = "On Monday the small brown fox, it seems, jumped over (all of) the dogs of Lima."
    words, vocabulary = words_of(sentence), ["xylophone"]
    generator = np.random.default_rng(0)
    kinds = {"same words": 0, "dropped": 0, "replaced": 0}
    for _ in range(2000):
        corrupted = _corrupt(sentence, vocabulary, generator)
        new = words_of(corrupted)
        assert new != words
        assert len(words) - 5 <= len(new) <= len(words)  # 16 words: five changes
        assert set(new) <= {*words, "xylophone"}
        kinds["same words"] += sorted(new) == sorted(words)
        kinds["dropped"] += len(new) < len(words)
        kinds["replaced"] += "xylophone" in new
        assert re.findall(r"[^\w\s]", corrupted) == list(",,().")
        assert corrupted[0].isupper()
        assert "On" not in corrupted[1:]  # its capital stays at the front
    assert min(kinds.values()) > 30


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, "b, (c) d."), (1, "A, (c) d."), (2, "A b, () d."), (3, "A b, (c).")],
)
def test_dropping_a_word_closes_its_gap(index, expected):
    class Draw:
        def integers(self, high):
            return index

    gaps, words = ["", " ", ", (", ") ", "."], ["A", "b", "c", "d"]
    _drop_word(gaps, words, [], Draw())
    assert "".join(piece for pair in zip(gaps, [*words, ""], strict=True) for piece in pair) == expected


def test_sentence_boundaries():
    text = (
        "The first one is e.g. this here. Then Dr. J. Smith asked, “Is it so?” Yes, it is so (or so they say.) the end of"
        " it is here!\n\nA heading without a full stop at its end\n\nA sentence that\ngoes over two lines. Too short."
    )
    assert list(_sentences(text, 5, 30)) == [
        "The first one is e.g. this here.",
        "Then Dr. J. Smith asked, “Is it so?”",
        "Yes, it is so (or so they say.) the end of it is here!",
        "A sentence that goes over two lines.",
    ]
    assert list(_sentences(text, 7, 8)) == [
        "The first one is e.g. this here.",
        "Then Dr. J. Smith asked, “Is it so?”",
        "A sentence that goes over two lines.",
    ]


def test_errors():
    corpus = make_corpus()
    with pytest.raises(ValueError, match=r"no split 'validation', it has 'train'"):
        corruption_task(DatasetDict(train=corpus["train"]))
    with pytest.raises(ValueError, match=r"no column 'txt' in the train split.*Did you mean 'text'"):
        corruption_task(corpus, text_column="txt")
    with pytest.raises(ValueError, match=r"`min_words` must be above 4 and at most `max_words`, got 4 and 30"):
        corruption_task(corpus, min_words=4)
    with pytest.raises(ValueError, match=r"`min_words` must be above 4 and at most `max_words`, got 9 and 8"):
        corruption_task(corpus, min_words=9, max_words=8)
    corpus["validation"] = corpus["train"]
    with pytest.raises(ValueError, match=r"The validation split has 0 sentence.* of 6 to 30 words; two are needed"):
        corruption_task(corpus)


def test_real_text(real_data):
    files = [str(real_data / "text" / "wiki" / name) for name in ("train-00001-*.parquet", "validation-*.parquet")]
    corpus = load_text_corpus(train_file=files[0], validation_file=files[1])
    task = corruption_task(DatasetDict({name: split.select(range(200)) for name, split in corpus.items()}))
    assert min(map(len, task.values())) > 400
    lengths = [
        sum(map(len, task["train"].filter(lambda row, label=label: row["label"] == label)["sentence"]))
        for label in (0, 1)
    ]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.1)  # the length does not give the label away
