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
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from hf_supernet import SupernetBertModel
from hf_supernet.splitting import (
    ExhaustiveSplitter,
    GivenSplits,
    MatchingSplitter,
    RandomSplitter,
    Split,
    SplitSupernet,
    SplitTraining,
    split_off,
)
from hf_supernet.splitting import training as training_module
from hf_supernet.splitting.training_folder import TrainingFolder
from hf_supernet.training import SupernetTrainer, SupernetTrainingArguments
from hf_supernet.training.checkpoints import read_supernet_state
from hf_supernet.training.settings import SETTINGS_NAME

from ..training.conftest import KillAt, Killed, make_collator, make_dataset, make_supernet
from .conftest import FIRST, SECOND, shake


ALL = ["attention-4", "feed_forward-37", "convolution-3", "identity"]
ARGUMENTS = {
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-2,
    "save_strategy": "no",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "report_to": "none",
}
EVERYTHING = {
    **{"sampler": "gradual", "alignment_weight": 0.5, "anchor_interval": 2, "anchor_eval_samples": 9},
    **{"anchor_average": 0.9, "rested_moments": "decay", "warmup_steps": 2},
}


@functools.cache
def data() -> dict:
    return {"train_dataset": make_dataset(44), "eval_dataset": make_dataset(20, seed=1)}


def trainer_maker(callbacks: list[TrainerCallback] | None = None) -> Callable[..., SupernetTrainer]:
    return functools.partial(SupernetTrainer, **data(), data_collator=make_collator(), callbacks=callbacks)


def make_training(
    folder: Path, steps: list[int], splitter=None, make_trainer=None, model=None, restart_from=None, **arguments
) -> SplitTraining:
    args = SupernetTrainingArguments(str(folder), **ARGUMENTS | arguments)
    make_trainer = make_trainer or trainer_maker()
    return SplitTraining(model or make_supernet(), args, make_trainer, steps, splitter, restart_from)


def train_plain(folder: Path, model=None, **arguments) -> SupernetTrainer:
    args = SupernetTrainingArguments(str(folder), **ARGUMENTS | arguments)
    trainer = trainer_maker()(model or make_supernet(), args)
    trainer.train()
    return trainer


def assert_same_weights(one, two) -> None:
    weights = two.state_dict()
    assert one.state_dict().keys() == weights.keys()
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_parts_have_largest_paths_of_their_own(tmp_path):
    """Weights that decay in the whole, as BigNAS regularises the largest path alone, need not in a part, and the other way round."""
    bignas = {"sampler": "sandwich", "distillation": "inplace", "weight_decay": 0.1}
    split = make_training(tmp_path, [1, 1], GivenSplits([FIRST]), **bignas).train()
    assert len(split.leaves) == 2


# ---- One supernet ----


def test_one_stage_is_the_plain_training(tmp_path):
    split = make_training(tmp_path / "split", [2], **EVERYTHING).train()
    assert_same_weights(split.leaves[0], train_plain(tmp_path / "plain", max_steps=2, **EVERYTHING).model)


def test_split_into_one_goes_on_as_if_nothing_were(tmp_path):
    """Weights, moments, schedule, data, random states, sampler, anchor and averages are handed over."""
    splits = GivenSplits([Split(1, [ALL])])
    training = make_training(tmp_path / "split", [3, 5], splits, **EVERYTHING)
    (leaf,) = training.train().leaves
    plain = train_plain(tmp_path / "plain", max_steps=8, **EVERYTHING)
    assert_same_weights(leaf, plain.model)
    state = read_supernet_state(training.folder.end("root.0"))
    assert state["anchor"] == plain.anchor.state_dict() and state["sampler"] == plain.sampler.state_dict()
    assert json.loads((tmp_path / "split" / SETTINGS_NAME).read_text())["sampler"]["name"] == "gradual"


# ---- Several ----


@pytest.fixture(scope="module")
def splitter(batches) -> MatchingSplitter:
    return MatchingSplitter(batches, num_draws=2)


STEPS = [2, 2]


@pytest.fixture(scope="module")
def finished(splitter, tmp_path_factory) -> tuple[Path, SplitSupernet]:
    """A training that nothing came between."""
    folder = tmp_path_factory.mktemp("training") / "split"
    return folder, make_training(folder, STEPS, splitter, **EVERYTHING).train()


