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
"""Sliced projections: modules of smaller sizes whose weights are parts of another module's."""

import torch
from torch import nn
from torch.nn import functional as F

from ..searched_bert.configuration_searched_bert import Operator
from ..searched_bert.modeling_searched_bert import SearchedBertOperator
from .configuration_supernet_bert import SupernetBertConfig
from .mixture import MixedLinear, build_candidate


class SlicedModule(nn.Module):
    """
    Stands where a small module would, and has the first rows and columns of a larger one's weights for its own.

    It is a view: its `weight` and `bias` are made anew from the parent's whenever they are read, and gradients flow
    into the parent's. It holds no parameters, so that saving, optimizers and parameter counts see the parent alone.

    Args:
        owner (`nn.Module`):
            The module that has the parent as a child. The parent is looked up in it each time, since resized embeddings
            or a merged adapter put another module in its place.
        name (`str`):
            The parent's name in `owner`.
        small (`nn.Module`):
            A module of the parent's class in the sizes wanted; only its shapes are read.
    """

    def __init__(self, owner: nn.Module, name: str, small: nn.Module):
        super().__init__()
        self._reference = (owner, name)  # in a tuple, the owner is no submodule
        # None: all there is, however many that will be once embeddings are resized.
        self._sizes = {
            key: tuple(
                None if mine == theirs else mine
                for mine, theirs in zip(value.shape, getattr(self.parent, key).shape, strict=True)
            )
            for key, value in small.named_parameters()
        }

    @property
    def parent(self) -> nn.Module:
        """The module whose weights these are: one with parameters, or a sliced one itself."""
        owner, name = self._reference
        return getattr(owner, name)

    @property
    def weight(self) -> torch.Tensor:
        """The slice of the parent's weight."""
        return _first(self.parent.weight, self._sizes["weight"])

    @property
    def bias(self) -> torch.Tensor:
        """The slice of the parent's bias."""
        return _first(self.parent.bias, self._sizes["bias"])

    def parameters_read(self) -> list[nn.Parameter]:
        """The parameters that the weights are made of, each in its full size."""
        parent = self.parent
        above = parent.parameters_read() if isinstance(parent, SlicedModule) else parent.parameters(recurse=False)
        return [*self.parameters(recurse=False), *above]

    def slices(self) -> dict[str, torch.Tensor]:
        """What the parameters of the small module would be, by name."""
        return {name: getattr(self, name) for name in self._sizes}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={tuple(value.shape)}" for name, value in self.slices().items())


