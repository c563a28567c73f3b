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
"""Gradual and fair: adjacent steps differ in one operator, and every candidate of a layer is trained equally often."""

from ..architecture import Architecture
from ..models.searched_bert.configuration_searched_bert import Operator
from ..search_space import SearchSpace
from .base import ArchitectureSampler, check_anywhere, check_hidden_size, check_step


class GradualFairSampler(ArchitectureSampler):
    """
    One path a step, which differs from that of the step before in exactly one operator, as [`GradualSampler`]'s does,
    while each candidate of each layer is trained equally often, as by [`FairSampler`].

    Ours, and not published: it puts together what MAGIC-T ([Analyzing and Mitigating Interference in Neural Architecture
    Search](https://huggingface.co/papers/2108.12821)) and [FairNAS](https://huggingface.co/papers/1907.01845) ask for.

    Both at once, step by step, is impossible: fairness within n steps, n being the number of candidates of a layer, has
    every layer change at nearly every step. So fairness is over rounds here. With L layers, each layer holds an operator
    for L steps and then takes the next one of a random permutation of its candidates; after n of them, which is a round
    of n * L steps, comes a fresh permutation, which begins with another operator than the one before ended with. The
    layers have different phases, drawn once, so that at every step exactly one of them changes.

    - Within each of its rounds, a layer trains each of its candidates in exactly L steps. Rounds of different layers
      begin at different steps, and the first of a layer has already begun at step 0; after any number of steps, the
      numbers of updates of two candidates of a layer differ by less than 2 * L.
    - Layers are drawn independently of each other: at every step, each path is equally likely over seeds, and one run
      meets all of them in the long run. That needs three candidates: two could only alternate, and of the 2 ** L paths a
      run would go through the same 2 * L over and over.
    - A layer always changes after the same other one: what differs from round to round is the operators.

    The architectures are computed from the step: nothing is replayed.

    Args:
        search_space ([`SearchSpace`]):
            The space; it has to have `identity_placement="anywhere"`, and n >= 3 candidates in each layer. Layers with a
            single one stay as they are and do not count.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.

    Raises:
        ValueError: for a space whose identities stand at the end, whose layers have unequal numbers of candidates or
            fewer than three, or whose hidden size is searched.
    """

    name = "gradual-fair"

    def __init__(self, search_space: SearchSpace, seed: int = 0):
        super().__init__(search_space, seed)
        check_anywhere(search_space, "Gradual and fair sampling")
        remedy = "Use the 'sandwich', the 'uniform' or the 'fair' sampler, or 'gradual' with restarts."
        check_hidden_size(search_space, "Gradual and fair sampling", remedy)
        self._check_sizes()
        layers = search_space.searched_layers
        phases = list(range(len(layers)))
        self.generator("phases").shuffle(phases)
        self._phases = dict(zip(layers, phases, strict=True))

    def sample(self, step: int) -> list[Architecture]:
        check_step(step)
        operators = tuple(self._operator(layer, step) for layer in range(len(self.search_space)))
        return [Architecture(operators, next(iter(self.search_space.hidden_sizes), None))]

    def _operator(self, layer: int, step: int) -> Operator:
        """What the layer holds at this step."""
        candidates = self.search_space.candidates[layer]
        if layer not in self._phases:
            return candidates[0]
        held = (step + self._phases[layer]) // len(self._phases)  # the operators that the layer has let go before
        round_, place = divmod(held, len(candidates))
        return self._permutation(layer, round_)[place]

    def _permutation(self, layer: int, round_: int) -> list[Operator]:
        """The candidates of the layer in the order of this round."""
        permutation = self._draw(layer, round_)
        # Where it would begin as the one before ended, its first operator goes somewhere else, but never to the end:
        # so all permutations end as they were drawn, and none depends on more than the one before it.
        if round_ and permutation[0] == self._draw(layer, round_ - 1)[-1]:
            place = self.generator("exchange", layer, round_).randrange(1, len(permutation) - 1)
            permutation[0], permutation[place] = permutation[place], permutation[0]
        return permutation

    def _draw(self, layer: int, round_: int) -> list[Operator]:
        permutation = list(self.search_space.candidates[layer])
        self.generator(layer, round_).shuffle(permutation)
        return permutation

    def _check_sizes(self) -> None:
        sizes = [len(candidates) for candidates in self.search_space.candidates]
        searched = {size for size in sizes if size > 1}
        if len(searched) != 1:
            raise ValueError(
                "Gradual and fair sampling needs equally many candidates in all layers that have several, but the layers"
                f" have {sizes}. Use the 'gradual' sampler with `layer_order='even'`, or the 'fair' one."
            )
        if searched == {2}:
            raise ValueError(
                "Gradual and fair sampling needs at least 3 candidates in a layer: two can only alternate, so that a run"
                " meets few of the paths. Use the 'gradual' sampler with `layer_order='even'`, or the 'fair' one."
            )


__all__ = ["GradualFairSampler"]
