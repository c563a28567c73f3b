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
"""Masking for masked-language modelling that is a function of (seed, epoch, example, position), without a state."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .hashing import counter_hash, to_unit_interval


IGNORED_LABEL = -100


class MaskingCollator:
    r"""
    Pads examples to a batch and masks tokens for masked-language modelling, the same way on every machine, every time.

    Based on [BERT: Pre-training of Deep Bidirectional Transformers for Language
    Understanding](https://huggingface.co/papers/1810.04805): of the tokens chosen, 80 % become `[MASK]`, 10 % a random
    token and 10 % stay. We differ in two points. The draws of a token depend on `seed`, the epoch, the example's
    `example_id` and the token's place in its example, and on nothing else: batch size, order, number of loader workers
    and of ranks change no mask, and a run that was killed and resumed sees the masks of one that was not. And an
    example in which chance chose no token gets one label all the same (the token whose draw was the smallest), because
    a batch without a label has no loss.

    Special tokens and padding are never chosen, `[UNK]` may be. `input_ids`, `attention_mask`, `labels` (-100 where
    nothing is to be predicted) and, where the tokenizer makes them, `token_type_ids` are handed on; other columns, such
    as `example_id`, are not.

    Args:
        tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            Gives the special tokens, the side to pad on and the tokens to draw random ones from. It is not kept.
        mlm_probability (`float`, *optional*, defaults to 0.15):
            The share of tokens to predict, above 0, at most 1.
        mask_replace_prob (`float`, *optional*, defaults to 0.8):
            The share of these that become `[MASK]`.
        random_replace_prob (`float`, *optional*, defaults to 0.1):
            The share of these that become a random token that is not special; the rest stays as it is.
        seed (`int`, *optional*, defaults to 0):
            Another seed, other masks.
        pad_to_multiple_of (`int`, *optional*):
            Pads the batch to a multiple of this length. The masks stay the same.

    Raises:
        ValueError: for probabilities out of range, a tokenizer without `[MASK]` or padding token, and, when called,
            for examples without `example_id`.

    Example:

    ```python
    >>> collator = MaskingCollator(tokenizer)
    >>> loader = DataLoader(dataset, batch_size=32, collate_fn=collator, num_workers=2, persistent_workers=True)
    >>> for epoch in range(3):
    ...     collator.set_epoch(epoch)
    ...     for batch in loader:
    ...         ...
    ```
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        mlm_probability: float = 0.15,
        mask_replace_prob: float = 0.8,
        random_replace_prob: float = 0.1,
        seed: int = 0,
        pad_to_multiple_of: int | None = None,
    ):
        if not 0 < mlm_probability <= 1:
            raise ValueError(f"`mlm_probability` must be above 0 and at most 1, got {mlm_probability}.")
        if min(mask_replace_prob, random_replace_prob) < 0 or mask_replace_prob + random_replace_prob > 1 + 1e-9:
            raise ValueError(
                "`mask_replace_prob` and `random_replace_prob` must not be negative and add up to 1 at most, got"
                f" {mask_replace_prob} and {random_replace_prob}."
            )
        if pad_to_multiple_of is not None and pad_to_multiple_of < 1:
            raise ValueError(f"`pad_to_multiple_of` must be at least 1, got {pad_to_multiple_of}.")
        if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
            raise ValueError(
                f"Masked-language modelling needs a mask and a padding token, {type(tokenizer).__name__} has"
                f" mask_token={tokenizer.mask_token!r} and pad_token={tokenizer.pad_token!r}."
            )
        self.mlm_probability = mlm_probability
        self.mask_replace_prob = mask_replace_prob
        self.random_replace_prob = random_replace_prob
        self.seed = seed
        self.pad_to_multiple_of = pad_to_multiple_of
        self._mask_token_id = tokenizer.mask_token_id
        self._padding_left = tokenizer.padding_side == "left"
        self._fill = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "special_tokens_mask": 1}
        if "token_type_ids" in tokenizer.model_input_names:
            self._fill["token_type_ids"] = tokenizer.pad_token_type_id
        special = set(tokenizer.all_special_ids)
        self._never_chosen = np.array(sorted(special - {tokenizer.unk_token_id}))
        self._random_tokens = np.array(sorted(set(tokenizer.get_vocab().values()) - special))
        self._is_frozen = False
        # In shared memory, so that workers that live through several epochs read the current one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch whose masks the next batch gets."""
        return int(self._epoch)

    def set_epoch(self, epoch: int):
        """
        Changes the masks to those of another epoch, in all worker processes too. Call it between two epochs: workers
        that are already at work on the next batches read it at once.
        """
        if self._is_frozen:
            raise RuntimeError(
                "This collator's epoch is fixed, see `frozen`; set the epoch of the one it is a copy of."
            )
        self._epoch.fill_(_checked_epoch(epoch))

    def frozen(self, epoch: int = 0) -> "MaskingCollator":
        """A copy that keeps the masks of one epoch, for evaluation."""
        twin = copy.copy(self)
        twin._epoch = torch.tensor(_checked_epoch(epoch))
        twin._is_frozen = True
        return twin

    def __setstate__(self, state: dict[str, Any]):
        self.__dict__.update(state)
        if not self._is_frozen:
            self._epoch.share_memory_()  # a copy owns its epoch; in a spawned worker it is the parent's already

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        if "example_id" not in features[0]:
            raise ValueError(
                "Examples need the column `example_id`, from which their masks are drawn; these have"
                f" {', '.join(map(repr, features[0]))}. `hf_supernet.data.tokenize_corpus` adds it. With a plain"
                " `transformers.Trainer`, set `remove_unused_columns=False`, or it takes the column away again."
            )
        batch = self._pad(features)
        special = batch.pop("special_tokens_mask", None)
        input_ids = batch["input_ids"]
        special = np.isin(input_ids, self._never_chosen) if special is None else special.astype(bool)
        example_ids = np.array([int(feature["example_id"]) for feature in features], dtype=np.int64)
        lengths = np.array([len(feature["input_ids"]) for feature in features])
        batch["input_ids"], batch["labels"] = self._mask(
            input_ids, (batch["attention_mask"] == 1) & ~special, example_ids, lengths
        )
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def _pad(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        lengths = [len(feature["input_ids"]) for feature in features]
        multiple = self.pad_to_multiple_of or 1
        width = -(-max(lengths) // multiple) * multiple
        batch = {}
        for name, fill in self._fill.items():
            given = name in features[0]
            if name == "special_tokens_mask" and not given:
                continue
            values = np.full((len(features), width), fill, dtype=np.int64)
            for row, feature, length in zip(values, features, lengths, strict=True):
                place = slice(width - length, None) if self._padding_left else slice(length)
                # What is not given is all ones (attention) or all zeros (the type of a single text).
                row[place] = feature[name] if given else int(name == "attention_mask")
            batch[name] = values
        return batch

    def _mask(
        self, input_ids: np.ndarray, candidates: np.ndarray, example_ids: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        width = input_ids.shape[1]
        positions = np.arange(width)[None]
        if self._padding_left:  # a token's place in its example must not depend on how far the batch is padded
            positions = positions - (width - lengths)[:, None]
        key = np.array([self.seed % 2**64], dtype=np.uint64)
        for part in (self.epoch, example_ids):
            key = counter_hash(key, part)
        choice = to_unit_interval(counter_hash(counter_hash(key, 0)[:, None], positions))
        choice[~candidates] = np.inf
        # The smallest draw is chosen always. Where others are, it would be anyway.
        chosen = candidates & ((choice < self.mlm_probability) | (choice == choice.min(axis=1, keepdims=True)))

        rows, columns = np.nonzero(chosen)
        places = np.broadcast_to(positions, input_ids.shape)[rows, columns]
        change = to_unit_interval(counter_hash(counter_hash(key, 1)[rows], places))
        token = counter_hash(counter_hash(key, 2)[rows], places) % np.uint64(len(self._random_tokens))
        labels = np.full_like(input_ids, IGNORED_LABEL)
        labels[rows, columns] = input_ids[rows, columns]
        replaced = input_ids[rows, columns]
        at_random = change < self.mask_replace_prob + self.random_replace_prob
        replaced[at_random] = self._random_tokens[token[at_random].astype(np.int64)]
        replaced[change < self.mask_replace_prob] = self._mask_token_id
        masked = input_ids.copy()
        masked[rows, columns] = replaced
        return masked, labels


def _checked_epoch(epoch: int) -> int:
    if epoch != int(epoch) or epoch < 0:
        raise ValueError(f"`epoch` must be a whole number that is not negative, got {epoch!r}.")
    return int(epoch)
