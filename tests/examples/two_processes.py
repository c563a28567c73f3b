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
"""
What `test_two_processes.py` starts with `torchrun`: each process runs scripts, one after another, as it would one, and saves
what it saw of them.

    torchrun --nproc_per_node 2 -m tests.examples.two_processes FOLDER
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState
from torch.nn.parallel import DistributedDataParallel

from hf_supernet.files import write_json
from hf_supernet.scripts import run_script
from hf_supernet.training.finetuning_trainer import FineTuningTrainer

from .glue_runs import ROOT, run_glue, run_glue_no_trainer


sys.path.insert(0, str(ROOT / "examples"))
import run_child_mlm
import run_supernet_mlm


SCRIPTS = {
    "run_glue": run_glue,
    "run_glue_no_trainer": run_glue_no_trainer,
    "run_child_mlm": run_child_mlm,
    "run_supernet_mlm": run_supernet_mlm,
}


def sgd(model: torch.nn.Module, args) -> torch.optim.Optimizer:
    """For `run_glue_no_trainer.py`: Adam would not notice a gradient of the wrong size."""
    return torch.optim.SGD(model.parameters(), args.learning_rate)


def watch(wrapped: list[bool], batches: list[list[int]]) -> None:
    """Notes whether each wrapped model looks for unused parameters, and of each batch of a fine-tuning the rows that count."""
    wrap, step = DistributedDataParallel.__init__, FineTuningTrainer.training_step

    def watched_wrap(self, *args, find_unused_parameters: bool = False, **kwargs):
        wrapped.append(find_unused_parameters)
        wrap(self, *args, find_unused_parameters=find_unused_parameters, **kwargs)

    def watched_step(self, model, inputs, *args, **kwargs):
        batches.append(inputs["input_ids"].sum(dim=1).tolist() if inputs.get("row_factor") != 0 else [])
        return step(self, model, inputs, *args, **kwargs)

    DistributedDataParallel.__init__ = watched_wrap
    FineTuningTrainer.training_step = watched_step


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    run_glue_no_trainer.get_optimizer = sgd
    wrapped, batches, seen = [], [], {}
    watch(wrapped, batches)
    for name, (script, line) in json.loads((folder / "lines.json").read_text()).items():
        results = SCRIPTS[script].main(line)
        seen[name] = {"results": results, "finds_unused": wrapped[:], "batches": batches[:]}
        wrapped.clear()
        batches.clear()
        AcceleratorState._reset_state()
        GradientState._reset_state()
    write_json(folder / f"rank-{os.environ['RANK']}.json", seen)


if __name__ == "__main__":
    run_script(partial(main, Path(sys.argv[1])))
