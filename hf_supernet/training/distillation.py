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
"""Fine-tuning with a teacher: the loss, the teacher, and the options of both."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..data.glue import longest_input
from ..local_paths import public_name
from .trained_classifiers import label_positions, load_trained_classifier


class DistillationLoss(nn.Module):
    """
    The loss of a student: `(1 - weight) · task loss + weight · distance to the teacher's answers`, as in [NAS-BERT:
    Task-Agnostic and Adaptive-Size BERT Compression with Neural Architecture Search](https://huggingface.co/papers/2105.14444)
    (Xu et al., KDD 2021), which distils in the pretraining and once more, with this loss, in the fine-tuning.

    For classes the distance is the divergence `KL(teacher || student)` of the two distributions over the labels, the mean
    over the rows. With a temperature both logits are divided by it and the divergence is multiplied by its square, so that
    gradients keep their size ([Distilling the Knowledge in a Neural Network](https://huggingface.co/papers/1503.02531)).
    For a regression the distance is the mean squared error. (The paper says nothing of regressions: that is our choice.)

    Args:
        weight (`float`, *optional*, defaults to 0.5):
            λ, between 0 (the labels alone) and 1 (the teacher alone).
        temperature (`float`, *optional*, defaults to 1.0):
            Above 1 the smaller probabilities count for more. Of no effect on a regression.

    Raises:
        ValueError: for a weight outside of [0, 1], and for a temperature that is not positive.
    """

    def __init__(self, weight: float = 0.5, temperature: float = 1.0):
        super().__init__()
        if not 0 <= weight <= 1:
            raise ValueError(f"`distillation_weight` must lie in [0, 1], got {weight}.")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"`distillation_temperature` must be positive, got {temperature}.")
        self.weight = weight
        self.temperature = temperature

    def distance(
        self, logits: torch.Tensor, teacher_logits: torch.Tensor, num_rows: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """
        How far the student is from the teacher.

        Args:
            logits (`torch.Tensor` of shape `(batch_size, num_labels)`):
                The student's; one column is a regression.
            teacher_logits (`torch.Tensor` of shape `(batch_size, num_labels)`):
                The teacher's, for the same labels in the same order. No gradient goes there.
            num_rows (`int` or `torch.Tensor`, *optional*):
                What the sum over the rows is divided by: the rows of all batches that share an optimizer step. Defaults to
                those of this batch.

        Returns:
            `torch.Tensor`: A scalar, the mean over the rows.
        """
        logits, teacher_logits = logits.float(), teacher_logits.detach().float()
        if logits.shape[-1] == 1:
            if num_rows is None:
                return F.mse_loss(logits, teacher_logits)
            return F.mse_loss(logits, teacher_logits, reduction="sum") / num_rows
        student, teacher = (F.log_softmax(x / self.temperature, dim=-1) for x in (logits, teacher_logits))
        reduction = "batchmean" if num_rows is None else "sum"
        divergence = F.kl_div(student, teacher, reduction=reduction, log_target=True) * self.temperature**2
        return divergence if num_rows is None else divergence / num_rows

    def combine(self, task_loss: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """The loss, from its two parts, both scalars and means over the rows."""
        return (1 - self.weight) * task_loss + self.weight * distance

    def forward(self, task_loss: torch.Tensor, logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
        """The loss, from the task's (a scalar, the mean over the rows) and the logits of both, as for [`distance`]."""
        return self.combine(task_loss, self.distance(logits, teacher_logits))


class Teacher:
    """
    A fine-tuned model that a student learns from: never trained, without dropout, without gradients.

    It is no `nn.Module`, so that it becomes no part of what a Trainer wraps, trains or saves.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The teacher.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            Its tokenizer.
        student ([`~transformers.PreTrainedModel`]):
            The model to train.
        student_tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            The tokenizer that makes the inputs of both.
        max_seq_length (`int`):
            The length at which texts are cut.
        loss ([`DistillationLoss`], *optional*):
            The loss of the student.

    Raises:
        ValueError: where the two have different labels or vocabularies, or the teacher can't read what the student reads.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        student: PreTrainedModel,
        student_tokenizer: PreTrainedTokenizerBase,
        max_seq_length: int,
        loss: DistillationLoss | None = None,
    ):
        self.positions = label_positions(model.config, student.config)
        if self.positions is None:
            raise ValueError(
                f"The teacher answers with the labels {_labels(model)}, the student with {_labels(student)}: pass a teacher"
                " that was fine-tuned on this task. Where it was, and they have other names, set `id2label` and `label2id`"
                " in its `config.json`."
            )
        _check_tokenizers(tokenizer, student_tokenizer)
        longest = min(max_seq_length, longest_input(student_tokenizer, student.config))
        if longest_input(tokenizer, model.config) < longest:
            raise ValueError(
                f"The teacher reads {longest_input(tokenizer, model.config)} tokens at most, the student {longest}: lower"
                " `max_seq_length`."
            )
        self.model = model.eval().requires_grad_(False)
        self.inputs = set(tokenizer.model_input_names)
        self.loss = loss or DistillationLoss()

    def to(self, device: torch.device) -> "Teacher":
        """Moves the teacher to a device, and returns it."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """
        The teacher's answers.

        Args:
            inputs (`dict[str, torch.Tensor]`):
                A batch as the student gets it; what the teacher does not read, labels too, is left out.

        Returns:
            `torch.Tensor` of shape `(batch_size, num_labels)`: The logits in the order of the student's labels.
        """
        own = {name: value for name, value in inputs.items() if name in self.inputs}
        return self.model(**own).logits[:, self.positions]

    def distance(self, logits: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """How far the student, with its `logits` of `inputs`, is from the teacher: a scalar, see [`DistillationLoss`]."""
        return self.loss.distance(logits, self.logits(inputs))


def _labels(model: PreTrainedModel) -> list[str] | str:
    return "a number" if model.config.num_labels == 1 else list(model.config.id2label.values())


def _check_tokenizers(teachers: PreTrainedTokenizerBase, students: PreTrainedTokenizerBase) -> None:
    mine, theirs = students.get_vocab(), teachers.get_vocab()
    if mine != theirs:
        differing = sum(theirs.get(token) != mine.get(token) for token in mine | theirs)
        raise ValueError(
            f"The vocabularies of teacher ({len(theirs)} tokens) and student ({len(mine)} tokens) differ in {differing}"
            " tokens, and both read the same token ids: pass a teacher with the student's tokenizer."
        )
    if missing := set(teachers.model_input_names) - set(students.model_input_names):
        raise ValueError(
            f"The teacher reads {', '.join(sorted(missing))}, which the student's tokenizer does not make: it would not"
            " tell the two texts apart. Pass a teacher of the student's kind."
        )


@dataclass
class DistillationArguments:
    """
    Whether to learn from a teacher.

    Args:
        teacher_model_name_or_path (`str`, *optional*):
            A model that was fine-tuned on the same task, on the Hub or in a folder. With `--seeds`, `{seed}` in it
            stands for the seed.
        distillation_weight (`float`, *optional*, defaults to 0.5):
            λ in the loss `(1 - λ) · task + λ · KL(teacher || student)`.
        distillation_temperature (`float`, *optional*, defaults to 1.0):
            Divides the logits of both.

    Raises:
        ValueError: as [`DistillationLoss`], and for its settings without a teacher.
    """

    teacher_model_name_or_path: str | None = field(
        default=None, metadata={"help": "Learn from this model too, which was fine-tuned on the same task."}
    )
    distillation_weight: float = field(
        default=0.5, metadata={"help": "Weight w of the teacher: (1 - w) * task loss + w * KL(teacher || student)."}
    )
    distillation_temperature: float = field(
        default=1.0, metadata={"help": "Divides the logits of teacher and student."}
    )

    def __post_init__(self):
        DistillationLoss(self.distillation_weight, self.distillation_temperature)
        if self.teacher_model_name_or_path is None:
            for name, default in (("distillation_weight", 0.5), ("distillation_temperature", 1.0)):
                if getattr(self, name) != default:
                    raise ValueError(
                        f"`{name}` is a setting of the distillation: pass `teacher_model_name_or_path` too."
                    )

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The settings for a model card, by a readable name; none without a teacher."""
        if self.teacher_model_name_or_path is None:
            return {}
        return {
            "teacher": public_name(self.teacher_model_name_or_path),
            "distillation weight": self.distillation_weight,
            "distillation temperature": self.distillation_temperature,
        }

    def load_teacher(
        self,
        student: PreTrainedModel,
        student_tokenizer: PreTrainedTokenizerBase,
        max_seq_length: int,
        trains: bool = True,
        **hub,
    ) -> Teacher | None:
        """
        The teacher, where one is named.

        Args:
            student, student_tokenizer, max_seq_length:
                As for [`Teacher`].
            trains (`bool`, *optional*, defaults to `True`):
                Whether the student will be trained.
            hub:
                Passed on to `from_pretrained` (`cache_dir`, `token`, `trust_remote_code`).

        Returns:
            [`Teacher`], *optional*.

        Raises:
            ValueError: where there is no training, no such model, or it can't teach this student.
        """
        name = self.teacher_model_name_or_path
        if name is None:
            return None
        if not trains:
            raise ValueError("`teacher_model_name_or_path` acts on training, and there is none: pass `do_train`.")
        model = load_trained_classifier(name, "teacher_model_name_or_path", **hub)
        tokenizer = AutoTokenizer.from_pretrained(name, **hub)
        loss = DistillationLoss(self.distillation_weight, self.distillation_temperature)
        return Teacher(model, tokenizer, student, student_tokenizer, max_seq_length, loss)


__all__ = ["DistillationArguments", "DistillationLoss", "Teacher"]
