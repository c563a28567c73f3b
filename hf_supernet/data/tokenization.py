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
"""Training a WordPiece tokenizer, and cutting a corpus into token sequences."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Sequence, Value
from tokenizers import Tokenizer, models, trainers
from transformers import BertTokenizer, PreTrainedTokenizerBase

from .corpora import check_text_column
from .hashing import sequence_ids


SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_CHARACTERS = 1000
_CHARACTER_COVERAGE = 0.9999
_MIN_VOCAB_SIZE = 32

TextData = Dataset | DatasetDict | IterableDataset | IterableDatasetDict


def train_tokenizer(
    texts: Iterable[str],
    vocab_size: int = 8192,
    lowercase: bool = True,
    min_frequency: int = 2,
    model_max_length: int = 512,
) -> BertTokenizer:
    """
    Trains the tokenizer of a BERT, a WordPiece vocabulary, on `texts`.

    The same texts give the same vocabulary with the same ids in every process. (`tokenizers`' own trainer numbers the
    first pieces in an order that changes from run to run.) Characters that are not among the most frequent 99.99 %, or
    not among the 1000 most frequent, get no place; words with them become `[UNK]`.

    Args:
        texts (iterable of `str`):
            Read twice; an iterator is put into memory first.
        vocab_size (`int`, *optional*, defaults to 8192):
            The size of the vocabulary with its five special tokens. A small corpus may give fewer.
        lowercase (`bool`, *optional*, defaults to `True`):
            Whether to lower the case and strip accents, as in "uncased" models.
        min_frequency (`int`, *optional*, defaults to 2):
            How often two pieces must stand side by side to be joined.
        model_max_length (`int`, *optional*, defaults to 512):
            The longest sequence of the model that this tokenizer is for.

    Returns:
        [`~transformers.BertTokenizer`]: `[PAD]` has id 0. It is saved and loaded like any other.

    Raises:
        ValueError: if there is no text, and for a vocabulary too small for the special tokens and some characters.
        TypeError: if `texts` is a single string.
    """
    if isinstance(texts, str):
        raise TypeError("`texts` must be an iterable of texts, got a single `str`; put it into a list.")
    if vocab_size < _MIN_VOCAB_SIZE:
        raise ValueError(f"`vocab_size` must be at least {_MIN_VOCAB_SIZE}, got {vocab_size}.")
    texts = list(texts) if iter(texts) is texts else texts
    untrained = BertTokenizer(do_lower_case=lowercase).backend_tokenizer
    characters = _frequent_characters(texts, untrained, (vocab_size - len(SPECIAL_TOKENS)) // 2)
    # The trainer would number the pieces that continue a word as it meets them in a hash map. Listed beforehand, they
    # have fixed ids, and so have all the pieces that are made of them.
    fixed = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=fixed,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        show_progress=False,
    )
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer, trained.pre_tokenizer = untrained.normalizer, untrained.pre_tokenizer
    trained.train_from_iterator(texts, trainer)
    vocab = dict(sorted(trained.get_vocab().items(), key=lambda item: item[1]))
    return BertTokenizer(vocab=vocab, do_lower_case=lowercase, model_max_length=model_max_length)


def _frequent_characters(texts: Iterable[str], tokenizer: Tokenizer, limit: int) -> list[str]:
    counts = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    counts = Counter({character: count for character, count in counts.items() if not character.isspace()})
    if not counts:
        raise ValueError("`texts` holds no text to train a tokenizer on.")
    by_frequency = sorted(counts, key=lambda character: (-counts[character], character))
    covered = np.cumsum([counts[character] for character in by_frequency])
    enough = int(np.searchsorted(covered, _CHARACTER_COVERAGE * covered[-1])) + 1
    return sorted(by_frequency[: min(enough, limit, _MAX_CHARACTERS)])


def tokenize_corpus(
    dataset: TextData,
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int = 128,
    text_column: str = "text",
    pack: bool = True,
    num_proc: int | None = None,
) -> TextData:
    """
    Turns texts into token sequences for masked-language modelling.

    With `pack`, a thousand documents at a time are joined, `[SEP]` between them, and cut into blocks of exactly
    `max_seq_length` tokens, `[CLS]` and `[SEP]` included; what is left of the thousand and fills no block is dropped.
    Without it, each document begins a new sequence, longer ones go on in the next sequence, and nothing is dropped.

    Args:
        dataset (`Dataset`, `DatasetDict`, `IterableDataset` or `IterableDatasetDict`):
            The texts, in memory or streamed.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            Needs a `cls_token` and a `sep_token`.
        max_seq_length (`int`, *optional*, defaults to 128):
            The length of a sequence, at least 3.
        text_column (`str`, *optional*, defaults to `"text"`):
            The column that holds the text; all columns are taken away.
        pack (`bool`, *optional*, defaults to `True`):
            Whether to fill sequences to the brim.
        num_proc (`int`, *optional*):
            How many processes work on a data set that is not streamed.

    Returns:
        The same kind of data set, with the columns `"input_ids"` and `"example_id"`. The latter identifies a sequence
        by its tokens. It is what [`MaskingCollator`] draws masks from, and is not a running number because a stream
        numbers its rows anew in each loader worker. Equal sequences have equal ids.

    Raises:
        ValueError: for a wrong column, a sequence length that does not fit, and if no sequence comes out.
    """
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError(f"{type(tokenizer).__name__} has no `cls_token` or no `sep_token`.")
    if not 3 <= max_seq_length <= tokenizer.model_max_length:
        raise ValueError(
            f"`max_seq_length` must be between 3 and the tokenizer's `model_max_length` {tokenizer.model_max_length},"
            f" got {max_seq_length}."
        )
    arguments = (tokenizer, max_seq_length, text_column, pack, num_proc)
    if isinstance(dataset, DatasetDict | IterableDatasetDict):
        splits = {name: _tokenize_split(split, f"the {name} split", *arguments) for name, split in dataset.items()}
        return type(dataset)(splits)
    return _tokenize_split(dataset, "the data set", *arguments)


def _tokenize_split(
    dataset: Dataset | IterableDataset,
    where: str,
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int,
    text_column: str,
    pack: bool,
    num_proc: int | None,
) -> Dataset | IterableDataset:
    check_text_column(dataset, text_column, where)
    options = {}
    if isinstance(dataset, IterableDataset):
        if num_proc is not None:
            raise ValueError("`num_proc` does not apply to a streamed data set; use workers of the data loader.")
    else:
        options = {"num_proc": num_proc, "desc": "Tokenizing"}
    result = dataset.map(
        _to_sequences,
        batched=True,
        input_columns=text_column,
        remove_columns=dataset.column_names or list(next(iter(dataset))),
        fn_kwargs={"tokenizer": tokenizer, "max_seq_length": max_seq_length, "pack": pack},
        features=Features({"input_ids": Sequence(Value("int32")), "example_id": Value("int64")}),
        **options,
    )
    if next(iter(result), None) is None:
        hint = f"fewer than the {max_seq_length} tokens of a block; lower `max_seq_length` or set `pack=False`"
        why = hint if pack else "no text"
        raise ValueError(f"No sequence came out of column {text_column!r} of {where}: {why}.")
    return result


def _to_sequences(
    texts: list[str | None], tokenizer: PreTrainedTokenizerBase, max_seq_length: int, pack: bool
) -> dict[str, list]:
    documents = tokenizer(
        [text or "" for text in texts],
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    width = max_seq_length - 2
    sep = tokenizer.sep_token_id
    if pack:
        stream = [token for document in documents if document for token in (*document, sep)]
        bodies = [stream[start : start + width] for start in range(0, len(stream) - width + 1, width)]
    else:
        bodies = [doc[start : start + width] for doc in documents for start in range(0, len(doc), width)]
    sequences = [[tokenizer.cls_token_id, *body, sep] for body in bodies]
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    flat = np.fromiter((token for sequence in sequences for token in sequence), dtype=np.int64, count=lengths.sum())
    return {"input_ids": sequences, "example_id": sequence_ids(flat, lengths)}