@pytest.fixture(scope="module")
def batches() -> list[dict[str, torch.Tensor]]:
    rows = list(make_dataset(8))
    return [make_collator().frozen()(rows[start : start + 4]) for start in (0, 4)]


def test_leaves_are_trained(finished, splitter):
    folder, split = finished
    assert len(split.leaves) == 2 and not any(weight.isnan().any() for weight in split.parameters())
    assert_same_weights(SplitSupernet.from_pretrained(folder), split)
    embeddings = [leaf.base_model.embeddings.word_embeddings.weight for leaf in split.leaves]
    assert not torch.equal(*embeddings)
    settings = json.loads((folder / SETTINGS_NAME).read_text())
    assert settings["splitting"]["splitter"] == splitter.settings() and settings["sampler"]["name"] == "gradual"
    assert settings["search_space"] == split.search_space.to_dict()


def test_what_a_part_begins_with(tmp_path):
    """The weights and moments of its candidates, a sampler of its own space, and an anchor that lies in it or none."""
    training = make_training(tmp_path, [2, 1], GivenSplits([FIRST]), save_strategy="no", **EVERYTHING)
    training.train_node("root")
    whole = training._load("root")
    anchor = read_supernet_state(training.folder.end("root"))["anchor"]
    moments = torch.load(training.folder.end("root") / "optimizer.pt")
    anchors = []
    for node, config in zip(("root.0", "root.1"), FIRST.configs(whole.config), strict=True):
        checkpoint = tmp_path / "supernets" / node / "checkpoint-2"
        part = split_off(whole, config)
        assert_same_weights(type(whole).from_pretrained(checkpoint), part)
        state = read_supernet_state(checkpoint)
        assert state["sampler"]["search_space"] == part.search_space.fingerprint
        anchors.append(state["anchor"])
        own = torch.load(checkpoint / "optimizer.pt")
        assert 0 < len(own["state"]) <= len(moments["state"])
        assert own["param_groups"][0]["lr"] == moments["param_groups"][0]["lr"] > 0
    assert sorted(map(str, anchors)) == sorted(map(str, [anchor, {"architecture": None, "loss": None}]))


def test_killed_at_any_time_it_ends_as_it_would_have(finished, splitter, tmp_path, monkeypatch):
    _, split = finished

    def training(step: int | None = None) -> SplitTraining:
        make_trainer = trainer_maker([KillAt(step)] if step is not None else None)
        every_step = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}
        return make_training(tmp_path / "run", STEPS, splitter, make_trainer, **EVERYTHING | every_step)

    with pytest.raises(Killed):  # in the warm-up
        training(1).train()
    write = training_module.write_leaf_checkpoint

    def write_first(source, target, *trainers):
        if target.parent.name == "root.1":
            target.mkdir(parents=True)
            (target / "half").touch()
            raise Killed
        write(source, target, *trainers)

    with monkeypatch.context() as patch, pytest.raises(Killed):  # between the parts
        patch.setattr(training_module, "write_leaf_checkpoint", write_first)
        training().train()
    assert training().ready() == ["root", "root.0"]
    assert (tmp_path / "run" / "supernets" / "root" / "split.json").is_file()
    with pytest.raises(Killed):  # in a part
        training(3).train()
    assert_same_weights(training().train(), split)
    assert training().ready() == []
    assert_same_weights(training().train(), split)  # finished: it is read


def test_other_processes_train_the_parts(finished, splitter, tmp_path):
    """Each with its own objects, in another order."""
    _, split = finished

    def process() -> SplitTraining:
        return make_training(tmp_path, STEPS, splitter, **EVERYTHING)

    assert process().ready() == ["root"]
    with pytest.raises(ValueError, match=r"There is no supernet 'root\.1' \(yet\); there are root"):
        process().train_node("root.1")
    process().train_node("root")
    assert process().ready() == ["root.0", "root.1"]
    process().train_node("root.1")
    with pytest.raises(ValueError, match=r"Not all supernets are finished: root\.0\. Train them first"):
        process().assemble()
    process().train_node("root.0")
    process().train_node("root.1")  # finished: nothing happens
    assert_same_weights(process().assemble(), split)


