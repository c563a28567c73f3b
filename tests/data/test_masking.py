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
import copy
import multiprocessing
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import BertTokenizer

from hf_supernet.data import MaskingCollator


VOCAB_SIZE = 99


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(VOCAB_SIZE - 5))]
    return BertTokenizer(vocab={word: number for number, word in enumerate(words)})


def make_examples(number: int, seed: int = 0, shortest: int = 3, longest: int = 23) -> list[dict]:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(shortest, longest + 1, size=number)
    return [
        {"input_ids": [2, *generator.integers(5, VOCAB_SIZE, size=length - 2).tolist(), 3], "example_id": index}
        for index, length in enumerate(lengths)
    ]


def rows_without_padding(batch: dict[str, torch.Tensor]) -> list[tuple[list[int], list[int]]]:
    rows = zip(batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True)
    return [(ids[real].tolist(), labels[real].tolist()) for ids, labels, real in rows]


def test_shares_of_masked_random_and_kept_tokens(tokenizer):
    examples = make_examples(3000, shortest=128, longest=128)
    original = torch.tensor([example["input_ids"] for example in examples])
    batch = MaskingCollator(tokenizer)(examples)
    chosen = batch["labels"] != -100
    assert chosen[:, 1:-1].float().mean().item() == pytest.approx(0.15, abs=0.002)
    new = batch["input_ids"][chosen]
    assert (new == tokenizer.mask_token_id).float().mean().item() == pytest.approx(0.8, abs=0.006)
    # One random token in 94 is the original one.
    assert (new == original[chosen]).float().mean().item() == pytest.approx(0.1 + 0.1 / 94, abs=0.005)
    assert torch.equal(batch["labels"][chosen], original[chosen])
    assert torch.equal(batch["input_ids"][~chosen], original[~chosen])
    # No place of the sequence is favoured, and random tokens cover all ordinary words evenly.
    assert chosen[:, 1:-1].float().mean(0).std().item() < 1.3 * (0.15 * 0.85 / 3000) ** 0.5
    random_tokens = new[(new != tokenizer.mask_token_id) & (new != original[chosen])]
    counts = torch.bincount(random_tokens, minlength=VOCAB_SIZE)
    assert counts[:5].sum() == 0
    assert counts[5:].min() > 0.5 * counts[5:].float().mean()


@pytest.mark.parametrize(
    "probabilities", [(0.4, 1.0, 0.0), (1.0, 0.0, 1.0), (1.0, 0.0, 0.0)], ids=["mask", "random", "keep"]
)
def test_other_probabilities(tokenizer, probabilities):
    share, masked, at_random = probabilities
    examples = make_examples(200, shortest=60, longest=60)
    original = torch.tensor([example["input_ids"] for example in examples])
    batch = MaskingCollator(tokenizer, *probabilities)(examples)
    chosen = batch["labels"] != -100
    assert chosen[:, 1:-1].float().mean().item() == pytest.approx(share, abs=0.02)
    new = batch["input_ids"][chosen]
    assert (new == tokenizer.mask_token_id).all() == (masked == 1)
    assert (new == original[chosen]).all() == (masked + at_random == 0)


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("pad_to_multiple_of", [None, 8])
def test_masks_do_not_depend_on_the_batch(tokenizer, padding_side, pad_to_multiple_of):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.padding_side = padding_side
    collator = MaskingCollator(tokenizer, seed=3, pad_to_multiple_of=pad_to_multiple_of)
    examples = make_examples(41)
    alone = [rows_without_padding(collator([example]))[0] for example in examples]
    batch = collator(examples)
    assert rows_without_padding(batch) == alone
    assert rows_without_padding(collator(examples[::-1])) == alone[::-1]
    assert batch["input_ids"].shape[1] == (24 if pad_to_multiple_of else 23)
    real = batch["attention_mask"].bool()
    assert real.sum(1).tolist() == [len(example["input_ids"]) for example in examples]
    assert (batch["input_ids"][~real] == tokenizer.pad_token_id).all()
    assert (batch["labels"][~real] == -100).all()


def test_masks_depend_on_seed_epoch_example_and_place(tokenizer):
    same_text = {"input_ids": [2, *[7] * 400, 3]}
    examples = [{**same_text, "example_id": index} for index in (0, 1, 2**62)]
    collator, other_seed = MaskingCollator(tokenizer), MaskingCollator(tokenizer, seed=1)
    batches = [collator(examples), other_seed(examples)]
    collator.set_epoch(1)
    batches.append(collator(examples))
    masks = torch.cat([batch["labels"] != -100 for batch in batches]).float()
    correlation = np.corrcoef(masks.numpy()[:, 1:-1])
    assert abs(correlation - np.eye(9)).max() < 0.25
    collator.set_epoch(0)
    assert torch.equal(collator(examples)["labels"], batches[0]["labels"])


def test_every_example_has_a_label_if_it_has_a_word(tokenizer):
    collator = MaskingCollator(tokenizer, mlm_probability=0.001)
    batch = collator([*make_examples(50), {"input_ids": [2, 3], "example_id": 50}])
    assert (batch["labels"] != -100).sum(1).tolist() == [1] * 50 + [0]


