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
"""Weights of which a step trains a slice: what the optimizer does to the rest of them."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.utils.hooks import RemovableHandle

from ..architecture import Architecture
from ..models.supernet_bert import SupernetBertPreTrainedModel
from ..models.supernet_bert.sliced import SlicedConvolution, SlicedModule


RESTED_SLICES = ("move", "restore")
"""As PyTorch does, or as [`restore_rested_slices`] does."""


def restore_rested_slices(
    optimizer: Optimizer, model: SupernetBertPreTrainedModel, architectures: Callable[[], list[Architecture]]
) -> list[RemovableHandle]:
    """
    Leaves alone what lies outside the slices that a step trains.

    A sliced candidate has a part of the largest one's weights. The gradient of the rest is zero, but it is there: the optimizer
    moves the whole weight by its moments, lets these decay, and lets the weight decay. From now on, what lies outside all slices
    of a step's paths is afterwards what it was before, weights and moments. (BigNAS and once-for-all do not do that. A step that
    trains the largest path, as each of a sandwich does, trains all of its weights: there this is for layers with candidates of
    several kinds, and for transformed kernels.)

    The number of steps, by which Adam corrects the bias of its moments, is one for the whole weight and goes on. The embeddings of
    tokens that a batch lacks do not rest in this sense.

    Args:
        optimizer ([`~torch.optim.AdamW`], [`~torch.optim.Adam`] or [`~torch.optim.SGD`]):
            In any of PyTorch's implementations. Call this once for it. Nothing is added to its state.
        model ([`SupernetBertForMaskedLM`] or another supernet with a head):
            The supernet, with `weight_sharing="sliced"`.
        architectures (`Callable[[], list[Architecture]]`):
            Says in front of a step of the optimizer what it trains.

    Returns:
        `list[RemovableHandle]`: their `remove()` ends this.

    Raises:
        ValueError: for another optimizer, and for a supernet without slices.
    """
    if not isinstance(optimizer, Adam | AdamW | SGD):
        raise ValueError(
            f"`rested_slices='restore'` is for PyTorch's AdamW, Adam and SGD, got {type(optimizer).__name__}: set"
            " `optim='adamw_torch_fused'`, or leave `rested_slices` at 'move'."
        )
    if model.config.weight_sharing != "sliced":
        raise ValueError(
            f"`rested_slices='restore'` goes with `weight_sharing='sliced'`, got {model.config.weight_sharing!r}: a candidate that"
            " owns its weights and is not trained has no gradient, and rests anyway. Leave it at 'move'."
        )
    before: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    without_moments: list[tuple[nn.Parameter, torch.Tensor]] = []

    def moments_of(parameter: nn.Parameter) -> list[torch.Tensor]:
        state = optimizer.state.get(parameter, {}).values()
        return [value for value in state if torch.is_tensor(value) and value.shape == parameter.shape]

    @torch.no_grad()
    def keep(*_) -> None:
        for parameter, trained in trained_slices(model, architectures()):
            if parameter.grad is None or trained.all():
                continue
            moments = moments_of(parameter)
            before.extend((tensor, ~trained, tensor[~trained]) for tensor in (parameter, *moments))
            if not moments:
                without_moments.append((parameter, ~trained))

    @torch.no_grad()
    def restore(*_) -> None:
        for tensor, outside, values in before:
            tensor[outside] = values
        # Moments begin at zero, and Adam and SGD add the decay of weights to the very first gradient.
        for parameter, outside in without_moments:
            for moment in moments_of(parameter):
                moment[outside] = 0
        before.clear()
        without_moments.clear()

    return [optimizer.register_step_pre_hook(keep), optimizer.register_step_post_hook(restore)]


def trained_slices(
    model: SupernetBertPreTrainedModel, architectures: Iterable[Architecture]
) -> Iterator[tuple[nn.Parameter, torch.Tensor]]:
    """
    What a step trains of the weights that it reads in part.

    Args:
        model ([`SupernetBertForMaskedLM`] or another supernet with a head):
            The supernet.
        architectures (`Iterable[Architecture]`):
            The paths of the step.

    Yields:
        `tuple[nn.Parameter, torch.Tensor]`: the weight, and a mask of its shape, `True` where one of the paths reads it. Weights
        of which a path reads all, or none of them anything, are left out.
    """
    masks: dict[nn.Parameter, torch.Tensor | None] = {}
    for architecture in architectures:
        for part in _parts(model, architecture):
            for module in part.modules():
                _mark(masks, module)
    return ((parameter, mask) for parameter, mask in masks.items() if mask is not None)


def _parts(model: SupernetBertPreTrainedModel, architecture: Architecture) -> Iterator[nn.Module]:
    """All that the pass of an architecture runs."""
    size = architecture.hidden_size
    network = model.base_model.network(size)
    yield network.embeddings
    yield from (network.encoder.layer[index][str(operator)] for index, operator in enumerate(architecture))
    if network.pooler is not None:
        yield network.pooler
    narrower = model.narrower_heads
    yield narrower[str(size)] if str(size) in narrower else model.get_submodule(model.head_name)


def _mark(masks: dict[nn.Parameter, torch.Tensor | None], module: nn.Module) -> None:
    """Takes in what one module reads; `None` stands for all of a weight."""
    if not isinstance(module, SlicedModule):
        masks |= dict.fromkeys(module.parameters(recurse=False))
        return
    slices = module.slices()
    if isinstance(module, SlicedConvolution):
        _mark_kernel(masks, module, len(slices.pop("weight")), 0, module.kernel_size)
    root = module.parent
    while isinstance(root, SlicedModule):
        root = root.parent
    for name, tensor in slices.items():
        _mark_part(masks, getattr(root, name), tuple(map(slice, tensor.shape)))


def _mark_kernel(
    masks: dict[nn.Parameter, torch.Tensor | None], module: nn.Module, channels: int, start: int, size: int
) -> None:
    """Of a convolution's kernel, `size` places from `start` on; a slice has them from the centre of its parent's."""
    if not isinstance(module, SlicedConvolution):
        _mark_part(masks, module.weight, (slice(channels), slice(None), slice(start, start + size)))
        return
    if module.transform is not None:  # each place is made from all of the centre
        _mark_part(masks, module.transform, (slice(start, start + size),))
        start, size = 0, module.kernel_size
    parent = module.parent
    larger = parent.kernel_size if isinstance(parent, SlicedConvolution) else parent.kernel_size[0]
    _mark_kernel(masks, parent, channels, start + (larger - module.kernel_size) // 2, size)


def _mark_part(
    masks: dict[nn.Parameter, torch.Tensor | None], parameter: nn.Parameter, part: tuple[slice, ...]
) -> None:
    if parameter not in masks:
        masks[parameter] = torch.zeros_like(parameter, dtype=torch.bool)
    if masks[parameter] is not None:
        masks[parameter][part] = True


__all__ = ["RESTED_SLICES", "restore_rested_slices", "trained_slices"]