def test_several_splits(tmp_path):
    """`SECOND` parts each of the two that `FIRST` gives."""
    training = make_training(tmp_path, [1, 1, 1], GivenSplits([FIRST, SECOND]))
    training.train_node("root")
    training.train_node("root.1")
    assert training.ready() == ["root.0", "root.1.0", "root.1.1"]
    split = training.train()
    wanted = [[tuple(map(str, row)) for row in leaf.search_space.candidates[1:3]] for leaf in split.leaves]
    first = [("attention-4", "identity"), ("feed_forward-37", "convolution-3")]
    second = [("convolution-3",), ("attention-4", "feed_forward-37", "identity")]
    assert wanted == [[one, two] for one in first for two in second]
    with pytest.raises(ValueError, match=r"with other settings: `steps` \[1, 1, 1\], now \[1, 1\]; `splitter`"):
        make_training(tmp_path, [1, 1], GivenSplits([FIRST]))


@pytest.mark.parametrize(
    ("restarts", "ends", "totals"),
    [(False, (5, 8, 10), (10, 10, 10)), (True, (5, 8, 2), (8, 8, 2))],
)
def test_schedule(restarts, ends, totals, tmp_path):
    """The learning rate is planned for all stages, or for the last one by itself."""
    folder = TrainingFolder(tmp_path, [5, 3, 2], restarts)
    nodes = ("root", "root.1", "root.1.0")
    assert tuple(map(folder.last_step, nodes)) == ends and tuple(map(folder.total_steps, nodes)) == totals
    assert list(map(folder.is_leaf, nodes)) == [False, False, True]


def test_leaves_may_begin_anew(tmp_path):
    new = shake(make_supernet(), 7)
    arguments = {"sampler": "gradual", "warmup_steps": 1}
    training = make_training(tmp_path / "split", [2, 3], GivenSplits([FIRST]), restart_from=new, **arguments)
    split = training.train()
    config = FIRST.configs(new.config)[1]
    plain = train_plain(tmp_path / "plain", split_off(new, config), max_steps=3, **arguments)
    assert_same_weights(split.leaves[1], plain.model)
    again = make_training(tmp_path / "split", [2, 3], GivenSplits([FIRST]), restart_from=new, **arguments)
    assert again.ready() == [] and len(again.train().leaves) == 2
    with pytest.raises(ValueError, match="a split training with other settings: `restart_from`"):
        make_training(tmp_path / "split", [2, 3], GivenSplits([FIRST]), **arguments)


def test_parts_without_a_checkpoint_are_trained_alike(tmp_path):
    """Another sampler or learning rate for the second part would make leaves that can't be compared."""
    warm = shake(make_supernet(), 3)
    make_training(tmp_path, [0, 1], GivenSplits([FIRST]), model=warm).train_node("root")
    make_training(tmp_path, [0, 1], GivenSplits([FIRST]), model=warm).train_node("root.0")
    for other, message in (
        ({"sampler": "fair"}, "other settings: `sampler` 'uniform', now 'fair'"),
        ({"learning_rate": 0.9}, r"other settings: `learning_rate` .*, now 0\.9"),
    ):
        with pytest.raises(ValueError, match=message):
            make_training(tmp_path, [0, 1], GivenSplits([FIRST]), model=warm, **other).train_node("root.1")
    assert len(make_training(tmp_path, [0, 1], GivenSplits([FIRST]), model=warm).train().leaves) == 2


def test_supernet_that_is_warmed_up_already(tmp_path, splitter):
    """Its weights are what the parts begin with, also where a part is split again."""
    warm = shake(make_supernet(), 3)
    training = make_training(tmp_path / "split", [0, 2], GivenSplits([FIRST]), model=warm, warmup_steps=1)
    split = training.train()
    config = FIRST.configs(warm.config)[0]
    plain = train_plain(tmp_path / "plain", split_off(warm, config), max_steps=2, warmup_steps=1)
    assert_same_weights(split.leaves[0], plain.model)
    assert_same_weights(warm, shake(make_supernet(), 3))
    make_training(tmp_path / "split", [0, 2], GivenSplits([FIRST]), model=warm)
    with pytest.raises(ValueError, match="a split training with other settings: `model`"):
        make_training(tmp_path / "split", [0, 2], GivenSplits([FIRST]), model=shake(make_supernet(), 4))
    found = make_training(tmp_path / "matched", [0, 1], splitter, model=warm)
    found.train_node("root")
    assert found.ready() == ["root.0", "root.1"] and found.folder.split_of("root").layer in range(4)


