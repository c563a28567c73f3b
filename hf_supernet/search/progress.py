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
"""SearchProgress: the bar that a running search shows."""

import time
from types import TracebackType

import numpy as np
from tqdm.auto import tqdm

from .indicators import hypervolume, non_dominated
from .strategy import SearchStrategy


class SearchProgress:
    """
    A bar over the generations, with the best value (one objective) or the size of the front and its hypervolume, and the
    number of children judged per second; tqdm adds the time that is left.

    Args:
        strategy ([`SearchStrategy`]):
            The strategy, which is told before the bar is updated.
        generations (`int`):
            How many generations there may be.
        disable (`bool`, *optional*, defaults to `False`):
            Whether to show nothing.
    """

    def __init__(self, strategy: SearchStrategy, generations: int, disable: bool = False):
        self.strategy = strategy
        self.reference: np.ndarray | None = None
        self.num_judged = 0
        self._started = time.monotonic()
        self._bar = tqdm(total=generations, desc=f"Searching ({strategy.name})", disable=disable)

    def __enter__(self) -> "SearchProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def update(self, num_judged: int) -> None:
        """A generation is done, for which `num_judged` children were not in the store."""
        self.num_judged += num_judged
        if not self._bar.disable:
            self._bar.set_postfix(self.state(), refresh=False)
        self._bar.update()

    def state(self) -> dict[str, str | int]:
        """What the bar says."""
        values = np.array(list(self.strategy.evaluated.values()))
        values = values[~np.isnan(values).any(axis=1)]
        seconds = max(time.monotonic() - self._started, 1e-9)
        return {
            **self._quality(values),
            "evaluated": len(self.strategy.evaluated),
            "children/s": f"{self.num_judged / seconds:.3g}",
        }

    def _quality(self, values: np.ndarray) -> dict[str, str | int]:
        if not len(values):
            return {}
        if values.shape[1] == 1:
            objective = self.strategy.objectives[0]
            return {f"best {objective.name}": f"{objective.sign * values.min():.4f}"}
        if self.reference is None:  # fixed at the worst of the first generation
            self.reference = values.max(axis=0)
        front = values[non_dominated(values)]
        return {"front": len(front), "hypervolume": f"{hypervolume(front, self.reference):.4g}"}


__all__ = ["SearchProgress"]
