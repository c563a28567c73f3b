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
"""The text of a benchmark: tokenised once, kept in one file, and held in memory."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from settings import TextSettings
from torch.utils.data import Dataset
from transformers import BertTokenizer

from hf_supernet.data import MaskingCollator, load_text_corpus, tokenize_corpus, train_tokenizer
from hf_supernet.files import replacing


DEV_SEED = 0
"""Draws the dev sequences and their masks: the same for all."""

EVAL_BATCH_SIZE = 64


class Sequences(Dataset):
    """
    Token sequences of one length, in memory.

    Args:
        input_ids (`np.ndarray` of shape `(number of sequences, length)`): The tokens.
        example_ids (`np.ndarray` of shape `(number of sequences,)`): What [`MaskingCollator`] draws masks from.
    """

    def __init__(self, input_ids: np.ndarray, example_ids: np.ndarray):
        self.input_ids = input_ids
        self.example_ids = example_ids

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"input_ids": self.input_ids[index], "example_id": self.example_ids[index]}


class Corpus(NamedTuple):
    """
    A text, ready to train on.

    Args:
        train (`Sequences`): To train on.
        dev_batches (`list[dict[str, torch.Tensor]]`): Masked and labelled: what all children are judged on.
        anchor_dev (`Sequences`): The rest of the validation files, on which anchors are chosen.
        tokenizer ([`~transformers.BertTokenizer`]): Trained on the training files.
        mlm_probability (`float`): The share of tokens to predict.
        fingerprint (`str`): Tells apart texts, by all of their tokens.
    """

    train: Sequences
    dev_batches: list[dict[str, torch.Tensor]]
    anchor_dev: Sequences
    tokenizer: BertTokenizer
    mlm_probability: float
    fingerprint: str

    def collator(self, seed: int) -> MaskingCollator:
        """Masks for a training: another seed, other masks."""
        return MaskingCollator(self.tokenizer, self.mlm_probability, seed=seed)


def load_corpus(settings: TextSettings, data_dir: str | Path, work_dir: str | Path) -> Corpus:
    """
    The text of a plan. What is tokenised is kept in `work_dir`, and read from there the next time.

    Args:
        settings (`TextSettings`): Which text.
        data_dir (`str` or `Path`): The folder that its patterns are relative to.
        work_dir (`str` or `Path`): Where it is kept, as one file that is there whole or not at all.

    Raises:
        FileNotFoundError, ValueError: as by [`load_text_corpus`], and where the validation files are too short.
    """
    path = Path(work_dir) / f"corpus-{_key(settings, Path(data_dir))}.safetensors"
    if not path.is_file():
        _tokenize(settings, Path(data_dir), path)
    tensors = load_file(path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    vocab = json.loads(metadata["vocab"])
    tokenizer = BertTokenizer(
        vocab={piece: index for index, piece in enumerate(vocab)}, model_max_length=settings.max_seq_length
    )
    found, wanted = len(tensors["dev"]), settings.dev_sequences
    if found <= wanted:
        raise ValueError(
            f"`text.dev_sequences` is {wanted}, but the validation files have {found} sequences, of which some are for"
            " anchors: lower it, or name more files."
        )
    order = np.random.default_rng(DEV_SEED).permutation(found)
    judged, rest = (Sequences(tensors["dev"][part], tensors["dev_ids"][part]) for part in np.split(order, [wanted]))
    collator = MaskingCollator(tokenizer, settings.mlm_probability, seed=DEV_SEED).frozen()
    starts = range(0, wanted, EVAL_BATCH_SIZE)
    batches = [
        collator([judged[index] for index in range(start, min(start + EVAL_BATCH_SIZE, wanted))]) for start in starts
    ]
    train = Sequences(tensors["train"], tensors["train_ids"])
    return Corpus(train, batches, rest, tokenizer, settings.mlm_probability, metadata["fingerprint"])


def _key(settings: TextSettings, data_dir: Path) -> str:
    """Of what the tokenised text depends on: another file, or one of another size, is another text."""
    files = [_files(settings.train_files, data_dir), _files(settings.validation_files, data_dir)]
    sizes = [[(str(Path(name).relative_to(data_dir)), Path(name).stat().st_size) for name in part] for part in files]
    values = [sizes, settings.text_column, settings.vocab_size, settings.max_seq_length]
    return hashlib.sha256(json.dumps(values).encode("utf-8")).hexdigest()[:16]


def _files(patterns: list[str], data_dir: Path) -> list[str]:
    names = {}
    for pattern in patterns:
        found = sorted(data_dir.glob(pattern))
        if not found:
            raise FileNotFoundError(f"No file in `data_dir` '{data_dir}' matches '{pattern}' of the plan.")
        names |= dict.fromkeys(map(str, found))
    return list(names)


def _tokenize(settings: TextSettings, data_dir: Path, path: Path) -> None:
    corpus = load_text_corpus(
        train_file=_files(settings.train_files, data_dir),
        validation_file=_files(settings.validation_files, data_dir),
        text_column=settings.text_column,
    )
    length = settings.max_seq_length
    texts = (row[settings.text_column] or "" for row in corpus["train"])
    tokenizer = train_tokenizer(texts, settings.vocab_size, model_max_length=length)
    tokenized = tokenize_corpus(corpus, tokenizer, length, settings.text_column)
    dtype = np.uint16 if settings.vocab_size <= 2**16 else np.int32
    tensors = {}
    for name, split in (("train", tokenized["train"]), ("dev", tokenized["validation"])):
        table = split.with_format("arrow")[:]
        flat = table["input_ids"].combine_chunks().flatten().to_numpy()
        tensors[name] = flat.reshape(-1, length).astype(dtype)
        tensors[f"{name}_ids"] = table["example_id"].to_numpy()
    vocab = json.dumps(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    digest = hashlib.sha256(vocab.encode("utf-8"))
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"vocab": vocab, "fingerprint": digest.hexdigest()[:16]})


__all__ = ["Corpus", "Sequences", "load_corpus"]
