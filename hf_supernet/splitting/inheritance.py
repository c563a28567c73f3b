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
"""What a supernet that is split off has from the whole one: weights, and the optimizer's state."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..models.supernet_bert import SupernetBertConfig, SupernetBertPreTrainedModel
from ..models.supernet_bert.sliced import weights_of


_LAYERS = "encoder.layer."


def split_off(whole: SupernetBertPreTrainedModel, config: SupernetBertConfig) -> SupernetBertPreTrainedModel:
    """
    A supernet of fewer candidates, with a copy of the weights that these have in the whole one: the same logits on each path.

    Args:
        whole ([`SupernetBertForMaskedLM`] or a supernet with another head):
            The supernet that is split.
        config ([`SupernetBertConfig`]):
            One of [`Split.configs`] of its configuration.

    Returns:
        A supernet of the same class, on the same device, of the same dtype and in the same mode (training or evaluation).

    Raises:
        ValueError: for a supernet without a head, and one with adapters.
    """
    if whole.base_model is whole:
        raise ValueError(
            f"A {type(whole).__name__} has no head, and no loss to be split by: pass a supernet with one."
        )
    if any(".base_layer." in name for name, _ in whole.named_parameters()):
        raise ValueError("A supernet with adapters can't be split: call `hf_supernet.peft.merge_lora` first.")
    # Built without storage: nothing is allocated twice, and no random number is drawn.
    with torch.device("meta"):
        leaf = type(whole)(config)
    leaf.load_state_dict(restrict(dict(whole.named_parameters()), whole, leaf), assign=True, strict=False)
    leaf.tie_weights()
    return leaf.train(whole.training)


def restrict(
    tensors: Mapping[str, torch.Tensor], whole: SupernetBertPreTrainedModel, leaf: SupernetBertPreTrainedModel
) -> dict[str, torch.Tensor]:
    """
    Of tensors that belong to the weights of a supernet, those that belong to the weights of one that is split off: copies.

    Where weights are sliced, the largest candidate that is left of a kind has a slice of the largest one's before.

    Args:
        tensors (`dict[str, torch.Tensor]`):
            By the names of the whole supernet's parameters, in their shapes: they themselves, or moments of them. What is not
            there is left out.
        whole, leaf (`SupernetBertPreTrainedModel`):
            The two supernets; only names and shapes are read.
    """
    detached = {name: tensor.detach() for name, tensor in tensors.items()}
    found, slices = {}, {}
    for name, parameter in leaf.named_parameters():
        tensor = detached.get(origin_of(name, whole.config))
        if tensor is not None:
            (found if tensor.shape == parameter.shape else slices)[name] = tensor
    if slices:
        with torch.device("meta"):
            holder = type(whole)(whole.config)
        holder.load_state_dict(detached, assign=True, strict=False)
        found |= {name: _slice_of(name, holder) for name in slices}
    return {name: tensor.clone() for name, tensor in found.items()}


def _slice_of(name: str, model: SupernetBertPreTrainedModel) -> torch.Tensor:
    """The weight of a sliced candidate."""
    prefix, _, tail = name.partition(_LAYERS)
    index, operator, weight = tail.split(".", 2)
    return weights_of(model.get_submodule(f"{prefix}{_LAYERS}{index}.{operator}"))[weight].detach()


def origin_of(name: str, config: SupernetBertConfig) -> str:
    """
    The parameter of the whole supernet that has the weight `name` of one that is split off, or of which it is a slice.

    Args:
        name (`str`):
            The name of a parameter.
        config ([`SupernetBertConfig`]):
            The whole supernet's.
    """
    prefix, is_operator, tail = name.partition(_LAYERS)
    if not is_operator or config.weight_sharing == "separate":
        return name
    index, operator, weight = tail.split(".", 2)
    if weight.rpartition(".")[2] == "transform":  # the one weight that a smaller candidate owns
        return name
    kind = operator.partition("-")[0]
    owner = next(owner for owner in config.layer_owners[int(index)] if owner.kind == kind)
    return f"{prefix}{_LAYERS}{index}.{owner}.{weight}"


def restrict_optimizer_state(
    state: Mapping[str, Any],
    whole: SupernetBertPreTrainedModel,
    whole_optimizer: torch.optim.Optimizer,
    leaf: SupernetBertPreTrainedModel,
    leaf_optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """
    The state of the optimizer of a supernet that is split off, from that of the whole one's.

    What an optimizer keeps of a weight is inherited as it is, and where the weight is a slice now, sliced as it is.

    Args:
        state (`dict[str, Any]`):
            The `state_dict` of the whole supernet's optimizer.
        whole, leaf (`SupernetBertPreTrainedModel`):
            The two supernets.
        whole_optimizer, leaf_optimizer (`torch.optim.Optimizer`):
            Optimizers of theirs, for the order of the weights; made in the same way.

    Raises:
        ValueError: where the optimizer keeps something of a weight that is a slice now, in another shape.
    """
    whole_names, leaf_names = names_of_groups(whole, whole_optimizer), names_of_groups(leaf, leaf_optimizer)
    flat = [name for names in whole_names for name in names]
    by_name = {flat[index]: values for index, values in state["state"].items()}
    restricted = _restrict_states(by_name, whole, leaf)
    # Which group a weight is in depends on the largest path where that alone is regularised, and a part has another.
    places = {name: (group, place) for group, names in enumerate(whole_names) for place, name in enumerate(names)}
    groups, states, start = [], {}, 0
    for names, before, group in zip(leaf_names, whole_names, state["param_groups"], strict=True):
        origins = [places[origin_of(name, whole.config)] for name in names]
        # Some options have an entry for each weight.
        options = {
            key: [state["param_groups"][index][key][place] for index, place in origins]
            if isinstance(value, list) and len(value) == len(before)
            else value
            for key, value in group.items()
        }
        groups.append(options | {"params": list(range(start, start + len(names)))})
        states |= {start + index: restricted[name] for index, name in enumerate(names) if name in restricted}
        start += len(names)
    return {"state": states, "param_groups": groups}


def names_of_groups(model: SupernetBertPreTrainedModel, optimizer: torch.optim.Optimizer) -> list[list[str]]:
    """The names of the weights in each group of an optimizer, in their order."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [[names[id(parameter)] for parameter in group["params"]] for group in optimizer.param_groups]


