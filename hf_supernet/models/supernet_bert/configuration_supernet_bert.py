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
"""SupernetBERT configuration: the candidate operators of every layer."""

import itertools
from collections import Counter
from dataclasses import field

from huggingface_hub.dataclasses import strict

from ...search_space import IDENTITY_PLACEMENTS, SearchSpace
from ..searched_bert.configuration_searched_bert import (
    MAX_LAYERS,
    Operator,
    SearchedBertBaseConfig,
    SearchedBertConfig,
)


WEIGHT_SHARING = ("separate", "sliced")


@strict
class SupernetBertConfig(SearchedBertBaseConfig):
    r"""
    Configuration of a supernet: the fields of [`SearchedBertConfig`], with candidates in place of operators.

    Args:
        num_hidden_layers (`int`, *optional*, defaults to 12):
            The number of layers, that is of operators on a path. A BERT block is two layers.
        candidate_operators (`list[str]` or `list[list[str]]`, *optional*):
            What every layer may choose from, or one list for each layer. Defaults to
            `["attention-4", "feed_forward-1024", "convolution-3", "convolution-5"]`.
        weight_sharing (`str`, *optional*, defaults to `"separate"`):
            `"separate"`: each candidate owns its weights, as in NAS-BERT and MAGIC. `"sliced"`: the candidates of one kind
            in a layer share those of the largest, as in BigNAS and once-for-all: its first heads (which have to have one
            size for that, `attention_head_size`), its first feed-forward units, the centre of its convolution's kernel,
            and all of its norm and output bias.
        kernel_transform (`bool`, *optional*, defaults to `False`):
            With `weight_sharing="sliced"`: whether the centre of a kernel goes through a learned matrix, as in
            once-for-all; see [`SlicedConvolution`].
        identity_placement (`str`, *optional*, defaults to `"anywhere"`):
            Where an architecture may have identities. `"end"`: only behind its last other operator, so that no network
            is counted twice (NAS-BERT).
        default_architecture (`str`, *optional*):
            The architecture of a forward pass that names none, in the compact form (`"A4-F1024"`). Defaults to the
            first candidate of every layer.

    Raises:
        ValueError: (wrapped by `huggingface_hub` in a `StrictDataclassError`) for candidates that do not exist, do not
            fit, come twice or are not one list a layer, for heads of different sizes that would be slices of one
            another, and for a default architecture outside the space.
    """

    model_type = "supernet-bert"

    num_hidden_layers: int = 12
    candidate_operators: list[str] | list[list[str]] = field(
        default_factory=lambda: ["attention-4", "feed_forward-1024", "convolution-3", "convolution-5"]
    )
    weight_sharing: str = "separate"
    kernel_transform: bool = False
    identity_placement: str = "anywhere"
    default_architecture: str | None = None

    @property
    def layer_candidates(self) -> tuple[tuple[Operator, ...], ...]:
        """The candidate operators of each layer, in the order of the configuration."""
        lists = self.candidate_operators
        if not lists or isinstance(lists[0], str):
            lists = [lists] * self.num_hidden_layers
        return tuple(tuple(Operator.from_string(text) for text in candidates) for candidates in lists)

    @property
    def layer_owners(self) -> tuple[tuple[Operator, ...], ...]:
        """Those candidates of each layer that own weights: all, or the largest of each kind where weights are sliced."""
        if self.weight_sharing == "separate":
            return self.layer_candidates
        layers = []
        for candidates in self.layer_candidates:
            largest = {operator.kind: operator for operator in sorted(candidates)}
            layers.append(tuple(operator for operator in candidates if largest[operator.kind] == operator))
        return tuple(layers)

    def validate_candidates(self):
        """One list of distinct candidates that fit for each layer."""
        if not 1 <= self.num_hidden_layers <= MAX_LAYERS:
            raise ValueError(
                f"`num_hidden_layers` must be at least 1 and at most {MAX_LAYERS}, got {self.num_hidden_layers}."
            )
        layers = self.layer_candidates
        if len(layers) != self.num_hidden_layers:
            raise ValueError(
                f"`candidate_operators` has {len(layers)} lists for `num_hidden_layers` {self.num_hidden_layers}; give"
                " one list for all layers, or one for each."
            )
        for index, candidates in enumerate(layers):
            if not candidates:
                raise ValueError(
                    f"Layer {index} has no candidate operator; `identity` is one, where it may be left out."
                )
            doubles = sorted(str(operator) for operator, number in Counter(candidates).items() if number > 1)
            if doubles:
                raise ValueError(f"Layer {index} names a candidate operator twice: {', '.join(doubles)}.")
            for operator in candidates:
                self.check_operator(operator)
        self.check_operators(itertools.chain.from_iterable(self.layer_owners))

    def validate_choices(self):
        """Options that are one of a few words."""
        if self.weight_sharing not in WEIGHT_SHARING:
            raise ValueError(
                f"`weight_sharing` must be one of {', '.join(WEIGHT_SHARING)}; got {self.weight_sharing!r}."
            )
        if self.identity_placement not in IDENTITY_PLACEMENTS:
            raise ValueError(
                f"`identity_placement` must be one of {', '.join(IDENTITY_PLACEMENTS)}; got {self.identity_placement!r}."
            )

    def validate_slices(self):
        """Heads that are slices of one another have one size, and only kernels that are slices are transformed."""
        if self.weight_sharing == "separate":
            if self.kernel_transform:
                raise ValueError(
                    "`kernel_transform` makes small kernels from larger ones: it goes with `weight_sharing='sliced'`, got"
                    " 'separate'."
                )
            return
        for index, candidates in enumerate(self.layer_candidates):
            attentions = [str(operator) for operator in candidates if operator.kind == "attention"]
            if self.attention_head_size is None and len(attentions) > 1:
                raise ValueError(
                    f"Layer {index} has {', '.join(attentions)}, which split `hidden_size` into heads of different sizes:"
                    " none is a slice of another. With `weight_sharing='sliced'`, set `attention_head_size`."
                )

    def validate_default_architecture(self):
        """The architecture of a forward pass that names none is one of the space."""
        if self.default_architecture is not None:
            SearchSpace.from_config(self).check(self.default_architecture)

    def child_config(self, operators: tuple[Operator, ...]) -> SearchedBertConfig:
        """The configuration of the child that has these operators; labels, token ids and sizes are this one's."""
        own = set(SupernetBertConfig.__dataclass_fields__) - set(SearchedBertConfig.__dataclass_fields__)
        left_out = (*own, "num_hidden_layers", "model_type", "architectures", "transformers_version", "auto_map")
        fields = {name: value for name, value in self.to_dict().items() if name not in left_out}
        return SearchedBertConfig(**fields, operators=[str(operator) for operator in operators])


__all__ = ["SupernetBertConfig"]
