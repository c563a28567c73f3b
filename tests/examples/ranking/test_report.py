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
"""The report of the ranking benchmark."""

import json
import random
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import hf_supernet
from hf_supernet.evaluation.intervals import Estimate

from .conftest import PLAN


# ---- The report ----


@pytest.fixture(scope="module")
def invented(scripts, data, run, tmp_path_factory) -> Path:
    """Rows of the test children by a rule: uniform is noisy, fair is right, magic-at is the wrong way round."""
    folder, plan = tmp_path_factory.mktemp("invented"), scripts.plan.read_plan(data / "drawn.yaml")
    marks, draw = {"text": "t", "cpu_seconds": 4.0, "versions": scripts.rows.versions()}, random.Random(0)
    children = [{"network": str(c.architecture.canonical()), "stratum": c.stratum} for c in plan.children("test")]
    truth = [
        {**child, "seed": seed, "dev_loss": index + 0.1 * seed, "fingerprint": plan.child_fingerprint("test"), **marks}
        for index, child in enumerate(children)
        for seed in (1, 2)
    ]
    scripts.rows.write_rows(folder / "ground_truth" / "part-test-1-of-2.parquet", truth[:9])
    scripts.rows.write_rows(folder / "ground_truth" / "part-test-2-of-2.parquet", truth[9:])
    rules = {"uniform": lambda index: draw.random(), "fair": lambda index: index / 7, "magic-at": lambda index: -index}
    for method, rule in rules.items():
        for seed in (1, 2) if method != "fair" else (1,):
            marks["fingerprint"] = plan.method_fingerprint(method, "equal_steps")
            run = {"method": method, "budget": "equal_steps", "seed": seed, "steps": 8, **marks}
            rows = [
                {**run, **child, "step": step, "score": rule(index) + 9 / step}
                for step in (4, 8)
                for index, child in enumerate(children)
            ]
            scripts.rows.write_rows(folder / "supernets" / f"test-{method}-equal_steps-seed-{seed}.parquet", rows)
    marks["fingerprint"] = plan.baseline_fingerprint()
    baseline = {"method": "parameters", "budget": "none", "seed": 0, "steps": 0, "step": 0, **marks}
    rows = [{**baseline, **child, "score": -(index // 2)} for index, child in enumerate(children)]
    scripts.rows.write_rows(folder / "baselines" / "test-parameters.parquet", rows)
    return folder


REPORT = ("--resamples", "20")


def test_report_of_step_costs(scripts, data, invented, tmp_path):
    results = shutil.copytree(invented, tmp_path / "results")
    costs = {"fair": {"ratio": 3.5, "low": 3.4, "high": 3.6}}
    (results / scripts.rows.STEP_COSTS).write_text(json.dumps({"costs": costs}))
    joined = {name: {"ratio": 1.25, "low": 1.2, "high": 1.3} for name in ("fair", "magic-at")}
    (results / "step_costs-joined.json").write_text(json.dumps({"costs": joined}))
    report(scripts, data, results, tmp_path / "out" / "README.md")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "| 8 | 4 | 3.50 [3.40, 3.60] | 4 |" in text  # of one that was measured twice, what the comparison goes by
    assert "| 1.25 [1.20, 1.30] |" in text


def test_short_table(scripts, data, invented, tmp_path):
    readme = tmp_path / "out" / "README.md"
    short = tmp_path / "SHORT.md"
    short.write_text("# Project\n\nBefore.\n")
    plan = ("--plan", str(data / "drawn.yaml"), "--results_dir", str(invented))
    scripts.report.main([*plan, "--readme", str(readme), "--summary", str(short), *REPORT])
    text = short.read_text()
    assert text.startswith("# Project\n\nBefore.\n\n<!--") and "agree: 1.00 [–], better half 1.00 [–]." in text
    assert "- **compute**: what a run costs as the plan counts it, in runs of uniform at equal steps: " in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["method", "---", "uniform", "fair", "magic-at", "parameters"]
    assert rows[2][1:4] == ["both", "2", "1.00"] and rows[2][5] == rows[2][8] == ""
    assert rows[4][1:5] == ["equal steps", "2", "1.34", "-1.00 [–]"] and rows[4][7].startswith("12.000")
    assert rows[3][4] == "1.00 [–]" and rows[3][5].startswith("+") and rows[3][8].startswith("-")
    assert rows[5][1:4] == ["", "", ""]
    for row in rows[3:]:  # the long table has the same figures
        assert row[5] in readme.read_text()


def test_trials_of_the_scale(scripts, data, invented, tmp_path):
    """Each trial beside the plan's children of the same networks; a child with one seed is left out."""
    results, readme = shutil.copytree(invented, tmp_path / "results"), tmp_path / "README.md"
    folders = ["--plan", str(data / "drawn.yaml"), "--results_dir", str(results)]
    main = partial(scripts.scale_trials.main, [*folders, "--readme", str(readme)])
    with pytest.raises(FileNotFoundError, match=r"scale_trials\.parquet is not there.*`results_dir`"):
        main()
    children = scripts.plan.read_plan(data / "drawn.yaml").children("test")[:5]
    networks = [str(child.architecture.canonical()) for child in children]
    turned = [
        {"trial": trial, "network": network, "seed": seed, "dev_loss": float(-place if seed == wrong else place)}
        for trial, wrong in (("short", 2), ("long", None))
        for place, network in enumerate(networks)
        for seed in (1, 2)
    ]
    unknown = {**turned[0], "network": "A2-A2-C5", "trial": "long"}
    scripts.rows.write_rows(results / scripts.rows.TRIALS, [*turned[:-1], unknown])
    main()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in readme.read_text().splitlines()[2:]]
    found = {row[0]: (row[1], row[2][:6], row[4][:5]) for row in rows if len(row) == 6}
    assert found["short"] == ("5", "-1.000", "1.000") and found["long"] == ("4", "1.000 ", "1.000")


def test_trials_have_the_intervals_of_the_report(scripts):
    """Of the same children: in whichever order the rows come, the same draws are made."""
    losses = np.random.default_rng(0).normal(size=(30, 1)) + 0.5 * np.random.default_rng(1).normal(size=(30, 2))
    networks = [f"child {place}" for place in np.random.default_rng(2).permutation(30)]
    truth = scripts.analysis.GroundTruth(networks, np.array(["random"] * 30), losses)
    trials = [
        {"trial": "all", "network": network, "seed": seed, "dev_loss": losses[place, seed]}
        for place, network in enumerate(networks)
        for seed in (0, 1)
    ]
    table = scripts.scale_trials.trial_table(pd.DataFrame(trials[::-1]), truth, resamples=50)
    ceilings = [str(truth.ceiling(name, resamples=50)) for name in ("tau", "tau_better_half")]
    assert [cell.strip() for cell in table[-1].split("|")[1:-1]] == ["all", "30", *ceilings, *ceilings]
    assert scripts.report.ReportArguments().resamples == scripts.analysis.RESAMPLES
    with pytest.raises(ValueError, match=r"The trial 'all' has 1 of the plan's 30 test children .* Name the plan"):
        scripts.scale_trials.trial_table(pd.DataFrame(trials[:3]), truth)


@pytest.mark.parametrize(
    "script", ["draw_children", "train_children", "train_supernets", "step_costs", "report", "scale_trials"]
)
def test_no_such_plan(scripts, script):
    with pytest.raises(FileNotFoundError, match=r"`plan`: nope\.yaml is not there\. Pass the YAML file.*plan\.yaml"):
        getattr(scripts, script).main(["--plan", "nope.yaml"])


def test_trials_are_of_test_children(scripts):
    with pytest.raises(ValueError, match="no option `--children`"):
        scripts.scale_trials.main(["--children", "tuning"])


def report(scripts, data: Path, results: Path, readme: Path) -> dict[str, bytes]:
    plan = str(data / "drawn.yaml")
    scripts.report.main(["--plan", plan, "--results_dir", str(results), "--readme", str(readme), *REPORT])
    return {str(path.relative_to(readme.parent)): path.read_bytes() for path in readme.parent.rglob("*.*")}


def test_report(scripts, data, invented, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n\nBefore.\n")
    written = report(scripts, data, invented, readme)
    text = readme.read_text()
    assert (
        text.startswith("# Title\n\nBefore.\n\n<!--")
        and "13 test children (3 extreme, 3 neighbour, 2 no_mixing" in text
    )
    assert f"with `--children test`. hf_supernet {hf_supernet.__version__}, transformers " in text
    before, _, after = text.partition("### What an operator is worth")  # which has tests of its own
    assert "| trained alone |" in after
    text = before + after[after.index("### What a run takes") :]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    by_name = {}
    for row in rows:
        by_name.setdefault(tuple(row[:2]), []).append(row[2:])
    assert by_name["all children", "1.000 [–]"]  # the seeds agree: the ceiling
    # all children, and those that mix tokens: the right order less the wrong one; of `averaged` there is no run
    assert [row[:2] for row in by_name["fair", "magic-at"]] == [["1", "+2.000 [–]"]] * 2
    assert ("fair", "averaged") not in by_name
    # all children, difference to uniform, children that mix tokens, difference, cost; no spread of one seed
    assert [row[0] for row in by_name["fair", "equal steps"]] == ["1"] * 5
    assert by_name["fair", "equal steps"][0][1] == "1.000 [–]"
    # in front of the cost, the spread: tau is -1 with both seeds, its difference is spread as tau of the other side is
    agreement, *others, spread, _ = by_name["magic-at", "equal steps"]
    assert agreement[1] == "-1.000 [–]" and len(others) == 3
    assert agreement[5].startswith("12.0000")  # regret: the worst of 13 is picked
    theirs = by_name["uniform", "both"][2]
    assert spread[:2] == ["2", "0.000"] and theirs[0] == "2" and spread[2:4] == ["2", theirs[1]]
    assert float(spread[4]) == pytest.approx(float(spread[3]) / np.sqrt(2), abs=1e-3) and float(spread[6]) > 0.5
    assert len(by_name["uniform", "both"]) == 4 and ("uniform", "equal steps") not in by_name  # one run, one row
    assert (
        by_name["parameters", ""][0][0] == ""
        and by_name["parameters", ""][1][0] == "2"
        and by_name["parameters", ""][0][1].startswith("-0.9")
    )
    assert (
        float(by_name["parameters", ""][1][1].split()[0]) < 0 < float(by_name["fair", "equal steps"][1][1].split()[0])
    )
    figures = {
        "ceiling",
        "scatter-uniform",
        "scatter-fair",
        "scatter-magic-at",
        "scatter-parameters",
        "tau-along-training",
    }
    assert set(written) == {"README.md", *(f"figures/{name}.png" for name in figures)}
    assert report(scripts, data, invented, readme) == written


def test_report_of_what_is_there_so_far(scripts, data, invented, tmp_path):
    results = shutil.copytree(invented, tmp_path / "results")
    part = results / "ground_truth" / "part-test-1-of-2.parquet"
    rows = pd.read_parquet(part)
    rows.loc[2, "dev_loss"] = float("nan")
    scripts.rows.write_rows(
        part, rows[:-1]
    )  # the second seed of the fifth child is missing, the second child diverged
    path = results / "supernets" / "test-uniform-equal_steps-seed-1.parquet"
    rows = pd.read_parquet(path)
    scripts.rows.write_rows(path, rows[rows["step"] == 4])  # not finished
    path = results / "supernets" / "test-magic-at-equal_steps-seed-1.parquet"
    rows = pd.read_parquet(path)
    rows.loc[rows.index[-1], "score"] = float("nan")
    scripts.rows.write_rows(path, rows)
    report(scripts, data, results, tmp_path / "out" / "README.md")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "11 test children" in text and "2 of 13 children are left out" in text
    assert "| uniform | both | 1 |" in text
    assert "magic-at, equal_steps: 1 scores of step 8 are no numbers, and count as the worst" in text
    assert "| fair | equal steps | 1 |" in text.partition("### Difference")[0]
    differences = text.partition("### Difference")[2].partition("###")[0]
    assert "| fair |" not in differences  # no seed in common with uniform
    assert "| magic-at | equal steps | 2 |" in text and "| magic-at | equal steps | 1 |" in differences  # one of two


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("ground_truth", "ground_truth holds rows of another plan"),
        ("supernets", "supernets holds rows of uniform of another plan"),
        ("baselines", "baselines holds rows of parameters of another plan"),
        ("method", "supernets holds rows of forgotten: The plan has no method 'forgotten'"),
        ("text", "supernets holds rows of another text"),
        ("none", r"has 0 of the 13 test children with all seeds \[1, 2\]"),
    ],
)
def test_report_of_others(scripts, data, invented, tmp_path, kind, message):
    results = shutil.copytree(invented, tmp_path / "results")
    folder = results / (kind if kind in ("ground_truth", "baselines") else "supernets")
    path = sorted(folder.iterdir())[-1]
    rows = pd.read_parquet(path)
    changes = {"method": ("method", "forgotten"), "text": ("text", "u")}
    column, value = changes.get(kind, ("fingerprint", "0123"))
    scripts.rows.write_rows(path, rows.assign(**{column: value}))
    if kind == "none":
        shutil.rmtree(results / "ground_truth")
    with pytest.raises(ValueError, match=message):
        report(scripts, data, results, tmp_path / "README.md")
    assert not (tmp_path / "README.md").exists()


def test_report_of_real_rows(scripts, run, whole, data, tmp_path):
    """Two children suffice, and everything that the other scripts wrote is read."""
    argv = ["--plan", str(data / "drawn.yaml"), "--results_dir", str(whole), "--children", "tuning", *REPORT]
    scripts.report.main([*argv, "--readme", str(tmp_path / "README.md")])
    text = (tmp_path / "README.md").read_text()
    assert "| averaged | both | 1 |" in text and "| magic-at | equal compute | 1 |" in text


def test_budgets_in_words(scripts, tmp_path):
    """A run is at equal steps or equal compute by what it takes, whichever file its rows are in."""
    more = "  longer: {steps: 24}\n  batches: {steps: 2, step_cost: 4}\n  short: {steps: 1}\ncomparison:"
    (tmp_path / "plan.yaml").write_text(PLAN.replace("comparison:", more))
    plan = scripts.plan.read_plan(tmp_path / "plan.yaml")
    found = {name: scripts.analysis._budget_of(plan, name, "equal_steps") for name in plan.methods}
    assert (found["uniform"], found["averaged"], found["fair"]) == ("both", "both", "equal_steps")
    assert (found["longer"], found["batches"], found["short"]) == ("own_steps", "equal_compute", "own_steps")
    assert scripts.analysis._budget_of(plan, "fair", "equal_compute") == "equal_compute"
    run = scripts.analysis.Prediction("longer", "own_steps", [1], np.zeros((1, 3)), steps=24)
    assert scripts.tables.budget_in_words(SimpleNamespace(plan=plan), run) == "3 times the steps"


def test_figures_of_a_baseline(scripts):
    """Seeds that lie far apart do not hide the order, and a tau below 0 is in the picture."""
    truth = scripts.analysis.GroundTruth(
        ["a", "b", "c"], np.array(["random"] * 3), np.array([[1.0, 1.1], [2, 2], [3, 3]])
    )
    scores = np.array([[5.03, 5.02, 5.01], [9.1, 9.3, 9.2]])
    baseline = scripts.analysis.Prediction("untrained", "none", [1, 2], scores)
    low, high = Estimate(-0.2, -0.4, 0.0, 0.1, 0.1, (-0.1, -0.3)), Estimate(0.9, 0.8, 1.0, 0.0, 0.1, (0.9,))
    assert list(scripts.figures.scatter_panel(truth, baseline, "", low).table["predicted"]) == [2.0, 2.5, 1.5]
    panel = scripts.figures.tau_panel("untrained", {"": low}, high)
    axis = Figure().subplots()
    panel.draw(axis)
    assert axis.get_xlim()[0] < -0.4 and [label.get_text() for label in axis.get_yticklabels()] == [
        "ceiling\n0.90",
        "untrained\n-0.20",
    ]
    supernet = scripts.analysis.Prediction("uniform", "both", [1, 2], scores)
    assert scripts.figures.scatter_panel(truth, supernet, "both", low).table["predicted"][0] == pytest.approx(7.065)
