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
"""The options of a compression: what follows from a checkpoint, and what can't be."""

import itertools

import pytest

from hf_supernet import PlainBertSpace, SearchSpace
from hf_supernet.compression import (
    BudgetArguments,
    ChoiceArguments,
    CompressionTrainingArguments,
    LatencyArguments,
    SpaceArguments,
    TaskDataArguments,
)
from hf_supernet.compression.budget import check_that_it_binds, constraints_of, cost_models
from hf_supernet.compression.supernet import spread_blocks, supernet_config, supernet_options

from .conftest import bert_config


def space_of(**options) -> SearchSpace:
    return SearchSpace.from_config(
        supernet_config(bert_config(), supernet_options(bert_config(), SpaceArguments(**options)))
    )


def test_children_by_default():
    """Feed-forward sizes in quarters, and the middle block, of three, left out or not."""
    space = space_of()
    assert isinstance(space, PlainBertSpace) and space.num_paths() == 2 * 4
    assert str(space.default_architecture()) == "A4-F40-A4-F40-A4-F40"
    assert [str(item) for item in space.candidates[1]] == [f"feed_forward-{size}" for size in (40, 30, 20, 10)]


def test_children_of_all_kinds():
    plain = space_of(hidden_sizes=[12], feed_forward_sizes=[20], min_blocks=1)
    assert plain.num_paths() == 2 * 2 * 4 and "H12:A2-F20-I-I-A2-F20" in plain
    free = space_of(space="free", head_counts=[1], feed_forward_sizes=[7], hidden_sizes=[13], min_blocks=2)
    assert free.num_paths() == 2 * (2 * 2) ** 2 * 3 * 3 and "H13:A4-F7-I-F40-A1-F40" in free
    assert "H13:A4-F7-I-F40-I-F40" not in free
    assert [[item.size for item in space_of(space="free").candidates[layer]] for layer in (2, 4)] == [
        [4, 3, 2, 1, 0],
        [4, 3, 2, 1],
    ]


@pytest.mark.parametrize("blocks", [1, 2, 3, 6, 12])
def test_blocks_that_stay_are_spread_and_the_last_one_among_them(blocks):
    for number in range(1, blocks + 1):
        kept = spread_blocks(number, blocks)
        steps = [after - before for before, after in itertools.pairwise(kept)]
        assert len(kept) == number and kept[-1] == blocks - 1 and (number == 1 or kept[0] == 0)
        assert min(steps, default=1) >= 1 and max(steps, default=1) - min(steps, default=1) <= 1
    assert spread_blocks(3, 6) == [0, 3, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "flat"}, "`space` must be one of plain, free; got 'flat'"),
        ({"importance": "size"}, "`importance` must be one of gradient, magnitude"),
        (
            {"head_counts": [2]},
            "`head_counts` goes with `space='free'`: in a plain BERT heads make up the hidden size",
        ),
        ({"feed_forward_sizes": [8, 8]}, r"`feed_forward_sizes` must be different numbers from 1 on, got \[8, 8\]"),
        ({"feed_forward_sizes": [41]}, "`feed_forward_sizes` has 41, and the checkpoint 40: children are parts of it"),
        ({"hidden_sizes": [13]}, "`hidden_sizes` has 13, which is no multiple of the 6 of one head"),
        ({"min_blocks": 4}, "`min_blocks` is 4, and the checkpoint has 3 blocks"),
        ({"min_blocks": 0}, "`min_blocks` must be at least 1, got 0"),
    ],
)
def test_children_that_can_not_be(options, message):
    with pytest.raises(ValueError, match=message):
        space_of(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "No budget is given: pass one or several of `max_latency_ratio`, `max_parameters`"),
        (
            {"max_latency_ratio": 1.5},
            "`max_latency_ratio` is a share of the reference's latency, between 0 and 1; got 1.5",
        ),
        ({"max_parameters": 0}, "`max_parameters` must be at least 1, got 0"),
    ],
)
def test_budgets_that_can_not_be(options, message):
    with pytest.raises(ValueError, match=message):
        BudgetArguments(**options)