def test_sliced_weights_and_hidden_sizes(tmp_path):
    model = make_supernet(
        weight_sharing="sliced",
        attention_head_size=8,
        hidden_sizes=[16, 32],
        candidate_operators=["attention-4", "attention-2", "feed_forward-37", "feed_forward-16"],
    )
    parts = Split(2, [["attention-2", "feed_forward-16"], ["attention-4", "feed_forward-37"]])
    split = make_training(tmp_path, [2, 2], GivenSplits([parts]), model=model, rested_slices="restore").train()
    assert split.search_space.hidden_sizes == (16, 32)
    assert [leaf.config.weight_sharing for leaf in split.leaves] == ["sliced", "sliced"]


# ---- Splitters ----


def test_random_and_exhaustive_splitters():
    model = make_supernet()
    drawn = {str(RandomSplitter(seed=seed).split(model, [0, 2], "root")) for seed in range(30)}
    assert len(drawn) > 5 and all(name.startswith(("layer 0", "layer 2")) for name in drawn)
    splitter = RandomSplitter(num_groups=3, seed=1)
    assert splitter.split(model, [0, 1], "root.0") == splitter.split(model, [0, 1], "root.0")
    assert len({str(splitter.split(model, [0, 1, 2, 3], f"root.{index}")) for index in range(8)}) > 1
    alone = [[name] for name in ALL]
    assert ExhaustiveSplitter().split(model, [3], "root") == Split(3, alone)
    in_turn = ExhaustiveSplitter(layers=[2, 0])
    assert [in_turn.split(model, [0, 1, 2, 3], node).layer for node in ("root", "root.1")] == [2, 0]


