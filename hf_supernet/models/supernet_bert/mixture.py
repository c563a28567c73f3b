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
"""Mixed projections: linear layers whose weights are a mixture of experts, weighed by the architecture that runs."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn import functional as F

from ..searched_bert.configuration_searched_bert import Operator
from ..searched_bert.modeling_searched_bert import (
    SearchedBertAttention,
    SearchedBertConvolution,
    SearchedBertFeedForward,
    SearchedBertOperator,
    build_operator,
)
from .configuration_supernet_bert import SupernetBertConfig


_running = threading.local()


@contextmanager
def on_path(encoding: torch.Tensor | None) -> Iterator[None]:
    """
    Within this context, in this thread, mixed projections have the weights of one architecture.

    An operator enters it in its own forward pass, so that a pass that is repeated for the backward pass (gradient
    checkpointing) mixes the same weights, whatever has run in between.

    Args:
        encoding (`torch.Tensor` of shape `(encoding_size,)`, *optional*):
            Of the whole architecture, from [`~SupernetBertModel.encode_path`]; `None`: no mixed projection can run.
    """
    before = getattr(_running, "encoding", None)
    _running.encoding = encoding
    try:
        yield
    finally:
        _running.encoding = before


class ExpertRouter(nn.Module):
    """
    How much each expert counts for an architecture: a softmax behind two linear layers with a ReLU between them.

    Args:
        config ([`SupernetBertConfig`]):
            With a `mixture`.
        out_features (`int`):
            The neurons of the projection.
    """

    def __init__(self, config: SupernetBertConfig, out_features: int):
        super().__init__()
        self.num_experts = config.num_experts
        num_mixtures = out_features if config.mixture == "neuron" else 1
        self.hidden = nn.Linear(config.encoding_size, config.router_hidden_size)
        # Neuron after neuron, so that those of a slice are the first.
        self.output = nn.Linear(config.router_hidden_size, num_mixtures * config.num_experts)

    def forward(self, encoding: torch.Tensor) -> torch.Tensor:
        """The shares of the experts, of shape `(neurons, experts)` or `(1, experts)`; each row sums to 1."""
        return self.output(F.relu(self.hidden(encoding))).view(-1, self.num_experts).softmax(dim=-1)


class MixedLinear(nn.Module):
    """
    A linear layer with several weights, the experts, of which each architecture has a mixture of its own: [Mixture-of-Supernets:
    Improving Weight-Sharing Supernet Training with Architecture-Routed
    Mixture-of-Experts](https://huggingface.co/papers/2306.04845) (Jawahar et al., Findings of ACL 2024).

    Not outputs are mixed but weights and biases, so that one projection is run, and a child has one. They are mixed anew in each pass,
    in the precision of the experts also under autocast. (Whether the router has a ReLU, and that biases are mixed as weights are, is
    our choice.)

    Args:
        config ([`SupernetBertConfig`]):
            With a `mixture`.
        in_features, out_features (`int`):
            The sizes.
    """

    def __init__(self, config: SupernetBertConfig, in_features: int, out_features: int):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(in_features, out_features) for _ in range(config.num_experts))
        self.router = ExpertRouter(config, out_features)

    def mix(self) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Weight and bias of the architecture that runs.

        Raises:
            RuntimeError: where none runs.
        """
        encoding = getattr(_running, "encoding", None)
        if encoding is None:
            raise RuntimeError(
                "Mixed weights are those of a whole architecture, and none is running: call the model, or the layers by"
                " `run_layers`; `extract_child` makes plain weights of them."
            )
        # The meta device, on which weights are only counted, knows no autocast.
        with nullcontext() if encoding.is_meta else torch.autocast(encoding.device.type, enabled=False):
            shares = self.router(encoding).unbind(dim=1)
            pairs = list(zip(shares, self.experts, strict=True))
            weight = functools.reduce(torch.add, [share[:, None] * expert.weight for share, expert in pairs])
            bias = functools.reduce(torch.add, [share * expert.bias for share, expert in pairs])
        return weight, bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return F.linear(states, *self.mix())


class MixedOperator(SearchedBertOperator):
    """Runs an operator on the path of an architecture, the code being that of the plain operator."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        path_encoding: torch.Tensor | None = None,
        **kwargs,
    ) -> torch.Tensor:
        with on_path(path_encoding):
            return super().forward(hidden_states, attention_mask, token_mask, **kwargs)


class MixedAttention(MixedOperator, SearchedBertAttention):
    """`attention-n` with mixed projections."""


class MixedFeedForward(MixedOperator, SearchedBertFeedForward):
    """`feed_forward-n` with mixed projections."""


class MixedConvolution(MixedOperator, SearchedBertConvolution):
    """`convolution-k` with a mixed pointwise projection; its depthwise kernel is plain."""


MIXED_CLASSES = {
    "attention": MixedAttention,
    "feed_forward": MixedFeedForward,
    "convolution": MixedConvolution,
}


def build_candidate(config: SupernetBertConfig, operator: Operator) -> SearchedBertOperator:
    """The module of a candidate; with a `mixture`, each linear layer of the operators that have experts is a mixed one."""
    if operator.kind not in config.mixed_kinds:
        return build_operator(config, operator)
    module = MIXED_CLASSES[operator.kind](config, operator)
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Linear):
            module.set_submodule(name, MixedLinear(config, part.in_features, part.out_features))
    return module


def linears_of(projection: nn.Module) -> list[nn.Module]:
    """The modules that hold the weights of a projection: its experts, or itself alone."""
    return list(projection.experts) if isinstance(projection, MixedLinear) else [projection]


__all__ = ["ExpertRouter", "MixedLinear", "MixedOperator", "build_candidate", "linears_of", "on_path"]
