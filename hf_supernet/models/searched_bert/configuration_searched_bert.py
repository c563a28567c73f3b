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
"""SearchedBERT configuration: the operators of a searched architecture and the sizes around them."""

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from huggingface_hub.dataclasses import strict
from transformers.activations import ACT2FN
from transformers.configuration_utils import PreTrainedConfig


OPERATOR_KINDS = ("attention", "feed_forward", "convolution", "identity")
"""The kinds of operator there are; `identity` has no size."""

MAX_PARAMETERS = 10**10
"""The largest model that a configuration may describe: it may come from a stranger, and building it takes memory."""

MAX_LAYERS = 4096
"""The most layers that a configuration may have."""

MAX_LABELS = 2**16
"""The most labels: the configuration itself holds a name for each."""

_DTYPES = ("bfloat16", "float16", "float32", "float64")

_SIZE_MEANING = {
    "attention": "the number of heads, as in `attention-4`",
    "feed_forward": "the intermediate size, as in `feed_forward-1024`",
    "convolution": "an odd kernel size, as in `convolution-5`",
}


@dataclass(frozen=True, order=True)
class Operator:
    """
    One residual sub-layer of a BERT-like encoder: a value without weights.

    Args:
        kind (`str`):
            One of `"attention"`, `"feed_forward"`, `"convolution"` and `"identity"`.
        size (`int`, *optional*, defaults to 0):
            The number of heads, the intermediate size or the (odd) kernel size; 0 for an identity.

    Raises:
        ValueError: for an unknown kind, or a size that the kind does not allow.

    Example:

    ```python
    >>> Operator.from_string("attention-4")
    Operator(kind='attention', size=4)
    >>> str(Operator("convolution", 5)), Operator("convolution", 5).code
    ('convolution-5', 'C5')
    ```
    """

    kind: str
    size: int = 0

    def __post_init__(self):
        if self.kind not in OPERATOR_KINDS:
            close = difflib.get_close_matches(str(self.kind), OPERATOR_KINDS, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"Unknown operator kind {self.kind!r}; allowed are {', '.join(OPERATOR_KINDS)}.{hint}")
        if isinstance(self.size, bool) or not isinstance(self.size, int):
            raise ValueError(f"The size of an operator is an integer, got {self.size!r} for {self.kind!r}.")
        if self.kind == "identity":
            if self.size != 0:
                raise ValueError(f"An identity has no size, got {self.size}; write `identity`.")
        elif self.size <= 0:
            raise ValueError(f"{self.kind!r} needs a positive size ({_SIZE_MEANING[self.kind]}), got {self.size}.")
        elif self.kind == "convolution" and self.size % 2 == 0:
            raise ValueError(
                f"A convolution needs an odd kernel size, so that its output is as long as its input; got {self.size}."
                f" Take {self.size - 1} or {self.size + 1}."
            )
        # Searches look operators up all the time. Of numbers, whose hash is the same in every process, so that a copy may
        # take it along.
        object.__setattr__(self, "_hash", hash((OPERATOR_KINDS.index(self.kind), self.size)))

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def from_string(cls, text: str) -> "Operator":
        """
        Parses the long form (`"attention-4"`, `"identity"`) or the compact one (`"A4"`, `"I"`).

        Raises:
            ValueError: where `text` names no operator; the message says what is allowed.
        """
        if not isinstance(text, str):
            raise ValueError(f"An operator is written as a string such as 'attention-4', got {text!r}.")
        compact = re.fullmatch(r"([AFC])([0-9]{1,9})|(I)", text)
        if compact:
            letter = compact[1] or compact[3]
            kind = next(kind for kind in OPERATOR_KINDS if kind[0].upper() == letter)
            return cls(kind, int(compact[2] or 0))
        kind, _, size = text.partition("-")
        if size == "" and "-" not in text:
            return cls(kind)
        if not re.fullmatch(r"[0-9]{1,9}", size):
            meaning = _SIZE_MEANING.get(kind, "a kind, a hyphen and a size, as in `attention-4`")
            raise ValueError(f"Cannot read the operator {text!r}: what is expected is {meaning}.")
        return cls(kind, int(size))

    @property
    def code(self) -> str:
        """The compact form: one letter for the kind, then the size (`"A4"`, `"F1024"`, `"C5"`, `"I"`)."""
        return self.kind[0].upper() + (str(self.size) if self.size else "")

    def __str__(self) -> str:
        return f"{self.kind}-{self.size}" if self.size else self.kind


