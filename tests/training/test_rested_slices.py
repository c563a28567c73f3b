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

from hf_supernet import Architecture
from hf_supernet.training.rested_slices import restore_rested_slices, trained_slices

from .conftest import KillAt, Killed, logs_of, make_collator, make_dataset, make_supernet
from .test_trainer import Watch


SPACE = {
    "weight_sharing": "sliced",
    "hidden_sizes": [16, 32],
    "attention_head_size": 8,
    "candidate_operators": [
        ["attention-4", "attention-2"],
        ["convolution-7", "convolution-5", "convolution-3"],
        ["feed_forward-37", "feed_forward-8", "identity"],
    ],
    "num_hidden_layers": 3,
}
LARGEST, SMALL, OTHER = "H32:A4-C7-F37", "H16:A2-C3-F8", "H32:A2-C5-F37"
KINDS = [
    (torch.optim.AdamW, {"fused": True, "weight_decay": 0.1}),
    (torch.optim.AdamW, {"foreach": True, "amsgrad": True}),
    (torch.optim.Adam, {"foreach": False}),
    (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
]


def make_model(**config):
    model = make_supernet(dropout=0.0, **SPACE | config)
    with torch.no_grad():  # transforms are unit matrices at first, whose zeros would hide what is read
        for name, parameter in model.named_parameters():
            if name.endswith("transform"):
                parameter.add_(torch.rand_like(parameter))
    return model


def backward(model, *paths: str) -> list[Architecture]:
    model.zero_grad()
    batch = make_collator()(list(make_dataset(8)))
    for path in paths:
        model(**batch, architecture=path).loss.backward()
    return [Architecture.from_string(path) for path in paths]


@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize(
    "paths", [[SMALL], [OTHER], ["H16:A4-C7-F37"], [SMALL, "H32:A2-C3-I"], ["H16:A4-C5-I", OTHER], [LARGEST, SMALL]]
)
def test_masks_are_where_there_are_gradients(paths, transform):
    model = make_model(kernel_transform=transform)
    masks = dict(trained_slices(model, backward(model, *paths)))
    partly = 0
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            assert parameter not in masks, name
            continue
        mask = masks.get(parameter, torch.ones_like(parameter, dtype=torch.bool))
        assert not parameter.grad[~mask].any(), name
        if "embeddings" not in name and "key.bias" not in name:
            assert parameter.grad[mask].ne(0).float().mean() > 0.9, name
        partly += not mask.all()
    # Of the matrix that makes a kernel of 5, a kernel of 3 reads the middle.
    assert bool(partly) == (LARGEST not in paths or transform)


def test_a_path_that_reads_all_of_a_weight_needs_no_mask():
    model = make_model()
    assert not dict(trained_slices(model, backward(model, LARGEST, SMALL)))


@pytest.mark.parametrize(("optimizer_class", "options"), KINDS)
def test_what_lies_outside_stays_and_what_lies_inside_moves_as_ever(optimizer_class, options):
    models = [make_model(), make_model()]
    plain, restoring = (optimizer_class(model.parameters(), lr=0.01, **options) for model in models)
    paths: list[Architecture] = []
    restore_rested_slices(restoring, models[1], lambda: paths)
    for step in ([LARGEST], [SMALL, "H16:A2-C5-F8"]):
        before, state_before = copy.deepcopy(models[1].state_dict()), copy.deepcopy(restoring.state_dict()["state"])
        for model, optimizer in zip(models, (plain, restoring), strict=True):
            paths[:] = backward(model, *step)
            optimizer.step()
    masks = dict(trained_slices(models[1], paths))
    rested = 0
    pairs = zip(*(model.named_parameters() for model in models), strict=True)
    for index, ((name, usual), (_, weight)) in enumerate(pairs):
        mask = masks.get(weight, torch.ones_like(weight, dtype=torch.bool))
        assert torch.equal(weight[mask], usual[mask]), name
        assert torch.equal(weight[~mask], before[name][~mask]), name
        rested += int((~mask & (usual != weight)).sum())
        for key, moment in restoring.state[weight].items():
            if torch.is_tensor(moment) and moment.shape == weight.shape:
                assert torch.equal(moment[mask], plain.state[usual][key][mask]), (name, key)
                assert torch.equal(moment[~mask], state_before[index][key][~mask]), (name, key)
    assert rested > 1000  # plain steps did move it


@pytest.mark.parametrize(("optimizer_class", "options"), [*KINDS, (torch.optim.Adam, {"weight_decay": 0.1})])
def test_moments_begin_at_zero_outside(optimizer_class, options):
    """Also where the very first gradient of a weight has its decay added."""
    model, paths = make_model(), []
    optimizer = optimizer_class(model.parameters(), lr=0.01, **options)
    restore_rested_slices(optimizer, model, lambda: paths)
    paths[:] = backward(model, SMALL)
    optimizer.step()
    found = 0
    for weight, mask in trained_slices(model, paths):
        for moment in optimizer.state[weight].values():
            if torch.is_tensor(moment) and moment.shape == weight.shape:
                found += 1
                assert not moment[~mask].any() and moment[mask].any()
    assert found > 10


@pytest.mark.parametrize("setting", ["move", "restore"])
def test_in_a_training(make_trainer, setting):
    """By gradients of several micro-batches, clipped, with the fused optimizer and its decay."""
    watch = Watch()
    trainer = make_trainer(
        model=make_model(), callbacks=[watch], rested_slices=setting, max_steps=4, weight_decay=0.1, max_grad_norm=0.1,
        gradient_accumulation_steps=2, sampler_kwargs={"num_paths": 2},
    )  # fmt: skip
    trainer.train()
    moved = 0
    for step in range(4):
        masks = dict(trained_slices(trainer.model, trainer.sampler.sample(step)))
        for name, parameter in trainer.model.named_parameters():
            if parameter in masks:
                change = watch.weights[step + 1][name] != watch.weights[step][name]
                moved += int(change[~masks[parameter]].sum())
                assert change[masks[parameter]].any()
    assert (moved > 0) == (setting == "move")


def test_resumed_equals_uninterrupted(make_trainer):
    arguments = {"rested_slices": "restore", "rested_moments": "decay", "weight_decay": 0.1, "logging_steps": 1}
    arguments |= {"save_strategy": "steps", "save_steps": 2, "max_steps": 5}
    whole = make_trainer("whole", make_model(), **arguments)
    whole.train()
    with pytest.raises(Killed):
        make_trainer("killed", make_model(), callbacks=[KillAt(3)], **arguments).train()
    resumed = make_trainer("killed", make_model(), **arguments)
    resumed.train(resume_from_checkpoint=True)
    weights = whole.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in resumed.model.state_dict().items())
    assert logs_of(resumed) == logs_of(whole)
    with pytest.raises(ValueError, match=r"another rested_slices \(restore, now move\)"):
        make_trainer("killed", make_model(), **arguments | {"rested_slices": "move"}).train(
            resume_from_checkpoint=True
        )


def test_what_does_not_fit_is_an_error(make_trainer):
    with pytest.raises(ValueError, match="is for PyTorch's AdamW, Adam and SGD, got RMSprop"):
        make_trainer(model=make_model(), rested_slices="restore", optim="rmsprop").train()
    with pytest.raises(ValueError, match="goes with `weight_sharing='sliced'`, got 'separate'"):
        make_trainer(rested_slices="restore").train()