def _restrict_states(
    by_name: Mapping[str, Mapping[str, Any]], whole: SupernetBertPreTrainedModel, leaf: SupernetBertPreTrainedModel
) -> dict[str, dict[str, Any]]:
    shapes = {name: parameter.shape for name, parameter in whole.named_parameters()}
    keys = {key for values in by_name.values() for key in values}
    moments = {key: {} for key in keys}
    for name, values in by_name.items():
        for key, value in values.items():
            if torch.is_tensor(value) and value.shape == shapes[name]:
                moments[key][name] = value
    moments = {key: restrict(tensors, whole, leaf) for key, tensors in moments.items() if tensors}
    states = {}
    for name, parameter in leaf.named_parameters():
        origin = origin_of(name, whole.config)
        if origin not in by_name:  # not trained yet
            continue
        states[name] = {key: moments.get(key, {}).get(name, value) for key, value in by_name[origin].items()}
        _check_state(name, states[name], is_slice=parameter.shape != shapes[origin], shape=parameter.shape)
    return states


def _check_state(name: str, state: Mapping[str, Any], is_slice: bool, shape: Sequence[int]) -> None:
    odd = [key for key, value in state.items() if torch.is_tensor(value) and value.ndim and value.shape != shape]
    if is_slice and odd:
        raise ValueError(
            f"The optimizer keeps {', '.join(odd)} of `{name}` in another shape than the weight's, so that it can't be sliced:"
            " train with `optim='adamw_torch_fused'`, or keep the largest candidates of a kind in one group."
        )


__all__ = ["names_of_groups", "origin_of", "restrict", "restrict_optimizer_state", "split_off"]
