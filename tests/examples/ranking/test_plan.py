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
"""The plan of the ranking benchmark, how its children are drawn, and what the README says of it."""

import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ...documentation import option_names
from .conftest import PLAN, RANKING


# ---- The plan and its children ----


def test_children_are_distinct_networks_in_their_strata(scripts, run, data):
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    test, tuning = plan.children("test"), plan.children("tuning")
    networks = [child.architecture.canonical() for child in (*test, *tuning)]
    assert len(networks) == len(set(networks)) == 17
    assert [child.stratum for child in test] == ["random"] * 5 + ["neighbour"] * 3 + ["extreme"] * 3 + [
        "no_mixing"
    ] * 2
    paths = {stratum: [c.architecture for c in test if c.stratum == stratum] for stratum in scripts.plan.STRATA}
    for neighbour in paths["neighbour"]:
        assert min(neighbour.distance(other) for other in paths["random"]) == 1
    assert not any(map(scripts.plan.mixes_tokens, paths["no_mixing"]))
    assert [str(path.canonical()) for path in paths["extreme"][:2]] == [
        "A2-A2-A2",
        "C3-I-I",
    ]  # most, fewest parameters


def test_children_behind_a_stem(scripts, data, tmp_path):
    plan = shutil.copy(data / "plan.yaml", tmp_path / "stem.yaml")
    one_list = "[attention-2, feed_forward-24, convolution-3, identity]"
    text = plan.read_text().replace("num_hidden_layers: 3", "num_hidden_layers: 4")
    plan.write_text(text.replace(one_list, f"[[convolution-5], {one_list}, {one_list}, {one_list}]"))
    counts = ("--test", "5", "3", "6", "0", "--tuning", "2", "1", "1", "0")
    scripts.draw_children.main(["--plan", str(plan), *counts])
    children = scripts.plan.read_plan(plan).children("test")
    assert len(children) == 14 and all(str(child.architecture).startswith("C5-") for child in children)
    extremes = [str(child.architecture.canonical()) for child in children if child.stratum == "extreme"]
    assert extremes[:2] == ["C5-A2-A2-A2", "C5-C3-I-I"]


@pytest.mark.parametrize(
    "lists, counts, message",
    [
        (
            "[[attention-2, identity], [convolution-3]]",
            "1",
            "but for a stem of layers with one candidate; .* 2 different",
        ),
        ("[[convolution-3], [attention-2, identity]]", "1", "Every network of this space mixes tokens"),
    ],
)
def test_stems_that_cannot_be(scripts, data, tmp_path, lists, counts, message):
    plan = tmp_path / "stem.yaml"
    text = (data / "plan.yaml").read_text().replace("num_hidden_layers: 3", "num_hidden_layers: 2")
    plan.write_text(text.replace("[attention-2, feed_forward-24, convolution-3, identity]", lists))
    with pytest.raises(ValueError, match=message):
        scripts.draw_children.main(["--plan", str(plan), "--test", "1", "0", "0", counts])


def test_children_are_drawn_once(scripts, run, data):
    text = (data / "drawn.yaml").read_text()
    with pytest.raises(ValueError, match="has children already, and results may depend on them"):
        scripts.draw_children.main(["--plan", str(data / "drawn.yaml")])
    assert (data / "drawn.yaml").read_text() == text


