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
"""An average over the weights of a training, which goes on with the training when that is resumed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import PreTrainedModel, TrainerCallback

from hf_supernet.files import replacing


class WeightAverage(TrainerCallback):
    """
    Keeps an exponential moving average of the weights, one value a step.

    Args:
        decay (`float`):
            How much of the average stays at each step, in (0, 1).
        folder (`str` or `Path`):
            The output folder of the training. In front of each checkpoint the average is written there too, so that a
            checkpoint that is whole has its average.
    """

    def __init__(self, decay: float, folder: str | Path):
        self.update = get_ema_multi_avg_fn(decay)
        self.folder = Path(folder)
        self.averages: list[torch.Tensor] = []

    def on_train_begin(self, args, state, control, model: PreTrainedModel | None = None, **kwargs):
        self.averages = [weight.detach().clone() for weight in model.parameters()]
        if state.global_step:
            kept = load_file(self._path(state.global_step))
            self.averages = [kept[str(index)].to(weight.device) for index, weight in enumerate(self.averages)]

    def on_step_end(self, args, state, control, model: PreTrainedModel | None = None, **kwargs):
        self.update(self.averages, [weight.detach() for weight in model.parameters()], None)
        step, interval = state.global_step, args.save_steps
        if step % interval == 0:
            with replacing(self._path(step)) as temporary:
                save_file({str(index): weight for index, weight in enumerate(self.averages)}, temporary)
            self._path(step - 2 * interval).unlink(missing_ok=True)

    @contextmanager
    def in_place(self, model: PreTrainedModel) -> Iterator[None]:
        """Within this context, the model has the average for its weights."""
        weights = list(model.parameters())
        own = [weight.detach().clone() for weight in weights]
        self._set(weights, self.averages)
        try:
            yield
        finally:
            self._set(weights, own)

    def _path(self, step: int) -> Path:
        return self.folder / f"weight-average-{step}.safetensors"

    @staticmethod
    @torch.no_grad()
    def _set(weights: list[torch.nn.Parameter], values: list[torch.Tensor]) -> None:
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)


__all__ = ["WeightAverage"]
