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
"""Windows against the tokens of the whole context: nothing is lost, they overlap as asked, and the labels mark the answer."""

import json

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertConfig, BertTokenizer, PreTrainedTokenizerBase, RobertaTokenizer

from hf_supernet.data import train_tokenizer
from hf_supernet.data.squad_arguments import SquadDataArguments
from hf_supernet.data.squad_questions import SquadQuestions
from hf_supernet.data.squad_windows import context_tokens, make_windows, model_inputs


CONFIG = BertConfig(max_position_embeddings=512)
LENGTHS = [  # window, overlap, question
    (384, 128, 64),
    (64, 20, 24),
    (64, 0, 40),
]


@pytest.fixture(scope="module")
def real_rows(real_data) -> Dataset:
    """200 questions with exact answers, the first 40 with long contexts."""
    frame = pd.read_parquet(real_data / "squad" / "train.parquet")
    long = frame[frame["context"].str.len() > 2000].sample(40, random_state=0)
    frame = pd.concat([long, frame.drop(long.index).sample(160, random_state=0)])
    return Dataset.from_pandas(frame[["id", "question", "context", "answers"]], preserve_index=False)


@pytest.fixture(scope="module")
def tokenizers(real_rows) -> dict[str, PreTrainedTokenizerBase]:
    texts = real_rows["context"][:]
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=1000, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    return {
        "wordpiece": train_tokenizer(texts, vocab_size=2000),
        "byte-level BPE": RobertaTokenizer(vocab=trained.get_vocab(), merges=merges),
    }


def arguments(max_seq_length=384, doc_stride=128, max_query_length=64, **more) -> SquadDataArguments:
    return SquadDataArguments(
        dataset_name="none",
        max_seq_length=max_seq_length,
        doc_stride=doc_stride,
        max_query_length=max_query_length,
        **more,
    )


def encode(tokenizer, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return encoded["input_ids"], encoded["offset_mapping"]


def expected_windows(row: dict, tokenizer, max_length: int, stride: int, max_query_length: int) -> list[dict]:
    """By slices of the tokens of the whole context."""
    question, _ = encode(tokenizer, row["question"])
    context, offsets = encode(tokenizer, row["context"])
    assert len(question) <= max_query_length
    between = [tokenizer.sep_token_id] * (tokenizer.num_special_tokens_to_add(pair=True) - 2)
    room = max_length - len(question) - len(between) - 2
    begin = row["answers"]["answer_start"][0]
    end = begin + len(row["answers"]["text"][0])
    answer = [i for i, (a, b) in enumerate(offsets) if b > begin and a < end]
    windows, at = [], 0
    while True:
        part = context[at : at + room]
        pair = (question, part) if tokenizer.padding_side == "right" else (part, question)
        ids = [tokenizer.cls_token_id, *pair[0], *between, *pair[1], tokenizer.sep_token_id]
        padding = [tokenizer.pad_token_id] * (max_length - len(ids) if tokenizer.padding_side == "left" else 0)
        before = 1 + (len(question) + len(between) if tokenizer.padding_side == "right" else 0)
        null = len(padding)
        holds = at <= answer[0] and answer[-1] < at + len(part)
        windows.append(
            {
                "input_ids": padding + ids,
                "null_position": null,
                "first_position": len(padding) + before,
                "char_start": [a for a, _ in offsets[at : at + room]],
                "char_end": [b for _, b in offsets[at : at + room]],
                "start_positions": len(padding) + before + answer[0] - at if holds else null,
                "end_positions": len(padding) + before + answer[-1] - at if holds else null,
            }
        )
        if at + room >= len(context):
            return windows
        at += room - stride


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("name", ["wordpiece", "byte-level BPE"])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_windows_are_slices_of_the_whole_context(lengths, name, padding_side, real_rows, tokenizers, monkeypatch):
    max_query_length = lengths[2]
    tokenizer = tokenizers[name]
    monkeypatch.setattr(tokenizer, "padding_side", padding_side)
    rows = real_rows.select(range(80))
    rows = rows.filter(lambda row: len(encode(tokenizer, row["question"])[0]) <= max_query_length)
    windows = make_windows(rows, tokenizer, CONFIG, arguments(*lengths), labels=True)
    by_question = [[] for _ in rows]
    for window in windows:
        by_question[window.pop("question_number")].append(window)
    assert sum(len(found) > 1 for found in by_question) > 15
    for row, found in zip(rows, by_question, strict=True):
        expected = expected_windows(row, tokenizer, *lengths)
        assert [{key: window[key] for key in expected[0]} for window in found] == expected
        for window in found:
            ids = np.array(window["input_ids"])
            assert window["attention_mask"] == (ids != tokenizer.pad_token_id).tolist()


@pytest.mark.parametrize("name", ["wordpiece", "byte-level BPE"])
@pytest.mark.parametrize("lengths", LENGTHS[:2])
def test_every_answer_is_recovered(lengths, name, real_rows, tokenizers):
    """The overlap is longer than any answer here, so that at least one window holds it."""
    windows = make_windows(real_rows, tokenizers[name], CONFIG, arguments(*lengths), labels=True)
    recovered: dict[int, set[str]] = {}
    for window in windows:
        number, first = window["question_number"], window["first_position"]
        if window["start_positions"] != window["null_position"]:
            begin = window["char_start"][window["start_positions"] - first]
            end = window["char_end"][window["end_positions"] - first]
            recovered.setdefault(number, set()).add(real_rows[number]["context"][begin:end])
    answers = [row["answers"]["text"][0] for row in real_rows]
    tokens = [len(encode(tokenizers[name], answer)[0]) for answer in answers]
    for number, (answer, length) in enumerate(zip(answers, tokens, strict=True)):
        if length < lengths[1]:
            (text,) = recovered[number]  # the same in all windows
            assert answer in text
    # the other answers begin or end in the middle of a token, as "1990" in "1990s"
    assert sum({answer} == recovered.get(i) for i, answer in enumerate(answers)) > 0.9 * len(answers)


@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_logits_at_the_labels_answer_the_questions(padding_side, real_rows, tokenizers, monkeypatch):
    """From windows over logits to texts and scores."""
    tokenizer = tokenizers["wordpiece"]
    monkeypatch.setattr(tokenizer, "padding_side", padding_side)
    questions = SquadQuestions(real_rows, tokenizer, CONFIG, arguments(max_answer_length=80), labels=True)
    longest = max(len(ids) for ids in questions.inputs["input_ids"])
    logits = np.zeros((2, len(questions.inputs), longest), dtype=np.float32)
    for values, name in zip(logits, ("start_positions", "end_positions"), strict=True):
        values[np.arange(len(values)), questions.inputs[name]] = 9
    answers = questions.answer(tuple(logits))
    scores = questions.score(answers)
    assert scores["exact_match"] > 98 and scores["f1"] > 99
    assert set(answers.best_texts) == set(real_rows["id"])


def question(context: str, answer: str | None, text: str = "what ?") -> Dataset:
    answers = {"text": [], "answer_start": []}
    if answer is not None:
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
    return Dataset.from_list([{"id": "1", "question": text, "context": context, "answers": answers}])


@pytest.fixture(scope="module")
def letters() -> BertTokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate([*special, *"abcdefgh?", "what", "##a", "##b"])})


