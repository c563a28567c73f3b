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
"""The data of a compression: rows to train on, rows to choose a child by, and those for the report."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import DataCollatorWithPadding, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..data.glue import GlueData
from ..evaluation.glue import GLUE_TASKS
from .arguments import TaskDataArguments


_SHARE_HELD_OUT = 0.1
_MOST_HELD_OUT = 1000


@dataclass
class TaskData:
    """
    Tokenized rows of a task, in three parts that share no row.

    Args:
        data (`GlueData`):
            The splits as they were read.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            The tokenizer of all models of the compression.
        train (`Dataset`):
            What every training sees.
        search (`Dataset`):
            What no training of the compression sees: a child is chosen by it.
        validation (`dict[str, Dataset]`):
            For the report alone, by the ending of its metrics (`""`, and `"_mm"` for MNLI's second part).
    """

    data: GlueData
    tokenizer: PreTrainedTokenizerBase
    train: Dataset
    search: Dataset
    validation: dict[str, Dataset]

    @property
    def collator(self) -> DataCollatorWithPadding:
        return DataCollatorWithPadding(self.tokenizer)

    @property
    def metric(self) -> str:
        """The metric that models are compared by."""
        return GLUE_TASKS[self.data.metric_name].selection_metric

    @property
    def fingerprint(self) -> str:
        """A short hash of all rows, by which a run that goes on knows its data."""
        sha = hashlib.sha256()
        for part in (self.train, self.search, *self.validation.values()):
            sha.update(json.dumps([part["input_ids"][:], part["labels"][:]]).encode())
        return sha.hexdigest()[:16]

    @property
    def constant_loss(self) -> float:
        """
        The loss of the best constant answer on the rows that are held out: the entropy of their labels in nats, the variance of
        numbers. What answers no better learned nothing of the inputs.
        """
        labels = np.asarray(self.search["labels"][:])
        if np.issubdtype(labels.dtype, np.floating):
            return float(labels.var())
        shares = np.unique(labels, return_counts=True)[1] / len(labels)
        return float(-(shares * np.log(shares)).sum())

    def batches(self, part: Dataset, batch_size: int) -> list[dict[str, torch.Tensor]]:
        """The rows of a part in batches, in their order."""
        return [dict(batch) for batch in DataLoader(part, batch_size, collate_fn=self.collator)]

    def search_loss(self, model: PreTrainedModel, batch_size: int, device: torch.device | str) -> float:
        """
        The mean loss of a classifier on the rows that are held out.

        Args:
            model ([`~transformers.PreTrainedModel`]):
                The classifier; it is moved to `device` and put into evaluation mode.
            batch_size (`int`):
                Rows of a batch.
            device (`torch.device` or `str`):
                Where to run it.
        """
        model, total = model.to(device).eval(), 0.0
        for batch in self.batches(self.search, batch_size):
            with torch.inference_mode():
                outputs = model(**{name: tensor.to(device) for name, tensor in batch.items()})
            total += float(outputs.loss) * len(batch["labels"])
        return total / len(self.search)

    def scores(self, model: PreTrainedModel, batch_size: int, device: torch.device | str) -> dict[str, float]:
        """
        The metrics of a classifier on the whole validation split.

        Args:
            model ([`~transformers.PreTrainedModel`]):
                The classifier; it is moved to `device` and put into evaluation mode.
            batch_size (`int`):
                Rows of a batch.
            device (`torch.device` or `str`):
                Where to run it.
        """
        model = model.to(device).eval()
        scores = {}
        for ending, part in self.validation.items():
            logits, labels = [], []
            for batch in self.batches(part, batch_size):
                labels.append(batch.pop("labels"))
                with torch.inference_mode():
                    outputs = model(**{name: tensor.to(device) for name, tensor in batch.items()})
                logits.append(outputs.logits.float().cpu())
            found = self.data.score(torch.cat(logits).numpy(), torch.cat(labels).numpy(), model.config)
            scores |= {f"{name}{ending}": value for name, value in found.items()}
        return scores


def prepare_task(
    data: GlueData, args: TaskDataArguments, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> TaskData:
    """
    Tokenizes the rows, and holds some training rows out.

    Args:
        data (`GlueData`):
            With the splits `train` and `validation`.
        args ([`TaskDataArguments`]):
            How many rows, and how long.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`]):
            The model's.
        config ([`~transformers.PreTrainedConfig`]):
            The model's, which says how it numbers the labels.

    Raises:
        ValueError: where too few training rows are left to train on.
    """

    def tokenized(kind: str) -> dict[str, Dataset]:
        splits = args.subsets(kind, data.splits_of(kind))
        return {ending: data.tokenize(split, tokenizer, config, args) for ending, split in splits.items()}

    rows = tokenized("train")[""]
    held_out = args.search_samples or min(_MOST_HELD_OUT, max(1, round(_SHARE_HELD_OUT * len(rows))))
    if held_out >= len(rows):
        raise ValueError(
            f"`search_samples` is {held_out}, of {len(rows)} training rows: none would be left to train on. Lower it."
        )
    order = np.random.default_rng(args.subset_seed).permutation(len(rows))
    search, train = (rows.select(np.sort(part)) for part in (order[:held_out], order[held_out:]))
    return TaskData(data, tokenizer, train, search, tokenized("validation"))


__all__ = ["TaskData", "prepare_task"]
