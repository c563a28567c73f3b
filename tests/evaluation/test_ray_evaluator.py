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
"""Ray as a backend: what is handed to whom, with a cluster that is made up; and a real one of two workers, where Ray is."""

import sys
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest

from hf_supernet.evaluation import EvaluationStopped, Evaluator, RayEvaluator
from hf_supernet.search import EvaluationStore, NSGA2Search, ParameterCost, dev_loss, run_search

from ..required import library
from .test_distributed import make_batches, make_supernet


class MadeUpRay:
    """As much of Ray as is used, in this process. The worker of the highest number is always done first."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayActorError(RayError):
            pass

        class RayTaskError(RayError):
            def __init__(self, cause):
                self.cause = cause

    def __init__(self):
        self.actors, self.dying, self.ran, self.given = [], set(), [], {}

    def put(self, value):
        return value

    def remote(self, kind):
        def make(*arguments):
            number, actor = len(self.actors), kind(*arguments)
            handle = SimpleNamespace(
                number=number, run=SimpleNamespace(remote=lambda work: (number, lambda: actor.run(work)))
            )
            self.actors.append(handle)
            return handle

        def options(**given):
            self.given = given
            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def wait(self, futures):
        done = max(futures, key=lambda future: future[0])
        return [done], [future for future in futures if future is not done]

    def get(self, future):
        number, work = future
        if number in self.dying:
            raise self.exceptions.RayActorError
        try:
            found = work()
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error
        self.ran.append(number)
        return found

    def kill(self, handle):
        self.dying.add(handle.number)


@pytest.fixture
def ray(monkeypatch) -> MadeUpRay:
    made_up = MadeUpRay()
    monkeypatch.setitem(sys.modules, "ray", made_up)
    return made_up


@pytest.fixture(scope="module")
def model():
    return make_supernet()


@pytest.fixture(scope="module")
def children(model):
    strategy = NSGA2Search(model.search_space, population_size=9, seed=1)
    return strategy.ask()


def test_the_losses_are_those_of_one_process(ray, model, children):
    expected = Evaluator(model, make_batches()).evaluate(children)
    for number in (1, 3):
        evaluator = RayEvaluator(model, make_batches(), number, {"num_cpus": 2}, parts_per_worker=3)
        assert evaluator.evaluate(children) == expected and list(expected) == children
    assert ray.given == {"num_cpus": 2} and len(ray.ran) == 3 + 9
    counts = Counter(ray.ran[3:])
    assert counts[3] > counts[1]  # who is done takes the next part
    evaluator.close()
    assert ray.dying == {1, 2, 3} and not evaluator.workers


def test_a_worker_that_dies_leaves_its_part_to_another(ray, model, children):
    expected = Evaluator(model, make_batches()).evaluate(children)
    evaluator = RayEvaluator(model, make_batches(), 3)
    ray.dying = {2, 0}
    assert evaluator.evaluate(children) == expected
    assert [worker.number for worker in evaluator.workers] == [1] and set(ray.ran) == {1}
    ray.dying.add(1)
    for _ in range(2):
        with pytest.raises(EvaluationStopped, match="No Ray worker is left to evaluate children"):
            evaluator.evaluate(children)


@pytest.mark.parametrize("failure", ["No Ray worker is left", "Ray failed: RayError: lost"])
def test_a_lost_cluster_ends_the_search_and_makes_no_child_a_failure(ray, model, monkeypatch, failure):
    store, size = EvaluationStore(), ParameterCost(model.config)

    def search(evaluator: Evaluator) -> pd.DataFrame:
        objectives = [dev_loss(evaluator, {"supernet": "random numbers"}), size]
        strategy = NSGA2Search(model.search_space, population_size=4, seed=3, objectives=objectives)
        return run_search(strategy, objectives, generations=3, store=store).table

    class Lost(RayEvaluator):
        calls = 0

        def evaluate(self, architectures, progress=False):
            self.calls += 1
            if self.calls == 2 and failure.startswith("No"):
                ray.dying = {0, 1}
            elif self.calls == 2:
                monkeypatch.setattr(ray, "wait", raise_lost)
            return super().evaluate(architectures, progress)

    def raise_lost(futures):
        raise ray.exceptions.RayError("lost")

    with pytest.raises(EvaluationStopped, match=failure):
        search(Lost(model, make_batches()[:2], 2))
    assert len(store) == 4 and all(row.error is None for row in store.rows())
    resumed = search(Evaluator(model, make_batches()[:2]))
    store.close()
    store = EvaluationStore()
    pd.testing.assert_frame_equal(resumed, search(Evaluator(model, make_batches()[:2])), check_exact=True)


def test_only_the_children_fail_that_have_to(ray, children):
    model = make_supernet()
    run_layers = model.base_model.run_layers

    def no_room(embedded, architecture, start=0):
        if architecture == children[3]:
            raise MemoryError("no room")
        return run_layers(embedded, architecture, start=start)

    model.base_model.run_layers = no_room
    judged = dict(dev_loss(RayEvaluator(model, make_batches(), 2)).judge(children))
    assert [child for child in children if judged[child].error] == [children[3]]
    assert judged[children[3]].error == "MemoryError: no room"


def test_what_cannot_be(monkeypatch, model, ray):
    with pytest.raises(ValueError, match="`num_workers` must be at least 1, got 0"):
        RayEvaluator(model, [], 0)
    with pytest.raises(ValueError, match="`parts_per_worker` must be at least 1, got -1"):
        RayEvaluator(model, [], 2, parts_per_worker=-1)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'needs Ray: pip install "hf_supernet\[ray\]"'):
        RayEvaluator(model, [], 2)


@pytest.mark.slow
def test_a_local_cluster_of_two_workers_finds_what_one_process_finds(model):
    ray = library("ray")
    size = ParameterCost(model.config)

    def search(evaluator: Evaluator) -> pd.DataFrame:
        objectives = [dev_loss(evaluator), size]
        strategy = NSGA2Search(model.search_space, population_size=8, seed=3, objectives=objectives)
        return run_search(strategy, objectives, generations=2).table

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        evaluator = RayEvaluator(model, make_batches(), num_workers=2)
        pd.testing.assert_frame_equal(search(evaluator), search(Evaluator(model, make_batches())), check_exact=True)
        ray.kill(evaluator.workers[0])
        children = list(model.search_space)[:5]
        assert evaluator.evaluate(children) == Evaluator(model, make_batches()).evaluate(children)
        assert len(evaluator.workers) == 1
    finally:
        ray.shutdown()
