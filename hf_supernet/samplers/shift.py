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
"""Sampling by size, more often where children are far from convergence (ShiftNAS)."""

import base64
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from safetensors.torch import load, save
from transformers.utils import logging

from ..architecture import Architecture
from ..architecture_generator import ArchitectureGenerator
from ..costs import parameter_table
from ..search_space import CostTable, SearchSpace, SizedCostTable
from .adaptive import AdaptiveSampler, check_positive, check_share
from .base import check_num_paths
from .size_bins import SizeBins, fingerprint


if TYPE_CHECKING:
    from ..evaluation.gradients import ChildGradients
    from ..models.supernet_bert import SupernetBertConfig


logger = logging.get_logger(__name__)

PROPOSALS = ("uniform", "generator")
"""How an architecture of a bin is drawn: all equally likely, or proposed by an [`ArchitectureGenerator`]."""


class ShiftSampler(AdaptiveSampler):
    """
    First a size is drawn, then an architecture of that size; the sizes whose children are farther from convergence become more
    likely.

    [ShiftNAS: Improving One-shot NAS via Probability Shift](https://huggingface.co/papers/2307.08300) (Zhang et al., ICCV
    2023): operators that are drawn uniformly make a bell curve of sizes, which trains medium children too much and the
    small and large ones too little. So sizes are cut into bins, a bin is drawn, and the probabilities of bins follow
    the gradient of the dev loss with respect to the weights, which is near 0 at convergence.

    As published: bins of equal width, changes every 100 steps, a beginning in which nothing changes (`warmup_steps`), the
    generator of architectures on request. The authors' code is not public, and what is on record leaves open how the
    distribution is computed: it is a vector that is learnt by gradients, which finite differences approximate. Ours:

    - Every `interval` steps, `num_probes` children of each bin, new ones each time, are measured on the same `eval_samples`
      dev examples: the norm of the gradient of the dev loss with respect to all weights of the child. (The change of its
      loss since the last time would be cheaper, but a bin that is drawn more often changes more, which would draw it more
      often still; the norm falls as a bin converges. It is large, too, where a bin learns the training data by heart, and it sums over
      more weights where children are larger, which favours their bins.)
    - The probabilities move towards norms divided by their sum, by the share `rate` of the way; the share `uniform_share` is the
      same for all bins, so that none is left out.
    - Sizes are numbers of parameters (the paper's are multiply-adds); pass another `cost_table` for others.
    - Where the paper has to learn to propose architectures of a size, they can be counted here: by default, all
      architectures of a bin are equally likely.

    The measurements cost, each time, forward and backward passes of `num_probes` children a bin over the dev examples.

    Args:
        search_space ([`SearchSpace`]):
            The space, of whichever kind.
        seed (`int`, *optional*, defaults to 0):
            The seed of all draws.
        cost_table ([`CostTable`], or [`SizedCostTable`] where the space has several hidden sizes):
            What size means. [`SupernetTrainer`] passes the [`parameter_table`] of its supernet.
        num_bins (`int`, *optional*, defaults to 10):
            Bins of sizes, those without an architecture included.
        interval (`int`, *optional*, defaults to 100):
            Optimizer steps between two changes of the distribution.
        warmup_steps (`int`, *optional*, defaults to 0):
            Steps at the beginning in which all bins are equally likely; a tenth of the training in the paper.
        rate (`float`, *optional*, defaults to 0.5):
            How far a change goes, from above 0 to 1.
        uniform_share (`float`, *optional*, defaults to 0.2):
            The share of the probability that all bins have alike, from 0 to 1.
        num_probes (`int`, *optional*, defaults to 2):
            Children a bin that are measured.
        eval_samples (`int`, *optional*, defaults to 64):
            Dev examples on which they are measured.
        proposals (`str`, *optional*, defaults to `"uniform"`):
            `"uniform"`, all architectures of a bin equally likely, or `"generator"`, as published: an
            [`ArchitectureGenerator`] proposes one for the size in the middle of the bin. It learns before the first draw, in
            seconds, and is in the checkpoints.
        num_paths (`int`, *optional*, defaults to 1):
            The paths a step, drawn independently, their gradients averaged.

    Raises:
        ValueError: for an option out of its range, for no costs, for a space whose architectures are all in one bin, and for
            proposals of a generator in a space that it does not fit.
    """

    name = "shift"
    default_options = {"num_paths": 1}

    def __init__(
        self,
        search_space: SearchSpace,
        seed: int = 0,
        cost_table: CostTable | SizedCostTable | None = None,
        num_bins: int = 10,
        interval: int = 100,
        warmup_steps: int = 0,
        rate: float = 0.5,
        uniform_share: float = 0.2,
        num_probes: int = 2,
        eval_samples: int = 64,
        proposals: str = "uniform",
        num_paths: int = 1,
    ):
        if not isinstance(cost_table, CostTable | SizedCostTable):
            raise ValueError(
                f"`cost_table` says what an architecture's size is, as `parameter_table(config, search_space)` does, got"
                f" {cost_table!r}. `SupernetTrainer` passes that of its supernet."
            )
        self.bins = SizeBins(search_space, cost_table, num_bins)
        super().__init__(search_space, seed, [len(self.bins)], interval, eval_samples)
        if len(self.bins) < 2:
            raise ValueError(
                f"All architectures of this space are in one of the `num_bins` {num_bins} bins of sizes: there is nothing to"
                " shift. Take more bins, or the 'uniform' sampler."
            )
        self.num_bins = num_bins
        if isinstance(warmup_steps, bool) or not isinstance(warmup_steps, int) or warmup_steps < 0:
            raise ValueError(f"`warmup_steps` is an integer from 0, got {warmup_steps!r}.")
        self.warmup_steps = warmup_steps
        self.rate = check_share("rate", rate)
        self.uniform_share = check_share("uniform_share", uniform_share)
        if self.rate == 0 or self.uniform_share == 1:
            raise ValueError(
                f"With `rate` {rate} and `uniform_share` {uniform_share} the bins would stay equally likely: take a `rate` above 0"
                " and a `uniform_share` below 1."
            )
        self.num_probes = check_positive("num_probes", num_probes)
        if proposals not in PROPOSALS:
            raise ValueError(f"`proposals` must be one of {', '.join(PROPOSALS)}; got {proposals!r}.")
        self.proposals = proposals
        self.num_paths = check_num_paths(num_paths)
        self._proposer = ArchitectureGenerator(search_space, cost_table, seed) if proposals == "generator" else None

    @classmethod
    def options_for(cls, config: "SupernetBertConfig", search_space: SearchSpace) -> dict[str, Any]:
        return {"cost_table": parameter_table(config, search_space)}

    def sample(self, step: int) -> list[Architecture]:
        (probabilities,) = self.distribution(step)
        generator = self.generator(step)
        numbers = generator.choices(range(len(self.bins)), probabilities, k=self.num_paths)
        return [self._propose(number, generator) for number in numbers]

    def adapt(
        self, step: int, measure: "Callable[[Sequence[Architecture]], dict[Architecture, ChildGradients]]"
    ) -> dict[str, float]:
        if step < self.warmup_steps:
            return {}
        generator = self.generator("probes", step)
        probes = [
            [self.bins.sample(number, generator) for _ in range(self.num_probes)] for number in range(len(self.bins))
        ]
        found = measure([probe for own in probes for probe in own])
        norms = [sum(found[probe].norm for probe in own) / len(own) for own in probes]
        self.move(step, [norms], self.uniform_share, self.rate)
        (probabilities,) = self.distribution(step)
        logs = {f"bin_{number}_probability": value for number, value in enumerate(probabilities)}
        return logs | {f"bin_{number}_gradient_norm": norm for number, norm in enumerate(norms)}

    def settings(self) -> dict:
        names = ("num_bins", "warmup_steps", "rate", "uniform_share", "num_probes", "proposals")
        own = {name: getattr(self, name) for name in names}
        return {"cost_table": fingerprint(self.bins.cost_table), **own, **super().settings()}

    def state_dict(self) -> dict:
        state = super().state_dict()
        if self._proposer is not None:
            weights = save(self._fitted_proposer().state_dict())
            state["generator"] = base64.b64encode(weights).decode("ascii")
        return state

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        if self._proposer is not None:
            if "generator" not in state:
                raise ValueError(
                    "The state of a sampler whose `proposals` are a generator's has a `generator`; it is missing."
                )
            self._proposer.load_state_dict(load(base64.b64decode(state["generator"])))
            self._proposer.is_fitted = True

    def _propose(self, number: int, generator: random.Random) -> Architecture:
        if self._proposer is None:
            return self.bins.sample(number, generator)
        return self._fitted_proposer().sample(self.bins.centre(number), generator)

    def _fitted_proposer(self) -> ArchitectureGenerator:
        if not self._proposer.is_fitted:
            hits = _share_of_hits(self._proposer.fit(), self.bins)
            if hits < 0.95:
                logger.warning(
                    f"Only {hits:.0%} of what the `ArchitectureGenerator` proposes is in the bin that it is meant for. Take fewer"
                    " bins, or the `proposals` 'uniform'."
                )
        return self._proposer


def _share_of_hits(proposer: ArchitectureGenerator, bins: SizeBins) -> float:
    numbers = [number for number in range(len(bins)) for _ in range(20)]
    found = proposer.sample_all([bins.centre(number) for number in numbers], random.Random(0))
    return sum(bins.of(child) == number for child, number in zip(found, numbers, strict=True)) / len(numbers)


__all__ = ["PROPOSALS", "ShiftSampler"]
