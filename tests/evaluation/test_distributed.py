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
"""One, two and four processes find the same, to the last bit; a failure in one of them is one in all."""

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import distributed, multiprocessing

from hf_supernet import Architecture, SupernetBertForMaskedLM
from hf_supernet.evaluation import DistributedEvaluator, Evaluator
from hf_supernet.evaluation.distributed import SharedFailure
from hf_supernet.search import (
    EarlyStopping,
    EvaluationStore,
    FunctionObjective,
    NSGA2Search,
    ParameterCost,
    SearchResult,
    dev_loss,
    run_search,
)

from ..models.conftest import make_batch, make_masked_labels, randomise, supernet_config


WEIGHTS = {"supernet": "random numbers"}


def make_supernet() -> SupernetBertForMaskedLM:
    torch.manual_seed(0)
    return randomise(SupernetBertForMaskedLM(supernet_config()))


def make_batches() -> list[dict[str, torch.Tensor]]:
    """Seven batches of unequal sizes and numbers of labels."""
    batches = []
    for index in range(7):
        batch = make_batch(("right", "left")[index % 2], seed=index)
        batch = batch | {"labels": make_masked_labels(batch, seed=index)}
        batches.append({name: value[: 4 - index % 3] for name, value in batch.items()})
    return batches


def _in_one_process(rank: int, folder: Path, count: int, work: Callable[[int], object]) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder / f'of-{count}'}"
    distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=count)
    torch.save(work(rank), folder / f"{rank}-of-{count}.pt")
    distributed.destroy_process_group()


def in_processes(folder: Path, count: int, work: Callable[[int], object]) -> list:
    """What `work` returns in each of some processes; they are forked, so that nothing is imported anew."""
    multiprocessing.start_processes(_in_one_process, (folder, count, work), nprocs=count, start_method="fork")
    return [torch.load(folder / f"{rank}-of-{count}.pt", weights_only=False) for rank in range(count)]


def search(
    rank: int = 0, folder: Path | None = None, generations: int = 3, early_stopping: bool = True
) -> SearchResult:
    model = make_supernet()
    size = ParameterCost(model.config)
    stopping = EarlyStopping(first_batches=2, risk=0.3, other_objectives=[size]) if early_stopping else None
    objectives = [dev_loss(DistributedEvaluator(model, make_batches()), WEIGHTS, stopping), size]
    strategy = NSGA2Search(model.search_space, population_size=8, seed=3, objectives=objectives)
    if folder is None:
        return run_search(strategy, objectives, generations)
    store = EvaluationStore(folder / "store.sqlite")
    if rank:  # one process has the file, the others what is in it
        store = EvaluationStore.in_memory(store.rows())
    return run_search(strategy, objectives, generations, store)


def test_one_two_and_four_processes_find_the_same(tmp_path):
    alone = [search(early_stopping=early_stopping) for early_stopping in (True, False)]
    assert not alone[0].table["loss"].equals(alone[1].table["loss"])  # some were stopped
    for count in (2, 4):
        for both in in_processes(tmp_path, count, lambda rank: [search(rank), search(rank, early_stopping=False)]):
            for result, expected in zip(both, alone, strict=True):
                pd.testing.assert_frame_equal(result.table, expected.table, check_exact=True)


def test_a_search_goes_on_with_another_number_of_processes(tmp_path):
    alone = search()
    EvaluationStore(tmp_path / "store.sqlite").close()
    in_processes(tmp_path, 2, lambda rank: search(rank, tmp_path, generations=2))
    resumed = search(folder=tmp_path)
    pd.testing.assert_frame_equal(resumed.table, alone.table, check_exact=True)


def test_shares_of_the_batches_give_the_same_too(tmp_path):
    model, batches = make_supernet(), make_batches()
    children = [model.search_space.sample(random.Random(seed)) for seed in range(5)]
    alone = Evaluator(model, batches).evaluate(children)
    assert DistributedEvaluator(model, batches).evaluate(children) == alone
    for found in in_processes(tmp_path, 2, lambda rank: Evaluator(model, batches[rank::2]).evaluate(children)):
        assert found == alone


def test_what_fails_in_one_process_fails_in_all(tmp_path):
    model, batches = make_supernet(), make_batches()
    children = [model.search_space.sample(random.Random(seed)) for seed in range(6)]
    run_layers = model.base_model.run_layers

    def no_room(embedded, architecture, start=0):
        if architecture == children[2]:
            raise MemoryError("no room")
        return run_layers(embedded, architecture, start=start)

    model.base_model.run_layers = no_room
    loss = dev_loss(DistributedEvaluator(model, batches))
    alone = dict(loss.judge(children))
    assert [alone[child].error for child in children] == [None, None, "MemoryError: no room", None, None, None]

    def judge(rank: int) -> tuple[bool, dict]:
        with pytest.raises(SharedFailure, match="MemoryError: no room"):
            DistributedEvaluator(model, batches).evaluate(children)
        return dict(loss.judge(children))

    for found in in_processes(tmp_path, 2, judge):
        assert {child: said.error for child, said in found.items()} == {
            child: said.error for child, said in alone.items()
        }
        assert [found[child].value for child in children if child != children[2]] == [
            alone[child].value for child in children if child != children[2]
        ]


def test_what_each_process_measures_for_itself(tmp_path):
    """The first one's values count: others would go on with other children, and mix up their losses."""

    def measured_search(rank: int) -> SearchResult:
        def seconds(architecture: Architecture) -> float:
            if (rank + len(str(architecture))) % 4 == 0:
                raise MemoryError("no room")
            return random.random() + rank

        random.seed(rank)
        model = make_supernet()
        loss = dev_loss(DistributedEvaluator(model, make_batches()), WEIGHTS)
        objectives = [FunctionObjective("seconds", seconds, depends_on=WEIGHTS), loss]
        strategy = NSGA2Search(model.search_space, population_size=8, seed=3, objectives=objectives)
        return run_search(strategy, objectives, generations=3)

    alone = measured_search(0)
    assert 0 < len(alone.failures) < len(alone) - 8
    for found in in_processes(tmp_path, 2, measured_search):
        pd.testing.assert_frame_equal(found.table, alone.table, check_exact=True)
        pd.testing.assert_frame_equal(found.failures, alone.failures)


def test_processes_that_are_given_something_else(tmp_path):
    model, batches = make_supernet(), make_batches()
    children = [model.search_space.sample(random.Random(seed)) for seed in range(4)]

    def evaluate(rank: int) -> None:
        evaluator = DistributedEvaluator(model, batches)
        for asked, given in ((children[rank:], batches), (children, batches[rank::2]), (children, batches[rank:][:6])):
            evaluator.batches = given
            with pytest.raises(ValueError, match="given the same children and all dev batches by each process"):
                dict(dev_loss(evaluator).judge(asked))

    in_processes(tmp_path, 2, evaluate)
