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
"""A model that a Trainer saves is whole, whatever the Trainer dies of."""

import json
from pathlib import Path

import pytest
from transformers import BertTokenizer, Trainer

from hf_supernet.training.saving import WholeModelsMixin

from .conftest import Killed, make_tokenizer


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def die(*args, **kwargs):
    raise Killed


@pytest.fixture
def trainer(make_trainer):
    """A trainer with its model saved in the output folder."""
    trainer = make_trainer(options={"processing_class": make_tokenizer()})
    trainer.save_model()
    return trainer


def test_saved_as_by_any_trainer_but_for_the_pickle(trainer, tmp_path):
    Trainer._save(trainer, str(tmp_path / "plain"))
    expected = contents(tmp_path / "plain")
    (tmp_path / "run" / "training_args.bin").write_bytes(expected.pop("training_args.bin"))  # of an earlier run
    trainer.save_model()
    saved = contents(tmp_path / "run")
    assert "training_args.bin" not in saved
    assert {name: saved[name] for name in expected} == expected
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(expected)
    assert not [name for name in saved if name.startswith("_")]


@pytest.mark.parametrize("place", ["new", "there already"])
def test_died_while_it_saved(trainer, monkeypatch, tmp_path, place):
    """The weights are written, the tokenizer, which comes behind them, is not."""
    folder = tmp_path / ("run" if place == "there already" else "other")
    before = contents(folder) if folder.exists() else {}
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(BertTokenizer, "save_pretrained", die)
        for parameter in trainer.model.parameters():
            parameter.data.zero_()
        trainer.save_model(str(folder))
    after = contents(folder)
    after.pop("supernet_settings.json", None)
    before.pop("supernet_settings.json", None)
    assert after == before
    trainer.save_model(str(folder))
    assert contents(folder) != before and "config.json" in contents(folder)


def test_the_state_names_no_folder_of_this_machine(trainer, tmp_path):
    trainer.state.best_model_checkpoint = str(tmp_path / "run" / "checkpoint-4")
    trainer.save_state()
    text = (tmp_path / "run" / "trainer_state.json").read_text()
    assert json.loads(text)["best_model_checkpoint"] == "checkpoint-4" and str(tmp_path) not in text
    assert trainer.state.best_model_checkpoint == str(tmp_path / "run" / "checkpoint-4")


def test_processes_that_do_not_save_write_nothing(trainer, monkeypatch, tmp_path):
    monkeypatch.setattr(type(trainer.args), "should_save", False)
    trainer.save_model(str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_all_trainers_of_the_package_save_whole_models():
    from hf_supernet.training import SupernetTrainer
    from hf_supernet.training.finetuning_trainer import FineTuningTrainer
    from hf_supernet.training.masked_lm_trainer import MaskedLMTrainer

    for trainer_class in (SupernetTrainer, FineTuningTrainer, MaskedLMTrainer):
        assert trainer_class._save is WholeModelsMixin._save
        assert trainer_class._push_from_checkpoint is WholeModelsMixin._push_from_checkpoint
