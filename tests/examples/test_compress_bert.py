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
"""A compression as a user starts it, at toy size: what comes out, what is compared, that it goes on, and what it refuses."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from hf_supernet.cards.sections import split_card
from hf_supernet.compression import Compression, stages, trainings
from hf_supernet.evaluation.answers import AnswersEvaluator

from ..compression.conftest import parameter_clock  # noqa: F401 (a fixture)
from .glue_runs import options, run, same_weights


import compress_bert  # isort: skip (found on the path that `glue_runs` sets)


pytestmark = pytest.mark.usefixtures("states_of_their_own")

TOY = {
    **{"per_device_train_batch_size": 4, "search_samples": 4, "reference_epochs": 1, "max_steps": 4},
    **{"finetune_epochs": 0.5, "population_size": 2, "generations": 3, "min_blocks": 1, "save_steps": 1},
    **{"latency_min_run_time": 0.002, "latency_rounds": 2, "latency_num_threads": 1},
    **{"use_cpu": True, "log_level": "error", "disable_tqdm": "true", "max_parameters": 18_000},
}
TRAINED = {"reference": 4, "supernet": 4, "child": 2, "random_child": 2, "layers_dropped": 6, "narrowed": 6}
"""Optimizer steps of each training at these settings: 16 rows, in batches of 4."""


def compress(model: str, output: Path, **more) -> dict:
    return compress_bert.main(options(model, output, **TOY | more))


@pytest.fixture
def passes(monkeypatch) -> Counter:
    """How many passes of a batch each training took so far, by its name; a supernet's step takes four."""
    counted, original = Counter(), transformers.Trainer.training_step

    def count(trainer, *args, **kwargs):
        counted[Path(trainer.args.output_dir).name.removesuffix("-checkpoints")] += 1
        return original(trainer, *args, **kwargs)

    monkeypatch.setattr(transformers.Trainer, "training_step", count)
    return counted