@pytest.mark.parametrize(
    ("context", "answer", "tokens"),
    [
        ("a b c", "b", ["b"]),
        ("a bb c", "b", ["b", "##b"][:1]),
        ("a b ", "b ", ["b"]),  # white space at the end of the answer
        ("c \u200b b", "\u200b b", ["b"]),  # a character that the tokenizer drops
        ("a b e\u0301", "b e\u0301", ["b", "e"]),  # an accent at the end of the context is part of no token
        ("a b c", None, []),
    ],
)
def test_answers_at_the_edges_of_tokens(context, answer, tokens, letters):
    (window,) = make_windows(question(context, answer), letters, CONFIG, arguments(), labels=True)
    start, end = window["start_positions"], window["end_positions"]
    if answer is None:
        assert (start, end) == (0, 0) == (window["null_position"],) * 2
    else:
        assert letters.convert_ids_to_tokens(window["input_ids"][start : end + 1]) == tokens


def test_an_answer_that_no_window_holds_is_no_answer(letters):
    rows = question("a b c d e f g h a b c d e f g h", "b c d e f g h a b c d")
    windows = make_windows(rows, letters, CONFIG, arguments(12, 2, 4), labels=True)
    assert len(windows) > 2
    assert set(windows["start_positions"]) == set(windows["end_positions"]) == {0}


def test_long_questions_are_cut(letters, tokenizers):
    rows = question("a b", "b", "what a b c d e f g h ?")
    (window,) = make_windows(rows, letters, CONFIG, arguments(max_query_length=4), labels=False)
    assert letters.decode(window["input_ids"]) == "[CLS] what a b c [SEP] a b [SEP]"
    # many tokens for one character, and words whose beginning has more tokens than it has in the whole
    bpe = tokenizers["byte-level BPE"]
    for text in ("💡" * 30, "international organization " * 9):
        for length in range(1, 24, 3):
            rows = question("a b", "b", text)
            (window,) = make_windows(rows, bpe, CONFIG, arguments(max_query_length=length), labels=False)
            assert length - 4 < window["first_position"] - 3 <= length


def test_windows_fit_the_model_and_are_padded_when_asked(letters):
    rows = question("a b c d e f g h " * 9, "b")
    config = BertConfig(max_position_embeddings=20)
    lengths = [len(ids) for ids in make_windows(rows, letters, config, arguments(384, 4, 8), True)["input_ids"]]
    assert set(lengths[:-1]) == {20} and lengths[-1] < 20
    padded = make_windows(rows, letters, config, arguments(384, 4, 8, pad_to_max_length=True), True)
    assert {len(ids) for ids in padded["input_ids"]} == {20}


def test_what_a_model_reads_and_what_finds_answers(letters):
    windows = make_windows(question("a b c d e f g h", "b"), letters, CONFIG, arguments(10, 1, 4), labels=False)
    assert model_inputs(windows).column_names == ["input_ids", "token_type_ids", "attention_mask"]
    tokens = context_tokens(windows)
    assert tokens.question.tolist() == [0, 0] and tokens.first_position.tolist() == [4, 4]
    assert tokens.length.tolist() == [5, 4]
    assert tokens.char_start.tolist() == [[0, 2, 4, 6, 8], [8, 10, 12, 14, 0]]
    assert tokens.char_end.tolist() == [[1, 3, 5, 7, 9], [9, 11, 13, 15, 0]]


def test_slips(letters):
    rows = question("a b", "b")
    with pytest.raises(ValueError, match=r"Windows of 30 tokens .* room for 7 tokens .* more than `doc_stride=8`"):
        make_windows(rows, letters, CONFIG, arguments(30, 8, 20), labels=True)
    with pytest.raises(ValueError, match=r"Windows of 20 tokens .`max_seq_length=384`. have room for 0 tokens"):
        make_windows(rows, letters, BertConfig(max_position_embeddings=20), arguments(), labels=True)
    without = BertTokenizer(vocab=letters.get_vocab())
    without.cls_token = None
    with pytest.raises(ValueError, match="BertTokenizer has no `cls_token` to stand for no answer"):
        make_windows(rows, without, CONFIG, arguments(), labels=True)