def test_a_budget_out_of_reach_says_what_is_reached():
    config = supernet_config(bert_config(), supernet_options(bert_config(), SpaceArguments(min_blocks=1)))
    costs = cost_models(config, 16)
    with pytest.raises(
        ValueError,
        match=r"The budget can't be kept\. No architecture has at most 900 parameters: this space reaches [67],\d+ parameters"
        r" \('I-I-.*A4-F10'\) to 1\d,\d+ .* Raise it, or search smaller children: `min_blocks`",
    ):
        constraints_of(BudgetArguments(max_parameters=900), costs)
    with pytest.raises(
        ValueError, match=r"The reference has 16,946 parameters, which is within the budget: .* Lower it"
    ):
        check_that_it_binds(BudgetArguments(max_parameters=20_000), config, 16)
    check_that_it_binds(BudgetArguments(max_parameters=20_000, max_latency_ratio=0.5), config, 16)


def test_other_options(tmp_path):
    assert ChoiceArguments(baselines=["none"]).baselines == []
    for options, message in (
        ({"baselines": ["wider"]}, "`baselines` are of layers_dropped, narrowed, random_child, or none; got wider"),
        ({"finetune_epochs": -1.0}, "`reference_epochs` must be above 0 and `finetune_epochs` not below it"),
        ({"generations": 0}, "`generations` must be at least 1"),
        ({"finetune_distillation_weight": 2.0}, r"`finetune_distillation_weight` must lie in \[0, 1\], got 2.0"),
        ({"finetune_learning_rate": -1.0}, "`finetune_learning_rate` must be positive and finite, got -1.0"),
        ({"baseline_learning_rate": float("nan")}, "`baseline_learning_rate` must be positive and finite, got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            ChoiceArguments(**options)
    for options, message in (
        ({}, "Pass `output_dir`"),
        ({"push_to_hub": True}, "`push_to_hub` is not for a compression: publish the child with"),
        ({"resume_from_checkpoint": "x"}, "`resume_from_checkpoint` is not for .* goes on by itself"),
        (
            {"num_train_epochs": -1},
            "would not be trained: `num_train_epochs` must be positive, got -1, or `max_steps`",
        ),
        ({"gradient_accumulation_steps": 0}, "`gradient_accumulation_steps` must be at least 1, got 0"),
        ({"weight_decay": float("nan")}, "`weight_decay` must be finite and not negative, got nan"),
        ({"teacher_model_name_or_path": "x"}, "goes with `distillation='teacher'`, got 'inplace'"),
    ):
        folder = {"output_dir": str(tmp_path)} if options else {}
        with pytest.raises(ValueError, match=message):
            CompressionTrainingArguments(**folder, **options)
    for options, message in (
        ({"latency_seq_length": 0}, "`latency_seq_length` must be positive and finite, got 0"),
        ({"latency_num_children": -1}, "`latency_num_children` must be at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            LatencyArguments(**options)
    CompressionTrainingArguments(output_dir=str(tmp_path), num_train_epochs=0, max_steps=3, use_cpu=True)
    for options, message in (
        ({"data_dir": "glue"}, "`data_dir` is a folder of GLUE tasks: pass `task_name` beside it"),
        ({"task_name": "rte", "search_samples": 0}, "`search_samples` must be at least 1, got 0"),
        ({"task_name": "rte", "max_predict_samples": 3}, "are for predictions, and a compression makes none"),
    ):
        with pytest.raises(ValueError, match=message):
            TaskDataArguments(**options)


def test_a_folder_of_tasks(tmp_path):
    for split in ("train", "validation"):
        path = tmp_path / "mrpc" / f"{split}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    args = TaskDataArguments(task_name="MRPC", data_dir=str(tmp_path))
    assert args.train_file == str(tmp_path / "mrpc" / "train.parquet") and args.task_name == "mrpc"
    with pytest.raises(FileNotFoundError, match=r"`data_dir`: rte needs .*rte/train\.parquet"):
        TaskDataArguments(task_name="rte", data_dir=str(tmp_path))