@strict
class SearchedBertBaseConfig(PreTrainedConfig):
    r"""
    The fields that a child and the supernet it comes from have in common; their names are BERT's.

    Args:
        embedding_size (`int`, *optional*, defaults to `hidden_size`):
            Size of the word, position and token-type embeddings. Where it differs from `hidden_size`, a linear
            projection follows the embeddings, as in NAS-BERT, and the masked-LM head projects back.
        attention_head_size (`int`, *optional*):
            Size of one head. `None`: the heads of an attention split `hidden_size`, as in a plain BERT. With a size,
            `attention-n` has an inner width of n times that size.
    """

    vocab_size: int = 30522
    embedding_size: int | None = None
    hidden_size: int = 256
    attention_head_size: int | None = None
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    classifier_dropout: float | int | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs):
        # Unknown fields are kept, as in every configuration; one that is nearly the name of a field is a slip.
        fields = self.__dataclass_fields__
        for name in kwargs:
            if callable(getattr(type(self), name, None)):
                raise ValueError(f"`{name}` is a method of {type(self).__name__} and cannot be a field.")
            if hasattr(type(self), name) or name in fields:
                continue
            if close := difflib.get_close_matches(name, fields, n=1, cutoff=0.92):
                raise ValueError(f"Unknown field `{name}`; did you mean `{close[0]}`?")
        self._check_before_use(kwargs)
        if self.embedding_size is None:
            self.embedding_size = self.hidden_size
        super().__post_init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict, **kwargs):
        """As in every configuration: a `num_labels` that is passed takes the place of the labels that `config_dict` names."""
        labels = config_dict.get("id2label")
        if isinstance(labels, dict) and kwargs.get("num_labels") not in (None, len(labels)):
            config_dict = {name: value for name, value in config_dict.items() if name not in ("id2label", "label2id")}
        return super().from_dict(config_dict, **kwargs)

    def _check_before_use(self, kwargs: dict) -> None:
        """What the library reads before the validators run: a dtype, and labels, of which it makes a dictionary."""
        for name, value in (("dtype", self.dtype), ("torch_dtype", kwargs.get("torch_dtype"))):
            if value is not None and str(value).removeprefix("torch.") not in _DTYPES:
                raise ValueError(f"`{name}` must be one of {', '.join(_DTYPES)}; got {value!r}.")
        number = kwargs.get("num_labels")
        is_number = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= MAX_LABELS
        if number is not None and not is_number:
            raise ValueError(f"`num_labels` must be an integer from 1 to {MAX_LABELS}, got {number!r}.")
        labels = self.id2label
        if labels is not None and not (isinstance(labels, dict) and all(str(key).isdecimal() for key in labels)):
            raise ValueError(f"`id2label` maps whole numbers to names, got {labels!r}.")
        if None not in (number, labels) and number != len(labels):
            raise ValueError(
                f"`num_labels` is {number}, but `id2label` has {len(labels)} names: leave one of them out."
            )

    def validate_numbers(self):
        """What norms and the initialisation add and draw from is finite and not negative."""
        for name in ("layer_norm_eps", "initializer_range"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"`{name}` must be a number from 0, got {value}.")

    def validate_sizes(self):
        """Sizes are positive, and the padding token is a token."""
        names = ("vocab_size", "hidden_size", "embedding_size", "max_position_embeddings", "type_vocab_size")
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if self.attention_head_size is not None and self.attention_head_size < 1:
            raise ValueError(f"`attention_head_size` must be at least 1 or None, got {self.attention_head_size}.")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"`pad_token_id` must lie in the vocabulary (0 to {self.vocab_size - 1}), got {self.pad_token_id}."
            )

    def validate_activation(self):
        """The activation is one that transformers knows."""
        if self.hidden_act not in ACT2FN:
            close = difflib.get_close_matches(self.hidden_act, ACT2FN, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"Unknown `hidden_act` {self.hidden_act!r}; one of {', '.join(sorted(ACT2FN))}.{hint}")

    def validate_dropout(self):
        """Dropout rates lie in [0, 1)."""
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate < 1:
                raise ValueError(f"`{name}` must lie in [0, 1), got {rate}.")

    def head_size_of(self, operator: Operator) -> int:
        """The size of one head of the attention `operator`."""
        return self.attention_head_size or self.hidden_size // operator.size

    def check_operator(self, operator: Operator) -> None:
        """Raises a `ValueError` where `operator` cannot be built at these sizes."""
        if operator.kind == "attention" and self.attention_head_size is None and self.hidden_size % operator.size:
            raise ValueError(
                f"`{operator}` does not fit: {operator.size} heads do not divide `hidden_size` {self.hidden_size}."
                " Take a divisor, or set `attention_head_size`, with which each head has that size."
            )

    def check_operators(self, operators: Iterable[Operator]) -> None:
        """Raises a `ValueError` where `operators`, all of one model, cannot be built, or not in any memory."""
        hidden, embedding = self.hidden_size, self.embedding_size
        vocabularies = self.vocab_size + self.max_position_embeddings + self.type_vocab_size
        total = vocabularies * embedding + hidden * (2 * embedding + hidden + self.num_labels)
        for operator in operators:
            self.check_operator(operator)
            if operator.kind == "attention":
                total += 4 * hidden * operator.size * self.head_size_of(operator)
            elif operator.kind == "feed_forward":
                total += 2 * hidden * operator.size
            elif operator.kind == "convolution":
                total += hidden * (hidden + operator.size)
        if total > MAX_PARAMETERS:
            raise ValueError(
                f"The sizes are those of a model with {total:.3g} parameters; at most {MAX_PARAMETERS:.3g} are allowed."
                " Make `vocab_size`, `hidden_size` or the operators smaller."
            )


