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
"""
Which heads and feed-forward units matter, and putting those in front: a slice of a sliced supernet keeps the first ones.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from ...architecture import Architecture
from ..searched_bert.configuration_searched_bert import Operator
from .modeling_supernet_bert import SupernetBertPreTrainedModel


ORDERED_KINDS = ("attention", "feed_forward")
"""Whose heads or units can change places; a convolution's kernel cannot."""

Importance = dict[tuple[int, str], torch.Tensor]
"""By layer and kind, a score for each head or unit of the largest candidate there, of shape `(size of that candidate,)`."""


def magnitude_importance(model: SupernetBertPreTrainedModel) -> Importance:
    """
    The sum of the absolute values of all weights of a head or unit, biases included, as channels are sorted in
    [Once-for-All: Train One Network and Specialize it for Efficient
    Deployment](https://huggingface.co/papers/1908.09791) (Cai et al., ICLR 2020). It needs no data.

    Where the output projection reads a head or unit with zeros alone, it counts for nothing and its score is 0 (that is ours): so
    `from_bert` adds heads and units beyond BERT's own, which belong behind them.

    Args:
        model ([`SupernetBertForMaskedLM`] or another supernet):
            With `weight_sharing="sliced"`.

    Returns:
        `dict[tuple[int, str], torch.Tensor]`: scores by layer and kind, for each kind of which a layer has several
        candidates.

    Raises:
        ValueError: where weights are not sliced.
    """
    importance = {}
    with torch.no_grad():
        for layer, operator in _ordered_operators(model):
            readers, writer = _projections(model, layer, operator)
            written = writer.weight.float().abs().sum(0)
            scores = written.clone()
            for reader in readers:
                scores += reader.weight.float().abs().sum(1) + reader.bias.float().abs()
            scores, written = (values.view(operator.size, -1).sum(1) for values in (scores, written))
            importance[layer, operator.kind] = scores.where(written > 0, 0.0)
    return importance


def gradient_importance(
    model: SupernetBertPreTrainedModel,
    batches: Iterable[Mapping[str, torch.Tensor]],
    architecture: Architecture | str | None = None,
) -> Importance:
    """
    How much the loss would change, to first order, if a head or unit were left out: |sum of weight * gradient|.

    After [Are Sixteen Heads Really Better than One?](https://huggingface.co/papers/1905.10650) (Michel et al., NeurIPS
    2019) for heads, and [Importance Estimation for Neural Network Pruning](https://huggingface.co/papers/1906.10771)
    (Molchanov et al., CVPR 2019) for units. The sum runs over the weights with which the output projection reads a head
    or unit: that is the derivative of the loss by a factor in front of its output. (Summed over all its weights, the
    same effect would count several times.) Absolute values are taken for each batch, then averaged; the first paper
    takes them for each example, the second squares. No scores are normalised, as they are compared within a layer alone.

    Args:
        model ([`SupernetBertForMaskedLM`] or a supernet with another head):
            With `weight_sharing="sliced"`. Its mode, its gradients and its weights stay as they are. Frozen weights
            matter as others do, and stay frozen.
        batches (`Iterable[Mapping[str, torch.Tensor]]`):
            With labels, collated. Small batches tell more of single examples, and cost more.
        architecture ([`Architecture`] or `str`, *optional*, defaults to `config.default_architecture`):
            The path on which importance is measured, each operator on it in its largest size.

    Returns:
        `dict[tuple[int, str], torch.Tensor]`: scores by layer and kind, for the operators on that path which have
        smaller candidates of their kind beside them.

    Raises:
        ValueError: where weights are not sliced, for no batch, a batch without labels, and where there is nothing to
            order on the path.
    """
    path = _widest(model, architecture)
    ordered = set(_ordered_operators(model))
    operators = [place for place in enumerate(path) if place in ordered]
    if not operators:
        raise ValueError(
            f"No attention and no feed-forward of '{path}' has a smaller candidate beside it: there is nothing to order."
        )
    writers = [_projections(model, layer, operator)[1].weight for layer, operator in operators]
    sums = [torch.zeros(operator.size, device=model.device) for _, operator in operators]
    count = 0
    was_training, frozen = model.training, [weight for weight in writers if not weight.requires_grad]
    model.eval()
    try:
        for weight in frozen:
            weight.requires_grad_(True)
        for batch in batches:
            count += 1
            gradients = _gradients(model, batch, path, writers)
            for total, weight, gradient in zip(sums, writers, gradients, strict=True):
                products = (weight.detach().float() * gradient.float()).sum(0)
                total += products.view(len(total), -1).sum(1).abs()
    finally:
        model.train(was_training)
        for weight in frozen:
            weight.requires_grad_(False)
    if not count:
        raise ValueError("`batches` is empty: pass at least one.")
    return {(layer, operator.kind): total / count for (layer, operator), total in zip(operators, sums, strict=True)}


