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
"""A classification task made from plain text: is this sentence intact or corrupted?"""

import re
from collections.abc import Callable, Iterator

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value

from .corpora import check_text_column


LABELS = ("intact", "corrupted")
SPLITS = ("train", "validation")
_WORDS_PER_CHANGE = 4
_WINDOW = 4
_MIN_SWAP_DISTANCE = 3
_ATTEMPTS = 20
_SENTENCE_BOUNDARY = re.compile(
    r"(?<!\b[A-Z])(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)(?<!\bcf)"
    r"[.!?][\"'”’)\]]*(\s+)(?=[\"'“‘(\[]?[A-Z])"
)
_SENTENCE = re.compile(r"[\"'“‘(\[]?[A-Z].*[.!?][\"'”’)\]]*")
_SPACE_TO_CLOSE = re.compile(r"\s+(?=[\s.,;:!?)])")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def corruption_task(
    corpus: DatasetDict | IterableDatasetDict,
    text_column: str = "text",
    min_words: int = 6,
    max_words: int = 30,
    seed: int = 0,
) -> DatasetDict:
    """
    Makes a GLUE-like task of single sentences from a corpus: is the sentence `intact` or `corrupted`?

    Every sentence is used once. Half of them get one change, and one more for every four words, drawn from: four
    neighbouring words are shuffled, two distant words change places, a word is replaced by a random one of the training
    text (a frequent word as often as the text has it), a word is dropped. Words move while punctuation and the capital
    letter at the front stay. So neither single words nor the look of a sentence give the label away, but what stands
    beside what does: knowledge that pretraining on text provides. That is the idea of
    [ELECTRA: Pre-training Text Encoders as Discriminators Rather Than
    Generators](https://huggingface.co/papers/2003.10555), for whole sentences and without a generator.

    Args:
        corpus (`datasets.DatasetDict` or `datasets.IterableDatasetDict`):
            Texts with the splits `"train"` and `"validation"`; all of it is put into memory.
        text_column (`str`, *optional*, defaults to `"text"`):
            The column that holds the text.
        min_words (`int`, *optional*, defaults to 6):
            Shorter sentences are left out.
        max_words (`int`, *optional*, defaults to 30):
            Longer ones too.
        seed (`int`, *optional*, defaults to 0):
            Another seed corrupts other sentences in other ways.

    Returns:
        `datasets.DatasetDict`: with the splits `"train"` and `"validation"` and the columns `"sentence"`, `"label"` (a `ClassLabel`,
        as many intact as corrupted in each split) and `"idx"`. No sentence is in both.

    Raises:
        ValueError: for a missing split or column, word limits that do not fit, and a split without two sentences.
    """
    limits = (min_words, max_words)
    if not _WINDOW < min_words <= max_words:
        raise ValueError(
            f"`min_words` must be above {_WINDOW} and at most `max_words`, got {min_words} and {max_words}."
        )
    missing = [name for name in SPLITS if name not in corpus]
    if missing:
        raise ValueError(f"The corpus has no split {missing[0]!r}, it has {', '.join(map(repr, corpus)) or 'none'}.")
    seen: set[str] = set()
    sentences = {name: _unique_sentences(corpus[name], text_column, name, seen, limits) for name in SPLITS}
    # First words are left out: their capital letter would not be theirs.
    vocabulary = [word for sentence in sentences["train"] for word in _WORD.findall(sentence)[1:]]
    return DatasetDict(
        {
            name: _label_sentences(sentences[name], vocabulary, np.random.default_rng((seed, number)))
            for number, name in enumerate(SPLITS)
        }
    )


