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
import pytest
import torch
from torch import nn

from hf_supernet import Architecture
from hf_supernet.training.mean_teacher import MEAN_TEACHER_NAME, MeanTeacher

from .conftest import MAGIC_AT, logs_of, loss_by_hand, make_collator, make_dataset, make_supernet, parameters_on
from .test_alignment import by_hand
from .test_trainer import Watch


AVERAGED = MAGIC_AT | {"anchor_average": 0.75}


def test_average_by_hand():
    """The plain mean of 1, 5, 3 and 7, where all have 1/4; from then on the newest has 1/4."""
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, 9.0)
    teacher = MeanTeacher(model, 0.75)
    nn.init.constant_(model.weight, 1.0)
    teacher.begin(model)
    seen = []
    for step, value in enumerate([5.0, 3.0, 7.0, 12.0, 6.0], start=1):
        nn.init.constant_(model.weight, value)
        teacher.update(model, step)
        seen.append(teacher.model.weight.unique().item())
    assert seen == [3.0, 3.0, 4.0, 0.75 * 4 + 0.25 * 12, 0.75 * 6 + 0.25 * 6]
    assert model.weight.tolist() == [[6.0, 6.0]]


def test_average_goes_round(tmp_path):
    teacher, other = (MeanTeacher(make_supernet(), 0.5) for _ in range(2))
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.zero_()
    teacher.save(tmp_path)
    other.load(tmp_path)
    weights = teacher.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in other.model.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == [MEAN_TEACHER_NAME]


def test_average_takes_in_all_weights_behind_each_step(make_trainer):
    """Also those that the step did not train: their average goes on toward them."""
    watch = Watch()
    trainer = make_trainer(callbacks=[watch], **AVERAGED)
    trainer.train()
    averages = dict(watch.weights[0])
    for step, weights in enumerate(watch.weights[1:], start=1):
        share = max(0.25, 1 / (step + 1))
        averages = {name: (1 - share) * average + share * weights[name] for name, average in averages.items()}
    for name, average in trainer.mean_teacher.model.named_parameters():
        torch.testing.assert_close(average, averages[name])
    rested = averages.keys() - parameters_on(trainer.model, trainer.sampler.sample(5))
    assert any(not torch.equal(averages[name], watch.weights[-1][name]) for name in rested)


def test_anchor_is_run_with_the_average(make_trainer):
    """The second step's loss, by hand: the child with the weights that it has, the anchor with the mean of the first two."""
    watch = Watch()
    arguments = AVERAGED | {"max_steps": 2, "logging_steps": 1, "per_device_train_batch_size": 44, "anchor": "largest"}
    trainer = make_trainer(dropout=0.0, callbacks=[watch], **arguments)
    trainer.train()
    model, teacher = make_supernet(dropout=0.0), make_supernet(dropout=0.0)
    model.load_state_dict(watch.weights[1], strict=False)
    teacher.load_state_dict(
        {name: (value + watch.weights[1][name]) / 2 for name, value in watch.weights[0].items()}, strict=False
    )
    collator = make_collator()
    collator.set_epoch(1)
    child = str(trainer.sampler.sample(1)[0])
    expected = by_hand(model, collator(list(make_dataset(44))), child, "A4-A4-A4-A4", [0, 1, 2, 3], True, teacher)
    assert logs_of(trainer, "alignment_loss")[1] == pytest.approx(expected.item(), rel=1e-4)
    assert logs_of(trainer, "alignment_loss")[0] > 0  # of one set of weights


def test_anchor_is_judged_with_the_average(make_trainer):
    trainer = make_trainer(**AVERAGED | {"anchor_interval": 3})
    trainer.train()
    rows = [trainer.eval_dataset[index] for index in range(9)]
    own, averaged = (
        loss_by_hand(model, rows, trainer.anchor.architecture) for model in (trainer.model, trainer.mean_teacher.model)
    )
    assert trainer.anchor.loss == pytest.approx(averaged, rel=1e-5) != pytest.approx(own, rel=1e-5)


def test_average_does_not_change_what_is_trained_but_by_its_loss(make_trainer):
    """With next to no weight, the run is the one without alignment: no random number and no gradient comes from the average."""
    runs = []
    for arguments in ({}, {"alignment_weight": 1e-30, "anchor": "largest", "anchor_average": 0.9}):
        trainer = make_trainer(str(len(arguments)), dropout=0.0, **arguments)
        trainer.train()
        runs.append(trainer.model.state_dict())
    assert all(torch.equal(value, runs[1][name]) for name, value in runs[0].items())


def test_model_of_a_checkpoint_is_taken_without_the_average(make_trainer, tmp_path):
    arguments = AVERAGED | {"max_steps": 2, "save_strategy": "steps", "save_steps": 2}
    trainer = make_trainer(**arguments)
    trainer.train()
    assert (tmp_path / "run" / "checkpoint-2" / MEAN_TEACHER_NAME).is_file()
    trainer._take_model_from(tmp_path / "run" / "checkpoint-2")
    taken = {path.name for path in (tmp_path / "run").iterdir()}
    assert "model.safetensors" in taken and MEAN_TEACHER_NAME not in taken


def test_largest_anchor_needs_no_dev_set(make_trainer):
    trainer = make_trainer(options={"eval_dataset": None}, logging_steps=1, **MAGIC_AT | {"anchor": "largest"})
    trainer.train()
    assert trainer.anchor.architecture == Architecture.from_string("A4-A4-A4-A4")
    assert set(logs_of(trainer, "anchor")) == {"A4-A4-A4-A4"} and not logs_of(trainer, "anchor_loss")


@pytest.mark.parametrize(
    ("warmup", "shares"), [(0.0, [1] * 6), (0.5, [0, 1 / 3, 2 / 3, 1, 1, 1]), (1.0, [i / 6 for i in range(6)])]
)
def test_alignment_fades_in(make_trainer, warmup, shares):
    trainer = make_trainer(logging_steps=1, alignment_warmup=warmup, **MAGIC_AT | {"anchor": "largest"})
    trainer.train()
    for share, entry in zip(shares, trainer.state.log_history, strict=False):
        expected = entry["task_loss"] + share * 0.5 * entry["alignment_loss"]
        assert entry["loss"] == pytest.approx(expected, rel=1e-6) and entry["alignment_loss"] > 0.01