@pytest.fixture(scope="module")
def whole(models, tmp_path_factory) -> tuple[Path, dict]:
    """A run from a checkpoint that was not fine-tuned, left alone."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("compress") / "whole"
    return folder, compress(models["bert"], folder)


def test_everything_is_there_and_nothing_half_written(whole):
    folder, comparison = whole
    assert {path.name for path in folder.iterdir()} == {
        *("reference", "supernet", "search", "models", "child", "child-straight"),
        *("settings.json", "architectures.json", "comparison.json"),
    }
    arms = {"child", "child_straight", "layers_dropped", "narrowed", "random_child", "random_child_straight"}
    assert {path.name for path in (folder / "models").iterdir()} == arms
    assert json.loads((folder / "comparison.json").read_text()) == comparison
    assert comparison["models"][0]["name"] == "reference"
    assert {row["name"] for row in comparison["models"][1:]} == arms and comparison["left_out"] == {}


def test_the_child_is_a_plain_bert_within_the_budget_with_the_scores_that_are_reported(whole, tmp_path):
    folder, comparison = whole
    rows = {row["name"]: row for row in comparison["models"]}
    for name, row in (
        ("child", rows["child"]),
        ("child-straight", rows["child_straight"]),
        ("reference", rows["reference"]),
    ):
        model, loaded = BertForSequenceClassification.from_pretrained(folder / name, output_loading_info=True)
        assert not loaded["missing_keys"] and row["format"] == "bert"
        assert model.num_parameters() == row["parameters"]
        assert name == "reference" or row["parameters"] <= 18_000
        evaluated = run("trainer", str(folder / name), tmp_path / name, do_train=None)
        found = {key: evaluated[f"eval_{key}"] for key in row["scores"]}
        assert found == pytest.approx(row["scores"]) and row["score"] == row["scores"]["f1"]
    narrow = AutoModelForSequenceClassification.from_pretrained(folder / "models" / "narrowed")
    assert narrow.num_parameters() == rows["narrowed"]["parameters"] <= 18_000


@pytest.mark.usefixtures("parameter_clock")
def test_all_but_what_is_straight_from_the_supernet_have_as_many_steps(models, whole, tmp_path, passes):
    """As reported, and as trained. With a limit on latencies too, whose tables are not measured twice."""
    rows = {row["name"]: row for row in whole[1]["models"]}
    assert {rows[name]["steps"] for name in ("child", "random_child", "layers_dropped", "narrowed")} == {6}
    assert rows["child_straight"]["steps"] == rows["random_child_straight"]["steps"] == 4
    assert rows["reference"]["steps"] == 0
    more = {"population_size": 1, "generations": 1, "max_latency_ratio": 0.8}
    again = compress(models["bert"], tmp_path / "again", **more)
    assert [path.name for path in (tmp_path / "again" / "latency_tables").iterdir()] == ["32.json"]
    assert all(0.5 < row["latency_ratio"] <= 0.8 for row in again["models"][1:])
    assert compress(models["bert"], tmp_path / "again", **more) == again
    assert passes == TRAINED | {"supernet": 4 * TRAINED["supernet"]}
    for row in again["models"][1:]:
        own = passes[row["name"]]
        from_supernet = "child" in row["name"]
        assert row["steps"] == own + 4 * from_supernet and row["passes"] == own + 16 * from_supernet


def test_what_is_straight_from_the_supernet_is_what_it_holds(whole):
    folder, comparison = whole
    supernet = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "supernet")
    for name in ("child", "random_child"):
        row = next(row for row in comparison["models"] if row["name"] == f"{name}_straight")
        child = supernet.extract_child(row["architecture"]).state_dict()
        saved = load_file(folder / "models" / f"{name}_straight" / "model.safetensors")
        assert all(torch.equal(child[key], value) for key, value in saved.items())
        assert not same_weights(folder / "models" / name, folder / "models" / f"{name}_straight")


def test_the_card(whole):
    folder, comparison = whole
    card = ModelCard.load(folder / "child" / "README.md")
    metadata, text = split_card((folder / "child" / "README.md").read_text())
    assert card.data.pipeline_tag == "text-classification" and "hf_supernet" in card.data.tags
    child = next(row for row in comparison["models"] if row["name"] == "child")
    measured = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert measured == {name: round(child["scores"][name], 4) for name in ("accuracy", "f1")}
    for row in comparison["models"]:
        assert f"| {row['label']} | {row['score']:.4f} | {row['parameters']:,} |" in text
    for words in (
        "parameters at most 18,000",
        "All on the 7 rows of the validation split",
        "on 4 training rows",
        "BigNAS",
    ):
        assert words in text
    assert str(folder) not in text and "/" not in metadata.get("base_model", "")


class Killed(BaseException):
    pass


@pytest.fixture
def kill(monkeypatch) -> Iterator:
    """Makes the next call of a method, from the `number`th on, end the process as far as a test can."""
    with pytest.MonkeyPatch.context() as patch:

        def at(owner: type, name: str, number: int, where: str = "") -> None:
            original, calls = getattr(owner, name), Counter()

            def call(self, *args, **kwargs):
                place = getattr(getattr(self, "args", None), "output_dir", "")
                calls[where in place] += 1
                if calls[True] == number:
                    raise Killed
                return original(self, *args, **kwargs)

            patch.setattr(owner, name, call)

        def instead(*args) -> None:
            patch.undo()
            if args:
                at(*args)

        yield instead


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(models, whole, tmp_path, passes, kill):
    folder = tmp_path / "killed"
    trainer = transformers.Trainer
    for place in (
        (trainer, "training_step", 3, "reference-"),
        (trainer, "training_step", 2 * 4 + 1, "supernet-"),  # between two steps of four paths
        (AnswersEvaluator, "score", 4),  # between two scores of the second generation
        (trainer, "training_step", 2, "child-"),
        (trainer, "training_step", 6, "narrowed-"),
        (Compression, "export", 1),
    ):
        kill(*place)
        with pytest.raises(Killed):
            compress(models["bert"], folder)
    kill()
    comparison = compress(models["bert"], folder)
    # each training went on from its last checkpoint
    assert passes == TRAINED | {"supernet": 4 * TRAINED["supernet"]}
    other, uninterrupted = whole
    for path in other.rglob("model.safetensors"):
        assert same_weights(path.parent, folder / path.parent.relative_to(other)), path
    assert _without_latencies(comparison) == _without_latencies(uninterrupted)
    assert (folder / "architectures.json").read_text() == (other / "architectures.json").read_text()
    left = [path for path in folder.rglob("*") if path.is_dir() and path.name.endswith("-checkpoints")]
    assert not left


def _without_latencies(comparison: dict) -> dict:
    rows = [{key: row[key] for key in row if not key.startswith("latency")} for row in comparison["models"]]
    return comparison | {"models": rows}


def test_a_finished_run_is_taken_as_it_is_and_not_with_other_settings(models, whole, passes):
    folder, comparison = whole
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert compress(models["bert"], folder) == comparison
    with pytest.raises(
        ValueError, match=r"whole' holds a run with other settings: `max_steps` 4, now 5\. Pass another"
    ):
        compress(models["bert"], folder, max_steps=5)
    assert not passes and before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_found_no_child_goes_on_with_another_search(models, tmp_path, passes, monkeypatch):
    monkeypatch.setattr(stages, "choose_child", lambda *args: {}["none keeps the budget"])
    with pytest.raises(KeyError, match="none keeps the budget"):
        compress(models["bert"], tmp_path, population_size=3, finetune_epochs=1, max_parameters=19_000)
    monkeypatch.undo()
    kept = passes.copy()
    other = {"population_size": 2, "finetune_epochs": 0, "baselines": "none"}
    comparison = compress(models["bert"], tmp_path, **other)
    assert (
        passes == kept and comparison["children_evaluated"] <= 2 * 3 and comparison["budget"] == {"parameters": 18_000}
    )
    with pytest.raises(ValueError, match=r"other settings: `max_parameters` 18000, now 17000\. Pass another"):
        compress(models["bert"], tmp_path, **other | {"max_parameters": 17_000})


@pytest.mark.usefixtures("parameter_clock")
def test_a_checkpoint_of_the_task_under_a_latency_budget_in_a_free_space(models, tmp_path, passes):
    """Its own teacher, without a fine-tuning at the end."""
    comparison = compress(
        models["with_head"],
        tmp_path / "out",
        **{
            "max_parameters": None,
            "max_latency_ratio": 0.7,
            "space": "free",
            "hidden_sizes": [16],
            "finetune_epochs": 0,
        },
        **{"distillation": "teacher", "head_counts": [2], "feed_forward_sizes": [9], "population_size": 4},
        **{"latency_num_children": 6, "eval_strategy": "steps", "eval_steps": 2, "importance": "magnitude"},
    )
    assert passes.keys() == {"supernet", "layers_dropped", "narrowed"}
    assert same_weights(tmp_path / "out" / "reference", Path(models["with_head"]))
    assert {path.stem for path in (tmp_path / "out" / "latency_tables").iterdir()} == {"16", "32"}
    rows = {row["name"]: row for row in comparison["models"]}
    assert rows.keys() == {"reference", "child_straight", "layers_dropped", "narrowed", "random_child_straight"}
    assert all(row["latency_ratio"] <= 0.7 for name, row in rows.items() if name != "reference")
    assert {row["steps"] for name, row in rows.items() if name != "reference"} == {4}
    chosen = json.loads((tmp_path / "out" / "architectures.json").read_text())["architectures"]
    for name, choice in chosen.items():
        row = rows[name if name in rows else f"{name}_straight"]
        assert choice["latency_ratio"] == row["latency_ratio"]
        assert choice["architecture"] == row["architecture"]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "child", trust_remote_code=True)
    assert model.config.model_type == rows["child_straight"]["format"]
    card = (tmp_path / "out" / "child" / "README.md").read_text()
    assert "latency ratio at most 0.7" in card and "that it shared with the other architectures" in card
    with pytest.raises(
        ValueError, match=r"No architecture has at most 0\.010 of the reference's latency: this space reaches"
    ):
        compress(models["with_head"], tmp_path / "slow", max_parameters=None, max_latency_ratio=0.01)
    assert not (tmp_path / "slow").exists()


def test_a_teacher_that_was_named_and_no_baselines(models, whole, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(stages, "fine_tune", lambda *args: (seen.append(args[6:]), trainings.fine_tune(*args)))
    more = {"distillation": "teacher", "baselines": "none", "hidden_sizes": [16], "max_parameters": 9_000}
    more |= {"split_batch": True}
    more |= {"finetune_distillation_weight": 0.25, "output": tmp_path / "out", "model": models["with_head"]}
    with pytest.raises(
        ValueError, match=r"The teacher answers with the labels \['LABEL_0', 'LABEL_1'\], the student with"
    ):
        compress(teacher_model_name_or_path=models["with_head"], **more)
    assert not (tmp_path / "out").exists()
    teacher = str(whole[0] / "reference")
    comparison = compress(teacher_model_name_or_path=teacher, **more)
    assert [row["name"] for row in comparison["models"]] == ["reference", "child_straight", "child"]
    assert comparison["models"][-1]["architecture"].startswith("H16:")
    # The four paths of a step share its batch: together they make one pass.
    assert comparison["models"][-1]["passes"] == comparison["models"][-1]["steps"] == 6
    ((model, weight),) = seen
    assert weight == 0.25 and model.name_or_path == teacher


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model_name_or_path": "m/nix"}, OSError, "There is no model 'm/nix'"),
        ({"task_name": "mprc"}, ValueError, r'Unknown GLUE task "mprc" \(did you mean "mrpc"\?\)'),
        ({"max_parameters": None}, ValueError, "No budget is given"),
        (
            {"max_parameters": 900},
            ValueError,
            r"can't be kept\. .* at most 900 parameters: this space reaches 1\d,\d+",
        ),
        ({"max_parameters": 10**6}, ValueError, r"The reference has 21,964 parameters, which is within the budget"),
        (
            {"max_parameters": None, "max_multiply_adds": 150_000, "min_blocks": 2},
            ValueError,
            r"No architecture has at most 150,000 multiply-adds: this space reaches 2\d\d,\d+",
        ),
        ({"search_samples": 20}, ValueError, "`search_samples` is 20, of 20 training rows"),
        ({"latency_device": "cuda:9"}, ValueError, "`device` must be one that this machine has"),
        # Of the supernet's training, which comes behind that of the reference.
        ({"sampler": "uniform"}, ValueError, "`distillation='inplace'` needs the largest path in each step"),
        (
            {"sampler": "fair", "distillation": "none"},
            ValueError,
            "leads out of this space.* as with `plain_children`",
        ),
        (
            {
                "distillation": "teacher",
                "distillation_targets": "attention_relations",
                "distillation_relation_heads": 7,
            },
            ValueError,
            "`distillation_relation_heads` is 7, which does not divide the widths of all attentions",
        ),
        ({"rested_slices": "restore", "optim": "rmsprop"}, ValueError, "is for PyTorch's AdamW, Adam and SGD"),
    ],
)
def test_slips_leave_nothing_behind(changes, error, message, models, tmp_path):
    with pytest.raises(error, match=message):
        compress(models["bert"], tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_no_bert(models, tmp_path):
    with pytest.raises(ValueError, match="searched' is a 'searched-bert' model, and a compression starts from a BERT"):
        compress(models["searched"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
