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
"""RayEvaluator: a population evaluated by the workers of a Ray cluster, as fast as each of them is."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from ..architecture import Architecture
from .distributed import BlockLosses, DividedEvaluator, EvaluationStopped, SharedFailure
from .division import Block
from .evaluator import Evaluator


if TYPE_CHECKING:
    from ray.actor import ActorHandle


Work = list[tuple[list[Architecture], list[Mapping[str, torch.Tensor]]]]
"""Of each block of a part, the children and the batches."""


class RayEvaluator(DividedEvaluator):
    """
    An [`Evaluator`] whose children are run by workers of a [Ray](https://docs.ray.io) cluster, for machines that are not
    alike. A population is divided into more parts than there are workers, and a worker that is done takes the next one. Where
    a worker dies, another one does its part; the search goes on as long as one is left, and ends with [`EvaluationStopped`] where
    none is.

    The cluster is that of `ray.init`, if it was called, else the one that `RAY_ADDRESS` names, else a local one. Workers on
    processors of one kind, with one number of threads, find what an [`Evaluator`] finds, to the last bit.

    Args:
        model, batches, max_stored:
            As for [`Evaluator`]. The workers get a copy of the model as it is now.
        num_workers (`int`):
            How many workers.
        worker_options (`Mapping[str, Any]`, *optional*):
            What Ray reserves for each of them, such as `{"num_cpus": 4}` or `{"num_gpus": 1}`; a worker that sees an
            accelerator runs on it.
        parts_per_worker (`int`, *optional*, defaults to 4):
            Into how many parts, for each worker, a population is divided. With more, a slow worker holds the others up for
            less time, and fewer beginnings are shared.
        autocast (`Callable`, *optional*):
            Makes the context in which workers run the model, such as `functools.partial(torch.autocast, "cuda")`.

    Raises:
        ImportError: without Ray.
        ValueError: for numbers below 1.

    Example:

    ```python
    >>> evaluator = RayEvaluator(model, batches, num_workers=4, worker_options={"num_gpus": 1})
    >>> result = run_search(strategy, [dev_loss(evaluator), ParameterCost(model.config)])
    >>> evaluator.close()
    ```
    """

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Iterable[Mapping[str, torch.Tensor]],
        num_workers: int,
        worker_options: Mapping[str, Any] | None = None,
        parts_per_worker: int = 4,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
        max_stored: int | None = None,
    ):
        for name, value in (("num_workers", num_workers), ("parts_per_worker", parts_per_worker)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        super().__init__(model, batches, autocast, max_stored)
        self.parts_per_worker = parts_per_worker
        ray = import_ray()
        copy = ray.put(model)
        make = ray.remote(_Worker).options(**(worker_options or {})).remote
        self.workers: list[ActorHandle] = [make(copy, autocast, max_stored) for _ in range(num_workers)]
        """Those that are alive, as far as is known."""

    @property
    def num_parts(self) -> int:
        return self.parts_per_worker * max(1, len(self.workers))

    def run_parts(
        self,
        parts: Sequence[Sequence[Block]],
        ordered: list[Architecture],
        batches: Sequence[Mapping[str, torch.Tensor]],
        progress: bool,
    ) -> list[list[BlockLosses]]:
        """
        As [`DividedEvaluator.run_parts`].

        Raises:
            SharedFailure: where a part failed.
            EvaluationStopped: where no worker is left, or Ray itself fails: no child's fault.
        """
        ray = import_ray()
        try:
            return self._run_parts(parts, ordered, batches, progress)
        except ray.exceptions.RayError as error:
            raise EvaluationStopped(f"Ray failed: {type(error).__name__}: {error}") from error

    def _run_parts(
        self,
        parts: Sequence[Sequence[Block]],
        ordered: list[Architecture],
        batches: Sequence[Mapping[str, torch.Tensor]],
        progress: bool,
    ) -> list[list[BlockLosses]]:
        ray = import_ray()
        work = [[(ordered[block.children], list(batches[block.batches])) for block in part] for part in parts]
        waiting = deque(range(len(work)))
        idle, running = deque(self.workers), {}
        found: dict[int, list[BlockLosses]] = {}
        with tqdm(total=len(work), desc="Evaluating children", disable=not progress, leave=False) as bar:
            while len(found) < len(work):
                while waiting and idle:
                    worker, part = idle.popleft(), waiting.popleft()
                    running[worker.run.remote(work[part])] = (worker, part)
                if not running:
                    raise EvaluationStopped(
                        "No Ray worker is left to evaluate children; see the logs of the cluster. A search with a store goes on from"
                        " there when it is begun again."
                    )
                [done], _ = ray.wait(list(running))
                worker, part = running.pop(done)
                try:
                    found[part] = ray.get(done)
                except ray.exceptions.RayActorError:  # it died, its part did not
                    self.workers.remove(worker)
                    waiting.appendleft(part)
                    continue
                except ray.exceptions.RayTaskError as error:
                    raise SharedFailure(f"{type(error.cause).__name__}: {error.cause}") from error
                idle.append(worker)
                bar.update()
        return [found[part] for part in range(len(work))]

    def close(self) -> None:
        """Ends the workers; the cluster stays."""
        ray = import_ray()
        for worker in self.workers:
            ray.kill(worker)
        self.workers.clear()


class _Worker:
    """What a Ray actor is made of: a copy of the model, on the accelerator that it was given, if any."""

    def __init__(self, model: PreTrainedModel, autocast: Callable[[], AbstractContextManager], max_stored: int | None):
        place = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        self.evaluator = Evaluator(model.to(place), [], autocast, max_stored)

    def run(self, work: Work) -> list[BlockLosses]:
        found = (self.evaluator.batch_losses(children, batches) for children, batches in work)
        return [(losses.cpu(), labels.cpu()) for losses, labels in found]


def import_ray() -> ModuleType:
    """The module of Ray; an `ImportError` without it says how to install it."""
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ImportError('A `RayEvaluator` needs Ray: pip install "hf_supernet[ray]"') from error
    return ray


__all__ = ["RayEvaluator", "import_ray"]