def test_only_ordinary_and_unknown_tokens_are_chosen(tokenizer):
    examples = [{"input_ids": [2, 1, 4, 0, 3, 8, 3], "example_id": index} for index in range(20)]
    chosen = MaskingCollator(tokenizer, mlm_probability=1.0)(examples)["labels"] != -100
    assert chosen.all(0).tolist() == [False, True, False, False, False, True, False]
    given = [{**example, "special_tokens_mask": [1, 1, 0, 1, 1, 0, 0]} for example in examples]
    chosen = MaskingCollator(tokenizer, mlm_probability=1.0)(given)["labels"] != -100
    assert chosen.all(0).tolist() == [False, False, True, False, False, True, True]


def test_given_attention_mask_and_types_are_kept(tokenizer):
    example = {"input_ids": [2, 9, 9, 9, 3, 0, 0], "attention_mask": [1, 1, 1, 1, 1, 0, 0], "example_id": 0}
    longer = {"input_ids": [2, *[9] * 7, 3], "attention_mask": [1] * 9, "example_id": 1}
    types = [{"token_type_ids": [0, 0, 1, 1, 1, 0, 0]}, {"token_type_ids": [1] * 9}]
    batch = MaskingCollator(tokenizer)([{**example, **types[0]}, {**longer, **types[1]}])
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0, 0], [1] * 9]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1, 1, 1, 0, 0, 0, 0], [1] * 9]
    assert (batch["labels"][0, 5:] == -100).all()


def test_what_is_handed_on(tokenizer):
    examples = [{**example, "source": "a book"} for example in make_examples(2)]
    assert set(MaskingCollator(tokenizer)(examples)) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    batch = MaskingCollator(tokenizer)(examples)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert {values.dtype for values in batch.values()} == {torch.int64}


@pytest.mark.parametrize("as_type", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_arrays_and_tensors_as_examples(tokenizer, as_type):
    examples = make_examples(5)
    arrays = [{name: as_type(values) for name, values in example.items()} for example in examples]
    collator = MaskingCollator(tokenizer)
    assert rows_without_padding(collator(arrays)) == rows_without_padding(collator(examples))


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_epoch_reaches_persistent_workers(tokenizer, context):
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context!r} on this platform")
    dataset = Dataset.from_list(make_examples(21))
    collator, reference = MaskingCollator(tokenizer), MaskingCollator(tokenizer)
    workers = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": context}
    loader = DataLoader(dataset, batch_size=4, collate_fn=collator, **workers)
    own_loader = DataLoader(dataset, batch_size=4, collate_fn=reference)
    seen = []
    for epoch in (0, 5, 1):
        collator.set_epoch(epoch)
        reference.set_epoch(epoch)
        batches, expected = list(loader), list(own_loader)
        assert len(batches) == len(expected) == 6
        for batch, other in zip(batches, expected, strict=True):
            assert all(torch.equal(batch[name], other[name]) for name in other)
        seen.append(torch.cat([batch["labels"].flatten() for batch in batches]))
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_frozen_copy_keeps_its_epoch(tokenizer):
    examples = make_examples(9)
    collator = MaskingCollator(tokenizer, seed=2)
    collator.set_epoch(4)
    frozen = collator.frozen()
    fourth = collator(examples)["labels"]
    assert not torch.equal(frozen(examples)["labels"], fourth)
    assert torch.equal(collator.frozen(epoch=4)(examples)["labels"], fourth)
    before = frozen(examples)["labels"]
    collator.set_epoch(7)
    assert frozen.epoch == 0
    assert torch.equal(pickle.loads(pickle.dumps(frozen))(examples)["labels"], before)
    with pytest.raises(RuntimeError, match=r"epoch is fixed"):
        frozen.set_epoch(1)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "pickle"]
)
def test_copies_own_their_epoch_in_shared_memory(tokenizer, duplicate):
    collator = MaskingCollator(tokenizer)
    collator.set_epoch(3)
    twin = duplicate(collator)
    collator.set_epoch(8)
    assert twin.epoch == 3
    assert twin._epoch.is_shared()


def test_spawned_workers_share_the_epoch(tokenizer):
    collator = MaskingCollator(tokenizer)
    in_worker = ForkingPickler.loads(ForkingPickler.dumps(collator))  # how it travels to a worker
    collator.set_epoch(8)
    assert in_worker.epoch == 8


def test_errors(tokenizer):
    with pytest.raises(ValueError, match=r"'input_ids', 'text'.*tokenize_corpus.*remove_unused_columns=False"):
        MaskingCollator(tokenizer)([{"input_ids": [2, 7, 3], "text": "w2"}])
    with pytest.raises(ValueError, match=r"`mlm_probability` must be above 0 and at most 1, got 0"):
        MaskingCollator(tokenizer, mlm_probability=0)
    with pytest.raises(ValueError, match=r"add up to 1 at most, got 0.8 and 0.3"):
        MaskingCollator(tokenizer, random_replace_prob=0.3)
    with pytest.raises(ValueError, match=r"`pad_to_multiple_of` must be at least 1, got 0"):
        MaskingCollator(tokenizer, pad_to_multiple_of=0)
    with pytest.raises(ValueError, match=r"`epoch` must be a whole number that is not negative, got 0.5"):
        MaskingCollator(tokenizer).set_epoch(0.5)
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match=r"BertTokenizer has mask_token=None"):
        MaskingCollator(tokenizer)


def test_masks_stay_the_same_from_version_to_version(tokenizer):
    """A run that is resumed with a newer version must see the same masks; this number may not change."""
    batch = MaskingCollator(tokenizer, seed=13)([{"input_ids": [2, *range(5, 45), 3], "example_id": 12345}])
    assert (batch["labels"][0] != -100).nonzero().flatten().tolist() == [2, 35, 40]
