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
"""The hidden states of a teacher as something to learn."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from ..files import replacing


STATE_DISTANCE_NAME = "distillation_projection.safetensors"
"""In a checkpoint: the projection from the supernet's hidden states to the teacher's."""


def layer_pairs(num_layers: int, num_teacher_layers: int) -> list[tuple[int, int]]:
    """
    Which layers of a supernet and of its teacher are compared: as many as the one that has fewer has, at equal distances, the last
    with the last. A BERT block is two layers of a supernet.

    Returns:
        `list[tuple[int, int]]`: for each pair, how many layers there are up to this one, in the supernet and in the teacher.
    """
    number = min(num_layers, num_teacher_layers)
    return [(-(-i * num_layers // number), -(-i * num_teacher_layers // number)) for i in range(1, number + 1)]


class HiddenStateDistance(nn.Module):
    """
    How far the layer outputs of a path are from those of a teacher, as in [TinyBERT: Distilling BERT for Natural Language
    Understanding](https://huggingface.co/papers/1909.10351) (Jiao et al., Findings of EMNLP 2020): the mean squared error over the
    hidden size and the real tokens, averaged over pairs of layers, behind a learned matrix, the same for all of them, where the
    sizes differ.

    Where the hidden size is searched, a narrower path has the first columns of that matrix (ours). It starts as the unit matrix, cut
    off or filled with zeros (ours).

    Args:
        hidden_sizes (`tuple[int, ...]`):
            Those of the supernet's paths.
        num_layers (`int`):
            Its layers.
        teacher_hidden_size, num_teacher_layers (`int`):
            The teacher's.
    """

    def __init__(
        self, hidden_sizes: tuple[int, ...], num_layers: int, teacher_hidden_size: int, num_teacher_layers: int
    ):
        super().__init__()
        self.pairs = layer_pairs(num_layers, num_teacher_layers)
        self.projection = None
        if set(hidden_sizes) != {teacher_hidden_size}:
            self.projection = nn.Parameter(torch.eye(teacher_hidden_size, max(hidden_sizes)))

    def forward(
        self,
        states: tuple[torch.Tensor, ...],
        teacher_states: tuple[torch.Tensor, ...],
        attention_mask: torch.Tensor | None,
        num_tokens: torch.Tensor | int,
    ) -> torch.Tensor:
        """
        Args:
            states, teacher_states (`tuple[torch.Tensor, ...]`):
                The output of the embeddings, then of each layer, of shape `(batch_size, sequence_length, hidden_size)`.
            attention_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
                1 at real tokens; padding does not count.
            num_tokens (`int` or `torch.Tensor`):
                What the error summed over tokens is divided by.

        Returns:
            `torch.Tensor`: a scalar.
        """
        total = 0.0
        for mine, theirs in self.pairs:
            projected = states[mine]
            if self.projection is not None:
                projected = F.linear(projected, self.projection[:, : projected.shape[-1]])
            error = (projected.float() - teacher_states[theirs].float()).square().mean(dim=-1)
            total = total + (error if attention_mask is None else error * attention_mask).sum()
        return total / (len(self.pairs) * num_tokens)

    def save(self, folder: str | Path) -> None:
        """Writes the projection to a checkpoint, `folder`."""
        with replacing(Path(folder) / STATE_DISTANCE_NAME) as temporary:
            save_file(self.state_dict(), temporary)

    def load(self, folder: str | Path) -> None:
        """Reads what [`~HiddenStateDistance.save`] wrote."""
        self.load_state_dict(load_file(Path(folder) / STATE_DISTANCE_NAME))


__all__ = ["HiddenStateDistance", "layer_pairs"]
