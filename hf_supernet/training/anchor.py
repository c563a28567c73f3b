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
"""The child that the alignment loss of MAGIC-A aligns to."""

from ..architecture import Architecture
from ..evaluation.evaluator import Evaluator


ANCHORS = ("best", "largest")
"""The best child seen so far, or the one with the most parameters."""


class Anchor:
    """
    The child that others are aligned with: the best one seen so far, or always the same.

    A challenger takes its place where it has the lower loss on a fixed part of the dev set. Both are scored with the
    supernet's current weights: a score from earlier in training would flatter no one but the newcomer. (The paper
    compares accuracy on the dev set after each step; loss and an interval are ours.)

    Args:
        evaluator ([`Evaluator`], *optional*):
            Scores children on that part of the dev set. Without it there are no challenges: the anchor stays what it is.
        architecture ([`Architecture`], *optional*):
            The anchor to begin with; by default the first child that is trained.

    Attributes:
        architecture ([`Architecture`]): the anchor; `None` before the first step, if none was given.
        loss (`float`): its dev loss when it was last scored; `None` before.
    """

    def __init__(self, evaluator: Evaluator | None = None, architecture: Architecture | None = None):
        self.evaluator = evaluator
        self.architecture = architecture
        self.loss: float | None = None

    def challenge(self, challengers: list[Architecture]) -> None:
        """Scores the anchor and `challengers`; the best of them is the anchor from now on. A tie keeps the anchor."""
        if self.evaluator is None:
            return
        losses = self.evaluator.evaluate([self.architecture, *challengers])
        self.architecture, self.loss = min(losses.items(), key=lambda item: item[1])

    def state_dict(self) -> dict[str, str | float | None]:
        """What a checkpoint keeps."""
        return {"architecture": str(self.architecture) if self.architecture else None, "loss": self.loss}

    def load_state_dict(self, state: dict[str, str | float | None]) -> None:
        """The reverse of `state_dict`."""
        text = state["architecture"]
        self.architecture = Architecture.from_string(text) if text else None
        self.loss = state["loss"]


__all__ = ["ANCHORS", "Anchor"]
