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
from transformers import TrainerCallback

from hf_supernet.evaluation.interference import analyze_interference
from hf_supernet.training import InterferenceCallback

from .conftest import KillAt, Killed, make_collator, make_dataset, make_supernet


class Epochs(TrainerCallback):
    """The epochs whose masks the steps were given."""

    def __init__(self, collator):
        self.collator = collator
        self.seen = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.seen.append(self.collator.epoch)


def test_each_pass_over_a_stream_that_ends_has_masks_of_its_own(make_trainer):
    collator = make_collator()
    epochs = Epochs(collator)
    stream = make_dataset(16).to_iterable_dataset()
    options = {"data_collator": collator, "train_dataset": stream}
    make_trainer(callbacks=[epochs], options=options, max_steps=5).train()
    assert epochs.seen == [0, 0, 1, 1, 2]


def test_resuming_in_a_later_pass_over_a_stream_is_an_error(make_trainer):
    stream = make_dataset(16).to_iterable_dataset()
    arguments = {"train_dataset": stream, "max_steps": 5, "save_strategy": "steps", "save_steps": 3}
    with pytest.raises(Killed):
        make_trainer(callbacks=[KillAt(4)], **arguments).train()
    with pytest.raises(ValueError, match="second or later pass over a stream"):
        make_trainer(**arguments).train(resume_from_checkpoint=True)


def test_interference_is_logged_at_its_interval_and_changes_nothing(make_trainer):
    batches = [make_collator()([make_dataset(6, seed=3)[index] for index in range(6)])]
    batches[0].pop("example_id", None)
    plain = make_trainer("plain", max_steps=4)
    plain.train()
    watched = make_trainer("watched", max_steps=4, logging_steps=2)
    watched.add_callback(InterferenceCallback(watched, batches, interval=2, num_pairs=2))
    runtime = watched.train().metrics["train_runtime"]
    entries = [entry for entry in watched.state.log_history if "gradient_similarity_1" in entry]
    assert [entry["step"] for entry in entries] == [2, 4]
    assert [entry["step"] for entry in watched.state.log_history if "loss" in entry] == [2, 4]  # these too
    assert all(entry["interference_seconds"] > 0 for entry in entries)
    assert sum(entry["interference_seconds"] for entry in entries) < runtime
    rows = analyze_interference(watched.model, batches, [1, 2, 3], num_pairs=2)
    means = rows.groupby("distance")["gradient_similarity"].mean()
    for k in (1, 2, 3):
        assert entries[-1][f"gradient_similarity_{k}"] == pytest.approx(means[k], abs=1e-6)
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, watched.model.state_dict()[name]), name


def test_interference_of_plain_children(make_trainer):
    batches = [make_collator()([make_dataset(6, seed=3)[index] for index in range(6)])]
    batches[0].pop("example_id", None)
    blocks = [["attention-4", "identity"], ["feed_forward-37", "feed_forward-8", "identity"]] * 2
    trainer = make_trainer(model=make_supernet(plain_children=True, candidate_operators=blocks), max_steps=1)
    callback = InterferenceCallback(trainer, batches, interval=1, num_pairs=4)
    trainer.add_callback(callback)
    trainer.train()
    assert callback.distances == [1, 2] and trainer.model.search_space.max_changes == 3
    assert -1 <= trainer.state.log_history[0]["gradient_similarity_1"] <= 1


def test_an_interval_that_cannot_be(make_trainer):
    with pytest.raises(ValueError, match="`interval` must be at least 1 step, got 0"):
        InterferenceCallback(make_trainer(), [], interval=0)
