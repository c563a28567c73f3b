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
"""A trained model that a supernet learns from."""

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from ..loading import naming_damaged_weights
from ..models.searched_bert.modeling_searched_bert import MaskedLMMixin
from .trained_classifiers import label_positions, load_trained_classifier


_READ = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")


def labelled_rows(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """
    The logits of what has a label, as rows.

    Args:
        logits (`torch.Tensor` of shape `(..., num_classes)`):
            Of everything, or of what has a label already: that is returned as it is.
        labels (`torch.Tensor`):
            The labels, -100 where there is none.
    """
    rows = logits.flatten(0, -2)
    return rows[labels.flatten() != -100] if len(rows) == labels.numel() else rows


class TeacherAnswers(NamedTuple):
    """
    What paths learn on a batch.

    Args:
        logits (`torch.Tensor` of shape `(number of labels, vocab_size or num_labels)`):
            Where there are labels.
        hidden_states (`tuple[torch.Tensor, ...]`, *optional*):
            The outputs of the embeddings and of each layer, of shape `(batch_size, sequence_length, hidden_size)`.
    """

    logits: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...] | None = None


class SupernetTeacher:
    """
    A model that a supernet learns from while it is trained: never trained itself, without dropout, without gradients.

    It is no `nn.Module`, so that it becomes no part of what a Trainer wraps, trains or saves. ([`Teacher`] is its like in
    fine-tuning.)

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The teacher, with the head that the supernet has: a `BertForMaskedLM`, a `BertForSequenceClassification`, another
            supernet (which answers with its default architecture).
        student ([`SupernetBertForMaskedLM`] or [`SupernetBertForSequenceClassification`]):
            The supernet.

    Raises:
        ValueError: where the two have different vocabularies or labels.
    """

    def __init__(self, model: PreTrainedModel, student: PreTrainedModel):
        self.is_masked_lm = isinstance(student, MaskedLMMixin)
        mine, theirs = student.config.vocab_size, model.config.vocab_size
        if mine != theirs:
            raise ValueError(
                f"The teacher has {theirs} tokens, the supernet {mine}, and both read the same token ids: pass a teacher with the"
                " supernet's tokenizer."
            )
        self.positions = None if self.is_masked_lm else label_positions(model.config, student.config)
        if self.positions is None and not self.is_masked_lm:
            raise ValueError(
                f"The teacher answers with the labels {_labels(model)}, the supernet with {_labels(student)}: pass a teacher that"
                " was fine-tuned on this task. Where it was, and they have other names, set `id2label` and `label2id` in its"
                " configuration."
            )
        self.model = model.eval().requires_grad_(False)
        self.inputs = set(_READ) & set(inspect.signature(model.forward).parameters)
        self.digest = _digest(model)

    @classmethod
    def from_pretrained(cls, name_or_path: str, student: PreTrainedModel) -> "SupernetTeacher":
        """
        Loads a teacher.

        Args:
            name_or_path (`str`):
                A model on the Hub or in a folder, with the head that the supernet has.
            student ([`SupernetBertForMaskedLM`] or [`SupernetBertForSequenceClassification`]):
                The supernet.

        Raises:
            ValueError: where there is no such model, its head was not trained, or it can't teach this supernet.
        """
        if not isinstance(student, MaskedLMMixin):
            return cls(load_trained_classifier(name_or_path, "teacher_model_name_or_path"), student)
        with naming_damaged_weights(name_or_path):
            model, loaded = AutoModelForMaskedLM.from_pretrained(name_or_path, output_loading_info=True)
        if missing := sorted(loaded["missing_keys"]):
            raise ValueError(
                f'`teacher_model_name_or_path`: "{name_or_path}" was not trained as a masked language model, it lacks the'
                f" weights {', '.join(missing)}."
            )
        return cls(model, student)

    def to(self, device: torch.device) -> "SupernetTeacher":
        """Moves the teacher to a device, and returns it."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def answers(self, inputs: Mapping[str, Any], with_hidden_states: bool = False) -> TeacherAnswers:
        """
        The teacher's answers where there are labels; only these go through its vocabulary head.

        Args:
            inputs (`Mapping[str, torch.Tensor]`):
                A batch as the supernet gets it, with `labels`.
            with_hidden_states (`bool`, *optional*, defaults to `False`):
                Whether its layers' outputs are wanted too.
        """
        own = {name: inputs[name] for name in self.inputs if name in inputs}
        own |= {"return_dict": True, "output_hidden_states": with_hidden_states}
        if not self.is_masked_lm:
            outputs = self.model(**own)
            rows = labelled_rows(outputs.logits[:, self.positions], inputs["labels"])
            return TeacherAnswers(rows, outputs.hidden_states)
        kept = inputs["labels"] != -100

        def keep(module: nn.Module, args: tuple, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[kept]
            return output

        handle = self.model.base_model.register_forward_hook(keep)
        try:
            outputs = self.model(**own)
        finally:
            handle.remove()
        return TeacherAnswers(outputs.logits, outputs.hidden_states)


def _labels(model: PreTrainedModel) -> list[str] | str:
    return "a number" if model.config.num_labels == 1 else list(model.config.id2label.values())


def _digest(model: PreTrainedModel) -> str:
    """By which a resumed run knows its teacher."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


__all__ = ["SupernetTeacher", "TeacherAnswers", "labelled_rows"]
