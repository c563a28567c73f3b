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
"""Trainings of the ranking benchmark: run, killed, resumed, shared out, refused, and what a step costs."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

from hf_supernet import SupernetBertForMaskedLM

from ...training.conftest import KillAt, Killed
from .conftest import CHILDREN, PLAN, RANKING, SUPERNETS, rows_of


# ---- Children alone ----


def test_rows_of_children(scripts, whole, data):
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    rows = scripts.rows.read_rows(whole / "ground_truth")
    assert len(rows) == 4 * 2 and set(rows["seed"]) == {1, 2}
    assert list(rows["seed"][:2]) == [1, 2] and rows["network"][0] == rows["network"][1]
    assert set(rows["architecture"]) == {str(child.architecture) for child in plan.children("tuning")}
    for row in rows.itertuples():
        child = plan.new_child(scripts.plan.Architecture.from_string(row.architecture), row.seed)
        assert row.parameters == child.num_parameters()
        assert list(row.steps) == [3, 6] and row.dev_losses[-1] == row.dev_loss and row.seconds > 0
    pairs = rows.groupby("network")["dev_loss"].agg(["min", "max"])
    assert (pairs["max"] > pairs["min"]).all()  # another seed, another child


def test_dev_losses_are_the_loss_over_all_labels(scripts, data, tmp_path):
    """And the same as through a supernet with the child's weights."""
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    corpus = scripts.corpus.load_corpus(plan.text, data, tmp_path)
    assert sum(len(batch["input_ids"]) for batch in corpus.dev_batches) == 24 and len(corpus.anchor_dev) > 0
    supernet, (child, *_) = plan.new_supernet(0), plan.children("test")
    ((row),) = scripts.child_scores.score_children(supernet, corpus, [child])
    alone = scripts.train_children.dev_loss(supernet.extract_child(child.architecture), corpus.dev_batches)
    assert alone == pytest.approx(row["score"], rel=1e-6)


def test_killed_and_resumed_children(scripts, run, whole, monkeypatch):
    calls, dev_loss = [], scripts.train_children.dev_loss

    def die_in_the_third_child(*args) -> float:
        calls.append(args)
        if len(calls) == 2 * 2 + 1:
            raise Killed
        return dev_loss(*args)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(scripts.train_children, "dev_loss", die_in_the_third_child)
        run(CHILDREN[0], "killed", *CHILDREN[1:])
    folder = run(CHILDREN[0], "killed", *CHILDREN[1:])
    pd.testing.assert_frame_equal(rows_of(scripts, folder, "ground_truth"), rows_of(scripts, whole, "ground_truth"))
    assert len(scripts.rows.read_rows(folder / "ground_truth")) == 8


def test_shards_together_are_one_run(scripts, run, whole, capsys):
    for shard in ("1/2", "2/2"):
        folder = run(CHILDREN[0], "shards", *CHILDREN[1:], "--shard", shard)
    names = [path.name for path in sorted((folder / "ground_truth").iterdir())]
    assert names == ["part-tuning-1-of-2.parquet", "part-tuning-2-of-2.parquet"]
    pd.testing.assert_frame_equal(rows_of(scripts, folder, "ground_truth"), rows_of(scripts, whole, "ground_truth"))
    capsys.readouterr()
    run(CHILDREN[0], "shards", *CHILDREN[1:], "--max_minutes", "0")  # nothing is left for one process either
    assert capsys.readouterr().out == "All 8 are there.\n"


def test_stops_between_children(run, capsys):
    folder = run(CHILDREN[0], "stopped", *CHILDREN[1:], "--max_minutes", "0")
    assert "Stopped after 0.0 minutes, in front of child 1 of 8" in capsys.readouterr().out
    assert not folder.exists()


def test_two_processes_on_one_share(scripts, tmp_path):
    with scripts.rows.only_process(tmp_path, "part"):
        second = scripts.rows.only_process(tmp_path, "part")
        with pytest.raises(scripts.rows.BusyError, match="Another process works on part"):
            second.__enter__()
    with scripts.rows.only_process(tmp_path, "part"):
        pass


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b"])
def test_shards_that_cannot_be(scripts, shard):
    with pytest.raises(ValueError, match=f"`shard` must be i/n, such as 1/2 .*, got '{shard}'"):
        scripts.train_children.ChildrenArguments(shard=shard)


