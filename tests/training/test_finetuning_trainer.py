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

import json

import pytest
import torch
import transformers.utils.hub
from datasets import Dataset
from transformers import TrainingArguments

from hf_supernet import SearchedBertConfig, SearchedBertForSequenceClassification
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.training.finetuning_trainer import FineTuningTrainer
from tests.hub_server import TOKEN


def make_trainer(folder, **more) -> FineTuningTrainer:
    operators = ["attention-4", "convolution-3"]
    config = SearchedBertConfig(vocab_size=40, hidden_size=32, operators=operators, max_position_embeddings=16)
    arguments = TrainingArguments(
        str(folder),
        **{"max_steps": 1, "save_strategy": "no"} | more,
        push_to_hub=True,
        hub_model_id="user/tuned",
        hub_token=TOKEN,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    rows = {"input_ids": torch.randint(5, 40, (4, 8)).tolist(), "labels": [0, 1, 0, 1]}
    return FineTuningTrainer(
        FineTuningCard("user/tuned", "user/child", False, "some sentences"),
        model=SearchedBertForSequenceClassification(config),
        args=arguments,
        train_dataset=Dataset.from_dict(rows),
    )


def test_a_push_keeps_what_the_card_on_the_hub_says(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # the client of another test's Hub
    make_trainer(tmp_path / "first").push_to_hub()
    card = hub.read("user/tuned", "README.md").decode()
    assert "trained on some sentences" in card
    hub.edit("user/tuned", README_md="---\nlanguage: en\n---\n\nBy hand.\n\n" + card.split("---\n")[2])
    make_trainer(tmp_path / "again").push_to_hub()  # from a folder that knows nothing of it
    card = hub.read("user/tuned", "README.md").decode()
    assert "By hand." in card and "language: en" in card and card.count("trained on some sentences") == 1


@pytest.mark.parametrize("strategy", ["every_save", "checkpoint"])
def test_pushes_while_it_trains(strategy, tmp_path, hub, monkeypatch):
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)
    steps = {
        "max_steps": 4,
        "save_strategy": "steps",
        "save_steps": 2,
        "hub_strategy": strategy,
        "hub_always_push": True,
    }
    trainer = make_trainer(tmp_path / "out", **steps)
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "training_args.bin").write_bytes(b"of an earlier run")
    (tmp_path / "out" / "pytorch_model.bin").write_bytes(b"likewise")
    trainer.train()
    trainer._finish_current_push()
    checkpoint = tmp_path / "out" / "checkpoint-4"
    assert hub.read("user/tuned", "model.safetensors") == (checkpoint / "model.safetensors").read_bytes()
    assert json.loads(hub.read("user/tuned", "config.json"))["model_type"] == "searched-bert"
    commits = hub.repositories["model", "user/tuned"].branches["main"]
    assert [commit.message for commit in commits].count("Training in progress, step 2") == 1
    written = {path for commit in commits for path in commit.files if path != ".gitattributes"}
    beside = {path for path in written if path.startswith("last-checkpoint/")}
    pickles = {path for path in written if not path.endswith((".json", ".safetensors", ".py", ".md"))}
    assert pickles <= beside  # a checkpoint is for going on from, and is there when it was asked for
    assert ("last-checkpoint/optimizer.pt" in beside) is (strategy == "checkpoint")
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith("_")]


def test_trains_and_saves(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)
    trainer = make_trainer(tmp_path / "out")
    trainer.train_and_save(train_samples=4)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "config.json", "train_results.json", "trainer_state.json"} <= names
    assert '"train_samples": 4' in (tmp_path / "out" / "train_results.json").read_text()
