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
"""Architecture: one operator a layer, as a value that can be compared, hashed, written and read."""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .models.searched_bert.configuration_searched_bert import Operator


_IDENTITY = Operator("identity")
_COMPACT_OPERATOR = re.compile(r"[AFC][0-9]{1,9}|I")
# One object for each operator makes comparing two architectures a comparison of pointers in nearly all cases.
_read_operator = functools.lru_cache(maxsize=4096)(Operator.from_string)


def to_operator(value: Operator | str) -> Operator:
    """The operator itself, or the one that a string names in the long or the compact form."""
    if isinstance(value, Operator):
        return value
    return _read_operator(value) if isinstance(value, str) else Operator.from_string(value)


@dataclass(frozen=True, eq=False, repr=False)
class Architecture:
    """
    One operator for each layer of a supernet: a hashable value without weights.

    Args:
        operators (`tuple[Operator, ...]`):
            The operators from the first layer to the last; see [`Architecture.from_operators`] for other iterables and
            for strings.
        hidden_size (`int`, *optional*):
            The hidden size, where the space searches it too.

    Raises:
        ValueError: for no operator at all, for something else than operators, and for a hidden size that is not positive.

    Example:

    ```python
    >>> from hf_supernet import Architecture

    >>> a = Architecture.from_string("A4-I-F1024-C5")
    >>> b = a.replace(1, "convolution-3")
    >>> str(b), a.distance(b), str(a.canonical())
    ('A4-C3-F1024-C5', 1, 'A4-F1024-C5-I')
    ```
    """

    operators: tuple[Operator, ...]
    hidden_size: int | None = None

    def __post_init__(self):
        if not isinstance(self.operators, tuple) or not all(isinstance(item, Operator) for item in self.operators):
            raise ValueError(
                f"`operators` is a tuple of `Operator`, got {self.operators!r}; `Architecture.from_operators` takes any"
                " iterable of operators or their names, `Architecture.from_string` the compact form."
            )
        if not self.operators:
            raise ValueError("An architecture has at least one operator, `identity` included.")
        size = self.hidden_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError(f"`hidden_size` is a positive integer or None, got {size!r}.")
        # Architectures are the keys of the tables that a search works with: the hash is computed once.
        object.__setattr__(self, "_hash", hash((self.operators, size)))

    @classmethod
    def from_operators(cls, operators: Iterable[Operator | str], hidden_size: int | None = None) -> "Architecture":
        """
        Builds an architecture from operators, or from their names in the long or the compact form.

        Raises:
            ValueError: for a name that is no operator; the message says at which layer.
        """
        if isinstance(operators, str):
            raise ValueError(f"`operators` is one name a layer, got the string {operators!r}; use `from_string`.")
        parsed = []
        for layer, operator in enumerate(operators):
            try:
                parsed.append(to_operator(operator))
            except ValueError as error:
                raise ValueError(f"Layer {layer} of the architecture: {error}") from error
        return cls(tuple(parsed), hidden_size)

    @classmethod
    def from_string(cls, text: str) -> "Architecture":
        """
        Reads the compact form: `"A4-F1024-C5-I"`, or `"H256:A4-F1024-C5-I"` with a hidden size.

        Raises:
            ValueError: where `text` is no architecture; the message names the layer and what it expects there.
        """
        if not isinstance(text, str):
            raise ValueError(f"An architecture is written as a string such as 'A4-F1024-C5-I', got {text!r}.")
        prefix, colon, rest = text.rpartition(":")
        if colon and not re.fullmatch(r"H[1-9][0-9]{0,8}", prefix):
            raise ValueError(
                f"Cannot read the architecture {text!r}: what stands before the colon is {prefix!r}, expected is 'H' and"
                " the hidden size, as in 'H256:A4-F1024'."
            )
        codes = rest.split("-")
        for layer, code in enumerate(codes):
            if not _COMPACT_OPERATOR.fullmatch(code):
                raise ValueError(
                    f"Cannot read the architecture {text!r}: layer {layer} is {code!r}, expected is 'A' and a number of"
                    " heads, 'F' and an intermediate size, 'C' and an odd kernel size, or 'I' (identity), joined by"
                    " hyphens, as in 'A4-F1024-C5-I'. Long names go to `Architecture.from_operators`."
                )
        return cls.from_operators(codes, int(prefix[1:]) if colon else None)

    def distance(self, other: "Architecture") -> int:
        """
        The number of layers whose operator differs; the hidden size does not count.

        Raises:
            ValueError: where the two have different numbers of layers.
        """
        self._check_length(other)
        return sum(mine != theirs for mine, theirs in zip(self.operators, other.operators, strict=True))

    def first_difference(self, other: "Architecture") -> int:
        """
        The number of leading layers that the two have in common, `len(self)` where they are equal.

        In a supernet, the hidden states in front of that layer are the same for both. Two hidden sizes share no layer.

        Raises:
            ValueError: where the two have different numbers of layers.
        """
        self._check_length(other)
        if self.hidden_size != other.hidden_size:
            return 0
        pairs = enumerate(zip(self.operators, other.operators, strict=True))
        return next((layer for layer, (mine, theirs) in pairs if mine != theirs), len(self))

    def canonical(self) -> "Architecture":
        """The same network with its identities moved to the end: equal for two architectures that are one network."""
        kept = tuple(operator for operator in self.operators if operator != _IDENTITY)
        return Architecture(kept + (_IDENTITY,) * (len(self) - len(kept)), self.hidden_size)

    def replace(self, layer: int, operator: Operator | str) -> "Architecture":
        """
        A copy with another operator at `layer`.

        Raises:
            ValueError: where there is no such layer or no such operator.
        """
        if not 0 <= layer < len(self):
            raise ValueError(f"`layer` must lie in 0 to {len(self) - 1}, got {layer}.")
        operators = (*self.operators[:layer], to_operator(operator), *self.operators[layer + 1 :])
        return Architecture(operators, self.hidden_size)

    def _check_length(self, other: "Architecture") -> None:
        if len(self) != len(other):
            raise ValueError(
                f"Architectures of {len(self)} and {len(other)} layers cannot be compared: '{self}' and '{other}'."
            )

    def __eq__(self, other) -> bool:
        if self is other:
            return True
        if not isinstance(other, Architecture):
            return NotImplemented
        return (
            self._hash == other._hash and self.hidden_size == other.hidden_size and self.operators == other.operators
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self):
        # Hashes of strings differ from process to process, so a copy computes its own.
        return Architecture, (self.operators, self.hidden_size)

    def __len__(self) -> int:
        return len(self.operators)

    def __iter__(self) -> Iterator[Operator]:
        return iter(self.operators)

    def __getitem__(self, index):
        return self.operators[index]

    def __str__(self) -> str:
        prefix = "" if self.hidden_size is None else f"H{self.hidden_size}:"
        return prefix + "-".join(operator.code for operator in self.operators)

    def __repr__(self) -> str:
        return f"Architecture.from_string({str(self)!r})"


__all__ = ["Architecture", "to_operator"]