# ---- Supernets ----


def die(*args):
    raise Killed


def test_supernets_are_kept_where_asked(scripts, run, data, tmp_path, monkeypatch):
    """Also where the first try was killed behind the last rows, and where the rows were there before."""
    options = (
        *SUPERNETS[1:5],
        "--methods",
        "uniform",
        "--budgets",
        "equal_steps",
        "--models_dir",
        str(tmp_path / "kept"),
    )
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(scripts.train_supernets, "replacing_folder", die)
        run(SUPERNETS[0], "kept", *options)
    folder = run(SUPERNETS[0], "kept", *options)
    rows = rows_of(scripts, folder, "supernets")
    kept = sorted((tmp_path / "kept").iterdir())
    assert [path.name for path in kept] == [
        f"tuning-uniform-equal_steps-seed-{seed}" for seed in sorted(set(rows["seed"]))
    ]
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    model = SupernetBertForMaskedLM.from_pretrained(kept[0])
    corpus = scripts.corpus.load_corpus(plan.text, data, tmp_path / "work")
    again = scripts.child_scores.score_children(model, corpus, plan.children("tuning"))
    last = rows[(rows["seed"] == rows["seed"].min()) & (rows["step"] == rows["step"].max())]
    scores = dict(zip(last["network"], last["score"], strict=True))
    assert {row["network"]: row["score"] for row in again} == pytest.approx(scores)
    assert AutoTokenizer.from_pretrained(kept[0]).get_vocab() == corpus.tokenizer.get_vocab()
    assert not list((run.work / "kept").glob("tuning-*/"))  # no checkpoint is left
    made = kept[0].stat().st_mtime_ns
    run(SUPERNETS[0], "kept", *options)  # all is there
    assert kept[0].stat().st_mtime_ns == made
    elsewhere = tmp_path / "elsewhere"
    run(SUPERNETS[0], "kept", *options[:-1], str(elsewhere))
    again = SupernetBertForMaskedLM.from_pretrained(next(elsewhere.iterdir())).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_rows_of_supernets(scripts, whole, data):
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    names = sorted(path.name for path in (whole / "supernets").iterdir())
    # a step of `averaged` and of `teacher` costs what a uniform one costs: the second budget is the first
    assert names == [
        "tuning-averaged-equal_steps-seed-11.parquet",
        "tuning-magic-at-equal_compute-seed-11.parquet",
        "tuning-magic-at-equal_steps-seed-11.parquet",
        "tuning-teacher-equal_steps-seed-11.parquet",
    ]
    rows = scripts.rows.read_rows(whole / "supernets")
    for (method, budget), part in rows.groupby(["method", "budget"]):
        steps = 6 if budget == "equal_compute" else 8  # 8 / 1.34
        assert set(part["steps"]) == {steps} and list(part["step"].unique()) == [steps // 2, steps]
        assert all(len(at) == 4 for _, at in part.groupby("step"))
        assert set(part["fingerprint"]) == {plan.method_fingerprint(method, budget)}
        assert part["score"].between(3, 7).all() and part["seconds"].min() > 0


@pytest.mark.parametrize(("method", "step"), [("magic-at", 7), ("averaged", 5), ("averaged", 2), ("teacher", 7)])
def test_killed_and_resumed_supernets(scripts, run, whole, monkeypatch, method, step):
    """Killed behind a checkpoint and an evaluation, between the two, and in front of both; checkpoints every 3 steps."""
    options = (*SUPERNETS[1:5], "--methods", method, "--budgets", "equal_steps")
    folder = f"{method}-{step}"
    killer = KillAt(step)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(scripts.child_scores.ScoreChildren, "on_step_begin", killer.on_step_begin)
        run(SUPERNETS[0], folder, *options)
    resumed = run(SUPERNETS[0], folder, *options)
    expected = rows_of(scripts, whole, "supernets").query("method == @method and budget == 'equal_steps'")
    pd.testing.assert_frame_equal(rows_of(scripts, resumed, "supernets"), expected.reset_index(drop=True))


def test_weight_average_by_hand(scripts, tmp_path):
    model = torch.nn.Linear(2, 1, bias=False)
    average, values = scripts.weight_average.WeightAverage(0.75, tmp_path), [4.0, 8.0, 0.0]
    for step, value in enumerate(values):
        torch.nn.init.constant_(model.weight, value)
        state = SimpleNamespace(global_step=step)
        event = average.on_step_end if step else average.on_train_begin
        event(SimpleNamespace(save_steps=9), state, None, model=model)
    with average.in_place(model):
        assert model.weight.tolist() == [[0.75 * (0.75 * 4 + 0.25 * 8)] * 2]
    assert model.weight.tolist() == [[0.0, 0.0]]


def test_a_resumed_run_trains_only_what_is_left(scripts, run, monkeypatch):
    begun = []

    class Watch:
        def on_step_begin(self, args, state, control, **kwargs):
            begun.append(state.global_step)
            if len(begun) == 6:
                raise Killed

    options = (*SUPERNETS[1:5], "--methods", "uniform", "--budgets", "equal_steps")
    monkeypatch.setattr(scripts.child_scores.ScoreChildren, "on_step_begin", Watch.on_step_begin)
    with pytest.raises(Killed):
        run(SUPERNETS[0], "watched", *options)
    run(SUPERNETS[0], "watched", *options)
    assert begun == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7]
    run(SUPERNETS[0], "watched", *options)  # finished: nothing is trained
    assert len(begun) == 11
    assert {path.suffix for path in (run.work / "watched").iterdir()} == {".lock", ".safetensors"}  # no checkpoint


