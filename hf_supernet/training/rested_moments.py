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
"""Moments of an optimizer that know how long a weight was not trained."""

from typing import Any

import torch
from torch.optim import Adam, AdamW, Optimizer
from torch.utils.hooks import RemovableHandle


RESTED_MOMENTS = ("keep", "decay")
"""As PyTorch does, or as [`decay_rested_moments`] does."""


def decay_rested_moments(optimizer: Optimizer) -> RemovableHandle:
    """
    Lets the moments of weights that rest decay.

    Adam leaves out a weight without a gradient. In a supernet this is an operator off the trained path, and the moments that it
    has when it is trained again describe gradients of long ago. From now on its moments are first brought to where gradients of
    zero would have brought them: after `r` steps of rest the first is multiplied by `beta1 ** r`, the second by `beta2 ** r`,
    and the number of its steps, by which Adam corrects the bias of moments that began at zero, is raised by `r`. The weight
    itself does not move while it rests, neither by its first moment nor by weight decay. (Ours.)

    What this needs to know is kept in the optimizer's parameter groups (`num_steps`, and for each weight the step in which it
    was first trained), and is saved and loaded with its state.

    Args:
        optimizer ([`~torch.optim.Adam`] or [`~torch.optim.AdamW`]):
            In any of PyTorch's implementations. Call this once for it, before its first step.

    Returns:
        [`~torch.utils.hooks.RemovableHandle`]: its `remove()` ends this.

    Raises:
        ValueError: for another optimizer.
    """
    if not isinstance(optimizer, Adam | AdamW):
        raise ValueError(
            f"`rested_moments='decay'` is for PyTorch's Adam and AdamW, got {type(optimizer).__name__}: set"
            " `optim='adamw_torch_fused'` or 'adamw_torch', or leave `rested_moments` at 'keep'."
        )
    return optimizer.register_step_pre_hook(_catch_up)


@torch.no_grad()
def _catch_up(optimizer: Optimizer, args: tuple, kwargs: dict[str, Any]) -> None:
    """Runs in front of each step, for the weights that it trains."""
    for group in optimizer.param_groups:
        now = group.setdefault("num_steps", 0)
        first_steps = group.setdefault("first_steps", [None] * len(group["params"]))
        group["num_steps"] = now + 1
        trained = [index for index, weight in enumerate(group["params"]) if weight.grad is not None]
        states = [optimizer.state.get(group["params"][index], {}) for index in trained]
        rested = []
        for index, state, steps in zip(trained, states, _steps(states), strict=True):
            # A first step that a gradient scaler left out is none.
            if first_steps[index] is None or steps == 0:
                first_steps[index] = now - steps
            # With all rests before in it, the number of steps says when the last one was.
            if rest := now - first_steps[index] - steps:
                rested.append((rest, state))
        if rested:
            _decay([rest for rest, _ in rested], [state for _, state in rested], group["betas"])


def _steps(states: list[dict[str, torch.Tensor]]) -> list[int]:
    """How many steps each weight has taken, read from its device all at once; 0 for one without a state."""
    counts = [state["step"] for state in states if state]
    numbers = iter(torch.stack(counts).tolist() if counts else ())
    return [int(next(numbers)) if state else 0 for state in states]


def _decay(rests: list[int], states: list[dict[str, torch.Tensor]], betas: tuple[float, float]) -> None:
    for name, beta in zip(("exp_avg", "exp_avg_sq"), betas, strict=True):
        torch._foreach_mul_([state[name] for state in states], [beta**rest for rest in rests])
    torch._foreach_add_([state["step"] for state in states], [float(rest) for rest in rests])


__all__ = ["RESTED_MOMENTS", "decay_rested_moments"]