@strict
class SearchedBertConfig(SearchedBertBaseConfig):
    r"""
    Configuration of a child: a BERT-like encoder whose layers are one operator each.

    An encoder that alternates attention and feed-forward is a BERT encoder: `["attention-4", "feed_forward-1024"]`
    is one BERT block with 4 heads and intermediate size 1024.

    Args:
        operators (`list[str]`, *optional*, defaults to `["attention-4", "feed_forward-1024"] * 6`):
            The architecture: one operator a layer, from the first layer to the last.
        num_hidden_layers (`int`, *optional*, defaults to `len(operators)`):
            The number of layers; where given, it has to agree with `operators`.

    Raises:
        ValueError: (wrapped by `huggingface_hub` in a `StrictDataclassError`) for an operator that does not exist or
            does not fit, and for sizes that cannot be.

    Example:

    ```python
    >>> from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM

    >>> config = SearchedBertConfig(hidden_size=128, operators=["attention-4", "convolution-5", "feed_forward-512"])
    >>> model = SearchedBertForMaskedLM(config)
    ```
    """

    model_type = "searched-bert"

    operators: list[str] = field(default_factory=lambda: ["attention-4", "feed_forward-1024"] * 6)
    num_hidden_layers: int | None = None

    def __post_init__(self, **kwargs):
        if self.num_hidden_layers is None:
            self.num_hidden_layers = len(self.operators)
        super().__post_init__(**kwargs)

    def validate_operators(self):
        """Every operator exists and fits."""
        if not self.operators:
            raise ValueError("`operators` is empty; name at least one operator, `identity` included.")
        if self.num_hidden_layers != len(self.operators):
            raise ValueError(
                f"`num_hidden_layers` is {self.num_hidden_layers}, but `operators` names {len(self.operators)}."
            )
        if len(self.operators) > MAX_LAYERS:
            raise ValueError(f"`operators` names {len(self.operators)} operators; at most {MAX_LAYERS} are allowed.")
        self.check_operators(Operator.from_string(operator) for operator in self.operators)


__all__ = ["OPERATOR_KINDS", "Operator", "SearchedBertConfig"]
