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
"""The part of a training that lets weights rest: optimizers that know what a step did not train."""

import torch

from .rested_moments import decay_rested_moments
from .rested_slices import restore_rested_slices


class RestingWeightsMixin:
    """
    For a [`SupernetTrainer`], in front of a [`~transformers.Trainer`]: `rested_moments` and `rested_slices`, and the clipping of
    the gradients that there are.
    """

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if is_new:
            self.let_weights_rest()
        return optimizer

    def let_weights_rest(self) -> None:
        """
        Runs once for an optimizer.

        Raises:
            ValueError: where it, or the supernet, does not fit what the arguments ask for.
        """
        if self.args.rested_moments == "decay":
            decay_rested_moments(self.optimizer)
        if self.args.rested_slices == "restore":
            restore_rested_slices(self.optimizer, self.model, lambda: self.sampler.sample(self.state.global_step))

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        # The optimizer's flat lists: walking a supernet's modules for the few weights that have gradients takes longer.
        weights = (weight for group in self.optimizer.param_groups for weight in group["params"])
        trained = [weight for weight in weights if weight.grad is not None]
        return self.accelerator.clip_grad_norm_(trained, self.args.max_grad_norm)


__all__ = ["RestingWeightsMixin"]