def test_more_children_than_there_are(scripts, data, tmp_path):
    plan = shutil.copy(data / "plan.yaml", tmp_path)
    with pytest.raises(ValueError, match=r"stratum 'no_mixing' the space has only 4 more networks, not 5"):
        scripts.draw_children.main(["--plan", str(plan), "--test", "1", "0", "0", "5"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dropout", "", None),
        (
            "  hidden_size: 16",
            "  hidden_sizes: 16",
            r"In the plan\.model: `hidden_sizes` is not known.*`hidden_size`\?",
        ),
        ("vocab_size: 120", "vocab_size: many", r"`the plan\.text\.vocab_size` must be int, got 'many'"),
        ("train-*.csv", "/train-*.csv", r"must be patterns relative to `data_dir`, got \['/train-\*\.csv'\]"),
        ("{steps: 6, batch_size: 4,", "{steps: 6,", r"In the plan\.child_training: `batch_size` must be given"),
        ("[0.5, 1.0]}\nsupernet", "[1.0, 0.5]}\nsupernet", r"must rise from above 0 to 1\.0, got \[1\.0, 0\.5\]"),
        ("learning_rate: 2e-2", "schedule: steep", "`schedule` must be one of linear, .*; got 'steep'"),
        ("uniform: {}", "uniform: {samplr: fair}", r"Method 'uniform': `samplr` is not known.*`sampler`\?"),
        ("uniform: {}", "uniform: {anchor: largest}", "`anchor` goes with an `alignment_weight` above 0"),
        ("uniform: {}", "uniform: {anchor_average: 0.9}", "`anchor_average` goes with an `alignment_weight` above 0"),
        ("anchor: largest", "anchor: smallest", "`anchor` must be one of best, largest; got 'smallest'"),
        ("anchor_average: 0.5", "anchor_average: 1", r"'teacher': `anchor_average` must lie in \[0, 1\), got 1.0"),
        ("alignment_warmup: 0.5", "alignment_warmup: 5", r"`alignment_warmup` must lie in \[0, 1\], got 5.0"),
        ("rested_moments: decay", "rested_moments: drop", "`rested_moments` must be one of keep, decay; got 'drop'"),
        (
            "sampler: fair",
            "mixture: token",
            "Method 'fair': `mixture` must be one of None, layer, neuron; got 'token'",
        ),
        ("sampler: fair", "num_experts: 3", r"Method 'fair': `num_experts` \(3\) is of a mixture of experts"),
        (
            "sampler: fair",
            "mixture: layer, splitting: {by: random, stages: [0.5, 0.5]}",
            "Method 'fair': `mixture` does not go with `splitting`",
        ),
        ("step_cost: 4", "step_cost: 0", "Method 'fair': `step_cost` must be above 0, got 0"),
        ("averaged:", "synflow:", "'synflow' is a baseline, not a method"),
        ("comparison: [uniform,", "comparison: [unifrm,", "The plan has no method 'unifrm'; it has uniform, fair"),
        ("pairs: [[fair, magic-at],", "pairs: [[fair],", r"`pairs` has two methods each, got \['fair'\]"),
        (
            "pairs: [[fair, magic-at],",
            "pairs: [[fair, magic],",
            "The plan has no method 'magic'; it has uniform, fair",
        ),
        ("tuning: [11]", "tuning: [2]", r"\[2\] are in both sets; tune with other seeds"),
        ("child_seeds: [1, 2]", "child_seeds: [1, 1]", r"seeds of child_seeds must be different .*\[1, 1\]"),
        ("by hand ----", "x\ntest_children: {random: [A2-I-F24, I-A2-F24]}", "A2-I-F24 are the same network"),
        ("by hand ----", "x\ntest_children: {extreme: [F24-I-F24]}", "does not mix tokens, but stands in 'extreme'"),
        (
            "by hand ----",
            "x\ntuning_children: {no_mixing: [C3-I-I]}",
            "C3-I-I mixes tokens, but stands in 'no_mixing'",
        ),
        ("by hand ----", "x\ntuning_children: {randm: [C3-I-I]}", r"`randm` is not known.*`random`\?"),
        ("by hand ----", "x\ntest_children: {random: [A4-I-I]}", "layer 0 is attention-4, allowed there are"),
    ],
)
def test_plans_that_cannot_be(scripts, tmp_path, old, new, message):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace(old, new))
    if message is None:
        assert scripts.plan.read_plan(path).method("magic-at").alignment_weight == 0.1  # YAML takes 1e-1 for text
        return
    with pytest.raises(ValueError, match=message):
        scripts.plan.read_plan(path)


