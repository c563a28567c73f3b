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
"""The `Trainer` that fine-tunes ordinary models."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import HubStrategy, unwrap_peft_model

from ..evaluation.glue_card import FineTuningCard
from ..files import filling_folder
from .distillation import Teacher
from .distributed import set_find_unused_parameters
from .hub_card import OwnCardMixin
from .own_rows import OwnRowsMixin
from .resuming import FinishedRunsMixin, WholeCheckpointsMixin
from .running_losses import RunningLossesMixin
from .saving import WholeModelsMixin


class FineTuningTrainer(
    FinishedRunsMixin, OwnCardMixin, OwnRowsMixin, RunningLossesMixin, WholeCheckpointsMixin, WholeModelsMixin, Trainer
):
    """
    A `Trainer` that counts the loss once, learns from a teacher too, and writes our model card.

    The loss of a batch is the mean over its rows, so the Trainer has to divide it by the number of accumulated batches
    itself. It leaves that out for models that take any keyword argument, as BERT does, and then multiplies by the number of
    processes too: 4 batches of 4 train with four times the gradient of one batch of 16. `accepts_loss_kwargs` is its switch.

    With a teacher, the loss of the training is that of [`DistillationLoss`], and the log has its two parts, `task_loss` and
    `teacher_distance`, as means since the last log. The loss of an evaluation is the task's alone.

    Args:
        card (`FineTuningCard`):
            The card; the metrics are added as they come.
        teacher ([`Teacher`], *optional*):
            What the model learns from beside the labels.
        **kwargs:
            The arguments of `Trainer`.
    """

    def __init__(self, card: FineTuningCard, teacher: Teacher | None = None, **kwargs):
        model, args = kwargs["model"], kwargs["args"]
        base = unwrap_peft_model(model)
        base.accepts_loss_kwargs = False
        set_find_unused_parameters(args, model)
        if model is not base and args.push_to_hub and args.hub_strategy != HubStrategy.END:
            raise ValueError(
                f"`hub_strategy={args.hub_strategy.value}` would push adapters to where the merged model belongs; pass"
                " `hub_strategy=end`."
            )
        super().__init__(**kwargs)
        self.card = card
        card.describe(base, self.processing_class)
        self.teacher = None if teacher is None else teacher.to(self.args.device)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if self.teacher is not None and model.training:
            distance = self.teacher.distance(outputs.logits, inputs) * inputs.get("row_factor", 1.0)
            for name, part in (("task_loss", loss), ("teacher_distance", distance)):
                self.add_loss_part(name, part / self.current_gradient_accumulation_steps)
            loss = self.teacher.loss.combine(loss, distance)
        return (loss, outputs) if return_outputs else loss

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """
        Saves the model. One with adapters is merged in `args.output_dir`, ready to be loaded as any other, with the
        adapters by themselves in `adapter` there; a checkpoint has the adapters alone.
        """
        model = self.accelerator.unwrap_model(self.model)
        is_result = output_dir is None or Path(output_dir) == Path(self.args.output_dir)
        if not is_result or unwrap_peft_model(model) is model:
            super().save_model(output_dir, _internal_call)
        elif self.args.should_save:
            from ..peft import export_adapter, merge_lora

            with filling_folder(self.args.output_dir) as temporary:
                merge_lora(model).save_pretrained(temporary)
                if self.processing_class is not None:
                    self.processing_class.save_pretrained(temporary)
            export_adapter(model, Path(self.args.output_dir) / "adapter", self.processing_class)

    def train_and_save(self, **counts: int) -> None:
        """
        Trains, from `args.resume_from_checkpoint` where that is set, and saves model, tokenizer, metrics and state.

        Args:
            **counts (`int`):
                What goes to the metrics beside those of the training, such as the number of rows.
        """
        metrics = self.train(resume_from_checkpoint=self.args.resume_from_checkpoint).metrics | counts
        self.save_model()
        self.log_metrics("train", metrics)
        self.save_metrics("train", metrics)
        self.save_state()


def hyperparameters(args: TrainingArguments) -> dict[str, Any]:
    """The settings of a training for its card, by a readable name; none where nothing is trained."""
    if not args.do_train:
        return {}
    length = {"steps": args.max_steps} if args.max_steps > 0 else {"epochs": args.num_train_epochs}
    return {
        "learning rate": args.learning_rate,
        "schedule": args.lr_scheduler_type.value,
        "optimizer": args.optim.value,
        "batch size": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        **length,
        "seed": args.seed,
    }


__all__ = ["FineTuningTrainer", "hyperparameters"]
