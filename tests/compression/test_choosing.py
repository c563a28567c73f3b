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

import logging
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from datasets import Dataset
from transformers import BertTokenizer

from hf_supernet.compression.choosing import warn_of_untrained
from hf_supernet.compression.task_data import TaskData


def task_with(labels: list) -> TaskData:
    return TaskData(None, None, None, Dataset.from_dict({"labels": labels}), {})


@pytest.mark.parametrize(
    ("labels", "loss"),
    [([0, 1, 0, 1], 0.693147), ([0, 0, 0, 1], 0.562335), ([2, 2], 0), ([0, 1, 2], 1.098612), ([1.0, 3.0, 5.0], 8 / 3)],
)
def test_the_best_constant_answer(labels, loss):
    assert task_with(labels).constant_loss == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_each_held_out_row_counts_once_in_the_loss(classifier, batch_size):
    """Whatever the batches: the last one may be smaller."""
    rows = {"input_ids": [[2, 7, 9], [2, 8, 11], [2, 50, 4], [2, 3, 98], [2, 60, 61]], "labels": [0, 1, 1, 1, 0]}
    tokenizer = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1})
    task = TaskData(None, tokenizer, None, Dataset.from_dict(rows), {})
    with torch.no_grad():
        logits = classifier.eval()(input_ids=torch.tensor(rows["input_ids"])).logits
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(rows["labels"])).item()
    assert task.search_loss(classifier, batch_size, "cpu") == pytest.approx(expected, rel=1e-5)


class Result(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.table)


@pytest.mark.parametrize(("best", "warned"), [(0.7, True), (0.69, False)])
def test_a_supernet_that_learned_nothing_is_named(best, warned, caplog):
    result = Result(table=pd.DataFrame({"loss": [0.9, best, float("nan")]}))
    with caplog.at_level(logging.WARNING):
        warn_of_untrained(result, task_with([0, 1]).constant_loss)
    found = [record.getMessage() for record in caplog.records]
    text = "The best of 3 children has the loss 0.7 on the rows that are held out, and a constant answer 0.6931"
    assert [message.startswith(text) for message in found] == [True] * warned
