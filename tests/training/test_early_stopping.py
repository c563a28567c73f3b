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
"""The options of early stopping; that a resumed run counts on is tested with the script that has them."""

import pytest
from transformers import TrainingArguments

from hf_supernet.training.early_stopping import EarlyStoppingArguments


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"early_stopping_patience": 0}, "`early_stopping_patience` must be at least 1, got 0"),
        ({"early_stopping_threshold": 0.1}, "`early_stopping_threshold` needs a patience"),
        ({"early_stopping_patience": 1, "early_stopping_threshold": -1.0}, "must not be negative, got -1.0"),
    ],
)
def test_slips(fields, message):
    with pytest.raises(ValueError, match=message):
        EarlyStoppingArguments(**fields)


def test_needs_evaluations_and_the_best_model(tmp_path):
    stopping = EarlyStoppingArguments(early_stopping_patience=3, early_stopping_threshold=0.5)
    evaluated = {"eval_strategy": "epoch", "save_strategy": "epoch", "use_cpu": True}
    with pytest.raises(ValueError, match="and there are none: pass `eval_strategy`"):
        stopping.callbacks(TrainingArguments(str(tmp_path), use_cpu=True))
    with pytest.raises(ValueError, match="pass `load_best_model_at_end` too"):
        stopping.callbacks(TrainingArguments(str(tmp_path), **evaluated))
    arguments = TrainingArguments(str(tmp_path), load_best_model_at_end=True, **evaluated)
    (callback,) = stopping.callbacks(arguments)
    assert (callback.early_stopping_patience, callback.early_stopping_threshold) == (3, 0.5)
    assert arguments.restore_callback_states_from_checkpoint
    assert EarlyStoppingArguments().callbacks(arguments) == []