def test_baselines(scripts, run, data, tmp_path):
    names = scripts.plan.BASELINES
    folder = run("train_supernets", "baselines", "--children", "tuning", "--methods", *names)
    rows = scripts.rows.read_rows(folder / "baselines")
    plan = scripts.plan.read_plan(data / "drawn.yaml")
    assert set(rows["method"]) == set(names) and len(rows) == 5 * 4
    scores = rows.pivot(index="network", columns="method", values="score")
    for child in plan.children("tuning"):
        row = scores.loc[str(child.architecture.canonical())]
        assert row["synflow"] == -scripts.baselines.synflow(plan.new_child(child.architecture, 11), 16)
        assert (row[["parameters", "multiply_adds"]] < 0).all() and row["untrained"] > 0
    fewer, more = (plan.new_child(scripts.plan.Architecture.from_string(path), 11) for path in ("C3-A2-I", "C3-A2-A2"))
    assert scripts.baselines.synflow(fewer, 16) < scripts.baselines.synflow(
        more, 16
    )  # what is not there passes nothing on
    before = {path: path.stat().st_mtime_ns for path in (folder / "baselines").iterdir()}
    run("train_supernets", "baselines", "--children", "tuning", "--methods", *names)
    assert {path: path.stat().st_mtime_ns for path in (folder / "baselines").iterdir()} == before


# ---- Rows of others are refused ----