KERNELS = {
    "weight_sharing": "sliced",
    "kernel_transform": True,
    "attention_head_size": 8,
    "candidate_operators": ["attention-4", "convolution-3", "convolution-5"],
}
PLAIN = {"plain_children": True, "candidate_operators": ["attention-4", "feed_forward-37", "identity"]}
NARROW = {"candidate_operators": [ALL, ["identity"], ["identity"], ["identity"]]}
CANNOT = {
    "steps": ({"steps": []}, "`steps` are the optimizer steps of each stage"),
    "negative": ({"steps": [3, -1]}, r"one or several positive integers; got \[3, -1\]"),
    "no steps": ({"steps": [3, 0]}, r"`steps` are \[3, 0\]: only a first stage in front of a split can have 0 steps"),
    "nothing": ({"steps": [0]}, r"`steps` are \[0\]: only a first stage"),
    "no splitter": ({"steps": [3, 3]}, "`steps` has 2 stages, with splits between them: pass a `splitter`"),
    "one stage": ({"steps": [3], "splitter": RandomSplitter()}, "`splitter` goes with two stages or more"),
    "no restart": ({"steps": [3], "restart_from": make_supernet}, "`restart_from` goes with two stages or more"),
    "best": (
        {"load_best_model_at_end": True, "eval_strategy": "steps", "save_strategy": "steps"},
        "`load_best_model_at_end` does not go with splitting",
    ),
    "hub": (
        {"push_to_hub": True},
        "`push_to_hub` does not go with splitting: each supernet would be pushed .* `save_pretrained` and upload that",
    ),
    "model only": ({"save_only_model": True}, "`save_only_model` does not go with splitting"),
    "no head": ({"model": lambda: SupernetBertModel(make_supernet().config)}, "must be a supernet with a head"),
    "frozen": ({"model": lambda: make_supernet().requires_grad_(False)}, "is frozen, .*: freeze it in `make_trainer`"),
    "restart": (
        {"restart_from": lambda: make_supernet(candidate_operators=ALL[:3])},
        "`restart_from` is SearchSpace.* they must be the same",
    ),
    "few layers": (
        {"model": lambda: make_supernet(**NARROW), "steps": [1, 1, 1]},
        "2 splits, .* but only 1 layers have 2",
    ),
    "groups": ({"splitter": RandomSplitter(num_groups=5)}, "No layer can be split into 5 groups"),
    "mixture": ({"model": lambda: make_supernet(mixture="layer")}, "A supernet with a `mixture` can't be split"),
    "kernels": ({"model": lambda: make_supernet(**KERNELS)}, "With `kernel_transform`, a small kernel is made"),
    "plain": ({"model": lambda: make_supernet(**PLAIN), "splitter": "matching"}, "can't be exchanged one at a time"),
    "one split": ({"steps": [1, 1, 1], "splitter": GivenSplits([FIRST])}, "1 splits are given, and 2 are to be made"),
    "same layer": ({"steps": [1, 1, 1], "splitter": GivenSplits([FIRST] * 2)}, r"A layer is split once; .* \[1, 1\]"),
    "candidates": (
        {"splitter": GivenSplits([Split(0, [["A4"], ["C5"]])])},
        "must hold each candidate of layer 0 once",
    ),
    "layers": ({"splitter": ExhaustiveSplitter(layers=[0, 1])}, "2 splits are given, and 1 are to be made"),
    "no layer": ({"splitter": ExhaustiveSplitter(layers=[9])}, "Layers to split are 0 to 3, by their numbers; got 9"),
    "one number": ({"steps": 3}, "one or several positive integers; got 3"),
    "a name": ({"splitter": "random"}, r"such as `RandomSplitter\(num_groups=2\)`; got 'random'"),
    "no batches": ({"splitter": MatchingSplitter([])}, "`batches` is empty"),
    "no labels": ({"splitter": MatchingSplitter([{"input_ids": torch.ones(1, 3)}])}, "A batch needs `labels`"),
    "a loader": (
        {"splitter": MatchingSplitter(iter([]))},
        r"got list_iterator: pass `\[batch\]`, or `list\(loader\)`",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_is_said_before_anything_is_trained(name, splitter, tmp_path):
    given, message = CANNOT[name]
    given = {"steps": [1, 1], "splitter": None if name in ("no splitter", "no restart") else RandomSplitter()} | given
    if given["steps"] == [3] and name != "one stage":
        given["splitter"] = None
    if given["splitter"] == "matching":
        given["splitter"] = splitter
    given = {
        key: value() if key in ("model", "restart_from") and callable(value) else value for key, value in given.items()
    }
    with pytest.raises(ValueError, match=message):
        make_training(tmp_path / "run", **given)
    assert not (tmp_path / "run" / "supernets").exists()


def test_splitters_that_cannot_be(batches):
    with pytest.raises(ValueError, match=r"`num_draws`, .* is a positive integer, got 0"):
        MatchingSplitter(batches, num_draws=0)
    with pytest.raises(ValueError, match=r"`layers` lists a layer for each split, such as \[2\]; got 2"):
        ExhaustiveSplitter(layers=2)
    for splits in (FIRST, [FIRST.to_dict()]):
        with pytest.raises(ValueError, match=r"`splits` lists a `Split\(layer, groups\)` for each split"):
            GivenSplits(splits)


def test_restart_from_the_model_itself(tmp_path):
    """Its first weights would be gone, but for a run that was killed."""
    model = make_supernet()
    with pytest.raises(ValueError, match=r"`restart_from` is the `model` .*: pass `copy\.deepcopy\(model\)`"):
        make_training(tmp_path, [1, 1], RandomSplitter(), model=model, restart_from=model)


def test_processes_that_train_one_supernet_together(tmp_path, monkeypatch):
    monkeypatch.setattr(SupernetTrainingArguments, "world_size", 2)
    with pytest.raises(
        ValueError, match=r"2 processes were started together\. Here each process trains supernets of its own"
    ):
        make_training(tmp_path, [1, 1], RandomSplitter())


def test_stage_that_something_else_ends(tmp_path):
    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = True

    training = make_training(tmp_path, [3, 1], RandomSplitter(), trainer_maker([Stop()]))
    with pytest.raises(RuntimeError, match="The training of 'root' ended at step 1, its stage at step 3"):
        training.train()


def test_damaged_checkpoint_is_named(tmp_path):
    training = make_training(tmp_path, [1, 1], GivenSplits([FIRST]))
    training.train_node("root")
    shutil.rmtree(tmp_path / "supernets" / "root.1")
    (training.folder.end("root") / "optimizer.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"The checkpoint .*checkpoint-1 is damaged: optimizer\.pt has 0 bytes"):
        training.train_node("root")