class SlicedLinear(SlicedModule):
    """The first inputs and outputs of a linear layer."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return F.linear(states, self.weight, self.bias)


class SlicedNorm(SlicedModule):
    """A layer norm over the first elements. (transformers would initialise anything with LayerNorm in its name.)"""

    def __init__(self, owner: nn.Module, name: str, small: nn.LayerNorm):
        super().__init__(owner, name, small)
        self.eps = small.eps

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        return F.layer_norm(states, weight.shape, weight, self.bias, self.eps)


class SlicedEmbedding(SlicedModule):
    """The first elements of each embedding."""

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        return F.embedding(indices, self.weight, self.padding_idx)

    @property
    def num_embeddings(self) -> int:
        """How many there are: as many as the parent has."""
        return self.parent.num_embeddings

    @property
    def padding_idx(self) -> int | None:
        """Whose embedding gets no gradient."""
        return self.parent.padding_idx


class SlicedConvolution(SlicedModule):
    """
    The centre of a depthwise convolution's kernel.

    With `transform`, the centre goes through a learned matrix that all channels share, as in [Once-for-All: Train One
    Network and Specialize it for Efficient Deployment](https://huggingface.co/papers/1908.09791) (Cai et al., ICLR
    2020). It starts as the unit matrix, and is the one weight that a smaller candidate owns. As there, a kernel is made
    from the next larger candidate's, transformed already.

    Args:
        owner, name, small:
            As for [`SlicedModule`].
        transform (`bool`, *optional*, defaults to `False`):
            Whether to learn that matrix.
    """

    def __init__(self, owner: nn.Module, name: str, small: nn.Conv2d, transform: bool = False):
        super().__init__(owner, name, small)
        self.kernel_size = small.kernel_size[0]
        self.padding = small.padding
        self.transform = nn.Parameter(torch.empty(self.kernel_size, self.kernel_size)) if transform else None

    @property
    def weight(self) -> torch.Tensor:
        """The centre of the parent's kernels, transformed where that is learned; (hidden, 1, kernel, 1)."""
        weight = self.parent.weight
        weight = weight.narrow(2, (weight.shape[2] - self.kernel_size) // 2, self.kernel_size)
        weight = _first(weight, self._sizes["weight"])
        if self.transform is None:
            return weight
        # A sum of products, which autocast leaves alone, unlike a matrix product: this is a weight, of the precision that is stored.
        return (weight.transpose(-1, -2) * self.transform).sum(-1, keepdim=True)

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        return F.conv2d(channels, weight, self.bias, padding=self.padding, groups=weight.shape[0])


SLICED_CLASSES = {
    nn.Linear: SlicedLinear,
    nn.LayerNorm: SlicedNorm,
    nn.Conv2d: SlicedConvolution,
    nn.Embedding: SlicedEmbedding,
}


def _first(tensor: torch.Tensor, sizes: tuple[int | None, ...]) -> torch.Tensor:
    """The first elements of each dimension; `None` for all of them."""
    for dimension, size in enumerate(sizes):
        if size is not None:
            tensor = tensor.narrow(dimension, 0, size)
    return tensor


def slice_weights(small: nn.Module, parent: nn.Module, kernel_transform: bool = False) -> nn.Module:
    """
    Gives a module the weights of a larger one of the same class: each of its layers becomes a slice of the layer that
    has its name there.

    Args:
        small (`nn.Module`):
            The module in its own sizes, on the meta device; changed in place. It need not have all that the larger one has.
        parent (`nn.Module`):
            The larger one.
        kernel_transform (`bool`, *optional*, defaults to `False`):
            Whether smaller kernels go through a learned matrix.

    Returns:
        `nn.Module`: `small`, without parameters (but for that matrix).

    Raises:
        ValueError: where something has weights that are not those of a linear layer, a norm, a convolution or an
            embedding.
    """
    for name, module in list(small.named_modules()):
        if hasattr(module, "config"):  # the attention implementation is read off it, and can be set there
            module.config = parent.get_submodule(name).config
        sliced_class = SLICED_CLASSES.get(type(module))
        if sliced_class is not None:
            owner, _, leaf = name.rpartition(".")
            options = {"transform": True} if kernel_transform and sliced_class is SlicedConvolution else {}
            small.set_submodule(name, sliced_class(parent.get_submodule(owner), leaf, module, **options))
        elif any(True for _ in module.parameters(recurse=False)):
            raise ValueError(
                f"`{name}`, a {type(module).__name__}, has weights of its own, which `weight_sharing='sliced'` cannot"
                " share: choose another `hidden_act`."
            )
    return small


def build_candidates(config: SupernetBertConfig, candidates: tuple[Operator, ...]) -> dict[str, SearchedBertOperator]:
    """
    The modules of one layer's candidates, by name.

    With `weight_sharing="separate"` each has weights of its own, with `"sliced"` the largest of each kind, of which the
    others are slices. All of an operator is shared then: LayerNorm and the output's bias too, which have the same shape
    in each candidate (a layer norm keeps no statistics that differ from size to size, as a batch norm does).

    Args:
        config ([`SupernetBertConfig`]):
            The sizes, and how weights are shared.
        candidates (`tuple[Operator, ...]`):
            Distinct operators.
    """
    if config.weight_sharing == "separate":
        return {str(operator): build_candidate(config, operator) for operator in candidates}
    built: dict[Operator, SearchedBertOperator] = {}
    for operator in sorted(candidates, reverse=True):  # the largest of a kind first
        larger = [other for other in built if other.kind == operator.kind]
        if not larger:
            built[operator] = build_candidate(config, operator)
            continue
        # A learned kernel is made from the next larger one.
        parent = built[larger[-1 if config.kernel_transform else 0]]
        with torch.device("meta"):
            small = build_candidate(config, operator)
        built[operator] = slice_weights(small, parent, config.kernel_transform)
    return {str(operator): built[operator] for operator in candidates}


def weights_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """
    The weights of an operator or another part, by name, as a child has them: its own, slices, or within [`on_path`] mixtures.
    """
    if isinstance(module, MixedLinear):
        return dict(zip(("weight", "bias"), module.mix(), strict=True))
    weights = module.slices() if isinstance(module, SlicedModule) else dict(module.named_parameters(recurse=False))
    for prefix, part in module.named_children():
        weights |= {f"{prefix}.{name}": tensor for name, tensor in weights_of(part).items()}
    return weights


def parameters_read(operator: SearchedBertOperator) -> list[nn.Parameter]:
    """The parameters that the pass of an operator reads, each in its full size: its own, or those that it slices."""
    return [
        parameter
        for module in operator.modules()
        for parameter in (
            module.parameters_read() if isinstance(module, SlicedModule) else module.parameters(recurse=False)
        )
    ]


__all__ = [
    "SlicedConvolution",
    "SlicedEmbedding",
    "SlicedLinear",
    "SlicedModule",
    "SlicedNorm",
    "build_candidates",
    "parameters_read",
    "slice_weights",
    "weights_of",
]
