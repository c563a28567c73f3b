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
"""Reading what a search space is made of: candidates, hidden sizes, places of identities."""

import itertools
from collections import Counter
from collections.abc import Sequence

from .architecture import Architecture, to_operator
from .models.searched_bert.configuration_searched_bert import Operator
from .path_counting import IDENTITY


IDENTITY_PLACEMENTS = ("anywhere", "end")


def check_hidden_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """
    The hidden sizes of a search space, as a tuple.

    Raises:
        ValueError: for one that is not positive or comes twice.
    """
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"`hidden_sizes` are positive integers, got {size!r}.")
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"`hidden_sizes` names a size twice: {', '.join(map(str, sizes))}.")
    return tuple(sizes)


def read_candidates(candidates: Sequence[Sequence[Operator | str]]) -> tuple[tuple[Operator, ...], ...]:
    """
    The candidate operators of each layer, as operators.

    Raises:
        ValueError: for no layer, a layer without a list or with an empty one, and a candidate that does not exist or comes
            twice in a layer.
    """
    layers = []
    for layer, row in enumerate(candidates):
        if isinstance(row, (str, Operator)):
            raise ValueError(
                f"`candidates` is one list a layer, got {str(row)!r} in place of the list of layer {layer}."
            )
        if not row:
            raise ValueError(f"Layer {layer} has no candidate operator; `identity` is one, where it may be left out.")
        try:
            operators = tuple(to_operator(operator) for operator in row)
        except ValueError as error:
            raise ValueError(f"Layer {layer}: {error}") from error
        doubles = sorted(str(operator) for operator, number in Counter(operators).items() if number > 1)
        if doubles:
            raise ValueError(f"Layer {layer} names a candidate operator twice: {', '.join(doubles)}.")
        layers.append(operators)
    if not layers:
        raise ValueError("A search space has at least one layer; `candidates` is empty.")
    return tuple(layers)


def misplaced_identity(architecture: Architecture) -> int | None:
    """The first identity that stands in front of another operator."""
    pairs = enumerate(itertools.pairwise(architecture))
    return next((layer for layer, (one, two) in pairs if one == IDENTITY and two != IDENTITY), None)


__all__ = ["IDENTITY_PLACEMENTS", "check_hidden_sizes", "misplaced_identity", "read_candidates"]
