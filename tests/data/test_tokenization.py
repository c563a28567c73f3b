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
import numpy as np
import pytest
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, BertTokenizer

from hf_supernet.data import MaskingCollator, load_text_corpus, tokenize_corpus, train_tokenizer


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=64)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def make_texts(number: int, longest: int = 30) -> list[str | None]:
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice([*LETTERS], size=generator.integers(longest + 1))) for _ in range(number)]
    return [text or None for text in texts]


def as_kind(texts: list[str | None], kind: str, num_shards: int = 3) -> Dataset | IterableDataset:
    dataset = Dataset.from_dict({"text": texts, "source": ["a book"] * len(texts)})
    return dataset.to_iterable_dataset(min(num_shards, len(texts))) if kind == "streaming" else dataset


both_kinds = pytest.mark.parametrize("kind", ["in memory", "streaming"])


@both_kinds
def test_packing_loses_the_tail_only(tokenizer, kind):
    texts = make_texts(50)
    rows = list(tokenize_corpus(as_kind(texts, kind), tokenizer, max_seq_length=11))
    assert set(rows[0]) == {"input_ids", "example_id"}
    blocks = [row["input_ids"] for row in rows]
    assert all(len(block) == 11 and block[0] == 2 and block[-1] == 3 for block in blocks)
    packed = [token for block in blocks for token in block[1:-1]]
    documents = [tokenizer(text)["input_ids"][1:] for text in texts if text]  # each ends in [SEP]
    stream = [token for document in documents for token in document]
    assert packed == stream[: len(packed)]
    assert 0 <= len(stream) - len(packed) < 9


def test_a_last_block_that_is_just_full_is_kept(tokenizer):
    dataset = tokenize_corpus(as_kind([" ".join(LETTERS[:17])], "in memory"), tokenizer, max_seq_length=11)
    assert dataset["input_ids"][:] == [[2, *range(5, 14), 3], [2, *range(14, 22), 3, 3]]


@both_kinds
def test_nothing_is_lost_without_packing(tokenizer, kind):
    texts = make_texts(50)
    rows = [row["input_ids"] for row in tokenize_corpus(as_kind(texts, kind), tokenizer, 11, pack=False)]
    assert max(map(len, rows)) == 11 and min(map(len, rows)) >= 3
    assert all(row[0] == 2 and row[-1] == 3 for row in rows)
    words = [token for row in rows for token in row[1:-1]]
    assert words == [
        token for text in texts if text for token in tokenizer(text, add_special_tokens=False)["input_ids"]
    ]


def test_example_id_is_the_content_however_the_data_is_read(tokenizer):
    texts = make_texts(60)
    rows = list(tokenize_corpus(as_kind(texts, "in memory"), tokenizer, 11, pack=False))
    by_content = {tuple(row["input_ids"]): row["example_id"] for row in rows}
    assert len(set(by_content.values())) == len(by_content)
    assert min(by_content.values()) >= 0
    stream = tokenize_corpus(as_kind(texts, "streaming"), tokenizer, 11, pack=False)
    shuffled = tokenize_corpus(as_kind(texts, "in memory").shuffle(seed=1), tokenizer, 11, pack=False)
    for again in (stream, stream.shuffle(seed=1, buffer_size=10), shuffled):
        assert {tuple(row["input_ids"]): row["example_id"] for row in again} == by_content