def test_fingerprints_have_what_results_depend_on(scripts, data, tmp_path):
    def fingerprints(text: str) -> tuple[str, str, str]:
        path = tmp_path / "plan.yaml"
        path.write_text(text)
        plan = scripts.plan.read_plan(path)
        return (
            plan.child_fingerprint("test"),
            plan.method_fingerprint("fair", "equal_compute"),
            plan.baseline_fingerprint(),
        )

    before = fingerprints(PLAN)
    same = PLAN.replace("child_seeds: [1, 2]", "child_seeds: [1, 2, 3]").replace("[0.5, 1.0]", "[0.25, 1.0]")
    assert fingerprints(same.replace("uniform: {}", "uniform: {weight_decay: 0.1}")) == before
    for old, new, differs in (
        ("dev_sequences: 24", "dev_sequences: 20", (True, True, True)),
        (
            "steps: 6, batch_size: 4, learning_rate: 1e-2",
            "steps: 6, batch_size: 4, learning_rate: 2e-2",
            (True, False, False),
        ),
        ("steps: 8", "steps: 16", (False, True, False)),
        ("step_cost: 4", "step_cost: 2", (False, True, False)),
        ("sampler: fair", "alignment_weight: 0.1", (False, True, False)),
    ):
        found = fingerprints(PLAN.replace(old, new))
        assert tuple(now != then for now, then in zip(found, before, strict=True)) == differs, new


