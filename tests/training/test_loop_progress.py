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
"""A checkpoint of the loop on Accelerate is data: it is loaded, and does nothing else."""

import pickle
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from hf_supernet.training.loop_progress import TrainingProgress, load_checkpoint, save_checkpoint


class Touch:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def make(learning_rate: float) -> tuple[Accelerator, torch.nn.Module, TrainingProgress]:
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(3, 2)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), learning_rate))
    progress = TrainingProgress({"rows": 5})
    accelerator.register_for_checkpointing(torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0), progress)
    return accelerator, model, progress


def test_what_was_saved_is_loaded(tmp_path):
    accelerator, model, progress = make(0.5)
    progress.steps, progress.results, progress.loss_sum = 3, {"eval_accuracy": 0.25}, 1.5
    save_checkpoint(accelerator, progress, tmp_path)
    other, another_model, loaded = make(0.5)
    load_checkpoint(other, tmp_path / "step_3")
    assert loaded == progress
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), another_model.parameters(), strict=True))


@pytest.mark.parametrize("file", ["custom_checkpoint_0.pkl", "custom_checkpoint_1.pkl", "optimizer.bin"])
def test_code_in_a_checkpoint_does_not_run(file, tmp_path):
    accelerator, _, progress = make(0.5)
    save_checkpoint(accelerator, progress, tmp_path / "run")
    path = tmp_path / "run" / "step_0" / file
    assert path.is_file()
    torch.save({"epoch": Touch(tmp_path / "touched")}, path)
    with pytest.raises((ValueError, pickle.UnpicklingError), match=r"could run code|Weights only load failed"):
        load_checkpoint(make(0.5)[0], tmp_path / "run" / "step_0")
    assert not (tmp_path / "touched").exists()
