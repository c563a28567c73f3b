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
"""A toy plan of the ranking benchmark, its runs, and rows by a rule."""

import gc
import importlib
import random
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import datasets
import pandas as pd
import pytest
from accelerate.state import AcceleratorState, GradientState
from transformers.utils import logging


RANKING = Path(__file__).resolve().parents[3] / "examples" / "ranking"
MODULES = [path.stem for path in RANKING.glob("*.py")]
WORDS = [f"{one}{two}" for one in "bdfgklmnprst" for two in "aeiou"]
PLAN = """
text:
  train_files: ["train-*.csv"]
  validation_files: [dev.csv]
  vocab_size: 120
  max_seq_length: 16
  dev_sequences: 24
model:
  hidden_size: 16
  num_hidden_layers: 3
  candidate_operators: [attention-2, feed_forward-24, convolution-3, identity]
child_training: {steps: 6, batch_size: 4, learning_rate: 1e-2, evaluation_points: [0.5, 1.0]}
supernet_training: {steps: 8, batch_size: 4, learning_rate: 1e-2, evaluation_points: [0.5, 1.0]}
child_seeds: [1, 2]
supernet_seeds: {test: [1, 2], tuning: [11]}
methods:
  uniform: {}
  fair: {sampler: fair, step_cost: 4}
  magic-at: {sampler: gradual, alignment_weight: 1e-1, anchor_interval: 2, anchor_eval_samples: 6, step_cost: 1.34}
  averaged: {alignment_weight: 0.5, anchor: largest, weight_average: 0.9, learning_rate: 2e-2}
  teacher: {alignment_weight: 0.5, anchor_average: 0.5, alignment_warmup: 0.5, anchor_interval: 2, anchor_eval_samples: 6, rested_moments: decay}
comparison: [uniform, fair, magic-at]
pairs: [[fair, magic-at], [fair, averaged]]
# ---- Children: written by draw_children.py, not by hand ----
"""


@pytest.fixture(scope="module")
def scripts():
    """The modules of the folder, found as scripts find each other; other folders have a `report` too."""
    others = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    verbosity = logging.get_verbosity()
    sys.path.insert(0, str(RANKING))
    modules = SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    gc.freeze()  # each training collects garbage, which takes longer the more there is
    yield modules
    gc.unfreeze()
    logging.set_verbosity(verbosity)
    logging.enable_progress_bar()
    datasets.enable_progress_bars()
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    sys.path.remove(str(RANKING))
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(others)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A few generated sentences, and a plan without children."""
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(0)
    for name, size in (("train-0", 80), ("train-1", 80), ("dev", 60)):
        texts = [" ".join(draw.choices(WORDS, k=20)) for _ in range(size)]
        pd.DataFrame({"text": texts}).to_csv(folder / f"{name}.csv", index=False)
    (folder / "plan.yaml").write_text(PLAN)
    return folder


@pytest.fixture(scope="module")
def run(scripts, data, tmp_path_factory):
    """Runs a script with a results folder of that name; its plan is the drawn one, unless another is named."""
    results, work = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("work")
    plan = shutil.copy(data / "plan.yaml", data / "drawn.yaml")
    counts = ("--test", "5", "3", "3", "2", "--tuning", "1", "1", "1", "1")
    scripts.draw_children.main(["--plan", str(plan), *counts])

    def start(script: str, folder: str, *options: str, plan: Path = plan) -> Path:
        argv = ["--plan", str(plan), "--results_dir", str(results / folder)]
        if script != "report":
            argv += ["--data_dir", str(data), "--work_dir", str(work / folder)]
        getattr(scripts, script).main([*argv, *options])
        return results / folder

    start.work = work
    return start


CHILDREN = ("train_children", "--children", "tuning")
SUPERNETS = (
    "train_supernets",
    "--children",
    "tuning",
    "--save_steps",
    "3",
    "--methods",
    "magic-at",
    "averaged",
    "teacher",
)


@pytest.fixture(scope="module")
def whole(run) -> Path:
    """The results of runs that nothing interrupted."""
    run(CHILDREN[0], "whole", *CHILDREN[1:])
    return run(SUPERNETS[0], "whole", *SUPERNETS[1:])


def rows_of(scripts, folder: Path, kind: str) -> pd.DataFrame:
    """Sorted, without what differs from time to time."""
    rows = scripts.rows.read_rows(folder / kind).drop(columns=["seconds", "cpu_seconds"], errors="ignore")
    keys = [name for name in ("method", "budget", "step", "network", "seed") if name in rows]
    return rows.sort_values(keys, ignore_index=True)