def _widest(model: SupernetBertPreTrainedModel, architecture: Architecture | str | None) -> Architecture:
    """The same kinds of operator, each in the largest size that its layer has, at the largest hidden size."""
    path = model.resolve_architecture(architecture)
    path = Architecture(path.operators, model.config.widest_hidden_size)
    for layer, owners in enumerate(model.config.layer_owners):
        path = path.replace(layer, next(owner for owner in owners if owner.kind == path[layer].kind))
    if path not in model.search_space:
        raise ValueError(
            f"Importance is that of the largest candidates of all layers together, and '{path}' is no path of this space: with"
            " `plain_children`, give all layers the same largest candidates, or order by `magnitude_importance`."
        )
    return path


def _gradients(
    model: SupernetBertPreTrainedModel,
    batch: Mapping[str, torch.Tensor],
    architecture: Architecture,
    weights: list[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
    for name in model.label_arguments:
        if name not in batch:
            raise ValueError(f"A batch needs `{name}`; this one has {', '.join(batch)}.")
    with torch.enable_grad():
        return torch.autograd.grad(model(**batch, architecture=architecture).loss, weights)


@torch.no_grad()
def order_by_importance(model: SupernetBertPreTrainedModel, importance: Importance) -> None:
    """
    Puts the most important heads and units in front, in place, so that slices keep them.

    The outputs of architectures with the largest candidates stay the same (up to the order in which numbers are added);
    smaller candidates become others. Do it before training: an optimizer's moments stay where they are.

    Args:
        model ([`SupernetBertForMaskedLM`] or another supernet):
            With `weight_sharing="sliced"`.
        importance (`dict[tuple[int, str], torch.Tensor]`):
            From [`magnitude_importance`] or [`gradient_importance`]. What it does not name stays as it is.

    Raises:
        ValueError: where weights are not sliced, and where scores are not those of this model; nothing is changed then.

    Example:

    ```python
    >>> supernet = SupernetBertForMaskedLM.from_bert(bert, ["A12", "A6", "F3072", "F1024"], weight_sharing="sliced")
    >>> order_by_importance(supernet, gradient_importance(supernet, batches))
    ```
    """
    largest = {(layer, operator.kind): operator for layer, operator in _ordered_operators(model)}
    for place, scores in importance.items():
        if place not in largest:
            raise ValueError(
                f"`importance` has scores for {place}, but a layer and kind with several sizes is one of"
                f" {', '.join(map(str, largest))}."
            )
        if scores.shape != (largest[place].size,) or not scores.isfinite().all():
            raise ValueError(
                f"The scores for {place} must be {largest[place].size} finite numbers, one for each head or unit of"
                f" `{largest[place]}`; got a tensor of shape {tuple(scores.shape)} or one with NaN."
            )
    for (layer, kind), scores in importance.items():
        readers, writer = _projections(model, layer, largest[layer, kind])
        order = scores.argsort(descending=True, stable=True).to(writer.weight.device)
        positions = torch.arange(writer.in_features, device=order.device).view(len(order), -1)[order].flatten()
        for reader in readers:
            reader.weight.copy_(reader.weight[positions])
            reader.bias.copy_(reader.bias[positions])
        writer.weight.copy_(writer.weight[:, positions])


def _ordered_operators(model: SupernetBertPreTrainedModel) -> list[tuple[int, Operator]]:
    """The largest candidate of each kind of which a layer has several, where order decides what a slice keeps."""
    config = model.config
    if config.weight_sharing != "sliced":
        raise ValueError(
            f"The order of heads and units matters with `weight_sharing='sliced'`; this model has"
            f" {config.weight_sharing!r}."
        )
    refuse_mixture(model)
    return [
        (layer, owner)
        for layer, (owners, candidates) in enumerate(zip(config.layer_owners, config.layer_candidates, strict=True))
        for owner in owners
        if owner.kind in ORDERED_KINDS and sum(other.kind == owner.kind for other in candidates) > 1
    ]


def refuse_mixture(model: SupernetBertPreTrainedModel) -> None:
    """Raises a `ValueError` where weights are mixed: experts would each have an order of their own."""
    if model.config.mixture is not None:
        raise ValueError(
            f"`mixture` is {model.config.mixture!r}: each projection has {model.config.num_experts} experts, of which one order can't"
            " put the most important parts in front. Order supernets without a mixture."
        )


def _projections(
    model: SupernetBertPreTrainedModel, layer: int, operator: Operator
) -> tuple[list[nn.Linear], nn.Linear]:
    """What makes the heads or units of an operator, and what reads them."""
    module = model.base_model.encoder.layer[layer][str(operator)]
    if operator.kind == "attention":
        return [module.self.query, module.self.key, module.self.value], module.output
    return [module.intermediate], module.output


__all__ = ["gradient_importance", "magnitude_importance", "order_by_importance"]
