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
"""Contexts that are longer than a model's input, cut into windows that overlap, each with the whole question."""

import numpy as np
import pyarrow.compute as pc
from datasets import Dataset
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from ..evaluation.squad_answers import ContextTokens
from .glue import longest_input
from .squad_arguments import SquadDataArguments


_POSITIONS = ("question_number", "null_position", "first_position", "char_start", "char_end")


def make_windows(
    split: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    config: PreTrainedConfig,
    args: SquadDataArguments,
    labels: bool,
) -> Dataset:
    """
    Cut the contexts into windows of at most `max_seq_length` tokens.

    A window is `[CLS] question [SEP] part of the context [SEP]`, and the other way round, context before question, for a
    tokenizer that pads on the left. A window is labelled with the tokens of the first answer, if it holds them all, and else
    with the `cls_token` twice, which stands for no answer.

    Args:
        split (`Dataset`):
            Questions, as [`~hf_supernet.data.squad.load_squad_data`] reads them.
        tokenizer (`PreTrainedTokenizerBase`):
            The model's tokenizer, a fast one, with a `cls_token`.
        config (`PreTrainedConfig`):
            The model's config.
        args (`SquadDataArguments`):
            Lengths, padding, cache.
        labels (`bool`):
            Whether to add `start_positions` and `end_positions`.

    Returns:
        `Dataset`: The windows, in the order of the questions: what a model's `forward` takes, and what [`context_tokens`]
        reads.

    Raises:
        ValueError: for a tokenizer that can't do this, and for lengths that leave no room for the context.
    """
    if not tokenizer.is_fast or tokenizer.cls_token_id is None:
        lack = "no `cls_token` to stand for no answer" if tokenizer.is_fast else "no offsets of the tokens in the text"
        raise ValueError(f"{type(tokenizer).__name__} has {lack}: questions can't be answered with it.")
    max_length = min(args.max_seq_length, longest_input(tokenizer, config))
    room = max_length - args.max_query_length - tokenizer.num_special_tokens_to_add(pair=True)
    if room <= args.doc_stride:
        raise ValueError(
            f"Windows of {max_length} tokens (`max_seq_length={args.max_seq_length}`) have room for {max(room, 0)} tokens of "
            f"the context beside a question of up to `max_query_length={args.max_query_length}` tokens; that must be more "
            f"than `doc_stride={args.doc_stride}`, the overlap of two windows."
        )

    def cut(rows: dict[str, list], numbers: list[int]) -> dict[str, list]:
        return _cut(rows, numbers, tokenizer, args, max_length, labels)

    return split.map(
        cut,
        batched=True,
        with_indices=True,
        remove_columns=split.column_names,
        load_from_cache_file=not args.overwrite_cache,
        desc="Cutting into windows",
    )


def model_inputs(windows: Dataset) -> Dataset:
    """The columns of windows that a model's `forward` takes."""
    return windows.select_columns([name for name in windows.column_names if name not in _POSITIONS])


def context_tokens(windows: Dataset) -> ContextTokens:
    """
    Where the tokens of the contexts stand in windows, for [`~hf_supernet.evaluation.squad_answers.find_answers`].

    Args:
        windows (`Dataset`):
            What [`make_windows`] made.

    Returns:
        `ContextTokens`: The positions as arrays.
    """
    table = windows.with_format("arrow")[:]
    question, null, first = (table[name].to_numpy() for name in _POSITIONS[:3])
    length = pc.list_value_length(table["char_start"]).to_numpy()
    inside = np.arange(max(1, length.max())) < length[:, None]
    chars = {}
    for name in ("char_start", "char_end"):
        chars[name] = np.zeros(inside.shape, dtype=np.int64)
        chars[name][inside] = table[name].combine_chunks().flatten().to_numpy()
    return ContextTokens(question, null, first, length, **chars)


def _cut(
    rows: dict[str, list],
    numbers: list[int],
    tokenizer: PreTrainedTokenizerBase,
    args: SquadDataArguments,
    max_length: int,
    labels: bool,
) -> dict[str, list]:
    question_first = tokenizer.padding_side == "right"
    questions = _shortened(rows["question"], tokenizer, args.max_query_length)
    # Logits of batches of different lengths are put together by padding on the right: tokens padded on the left would
    # not be found again.
    same_length = args.pad_to_max_length or tokenizer.padding_side == "left"
    encoded = tokenizer(
        *((questions, rows["context"]) if question_first else (rows["context"], questions)),
        truncation="only_second" if question_first else "only_first",
        max_length=max_length,
        stride=args.doc_stride,
        padding="max_length" if same_length else False,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    row_of_window, offsets = encoded.pop("overflow_to_sample_mapping"), encoded.pop("offset_mapping")
    windows = dict(encoded) | {name: [] for name in _POSITIONS}
    for i, row in enumerate(row_of_window):
        sequence = encoded.sequence_ids(i)
        length = sequence.count(int(question_first))
        first = sequence.index(int(question_first)) if length else 0
        chars = np.array(offsets[i][first : first + length], dtype=np.int64).reshape(-1, 2)
        null = encoded["input_ids"][i].index(tokenizer.cls_token_id)
        values = (numbers[row], null, first, chars[:, 0], chars[:, 1])
        for name, value in zip(_POSITIONS, values, strict=True):
            windows[name].append(value)
    if labels:
        windows |= _labels(windows, rows["answers"], np.array(row_of_window))
    return windows


def _shortened(questions: list[str], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> list[str]:
    """The questions, cut where they have more tokens."""

    def ends(texts: list[str]) -> list[int | None]:
        """The character at which the first token too many begins."""
        offsets = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [tokens[max_tokens][0] if len(tokens) > max_tokens else None for tokens in offsets["offset_mapping"]]

    result = []
    for question, end in zip(questions, ends(questions), strict=True):
        # What is left of a word may have more tokens than it had in the whole, and a token may begin where the text ends:
        # at least a character goes each time.
        while end is not None:
            question = question[: min(end, len(question) - 1)].rstrip()
            end = ends([question])[0]
        result.append(question)
    return result


def _labels(windows: dict[str, list], answers: list[dict[str, list]], row_of_window: np.ndarray) -> dict[str, list]:
    """The positions of the first and the last token of the answer, for each window."""
    starts, ends = list(windows["null_position"]), list(windows["null_position"])
    for row, answer in enumerate(answers):
        if not answer["text"]:
            continue
        begin = answer["answer_start"][0]
        end = begin + len(answer["text"][0])
        covering, extents = {}, {}
        for i in np.flatnonzero(row_of_window == row):
            char_start, char_end = windows["char_start"][i], windows["char_end"][i]
            tokens = np.flatnonzero((char_end > begin) & (char_start < end))
            if len(tokens):
                covering[i] = tokens[0], tokens[-1]
                extents[i] = char_start[tokens[0]], char_end[tokens[-1]]
        # A window holds the answer if it holds all the tokens that any window has of it. The characters of the answer
        # are no measure: some, as accents or white space at its ends, are not part of any token.
        whole = (min(e[0] for e in extents.values()), max(e[1] for e in extents.values())) if extents else None
        for i, (first, last) in covering.items():
            if extents[i] == whole:
                starts[i] = windows["first_position"][i] + int(first)
                ends[i] = windows["first_position"][i] + int(last)
    return {"start_positions": starts, "end_positions": ends}


__all__ = ["context_tokens", "make_windows", "model_inputs"]
