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
import copy

import pytest
import torch
from torch import nn

from hf_supernet.training.rested_moments import decay_rested_moments

from .conftest import parameters_on


KINDS = [{"fused": True}, {"foreach": True}, {"foreach": False}, {"fused": True, "amsgrad": True}]
TRAINED = [[0], [0, 1], [0], [1], [1], [0, 1], [0], [0], [0], [0, 1]]
"""Which of two weights each step trains: both rest, the second begins late."""


def make(**kind) -> torch.optim.AdamW:
    weights = [nn.Parameter(torch.tensor(values)) for values in ([1.0, -2.0, 0.5], [[3.0], [-1.0]])]
    return torch.optim.AdamW(weights, lr=0.1, betas=(0.8, 0.95), weight_decay=0.3, **kind)


def gradient(step: int, weight: nn.Parameter) -> torch.Tensor:
    return torch.randn(weight.shape, generator=torch.Generator().manual_seed(step))


def take_steps(optimizer: torch.optim.AdamW, start: int, stop: int, zeros: bool = False) -> None:
    """With gradients that do not depend on the weights; `zeros`: in place of none, once a weight was trained."""
    for step in range(start, stop):
        for index, weight in enumerate(optimizer.param_groups[0]["params"]):
            weight.grad = gradient(step, weight) if index in TRAINED[step] else None
            if weight.grad is None and zeros and optimizer.state[weight]:
                weight.grad = torch.zeros_like(weight)
        optimizer.step()


def by_hand(index: int, stop: int) -> tuple[torch.Tensor, torch.Tensor, int, torch.Tensor]:
    """Moments, number of steps and weight; moments decay in every step, the weight moves where it is trained."""
    weight = make().param_groups[0]["params"][index].detach().clone()
    first, second, steps = torch.zeros_like(weight), torch.zeros_like(weight), 0
    for step in range(stop):
        is_trained = index in TRAINED[step]
        grad = gradient(step, weight) if is_trained else torch.zeros_like(weight)
        first, second = 0.8 * first + 0.2 * grad, 0.95 * second + 0.05 * grad**2
        steps += bool(steps or is_trained)
        if is_trained:
            correction = (second / (1 - 0.95**steps)).sqrt() + 1e-8
            weight = weight * (1 - 0.1 * 0.3) - 0.1 * first / (1 - 0.8**steps) / correction
    return first, second, steps, weight


@pytest.mark.parametrize("kind", KINDS[:3])
def test_trained_again_as_by_hand(kind):
    optimizer = make(**kind)
    decay_rested_moments(optimizer)
    take_steps(optimizer, 0, len(TRAINED))
    for index, weight in enumerate(optimizer.param_groups[0]["params"]):
        state = optimizer.state[weight]
        first, second, steps, expected = by_hand(index, len(TRAINED))
        torch.testing.assert_close(state["exp_avg"], first)
        torch.testing.assert_close(state["exp_avg_sq"], second)
        assert state["step"] == steps == len(TRAINED) - index  # the second begins one step later
        torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_those_of_gradients_of_zero_and_the_weight_stays(kind):
    zeros, rests, keeps = make(**kind), make(**kind), make(**kind)
    decay_rested_moments(rests)
    for step, trained in enumerate(TRAINED):
        before = [weight.detach().clone() for weight in rests.param_groups[0]["params"]]
        for optimizer in (zeros, rests, keeps):
            take_steps(optimizer, step, step + 1, zeros=optimizer is zeros)
        for index in {0, 1} - set(trained):
            assert torch.equal(rests.param_groups[0]["params"][index], before[index])
        for index in trained:
            expected, found, kept = (o.state[o.param_groups[0]["params"][index]] for o in (zeros, rests, keeps))
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value, msg=f"{name}, step {step}, weight {index}")
    assert kept["step"] < found["step"] and not torch.allclose(kept["exp_avg"], found["exp_avg"])


@pytest.mark.parametrize("kind", KINDS)
def test_state_goes_round_in_the_middle_of_a_rest(kind, tmp_path):
    whole = make(**kind)
    decay_rested_moments(whole)
    take_steps(whole, 0, 4)
    torch.save(whole.state_dict(), tmp_path / "optimizer.pt")
    weights = copy.deepcopy(whole.param_groups[0]["params"])
    take_steps(whole, 4, len(TRAINED))
    resumed = torch.optim.AdamW(weights, lr=0.7, **kind)
    decay_rested_moments(resumed)
    resumed.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    take_steps(resumed, 4, len(TRAINED))
    for mine, theirs in zip(resumed.param_groups[0]["params"], whole.param_groups[0]["params"], strict=True):
        assert torch.equal(mine, theirs)


def test_without_a_rest_nothing_changes(monkeypatch):
    monkeypatch.setattr("tests.training.test_rested_moments.TRAINED", [[0, 1]] * 6)
    plain, decaying = make(fused=True), make(fused=True)
    decay_rested_moments(decaying)
    for optimizer in (plain, decaying):
        take_steps(optimizer, 0, 6)
    for mine, theirs in zip(plain.param_groups[0]["params"], decaying.param_groups[0]["params"], strict=True):
        assert torch.equal(mine, theirs)


def test_a_first_step_that_the_scaler_left_out_is_no_rest():
    """Its state is there, with moments and a number of steps of zero."""
    plain, decaying = make(fused=True), make(fused=True)
    decay_rested_moments(decaying)
    decaying.found_inf = torch.tensor(1.0)  # as `torch.amp.GradScaler` says it
    take_steps(decaying, 9, 10)
    del decaying.found_inf
    for optimizer in (plain, decaying):
        take_steps(optimizer, 9, 10)
    for mine, theirs in zip(plain.param_groups[0]["params"], decaying.param_groups[0]["params"], strict=True):
        assert torch.equal(mine, theirs) and decaying.state[theirs]["step"] == 1


@pytest.mark.parametrize("setting", ["keep", "decay"])
@pytest.mark.parametrize("given", [False, True])
def test_in_a_training(make_trainer, setting, given):
    """The number of steps of each weight: with decay, those since its first one, rests in between included."""
    trainer = make_trainer(rested_moments=setting, max_steps=8)
    if given:  # an optimizer of one's own
        optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=1e-3)
        options = {"optimizers": (optimizer, None)}
        trainer = make_trainer(model=trainer.model, rested_moments=setting, max_steps=8, options=options)
    trainer.train()
    trained: dict[str, list[int]] = {}
    for step in range(8):
        for name in parameters_on(trainer.model, trainer.sampler.sample(step)):
            trained.setdefault(name, []).append(step)
    expected = {
        name: steps[-1] - steps[0] + 1 if setting == "decay" else len(steps) for name, steps in trained.items()
    }
    found = {name: trainer.optimizer.state[weight].get("step") for name, weight in trainer.model.named_parameters()}
    assert {name: int(steps) for name, steps in found.items() if steps is not None} == expected
    assert any(len(steps) < steps[-1] - steps[0] + 1 for steps in trained.values())


def test_another_optimizer_is_an_error(make_trainer):
    with pytest.raises(ValueError, match="is for PyTorch's Adam and AdamW, got SGD: set `optim='adamw_torch_fused'`"):
        make_trainer(rested_moments="decay", optim="sgd").train()