def test_tuning_children_have_a_training_of_their_own(scripts, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    plan = scripts.plan.read_plan(path)
    assert plan.training_alone("tuning") == plan.training_alone("test") == plan.child_training
    assert plan.child_fingerprint("tuning") == plan.child_fingerprint("test")
    path.write_text(
        PLAN.replace(
            "supernet_training:",
            "tuning_child_training: {steps: 3, batch_size: 4, learning_rate: 1e-2}\nsupernet_training:",
        )
    )
    other = scripts.plan.read_plan(path)
    assert (other.training_alone("test"), other.training_alone("tuning").steps) == (plan.child_training, 3)
    assert other.child_fingerprint("test") == plan.child_fingerprint("test") != other.child_fingerprint("tuning")


def test_children_of_one_seed_start_in_common(scripts, tmp_path, monkeypatch):
    """Where they have the same operator in the same layer; another seed, and a supernet of that seed, start elsewhere."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("[0.5, 1.0]}\nsupernet", "[0.5, 1.0], common_start: true}\nsupernet"))
    plan = scripts.plan.read_plan(path)
    assert plan.child_fingerprint("test") != "3a2dff91a91c7257"
    started = []

    def keep_start(model, *args, **kwargs):
        started.append(model.state_dict())
        raise KeyError  # the training itself does not matter here

    monkeypatch.setattr(scripts.train_children, "MaskedLMTrainer", keep_start)
    corpus = SimpleNamespace(collator=lambda seed: None, dev_batches=[], train=[])
    for operators, seed in (("A2-F24-C3", 1), ("A2-C3-C3", 1), ("A2-F24-C3", 2)):
        child = scripts.plan.Child(scripts.plan.Architecture.from_string(operators), "random")
        with pytest.raises(KeyError):
            scripts.train_children.train_child(plan, corpus, "test", scripts.train_children.Job(child, seed), tmp_path)
    first, other, reseeded = started
    supernet = plan.new_supernet(1).extract_child("A2-F24-C3").state_dict()
    drawn = {name: weights for name, weights in first.items() if weights.ndim > 1}
    assert len(drawn) == 13
    for name, weights in drawn.items():
        assert (".layer.1." not in name) == (name in other and torch.equal(weights, other[name])), name
        assert not torch.equal(weights, reseeded[name]) and not torch.equal(weights, supernet[name]), name


def test_fingerprints_stay_when_settings_are_added(scripts, tmp_path):
    """Those of rows that were written before a setting was there."""
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    plan = scripts.plan.read_plan(path)
    found = {name: plan.method_fingerprint(name, "equal_steps") for name in ("uniform", "magic-at", "averaged")}
    assert found == {
        "uniform": "045832607121cdea",
        "magic-at": "e37a3f82a1216f82",
        "averaged": "1fc0c7e8ab505fe9",
    }
    assert (plan.child_fingerprint("test"), plan.baseline_fingerprint()) == ("3a2dff91a91c7257", "663d64ebcfd28348")


def test_what_a_method_sets_reaches_the_trainer(scripts, run, data, tmp_path):
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    corpus = scripts.corpus.load_corpus(plan.text, data, tmp_path)
    names = ("anchor", "anchor_average", "alignment_warmup", "rested_moments")
    seen = {}
    plan.methods["mixture"] = {"mixture": "neuron", "num_experts": 3}
    for name in ("magic-at", "averaged", "teacher", "mixture"):
        method = plan.method(name)
        arguments = scripts.train_supernets.training_arguments(method, 8, 11, tmp_path)
        trainer = scripts.train_supernets.make_trainer(plan, corpus, method, arguments, [])
        seen[name] = [*(getattr(trainer.args, option) for option in names), trainer.model.config.mixture]
    assert seen == {
        "magic-at": ["best", 0.0, 0.0, "keep", None],
        "averaged": ["largest", 0.0, 0.0, "keep", None],
        "teacher": ["best", 0.5, 0.5, "decay", None],
        "mixture": ["best", 0.0, 0.0, "keep", "neuron"],
    }
    assert trainer.model.config.num_experts == 3 and trainer.model.search_space == plan.search_space()


# ---- What the README says ----


def test_commands_of_the_readme(scripts):
    text = (RANKING / "README.md").read_text()
    types = {
        "draw_children": scripts.draw_children.DrawArguments,
        "train_children": scripts.train_children.ChildrenArguments,
        "train_supernets": scripts.train_supernets.SupernetsArguments,
        "step_costs": scripts.step_costs.StepCostsArguments,
        "report": scripts.report.ReportArguments,
        "scale_trials": scripts.scale_trials.ScaleArguments,
    }
    lines = text.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("python examples")]
    analyses = [command for command in commands if command[1] == "examples/analyze_interference.py"]
    commands = [command for command in commands if command not in analyses]
    for command in analyses:
        given = tuple("uniform=kept" if word == "SUPERNETS" else word for word in command[2:])
        assert {word for word in given if word.startswith("--")} <= option_names(command[1], given)
    assert analyses
    assert {Path(script).stem for _, script, *_ in commands} == set(types)
    project = (RANKING.parents[1] / "README.md").read_text()
    commands += [shlex.split(command) for command in re.findall(r"`(python examples/ranking/[^`]*)`", project)]
    for _, script, *options in commands:
        scripts.report.parse_arguments((types[Path(script).stem],), options)
    for name in re.findall(r"`--(\w+)", text):
        assert any(name in cls.__dataclass_fields__ for cls in types.values()), name


def test_settings_of_the_readme(scripts):
    """The table of what a method may set has all that there is."""
    text = (RANKING / "README.md").read_text()
    named = set(re.findall(r"`(\w+)`", text.partition("A sweep is")[2].partition("Rows carry")[0]))
    fields = {*scripts.settings.Method.__dataclass_fields__, *scripts.settings.TrainingSettings.__dataclass_fields__}
    assert fields - {"name", "training", "plan_steps", "layer_choices", "evaluation_points"} <= named


def test_committed_plan(scripts):
    plan = scripts.plan.read_plan(RANKING / "plan.yaml")
    strata = {which: [child.stratum for child in plan.children(which)] for which in scripts.plan.SETS}
    assert len(strata["test"]) - strata["test"].count("no_mixing") >= 100 and len(plan.child_seeds) >= 2
    assert plan.comparison[0] == scripts.plan.REFERENCE
    measured = json.loads((RANKING / "results" / scripts.rows.STEP_COSTS).read_text())["costs"]
    # gradual modification trains the paths of a uniform step, in another order, and others joined later with steps of their own
    for name in ("uniform", "fair", "magic-a", "magic-at", "split-paths"):
        assert plan.method(name).step_cost == pytest.approx(measured[name]["ratio"], abs=0.05), name
