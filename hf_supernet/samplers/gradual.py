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
"""Gradual modification: adjacent steps train architectures that differ in one operator."""

from ..architecture import Architecture
from ..search_space import SearchSpace
from .base import ArchitectureSampler, check_step


_KEPT_STEPS = 8
"""A callback that asks for the step just done, after the next one was drawn, must not replay the whole chain."""


class GradualSampler(ArchitectureSampler):
    """
    One path a step, which differs from that of the step before in exactly one operator (MAGIC-T).

    [Analyzing and Mitigating Interference in Neural Architecture Search](https://huggingface.co/papers/2108.12821) (Xu
    et al., ICML 2022, PMLR 162:24646-24662): children interfere the more, the more operators they differ in.

    The paper leaves open how the modified operator is drawn. Ours: the layer uniformly among those with several
    candidates, then one of its other candidates uniformly. The first architecture is drawn uniformly over the paths,
    and such a chain stays uniform: at every step, each path is equally likely. With `identity_placement="end"` the new
    architecture is drawn uniformly among the legal ones that differ in one layer; each path is then visited in
    proportion to the number of legal ones next to it (no chain that moves at every step could visit all equally often).

    The chain is a function of the seed. Its last steps are kept, so that going on costs one draw, and the last of them is
    part of the state, so that a resumed run need not replay the chain; asking for an earlier step replays it from the
    first.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        num_modified (`int`, *optional*, defaults to 1):
            The number of operators that change from step to step: 1 in the paper.

    Raises:
        ValueError: for a number of operators that cannot change, or with which a part of the space is never reached.
    """

    name = "gradual"

    def __init__(self, search_space: SearchSpace, seed: int = 0, num_modified: int = 1):
        super().__init__(search_space, seed)
        self.num_modified = num_modified
        self._check_reach()
        self._recent: dict[int, Architecture] = {}  # by step, ascending and without gaps

    def sample(self, step: int) -> list[Architecture]:
        check_step(step)
        if step < min(self._recent, default=step + 1):
            self._recent = {0: self.search_space.sample(self.generator(0))}
        last = max(self._recent)
        for following in range(last + 1, step + 1):
            generator = self.generator(following)
            self._recent[following] = self.search_space.mutate(
                self._recent[following - 1], self.num_modified, generator
            )
            if len(self._recent) > _KEPT_STEPS:
                del self._recent[min(self._recent)]
        return [self._recent[step]]

    def settings(self) -> dict:
        return {"num_modified": self.num_modified}

    def state_dict(self) -> dict:
        step = max(self._recent, default=None)
        return {
            **super().state_dict(),
            "step": step,
            "architecture": None if step is None else str(self._recent[step]),
        }

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        missing = [key for key in ("step", "architecture") if key not in state]
        if missing:
            raise ValueError(f"The state of a gradual sampler has `step` and `architecture`; missing: {missing}.")
        if state["step"] is None:
            self._recent = {}
        else:
            self._recent = {check_step(state["step"]): self.search_space.check(state["architecture"])}

    def _check_reach(self) -> None:
        """Some numbers of changes are impossible, and some keep the chain within a part of the space."""
        sizes = [len(candidates) for candidates in self.search_space.candidates if len(candidates) > 1]
        changes = self.num_modified
        if isinstance(changes, bool) or not isinstance(changes, int) or not 1 <= changes <= len(sizes):
            raise ValueError(
                f"`num_modified` must lie in 1 to {len(sizes)}, the number of layers with several candidates; got"
                f" {changes!r}."
            )
        if self.search_space.identity_placement == "end":
            if changes > 1:
                raise ValueError(
                    f"`num_modified` must be 1 with `identity_placement='end'`, where not every architecture has a legal"
                    f" one at distance {changes}."
                )
        elif (changes == len(sizes) and sizes.count(2) > 1) or (changes % 2 == 0 and set(sizes) == {2}):
            # Layers with two candidates flip in step with each other, or always in even numbers.
            raise ValueError(
                f"With `num_modified` {changes} and layers of two candidates, a part of the search space is never"
                " reached; take 1."
            )


__all__ = ["GradualSampler"]
