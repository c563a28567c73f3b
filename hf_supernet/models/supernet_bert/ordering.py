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
All that slices are taken of, put in order at once: heads, feed-forward units and hidden states.
"""

from collections.abc import Iterable, Mapping

import torch

from .hidden_importance import magnitude_of_hidden, order_hidden
from .importance import gradient_importance, magnitude_importance, order_by_importance
from .modeling_supernet_bert import SupernetBertPreTrainedModel


IMPORTANCES = ("gradient", "magnitude")


def order_slices(
    model: SupernetBertPreTrainedModel,
    importance: str = "magnitude",
    batches: Iterable[Mapping[str, torch.Tensor]] = (),
) -> None:
    """
    Puts what matters in front, so that small children keep it: heads and feed-forward units where a layer has several sizes
    of them, and the elements of the hidden states where there are several hidden sizes. What the largest child puts out stays
    the same.

    Args:
        model ([`SupernetBertForMaskedLM`] or another supernet with a head):
            With `weight_sharing="sliced"` and without a mixture. Changed in place.
        importance (`str`, *optional*, defaults to `"magnitude"`):
            What orders heads and units: `"magnitude"` ([`magnitude_importance`]) or `"gradient"` ([`gradient_importance`]). The
            elements of the hidden states go by magnitude.
        batches (`Iterable[Mapping[str, torch.Tensor]]`, *optional*):
            With labels, for `"gradient"`.

    Raises:
        ValueError: for another importance, where weights are not sliced or are mixtures, and for `"gradient"` without a batch.
    """
    if importance not in IMPORTANCES:
        raise ValueError(f"`importance` must be one of {', '.join(IMPORTANCES)}; got {importance!r}.")
    scores = magnitude_importance(model)
    if scores and importance == "gradient":
        scores = gradient_importance(model, batches)
    order_by_importance(model, scores)
    if model.config.hidden_sizes:
        order_hidden(model, magnitude_of_hidden(model))


__all__ = ["IMPORTANCES", "order_slices"]
