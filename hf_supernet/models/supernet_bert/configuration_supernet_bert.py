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

import copy
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from huggingface_hub.dataclasses import strict

from ...candidates import IDENTITY_PLACEMENTS, check_hidden_sizes
from ...search_space import SearchSpace
from ..searched_bert.configuration_searched_bert import (
    MAX_LAYERS,
    Operator,
    SearchedBertBaseConfig,
    SearchedBertConfig,
)


WEIGHT_SHARING = ("separate", "sliced")

MIXTURES = ("layer", "neuron")
"""What has shares of the experts of its own: a whole projection, or each of its neurons."""

EXPERT_OPERATORS = {"feed_forward": ("feed_forward",), "all": ("attention", "feed_forward", "convolution")}
"""Which kinds of operator have experts."""

MAX_EXPERTS = 256
MAX_ROUTER_SIZE = 2**16


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
        hidden_sizes (`list[int]`, *optional*):
            With `weight_sharing="sliced"`: the hidden sizes of the whole network that an architecture may have, written in
            front of it (`"H128:A4-F1024"`); `hidden_size` is the largest of them. Embeddings, operators and heads of a
            narrower network are the first rows and columns of the widest one's. Where `embedding_size` is
            `hidden_size`, a child's is its own hidden size; another one stays as it is.
        identity_placement (`str`, *optional*, defaults to `"anywhere"`):
            Where an architecture may have identities. `"end"`: only behind its last other operator, so that no network
            is counted twice (NAS-BERT).
        plain_children (`bool`, *optional*, defaults to `False`):
            Whether the search space has only those architectures that a plain `BertConfig` can say, so that every child is
            exported as transformers' own BERT; see [`PlainBertSpace`].
        zero_init_branches (`bool`, *optional*, defaults to `False`):
            Whether the output projection of each new operator starts at zero, so that all children begin as one network that
            adds nothing to its embeddings, as in BigNAS, for training from scratch. (There the norm at the end of a branch starts
            at zero; here the norm stands behind the sum.)
        mixture (`str`, *optional*):
            Whether the weights of linear layers depend on the whole architecture, as in Mixture-of-Supernets: they are
            a mixture of experts, weighed by a router that reads `search_space.encode(architecture)`; see
            [`MixedLinear`]. `"layer"`: each layer has one mixture; `"neuron"`: each of its neurons has. `None`: each has
            one weight. A child has plain weights in any case. It goes with either `weight_sharing`: where weights are
            sliced, those of each expert are.
        num_experts (`int`, *optional*, defaults to 2):
            With a `mixture`: the number of experts.
        expert_operators (`str`, *optional*, defaults to `"feed_forward"`):
            With a `mixture`: whether the linear layers of `"feed_forward"` operators have experts, as in the published
            BERTs, or those of `"all"`.
        router_hidden_size (`int`, *optional*, defaults to 128):
            With a `mixture`: the units of a router.
        default_architecture (`str`, *optional*):
            The architecture of a forward pass that names none, in the compact form (`"A4-F1024"`). Defaults to the
            first candidate of every layer, at the largest hidden size; where the space does not have that, as with
            `plain_children` or an identity that `identity_placement="end"` forbids there, to its first architecture.

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
    hidden_sizes: list[int] | None = None
    identity_placement: str = "anywhere"
    plain_children: bool = False
    zero_init_branches: bool = False
    mixture: str | None = None
    num_experts: int = 2
    expert_operators: str = "feed_forward"
    router_hidden_size: int = 128
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

    @property
    def mixed_kinds(self) -> tuple[str, ...]:
        """The kinds of operator whose linear layers have experts."""
        return () if self.mixture is None else EXPERT_OPERATORS[self.expert_operators]

    @property
    def encoding_size(self) -> int:
        """The length of the encoding of an architecture ([`SearchSpace.encode`])."""
        return len(self.hidden_sizes or ()) + sum(map(len, self.layer_candidates))

    @property
    def shares_prefixes(self) -> bool:
        """Whether architectures that begin alike have the same states there: not where weights depend on all of them."""
        return self.mixture is None

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
        owners = itertools.chain.from_iterable(self.layer_owners)
        # An operator that has experts counts as many times; `validate_mixture` says so where these are no numbers for that.
        times = min(max(self.num_experts, 1), MAX_EXPERTS)
        mixed = EXPERT_OPERATORS.get(self.expert_operators, ()) if self.mixture is not None else ()
        self.check_operators(
            operator for owner in owners for operator in [owner] * (times if owner.kind in mixed else 1)
        )

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

    def validate_mixture(self):
        """What a mixture is made of is known, and given with a mixture alone."""
        for name, allowed in (("mixture", (None, *MIXTURES)), ("expert_operators", EXPERT_OPERATORS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(map(str, allowed))}; got {getattr(self, name)!r}."
                )
        for name, most in (("num_experts", MAX_EXPERTS), ("router_hidden_size", MAX_ROUTER_SIZE)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` must be at least 1 and at most {most}, got {getattr(self, name)}.")
        if self.mixture is None:
            for name in ("num_experts", "expert_operators", "router_hidden_size"):
                value = getattr(self, name)
                if value != type(self).__dataclass_fields__[name].default:
                    raise ValueError(
                        f"`{name}` ({value}) is of a mixture of experts, and there is none: set `mixture` to 'layer' or"
                        " 'neuron', or leave it out."
                    )
        elif not any(owner.kind in self.mixed_kinds for owners in self.layer_owners for owner in owners):
            raise ValueError(
                f"`mixture` is {self.mixture!r}, but no candidate is one of {', '.join(self.mixed_kinds)}, which have experts:"
                f" with `expert_operators` {self.expert_operators!r} there is nothing to mix. Set it to 'all', or leave"
                " `mixture` out."
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

    def validate_hidden_sizes(self):
        """Hidden sizes are slices of the largest, which is that of the model, and heads do not depend on them."""
        if self.hidden_sizes is None:
            return
        sizes = ", ".join(map(str, self.hidden_sizes))
        if not check_hidden_sizes(self.hidden_sizes) or max(self.hidden_sizes) != self.hidden_size:
            raise ValueError(
                f"The largest of `hidden_sizes` must be `hidden_size` {self.hidden_size}, of which the others are slices;"
                f" got {sizes or 'none'}."
            )
        if self.weight_sharing != "sliced":
            raise ValueError(
                f"`hidden_sizes` ({sizes}) goes with `weight_sharing='sliced'`, got {self.weight_sharing!r}."
            )
        kinds = {operator.kind for operator in itertools.chain.from_iterable(self.layer_candidates)}
        if self.attention_head_size is None and "attention" in kinds:
            raise ValueError(
                f"With several `hidden_sizes` ({sizes}), set `attention_head_size`: heads that split the hidden size"
                " would have another size in each."
            )
        if self.embedding_size != self.hidden_size and self.embedding_size in self.hidden_sizes:
            raise ValueError(
                f"`embedding_size` {self.embedding_size} is one of `hidden_sizes` ({sizes}), but not the largest: a child"
                " of that size would have no projection behind its embeddings, and the others have one."
            )

    def validate_plain_children(self):
        """With `plain_children`, there are some."""
        if self.plain_children:
            SearchSpace.from_config(self)

    def validate_default_architecture(self):
        """The architecture of a forward pass that names none is one of the space."""
        if self.default_architecture is not None:
            SearchSpace.from_config(self).check(self.default_architecture)

    def at_hidden_size(self, hidden_size: int | None) -> "SupernetBertConfig":
        """
        The same configuration with one hidden size.

        Args:
            hidden_size (`int`, *optional*):
                One of `hidden_sizes`; `None` where that is not searched.

        Raises:
            ValueError: for another one.
        """
        if hidden_size not in (self.hidden_sizes or (None,)):
            raise ValueError(
                f"There is no child of hidden size {hidden_size}: allowed are"
                f" {', '.join(map(str, self.hidden_sizes or (None,)))}."
            )
        if hidden_size is None:
            return self
        config = copy.copy(self)
        if self.embedding_size == self.hidden_size:
            config.embedding_size = hidden_size
        config.hidden_size = hidden_size
        config.hidden_sizes = config.default_architecture = None
        return config

    @property
    def widest_hidden_size(self) -> int | None:
        """The hidden size that an architecture names for the whole width; `None` where the hidden size is not searched."""
        return self.hidden_size if self.hidden_sizes else None

    @property
    def narrower_sizes(self) -> list[int]:
        """The hidden sizes besides the largest."""
        return [size for size in self.hidden_sizes or () if size != self.hidden_size]

    def slices_at(self, hidden_size: int) -> "SupernetBertConfig":
        """What the modules at a smaller hidden size are built from: each is then made a slice of its own one at full size."""
        config = self.at_hidden_size(hidden_size)
        config.weight_sharing, config.kernel_transform = "separate", False
        config.hidden_sizes = self.hidden_sizes  # routers read which one it is
        return config

    def child_config(self, operators: Iterable[Operator], hidden_size: int | None = None) -> SearchedBertConfig:
        """
        The configuration of a child; labels, token ids and sizes are this one's.

        Args:
            operators (`Iterable[Operator]`):
                What it has.
            hidden_size (`int`, *optional*):
                Its hidden size, where that is searched.

        Raises:
            ValueError: for a hidden size that is none of `hidden_sizes`.
        """
        own = set(SupernetBertConfig.__dataclass_fields__) - set(SearchedBertConfig.__dataclass_fields__)
        left_out = (*own, "num_hidden_layers", "model_type", "architectures", "transformers_version", "auto_map")
        values = self.at_hidden_size(hidden_size).to_dict()
        fields = {name: value for name, value in values.items() if name not in left_out}
        return SearchedBertConfig(**fields, operators=[str(operator) for operator in operators])


__all__ = ["SupernetBertConfig"]
