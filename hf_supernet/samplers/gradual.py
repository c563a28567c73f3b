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

import math

from ..architecture import Architecture
from ..search_space import SearchSpace
from .base import ArchitectureSampler, check_anywhere, check_hidden_size, check_num_paths, check_step


LAYER_ORDERS = ("random", "even")

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

    Where the hidden size is searched, a change of it would change every operator at once: the chain keeps it, and only a
    path that is drawn anew has another one, so that such a space needs a `restart_probability` above 0. (Ours.)

    The defaults are the paper's. In the sweeps of `examples/ranking` (2, 3 and 6 of 6 operators a step, restarts, even order) nothing
    told another value apart from them, nor the sampler from uniform sampling.

    Args:
        search_space ([`SearchSpace`]):
            The space.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        num_modified (`int`, *optional*, defaults to 1):
            The number of operators k that change from step to step: 1 in the paper.
        restart_probability (`float`, *optional*, defaults to 0.0):
            The probability with which a path is drawn anew, uniformly, instead of modified; ours. 1 is uniform sampling.
        layer_order (`str`, *optional*, defaults to `"random"`):
            How the modified layers are drawn. `"random"`: at each step independently. `"even"`, ours: the steps walk
            through a random permutation of the L layers with several candidates, k layers at a time, from its end back
            to its start, until each layer was modified equally often, which takes L / gcd(k, L) steps (L with k = 1);
            then the next permutation is drawn. A path that is drawn anew uses up the turn of its step. Each path is
            equally likely at every step as before.
        num_paths (`int`, *optional*, defaults to 1):
            The paths a step: that many consecutive members of the chain, their gradients averaged; ours. The next step
            goes on from the last of them. A step costs so many times what one with a single path costs.

    Raises:
        ValueError: for a number of operators that cannot change, or with which a part of the space is never reached; for
            an option out of its range; for layers in even order in a space whose identities stand at the end; for several
            hidden sizes without restarts.
    """

    name = "gradual"
    default_options = {"restart_probability": 0.0, "layer_order": "random", "num_paths": 1}

    def __init__(
        self,
        search_space: SearchSpace,
        seed: int = 0,
        num_modified: int = 1,
        restart_probability: float = 0.0,
        layer_order: str = "random",
        num_paths: int = 1,
    ):
        super().__init__(search_space, seed)
        self.num_modified = num_modified
        self.restart_probability = _check_probability(restart_probability)
        if layer_order not in LAYER_ORDERS:
            raise ValueError(f"`layer_order` must be one of {', '.join(LAYER_ORDERS)}; got {layer_order!r}.")
        if layer_order == "even":
            check_anywhere(search_space, "Gradual sampling with `layer_order='even'`")
        self.layer_order = layer_order
        self.num_paths = check_num_paths(num_paths)
        self._check_reach()
        self._recent: dict[int, Architecture] = {}  # by place in the chain, ascending and without gaps

    def sample(self, step: int) -> list[Architecture]:
        first = check_step(step) * self.num_paths
        if first < min(self._recent, default=first + 1):
            self._recent = {0: self.search_space.sample(self.generator(0))}
        for place in range(max(self._recent) + 1, first + self.num_paths):
            self._recent[place] = self._following(self._recent[place - 1], place)
            if len(self._recent) > _KEPT_STEPS * self.num_paths:
                del self._recent[min(self._recent)]
        return [self._recent[place] for place in range(first, first + self.num_paths)]

    def settings(self) -> dict:
        return {"num_modified": self.num_modified, **super().settings()}

    def state_dict(self) -> dict:
        # The first path of the last step, so that this step can be asked for again without replay.
        step = max(self._recent) // self.num_paths if self._recent else None
        return {
            **super().state_dict(),
            "step": step,
            "architecture": None if step is None else str(self._recent[step * self.num_paths]),
        }

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        missing = [key for key in ("step", "architecture") if key not in state]
        if missing:
            raise ValueError(f"The state of a gradual sampler has `step` and `architecture`; missing: {missing}.")
        if state["step"] is None:
            self._recent = {}
        else:
            place = check_step(state["step"]) * self.num_paths
            self._recent = {place: self.search_space.check(state["architecture"])}

    def _following(self, architecture: Architecture, place: int) -> Architecture:
        """The member of the chain at `place`, from 1, given the one before it."""
        # Each draw has a generator of its own, so that an option leaves the draws of the others as they are.
        restart = self.generator("restart", place)
        if restart.random() < self.restart_probability:
            return self.search_space.sample(restart)
        generator = self.generator(place)
        if self.layer_order == "random":
            return self.search_space.mutate(architecture, self.num_modified, generator)
        for layer in self._layers_in_turn(place):
            others = [operator for operator in self.search_space.candidates[layer] if operator != architecture[layer]]
            architecture = architecture.replace(layer, others[generator.randrange(len(others))])
        return architecture

    def _layers_in_turn(self, place: int) -> list[int]:
        """The layers to modify at a place of the chain, from 1, in even order."""
        # One permutation until its end falls together with that of a step: k neighbours on a circle of L >= k layers are
        # distinct, as they might not be across the border of two permutations.
        permutation = self.search_space.searched_layers
        size = len(permutation)
        round_, turn = divmod(place - 1, _turns(self.num_modified, size))
        self.generator("layers", round_).shuffle(permutation)
        return [permutation[(turn * self.num_modified + i) % size] for i in range(self.num_modified)]

    def _check_reach(self) -> None:
        """Some numbers of changes are impossible, and some keep the chain within a part of the space."""
        if self.restart_probability == 0:
            remedy = "Set `restart_probability` above 0, or use the 'sandwich', the 'uniform' or the 'fair' sampler."
            check_hidden_size(self.search_space, "Gradual sampling without restarts", remedy)
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
        elif self.restart_probability == 0 and _misses_paths(sizes, changes, self.layer_order):
            raise ValueError(
                f"With `num_modified` {changes}, `layer_order` {self.layer_order!r} and layers of two candidates, a part"
                " of the search space is never reached; take `num_modified` 1, or a `restart_probability` above 0."
            )


def _turns(changes: int, num_layers: int) -> int:
    """After how many steps of `changes` layers in turn each layer was modified equally often."""
    return num_layers // math.gcd(changes, num_layers)


def _misses_paths(sizes: list[int], changes: int, layer_order: str) -> bool:
    """Layers with two candidates can only flip, which they may have to do in step with each other."""
    pairs = sizes.count(2)
    if changes % 2 == 0 and pairs == len(sizes):
        return True  # an even number of them, at every step
    if layer_order == "random":
        return changes == len(sizes) and pairs > 1
    # In even order the layers come in multiples of the divisor: one pair alone needs others to fill them up.
    return pairs > 0 and len(sizes) - pairs < math.gcd(changes, len(sizes)) - 1


def _check_probability(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"`restart_probability` must lie in 0 to 1, got {value!r}.")
    return float(value)


__all__ = ["LAYER_ORDERS", "GradualSampler"]
