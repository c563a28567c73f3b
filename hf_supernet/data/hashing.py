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
"""Hashes that do not depend on the process, the platform or the order of the calls."""

import hashlib

import numpy as np


_GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def counter_hash(key: np.ndarray, counter: np.ndarray | int) -> np.ndarray:
    """
    The `counter`-th number of the random stream `key`, without the numbers before it (the output of splitmix64).

    Based on [Fast Splittable Pseudorandom Number Generators](https://doi.org/10.1145/2660193.2660195) (OOPSLA 2014).

    Args:
        key (`np.ndarray` of `np.uint64`): One stream for each element.
        counter (`np.ndarray` of integers or `int`): Which number of the stream; broadcast against `key`.

    Returns:
        `np.ndarray` of `np.uint64`: Uniform over all 64 bits.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        value = key + (np.asarray(counter).astype(np.uint64) + np.uint64(1)) * _GOLDEN_RATIO
        value = (value ^ (value >> np.uint64(30))) * _MULTIPLIERS[0]
        value = (value ^ (value >> np.uint64(27))) * _MULTIPLIERS[1]
    return value ^ (value >> np.uint64(31))


def to_unit_interval(numbers: np.ndarray) -> np.ndarray:
    """Maps 64 random bits to a `float64` in [0, 1)."""
    return (numbers >> np.uint64(11)) * 2.0**-53


def sequence_ids(flat_ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """
    A 63-bit identity for each of the sequences that `flat_ids` holds one behind the other, from their tokens alone.

    Args:
        flat_ids (`np.ndarray` of integers): The tokens of all sequences.
        lengths (`np.ndarray` of integers): The length of each sequence, at least 1.

    Returns:
        `np.ndarray` of `np.int64`, not negative, one a sequence.
    """
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(len(flat_ids)) - np.repeat(starts, lengths)
    token_hashes = counter_hash(counter_hash(flat_ids.astype(np.uint64), 0), positions)
    sums = np.add.reduceat(token_hashes, starts) if len(starts) else np.zeros(0, dtype=np.uint64)
    return (counter_hash(sums, lengths) >> np.uint64(1)).astype(np.int64)


def text_hash(text: str, seed: int) -> int:
    """64 bits that depend on the text and the seed only."""
    digest = hashlib.blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
