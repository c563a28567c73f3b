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

from pathlib import Path

import pytest

from hf_supernet.training import SupernetTrainer, supernet_checkpoints
from hf_supernet.training.checkpoints import last_complete_checkpoint, last_whole_checkpoint, missing_files

from .conftest import KillAt, Killed, logs_of


def test_mark_of_an_earlier_run_does_not_make_a_half_checkpoint_look_whole(make_trainer, monkeypatch, tmp_path):
    arguments = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    make_trainer(**arguments).train()
    assert last_complete_checkpoint(tmp_path / "run").endswith("checkpoint-4")

    def die(self, output_dir):
        if output_dir.endswith("checkpoint-4"):
            raise Killed

    trainer = make_trainer(seed=7, **arguments)  # another run in the same folder
    monkeypatch.setattr(type(trainer), "_save_optimizer_and_scheduler", die)
    with pytest.raises(Killed):
        trainer.train()
    assert last_complete_checkpoint(tmp_path / "run").endswith("checkpoint-2")


def test_checkpoint_is_pushed_when_it_is_whole(make_trainer, monkeypatch):
    pushed = []
    monkeypatch.setattr(SupernetTrainer, "init_hf_repo", lambda self: None)
    monkeypatch.setattr(SupernetTrainer, "_finish_current_push", lambda self: None)
    monkeypatch.setattr(
        SupernetTrainer, "_push_from_checkpoint", lambda self, folder: pushed.append(Path(folder).name)
    )
    trainer = make_trainer(push_to_hub=True, max_steps=4, save_strategy="steps", save_steps=2)
    write = supernet_checkpoints.write_supernet_state
    monkeypatch.setattr(
        supernet_checkpoints,
        "write_supernet_state",
        lambda folder, state: pushed.append("whole") or write(folder, state),
    )
    trainer.train()
    assert pushed == ["whole", "checkpoint-2", "whole", "checkpoint-4"]
    assert trainer.args.push_to_hub


def test_resumed_run_reports_its_own_throughput(make_trainer):
    arguments = {"max_steps": 4, "save_strategy": "steps", "save_steps": 3}
    with pytest.raises(Killed):
        make_trainer(callbacks=[KillAt(3)], **arguments).train()
    metrics = make_trainer(**arguments).train(resume_from_checkpoint=True).metrics
    assert metrics["train_steps_per_second"] == pytest.approx(1 / metrics["train_runtime"], rel=0.05, abs=2e-3)


def test_best_model_is_loaded_at_the_end(make_trainer):
    trainer = make_trainer(
        max_steps=4, save_strategy="steps", save_steps=2, eval_strategy="steps", eval_steps=2, learning_rate=0.3,
        load_best_model_at_end=True, save_total_limit=1,
    )  # fmt: skip
    trainer.train()
    best = min(logs_of(trainer, "eval_loss"))
    assert logs_of(trainer, "eval_loss")[-1] > best or trainer.state.best_global_step == 4
    assert trainer.state.best_metric == best
    assert trainer.evaluate()["eval_loss"] == pytest.approx(best)


WHOLE = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def make_checkpoint(folder: Path, names=WHOLE) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (WHOLE, []),
        (("adapter_model.safetensors", *WHOLE[1:]), []),
        (("model.safetensors.index.json", *WHOLE[1:]), []),
        ((*WHOLE[:3], "rng_state_0.pth", "rng_state_1.pth", WHOLE[4]), []),
        *((WHOLE[:i] + WHOLE[i + 1 :], [name.replace("state.pth", "state*.pth")]) for i, name in enumerate(WHOLE)),
        ((), ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state*.pth", "trainer_state.json"]),
    ],
)
def test_what_a_checkpoint_lacks(names, missing, tmp_path):
    assert missing_files(make_checkpoint(tmp_path / "checkpoint-1", names)) == missing


def test_a_state_that_was_not_written_to_its_end(tmp_path):
    (make_checkpoint(tmp_path / "checkpoint-1") / "trainer_state.json").write_text('{"epoch": 1.')
    assert missing_files(tmp_path / "checkpoint-1") == ["trainer_state.json"]


def test_checkpoints_that_are_not_whole_are_passed_over(tmp_path):
    assert last_whole_checkpoint(tmp_path / "nowhere") is None
    make_checkpoint(tmp_path / "checkpoint-100", WHOLE[:-1])  # its run died before its state was written
    make_checkpoint(tmp_path / "checkpoint-x")
    assert last_whole_checkpoint(tmp_path) is None
    for step in (9, 20):
        make_checkpoint(tmp_path / f"checkpoint-{step}")
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-20")