def changed(data: Path, tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "changed.yaml"
    text = (data / "drawn.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("script", "old", "new", "message"),
    [
        (CHILDREN, "steps: 6,", "steps: 7,", "ground_truth holds rows of another plan"),
        (CHILDREN, "vocab_size: 120", "vocab_size: 110", "ground_truth holds rows of another plan"),
        (
            SUPERNETS,
            "weight: 1e-1",
            "weight: 2e-1",
            "holds rows of magic-at of another plan .*name another `results_dir`",
        ),
        (SUPERNETS, "dropout", "", None),
    ],
)
def test_a_changed_plan_is_refused(run, whole, data, tmp_path, script, old, new, message):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.parquet")}
    if message is None:
        run(
            script[0],
            "whole",
            *script[1:],
            plan=changed(data, tmp_path, "uniform: {}", "uniform: {weight_decay: 0.2}"),
        )
    else:
        with pytest.raises(ValueError, match=message):
            run(script[0], "whole", *script[1:], plan=changed(data, tmp_path, old, new))
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*.parquet")} == before


def test_another_text_is_refused(scripts, whole):
    rows = scripts.rows.read_rows(whole / "ground_truth")
    with pytest.raises(ValueError, match=r"holds rows of another text .* are not those of before"):
        scripts.rows.check_rows(rows, lambda row: row["fingerprint"], "here", text="0123")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--methods", "averaged"),
            "`averaged` is not in the plan's `comparison`, which was fixed for the test children",
        ),
        (("--methods", "magic"), "`methods`: `magic` is not known; known are uniform, fair, magic-at, parameters"),
        (("--budgets", "equal_step"), r"`budgets`: `equal_step` is not known.*`equal_steps`\?"),
        (("--seeds", "3"), r"plan's seeds for the test children are \[1, 2\], got \[3\]"),
        (("--save_steps", "0"), "`save_steps` must be at least 1, got 0"),
        (("--max_minutes", "-1"), "`max_minutes` must be a number from 0, got -1"),
    ],
)
def test_options_that_cannot_be(run, options, message):
    with pytest.raises(ValueError, match=message):
        run("train_supernets", "none", *options)


# ---- What a step costs ----


def test_equal_compute_counts_the_steps_of_the_plan(scripts, tmp_path):
    longer = PLAN.replace("methods:\n", "methods:\n  longer: {steps: 80, step_cost: 2}\n")
    (tmp_path / "plan.yaml").write_text(longer)
    method = scripts.plan.read_plan(tmp_path / "plan.yaml").method("longer")
    assert method.steps("equal_steps") == 80 and method.steps("equal_compute") == 4  # half of the plan's 8


def test_a_cost_by_hand(scripts):
    found = scripts.step_costs.cost([2.0, 6.0], [1.0, 2.0])  # ratios 2 and 3, standard error 0.5
    assert found["ratio"] == 2.5 and found["high"] - 2.5 == pytest.approx(2.5 - found["low"])
    assert found["high"] - 2.5 == pytest.approx(12.7062 * 0.5, rel=1e-5)  # Student's t with one degree of freedom
    assert scripts.step_costs.cost([3.0, 3.0], [3.0, 3.0])["low"] == 1


def test_step_costs(scripts, run, capsys):
    folder = run("step_costs", "costs", "--methods", "averaged", "magic-at", "--rounds", "2", "--steps", "3")
    found = json.loads((folder / scripts.rows.STEP_COSTS).read_text())
    assert list(found["costs"]) == ["uniform", "averaged", "magic-at"] and found["costs"]["uniform"]["ratio"] == 1
    assert all(len(cost["ratios"]) == 2 and min(cost["ratios"]) > 0 for cost in found["costs"].values())
    options = found["options"]  # without the folders of this machine
    assert "/" not in options and options.startswith("--plan drawn.yaml --results_dir costs --data_dir data")
    assert "uniform: 1.00 [1.00, 1.00]" in capsys.readouterr().out


def test_step_costs_of_methods_that_join_later(scripts, run):
    options = ("--methods", "averaged", "--rounds", "2", "--steps", "3")
    folder = run("step_costs", "joined", *options, "--joined", "averages")
    assert [path.name for path in folder.glob("step_costs*")] == ["step_costs-averages.json"]
    assert list(scripts.rows.read_step_costs(folder)) == ["uniform", "averaged"]


def test_steps_of_an_adaptive_sampler_are_measured_behind_its_warm_up(scripts):
    plan = scripts.plan.read_plan(RANKING / "plan.yaml")
    warm, plain = (scripts.step_costs.behind_warmup(plan.method(name)) for name in ("shift", "gradual"))
    assert warm.sampler_kwargs == {"num_probes": 1, "warmup_steps": 0} and plain == plan.method("gradual")


def test_step_costs_of_one_round(run):
    with pytest.raises(ValueError, match="`rounds` must be at least 2, got 1"):
        run("step_costs", "costs", "--rounds", "1")
