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
"""What a training reports to where it was asked to."""

import json
import logging
import sqlite3

import pytest

from ..required import library


RUN = {
    **{"sampler": "gradual", "alignment_weight": 0.5, "anchor_interval": 2, "anchor_eval_samples": 9},
    **{"max_steps": 4, "logging_steps": 2, "eval_strategy": "steps", "eval_steps": 2},
}
TEXTS = ("architecture", "anchor")


def reported(log: list[dict]) -> dict[str, list]:
    """All values in the log by the name that a tracker has for them."""
    values: dict[str, list] = {}
    for entry in log:
        for key, value in entry.items():
            name = f"eval/{key.removeprefix('eval_')}" if key.startswith("eval_") else f"train/{key}"
            values.setdefault(name, []).append((entry["step"], value))
    del values["train/step"]
    return values


def test_tensorboard_gets_all_that_is_logged(make_trainer, tmp_path, monkeypatch, caplog):
    events = library("tensorboard", "tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "events"))
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    trainer = make_trainer(report_to=["tensorboard"], **RUN)
    trainer.train()
    assert not [record for record in caplog.records if "attempting to log" in record.getMessage()]
    found = events.EventAccumulator(str(tmp_path / "events"))
    found.Reload()
    expected = reported(trainer.state.log_history)
    for name in (f"train/{text}" for text in TEXTS):
        texts = found.Tensors(f"{name}/text_summary")
        assert [(text.step, text.tensor_proto.string_val[0].decode()) for text in texts] == expected.pop(name)
    assert {"train/task_loss", "train/alignment_loss", "train/anchor_loss", "eval/smallest_loss"} < set(expected)
    assert set(found.Tags()["scalars"]) == set(expected)
    for name, values in expected.items():
        scalars = found.Scalars(name)
        assert [event.step for event in scalars] == [step for step, _ in values]
        assert [event.value for event in scalars] == pytest.approx([value for _, value in values], rel=1e-6)


def test_trackio_gets_all_that_is_logged(make_trainer, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    library("trackio")
    trainer = make_trainer(report_to=["trackio"], project="tiny", run_name="one", **RUN)
    trainer.train()
    connection = sqlite3.connect(tmp_path / "trackio" / "tiny.db")
    rows = [json.loads(row) for (row,) in connection.execute("SELECT metrics FROM metrics ORDER BY id")]
    connection.close()
    found: dict[str, list] = {}
    for row in rows:
        step = row.pop("train/global_step")
        for name, value in row.items():
            found.setdefault(name, []).append((step, value))
    # The figures of the whole training (its time, its mean loss) are no series; transformers does not send them there.
    expected = reported(trainer.state.log_history[:-1])
    found["train/epoch"] = found["train/epoch"][: len(expected["train/epoch"])]
    assert found == expected
    assert {f"train/{text}" for text in TEXTS} < set(found)
