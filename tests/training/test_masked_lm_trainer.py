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
"""Training a child alone: what goes through the head, which masks, and how accumulated batches count."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, TrainerCallback, TrainingArguments

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.training.checkpoints import missing_files
from hf_supernet.training.masked_lm_trainer import MaskedLMTrainer, NewMasksEveryEpoch

from .conftest import Killed, make_collator, make_dataset, randomize


SIZES = {"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 32}
SIZES |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def make_child() -> SearchedBertForMaskedLM:
    torch.manual_seed(0)
    operators = ["attention-4", "convolution-3", "feed_forward-37"]
    return randomize(SearchedBertForMaskedLM(SearchedBertConfig(operators=operators, **SIZES)))


def make_bert() -> BertForMaskedLM:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 37}
    return randomize(BertForMaskedLM(BertConfig(**sizes, **SIZES)))


@pytest.fixture
def make_trainer(tmp_path):
    def make(model=None, callbacks=None, **arguments) -> MaskedLMTrainer:
        given = {"max_steps": 2, "per_device_train_batch_size": 16, "save_strategy": "no", "report_to": "none"}
        given |= {"optim": "sgd", "learning_rate": 0.1, "max_grad_norm": 0.0, "remove_unused_columns": False}
        given |= {"dataloader_pin_memory": False, "disable_tqdm": True, "use_cpu": True} | arguments
        return MaskedLMTrainer(
            model or make_child(),
            TrainingArguments(str(tmp_path / "run"), **given),
            train_dataset=make_dataset(16),
            eval_dataset=make_dataset(9, seed=1),
            data_collator=make_collator(),
            callbacks=callbacks,
        )

    return make


@pytest.mark.parametrize(("make_model", "only_labelled"), [(make_child, True), (make_bert, False)])
def test_what_goes_through_the_vocabulary_head(make_trainer, make_model, only_labelled):
    trainer = make_trainer(make_model())
    batch = next(iter(trainer.get_train_dataloader()))
    _, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
    positions = (batch["labels"] != -100).sum() if only_labelled else batch["labels"].numel()
    assert outputs.logits.numel() == positions * 99


@pytest.mark.parametrize("make_model", [make_child, make_bert])
def test_16_times_1_equals_4_times_4(make_trainer, make_model):
    """The micro-batches have lengths and numbers of labels of their own."""
    whole = make_trainer(make_model(), per_device_train_batch_size=16)
    parts = make_trainer(make_model(), per_device_train_batch_size=4, gradient_accumulation_steps=4)
    for trainer in (whole, parts):
        trainer.train()
    for (name, weight), other in zip(whole.model.named_parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(weight, other, atol=1e-6, rtol=1e-4, msg=name)


def test_an_evaluation_has_the_masks_of_epoch_0(make_trainer):
    trainer = make_trainer()
    loss = trainer.evaluate()["eval_loss"]
    trainer.data_collator.set_epoch(3)
    assert trainer.evaluate()["eval_loss"] == loss
    assert trainer.data_collator.epoch == 3


def test_new_masks_every_epoch(make_trainer):
    class Watch(TrainerCallback):
        epochs: list[int] = []

        def on_step_begin(self, *args, **kwargs):
            self.epochs.append(trainer.data_collator.epoch)

    trainer = make_trainer(callbacks=[Watch()], per_device_train_batch_size=8, max_steps=5)
    trainer.add_callback(NewMasksEveryEpoch(trainer.data_collator))
    trainer.train()
    assert Watch.epochs == [0, 0, 1, 1, 2]


def test_the_state_of_an_earlier_run_does_not_make_a_half_checkpoint_look_whole(make_trainer, tmp_path, monkeypatch):
    checkpoint, saves = tmp_path / "run" / "checkpoint-2", {"save_strategy": "steps", "save_steps": 2}
    make_trainer(**saves).train()
    assert not missing_files(checkpoint)

    def die(self, output_dir):
        raise Killed

    monkeypatch.setattr(MaskedLMTrainer, "_save_optimizer_and_scheduler", die)
    with pytest.raises(Killed):
        make_trainer(**saves).train()
    assert missing_files(checkpoint) == ["trainer_state.json"]


def test_the_state_is_written_behind_the_random_states_of_all_processes(make_trainer, tmp_path, monkeypatch):
    checkpoint, waits = tmp_path / "run" / "checkpoint-2", []
    trainer = make_trainer(save_strategy="steps", save_steps=2)

    def wait():
        if (checkpoint / "rng_state.pth").is_file():
            waits.append(missing_files(checkpoint))

    monkeypatch.setattr(trainer.accelerator, "wait_for_everyone", wait)
    trainer.train()
    assert waits[0] == ["trainer_state.json"]
