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
Zero-cost proxies: figures of a child at its initialisation that are to foretell how good it will be.

From "Zero-Cost Proxies for Lightweight NAS" (Abdelfattah et al., ICLR 2021, https://huggingface.co/papers/2101.08134),
made for convolutional networks. Of a child only the operators count: embeddings and head are the same for all. Higher is
better; rankings that take losses want them with a minus sign.
"""

import copy
from collections.abc import Mapping

import torch
from torch import nn

from ..models.searched_bert.modeling_searched_bert import SearchedBertPreTrainedModel


def grad_norm(child: SearchedBertPreTrainedModel, batch: Mapping[str, torch.Tensor]) -> float:
    """
    The Euclidean norm of the loss's gradient with respect to each weight matrix, summed over the operators' linear layers
    and convolutions; biases and norms are left out, as in the paper.

    The child runs in evaluation mode. Its gradients (`.grad`) and its mode stay as they were.

    Args:
        child ([`SearchedBertForMaskedLM`] or another SearchedBERT model with a head):
            As it was initialised.
        batch (`Mapping[str, torch.Tensor]`):
            With labels, collated.

    Returns:
        `float`: 0.0 for a child of identities alone.

    Raises:
        ValueError: for a batch without labels.
    """
    if "labels" not in batch:
        raise ValueError(f"A batch needs `labels`; this one has {', '.join(batch)}.")
    modules = child.base_model.encoder.modules()
    weights = [module.weight for module in modules if isinstance(module, nn.Linear | nn.Conv2d)]
    if not weights:
        return 0.0
    was_training = child.training
    child.eval()
    try:
        with torch.enable_grad():
            loss = child(**{name: tensor.to(child.device) for name, tensor in batch.items()}).loss
            gradients = torch.autograd.grad(loss, weights)
    finally:
        child.train(was_training)
    return sum(float(gradient.norm()) for gradient in gradients)


def synflow(child: SearchedBertPreTrainedModel, sequence_length: int) -> float:
    """
    The synaptic flow: how much all weights, taken as positive, together pass on.

    [Pruning neural networks without any data by iteratively conserving synaptic
    flow](https://huggingface.co/papers/2006.05467) (Tanaka et al., NeurIPS 2020): all weights are replaced by their absolute
    values, all-ones go in, R is the sum of what comes out, and the score is the sum of |weight * dR/dweight|.

    Adapted to these models (our choice): what goes in are all-ones hidden states in front of the first operator; layer
    norms, which make zeros of states without differences, and activations, which for the paper's ReLU are the identity on
    positive numbers, are taken out; R is summed over the output of the last operator. The positions of a sequence are
    then alike, but for the edges that convolutions see: an attention averages its values, and its queries and keys score
    next to nothing. Computed in float64, since the flow grows with every layer.

    Args:
        child ([`SearchedBertForMaskedLM`] or another SearchedBERT model):
            As it was initialised. It is not changed.
        sequence_length (`int`):
            The number of tokens.

    Returns:
        `float`: 0.0 for a child of identities alone.
    """
    encoder = _without_norms(child.base_model.encoder)
    weights = list(encoder.parameters())
    if not weights:
        return 0.0
    ones = torch.ones((1, sequence_length, child.config.hidden_size), dtype=torch.float64, device=child.device)
    with torch.enable_grad():
        gradients = torch.autograd.grad(encoder(ones).last_hidden_state.sum(), weights)
    return sum(
        float((weight.detach() * gradient).abs().sum()) for weight, gradient in zip(weights, gradients, strict=True)
    )


def _without_norms(encoder: nn.Module) -> nn.Module:
    """A copy in float64 with positive weights, without layer norms, activations and dropout."""
    twin = copy.deepcopy(encoder).double().eval()
    for module in list(twin.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.LayerNorm) or name == "activation":
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for weight in twin.parameters():
            weight.abs_()
    return twin.requires_grad_(True)


__all__ = ["grad_norm", "synflow"]