@pytest.mark.parametrize("num_workers", [0, 2])
def test_masks_of_a_stream_do_not_depend_on_workers(tokenizer, num_workers):
    stream = tokenize_corpus(as_kind(make_texts(60), "streaming"), tokenizer, 11, pack=False)
    collator = MaskingCollator(tokenizer)
    expected = {tuple(collator([row])["input_ids"][0].tolist()) for row in stream}
    loader = DataLoader(stream, batch_size=4, num_workers=num_workers, collate_fn=collator)
    rows = [
        row[: real.sum()]
        for batch in loader
        for row, real in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    assert {tuple(row.tolist()) for row in rows} == expected


def test_splits_processes_and_cache(tokenizer):
    corpus = DatasetDict(train=as_kind(make_texts(30), "in memory"), validation=as_kind(make_texts(20), "in memory"))
    result = tokenize_corpus(corpus, tokenizer, 11, pack=False)
    assert type(result) is DatasetDict
    assert [*result] == ["train", "validation"]
    parallel = tokenize_corpus(corpus["train"], tokenizer, 11, pack=False, num_proc=2)
    assert parallel["input_ids"][:] == result["train"]["input_ids"][:]
    assert tokenize_corpus(corpus, tokenizer, 11, pack=False)["train"]._fingerprint == result["train"]._fingerprint
    streams = IterableDatasetDict({name: as_kind(make_texts(30), "streaming") for name in corpus})
    assert type(tokenize_corpus(streams, tokenizer, 11)) is IterableDatasetDict


def test_packed_batches_have_no_padding(tokenizer):
    dataset = tokenize_corpus(as_kind(make_texts(50), "in memory"), tokenizer, max_seq_length=13)
    batch = MaskingCollator(tokenizer)([dataset[index] for index in range(7)])
    assert batch["input_ids"].shape == (7, 13)
    assert (batch["attention_mask"] == 1).all()


@both_kinds
def test_tokenizing_errors(tokenizer, kind):
    dataset = as_kind(["a b c"], kind)
    with pytest.raises(
        ValueError, match=r"no column 'txt' in the data set, it has 'text', 'source'. Did you mean 'text'"
    ):
        tokenize_corpus(dataset, tokenizer, 8, text_column="txt")
    with pytest.raises(ValueError, match=r"`max_seq_length` must be between 3 and .* 64, got 65"):
        tokenize_corpus(dataset, tokenizer, 65)
    with pytest.raises(ValueError, match=r"`max_seq_length` must be between 3 and .* 64, got 2"):
        tokenize_corpus(dataset, tokenizer, 2)
    with pytest.raises(
        ValueError, match=r"No sequence came out of column 'text' of the data set: fewer than the 8.*`pack=False`"
    ):
        tokenize_corpus(dataset, tokenizer, 8)
    splits = DatasetDict if kind == "in memory" else IterableDatasetDict
    with pytest.raises(ValueError, match=r"came out of column 'text' of the validation split: fewer than the 8"):
        tokenize_corpus(splits(train=as_kind(["a b c"] * 9, kind), validation=dataset), tokenizer, 8)
    with pytest.raises(ValueError, match=r"No sequence came out of column 'text' of the data set: no text"):
        tokenize_corpus(as_kind(["", None, " "], kind), tokenizer, 8, pack=False)
    with pytest.raises(ValueError, match=r"The corpus is empty"):
        tokenize_corpus(dataset.filter(lambda row: row["text"] == "other"), tokenizer, 8)
    without = BertTokenizer(vocab=tokenizer.get_vocab(), model_max_length=64)
    without.cls_token = None
    with pytest.raises(ValueError, match=r"BertTokenizer has no `cls_token`"):
        tokenize_corpus(dataset, without, 8)
    if kind == "streaming":
        with pytest.raises(ValueError, match=r"`num_proc` does not apply to a streamed data set"):
            tokenize_corpus(dataset, tokenizer, 3, num_proc=2)


SENTENCES = [
    "The lower boat is slower than the slowest rower, they say.",
    "A newer tower is lower; the newest one is the lowest of all towers!",
    "Rowers row slowly where the tower throws its shadow.",
    "Où sont les écluses? The rower knows the lowest locks.",
] * 5


def test_trained_tokenizer_is_saved_and_loaded(tmp_path):
    tokenizer = train_tokenizer(SENTENCES, vocab_size=120)
    assert type(tokenizer) is BertTokenizer
    assert len(tokenizer) <= 120
    assert tokenizer.convert_ids_to_tokens(range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokenizer.tokenize("The ROWER") == tokenizer.tokenize("the rower")
    assert tokenizer.unk_token_id not in tokenizer(SENTENCES[0])["input_ids"]
    assert len(tokenizer.tokenize("the rower")) < len("therower")
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is BertTokenizer
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded(SENTENCES) == tokenizer(SENTENCES)
    assert loaded.model_max_length == 512
    cased = train_tokenizer(SENTENCES, vocab_size=120, lowercase=False)
    assert cased.tokenize("The") != cased.tokenize("the")


def test_same_texts_give_the_same_ids():
    """The order of hash maps in the trainer differs from call to call, so repetition shows what it would change."""
    first = train_tokenizer(SENTENCES, vocab_size=150).get_vocab()
    assert all(train_tokenizer(SENTENCES, vocab_size=150).get_vocab() == first for _ in range(3))
    assert train_tokenizer(iter(SENTENCES), vocab_size=150).get_vocab() == first


def test_rare_characters_get_no_place():
    tokenizer = train_tokenizer(["plain words of letters " * 5000, "one 字"], vocab_size=64)
    assert "字" not in tokenizer.get_vocab()
    assert tokenizer.tokenize("one 字") == [*tokenizer.tokenize("one"), "[UNK]"]
    assert len(train_tokenizer(["".join(map(chr, range(0x4E00, 0x4F00)))], vocab_size=77)) <= 77


def test_training_errors():
    with pytest.raises(ValueError, match=r"`texts` holds no text"):
        train_tokenizer(["", " \n"])
    with pytest.raises(ValueError, match=r"`vocab_size` must be at least 32, got 5"):
        train_tokenizer(SENTENCES, vocab_size=5)
    with pytest.raises(TypeError, match=r"got a single `str`; put it into a list"):
        train_tokenizer("one text")


def test_real_text(real_data):
    files = [str(real_data / "text" / "wiki" / name) for name in ("train-00001-*.parquet", "validation-*.parquet")]
    corpus = load_text_corpus(train_file=files[0], validation_file=files[1])
    corpus = DatasetDict({name: split.select(range(300)) for name, split in corpus.items()})
    tokenizer = train_tokenizer(corpus["train"]["text"], vocab_size=1000)
    blocks = tokenize_corpus(corpus, tokenizer, max_seq_length=64)
    tokens = np.concatenate(blocks["validation"]["input_ids"])
    assert len(tokenizer) == 1000
    assert (tokens == tokenizer.unk_token_id).mean() < 0.01
    assert len(set(blocks["train"]["example_id"])) == len(blocks["train"])