def _unique_sentences(
    rows: Dataset | IterableDataset, text_column: str, name: str, seen: set[str], limits: tuple[int, int]
) -> list[str]:
    """The sentences of a split that are not in `seen`, to which they are added."""
    check_text_column(rows, text_column, f"the {name} split")
    sentences = []
    for row in rows:
        for sentence in _sentences(row[text_column] or "", *limits):
            if sentence.lower() not in seen:
                seen.add(sentence.lower())
                sentences.append(sentence)
    if len(sentences) < 2:
        raise ValueError(
            f"The {name} split has {len(sentences)} sentence(s) of {limits[0]} to {limits[1]} words; two are needed."
        )
    return sentences


def _sentences(text: str, min_words: int, max_words: int) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = " ".join(paragraph.split())
        start = 0
        for boundary in (*_SENTENCE_BOUNDARY.finditer(paragraph), None):
            sentence = paragraph[start : boundary.start(1) if boundary else None]
            if _SENTENCE.fullmatch(sentence) and min_words <= len(_WORD.findall(sentence)) <= max_words:
                yield sentence
            start = boundary.end() if boundary else None


def _label_sentences(sentences: list[str], vocabulary: list[str], generator: np.random.Generator) -> Dataset:
    sentences = sentences[: len(sentences) // 2 * 2]
    labels = generator.permutation(np.arange(len(sentences)) % 2)
    rows = {
        "sentence": [
            _corrupt(sentence, vocabulary, generator) if label else sentence
            for sentence, label in zip(sentences, labels, strict=True)
        ],
        "label": labels.tolist(),
        "idx": list(range(len(sentences))),
    }
    return Dataset.from_dict(
        rows, Features({"sentence": Value("string"), "label": ClassLabel(names=list(LABELS)), "idx": Value("int32")})
    )


def _corrupt(sentence: str, vocabulary: list[str], generator: np.random.Generator) -> str:
    """`sentence` with one change, and one more for every four words; it never comes out as it went in."""
    number = 1 + len(_WORD.findall(sentence)) // _WORDS_PER_CHANGE
    for _ in range(_ATTEMPTS):
        gaps, words = _WORD.split(sentence), _WORD.findall(sentence)
        if words[0] != "I" and not words[0][1:].isupper():  # the capital letter belongs to the place, not to the word
            words[0] = words[0][0].lower() + words[0][1:]
        for change in generator.integers(len(_CHANGES), size=number):
            _CHANGES[change](gaps, words, vocabulary, generator)
        words[0] = words[0][0].upper() + words[0][1:]
        changed = "".join(piece for pair in zip(gaps, [*words, ""], strict=True) for piece in pair)
        # Nothing that begins with a number, say, where a first word was dropped: no intact sentence does.
        if changed.lower() != sentence.lower() and _SENTENCE.fullmatch(changed):
            return changed
    raise ValueError(f"No change makes another sentence of {sentence!r}.")


def _shuffle_window(gaps: list[str], words: list[str], vocabulary: list[str], generator: np.random.Generator):
    start = generator.integers(len(words) - _WINDOW + 1)
    words[start : start + _WINDOW] = generator.permutation(words[start : start + _WINDOW]).tolist()


def _swap_words(gaps: list[str], words: list[str], vocabulary: list[str], generator: np.random.Generator):
    first = generator.integers(len(words) - _MIN_SWAP_DISTANCE)
    second = generator.integers(first + _MIN_SWAP_DISTANCE, len(words))
    words[first], words[second] = words[second], words[first]


def _replace_word(gaps: list[str], words: list[str], vocabulary: list[str], generator: np.random.Generator):
    words[generator.integers(len(words))] = vocabulary[generator.integers(len(vocabulary))]


def _drop_word(gaps: list[str], words: list[str], vocabulary: list[str], generator: np.random.Generator):
    index = generator.integers(len(words))
    words.pop(index)
    gap = _SPACE_TO_CLOSE.sub("", gaps.pop(index) + gaps[index])
    gaps[index] = gap if index else gap.lstrip()


_CHANGES: tuple[Callable[[list[str], list[str], list[str], np.random.Generator], None], ...] = (
    _shuffle_window,
    _swap_words,
    _replace_word,
    _drop_word,
)
