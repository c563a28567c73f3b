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
"""LoRA as an option of the fine-tuning scripts."""

from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel


@dataclass
class LoraArguments:
    """
    Whether to train low-rank adapters in place of all weights.

    Args:
        lora_r (`int`, *optional*):
            The rank of the adapters. Without it all weights are trained.
        lora_alpha (`int`, *optional*, defaults to twice `lora_r`):
            The adapters' outputs are multiplied by `lora_alpha / lora_r`.
        lora_dropout (`float`, *optional*, defaults to 0.0):
            Dropout before the adapters.
        lora_target_modules (`list[str]`, *optional*):
            The modules to adapt. Defaults to all projections of all operators of a child, and to PEFT's choice for other
            models.

    Raises:
        ValueError: for a rank, a scale or a dropout that cannot be, and for a setting of adapters without a rank.
    """

    lora_r: int | None = field(
        default=None, metadata={"help": "Train LoRA adapters of this rank and leave all other weights as they are."}
    )
    lora_alpha: int | None = field(
        default=None, metadata={"help": "Scale of the adapters, divided by lora_r. Defaults to twice lora_r."}
    )
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout before the adapters."})
    lora_target_modules: list[str] | None = field(
        default=None,
        metadata={"help": "The modules to adapt. Defaults to all projections of a child's operators."},
    )

    def __post_init__(self):
        given = [
            name
            for name, is_set in {
                "lora_alpha": self.lora_alpha is not None,
                "lora_dropout": self.lora_dropout != 0,
                "lora_target_modules": self.lora_target_modules is not None,
            }.items()
            if is_set
        ]
        if self.lora_r is None and given:
            raise ValueError(f"`{given[0]}` is a setting of adapters: pass `lora_r`, their rank, too.")
        for name in ("lora_r", "lora_alpha"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.lora_dropout < 1:
            raise ValueError(f"`lora_dropout` must lie in [0, 1), got {self.lora_dropout}.")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings for a model card, by a readable name; none without adapters."""
        if self.lora_r is None:
            return {}
        return {"LoRA rank": self.lora_r, "LoRA alpha": self.lora_alpha or 2 * self.lora_r}

    def adapt(self, model: PreTrainedModel, trains: bool, random_init: bool = False) -> PreTrainedModel:
        """
        Puts adapters into a model, where a rank is set.

        Args:
            model ([`~transformers.PreTrainedModel`]):
                The model to fine-tune.
            trains (`bool`):
                Whether it will be trained.
            random_init (`bool`, *optional*, defaults to `False`):
                Whether its weights were drawn.

        Returns:
            [`~peft.PeftModel`], or the model as it is.

        Raises:
            ValueError: where there will be no training, for random weights, and as by [`add_lora`].
            ImportError: where PEFT is not installed.
        """
        if self.lora_r is None:
            return model
        if not trains:
            raise ValueError("`lora_r` adds adapters to train, and there is no training: pass `do_train`.")
        if random_init:
            raise ValueError("`lora_r` leaves all weights but the adapters as they are: not with `random_init`.")
        from ..peft import LoraConfig, add_lora

        config = LoraConfig(
            r=self.lora_r,
            lora_alpha=self.lora_alpha or 2 * self.lora_r,
            lora_dropout=self.lora_dropout,
            target_modules=self.lora_target_modules,
        )
        return add_lora(model, config)


__all__ = ["LoraArguments"]
