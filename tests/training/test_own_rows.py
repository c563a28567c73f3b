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
"""In one process, which plays each of several in turn. `test_distributed.py` trains with two."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from accelerate.state import GradientState
from torch.utils.data import DataLoader

from hf_supernet.training import SupernetTrainingArguments
from hf_supernet.training.own_rows import own_rows


def walk(num_rows: int, processes: int, skip: int = 0, split: bool = False, **options) -> dict[int, list]:
    """For each step, what counts of it on each process: the rows and their factor."""
    seen = defaultdict(list)
    for index in range(processes):
        loader = DataLoader(range(num_rows), batch_size=processes * 4 if split else 4, **options)
        loader = prepare_data_loader(
            loader, num_processes=processes, process_index=index, put_on_device=False, split_batches=split
        )
        loader = skip_first_batches(loader, skip) if skip else loader
        accelerator = SimpleNamespace(gradient_state=GradientState(), num_processes=processes, process_index=index)
        for step, batch in enumerate(loader):
            rows, factor = own_rows(accelerator, {"rows": batch, "name": "a"})
            assert rows["name"] == "a"
            seen[step].append((rows["rows"], factor))
    return seen


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("processes", [2, 3])
def test_every_row_counts_once(processes, split):
    for num_rows in range(1, 26):
        whole = walk(num_rows, processes, split=split)
        counted = [row for step in whole.values() for rows, factor in step if factor for row in rows.tolist()]
        assert sorted(counted) == list(range(num_rows))
        for step in whole.values():
            own = torch.cat([rows for rows, factor in step if factor]).double()
            mean = sum(factor * rows.double().mean() for rows, factor in step) / processes
            assert mean.item() == pytest.approx(own.mean().item())
            assert all(len(rows) > 0 for rows, _ in step)
        resumed = walk(
            num_rows, processes, skip=1, split=split
        )  # as a run that enters the epoch behind its first batch
        assert len(resumed) == len(whole) - 1
        for step, behind in resumed.items():
            for (rows, factor), (other, other_factor) in zip(behind, whole[step + 1], strict=True):
                assert rows.tolist() == other.tolist() and factor == other_factor


def test_nothing_is_left_out_where_nothing_is_repeated():
    for step in walk(22, 2, drop_last=True).values():
        assert [(len(rows), factor) for rows, factor in step] == [(4, 1.0)] * 2
    assert [(len(rows), factor) for step in walk(22, 1).values() for rows, factor in step] == [(4, 1.0)] * 5 + [
        (2, 1.0)
    ]


def test_batches_that_are_not_even_are_refused(make_trainer, monkeypatch):
    monkeypatch.setattr(SupernetTrainingArguments, "world_size", 2)
    uneven = {"even_batches": False}
    with pytest.raises(ValueError, match=r"`even_batches=False`.*Leave it out.*`dataloader_drop_last`"):
        make_trainer(accelerator_config=uneven)
    make_trainer(accelerator_config=uneven, dataloader_drop_last=True)
