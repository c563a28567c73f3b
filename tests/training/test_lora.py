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
"""The options of LoRA: what they stand for, and what cannot be."""

import pytest
from peft import PeftModel

from hf_supernet.training.lora import LoraArguments

from ..models.conftest import child_config
from ..test_peft import make_child


def test_a_rank_puts_adapters_in():
    child = make_child()
    assert LoraArguments().adapt(child, trains=True) is child
    assert LoraArguments().hyperparameters == {}
    arguments = LoraArguments(lora_r=3, lora_dropout=0.25)
    assert arguments.hyperparameters == {"LoRA rank": 3, "LoRA alpha": 6}
    adapted = arguments.adapt(child, trains=True)
    assert isinstance(adapted, PeftModel) and adapted.config.operators == child_config().operators
    config = adapted.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (3, 6, 0.25)
    adapted = LoraArguments(lora_r=2, lora_alpha=5, lora_target_modules=["key"]).adapt(make_child(), trains=True)
    assert adapted.peft_config["default"].lora_alpha == 5
    assert {name.rpartition(".")[2] for name in adapted.base_model.targeted_module_names} == {"key"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lora_r": 0}, "`lora_r` must be at least 1, got 0"),
        ({"lora_r": 2, "lora_alpha": 0}, "`lora_alpha` must be at least 1, got 0"),
        ({"lora_r": 2, "lora_dropout": 1.0}, r"`lora_dropout` must lie in \[0, 1\), got 1.0"),
        ({"lora_alpha": 4}, "`lora_alpha` is a setting of adapters: pass `lora_r`"),
        ({"lora_target_modules": ["query"]}, "`lora_target_modules` is a setting of adapters"),
    ],
)
def test_slips(fields, message):
    with pytest.raises(ValueError, match=message):
        LoraArguments(**fields)
