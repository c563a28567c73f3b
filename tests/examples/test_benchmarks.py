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
"""Each benchmark runs at a tiny size and writes results of the documented form. No times are tested."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from hf_supernet import Architecture


BENCHMARKS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks"
TINY = "--hidden_size 32 --vocab_size 99 --batch_size 2 --sequence_length 13"
RUNS = {
    "step_time": f"--sizes 12x4 --rounds 2 --repeats 1 --warmup 1 --trainer_rounds 2 --trainer_steps 4 {TINY}",
    "sandwich_time": f"--rounds 2 --steps 4 --warmup 1 --layers 3 {TINY}",
    "alignment_cost": f"--layers 3 --rounds 2 --layer_rounds 1 --repeats 1 --warmup 0 --challenge_rounds 1 {TINY}",
    "throughput_vs_bert": "--shapes tiny --rounds 3 --warmup 1 --sequence_length 13",
    "memory": f"--rounds 1 --repeats 1 --layers 3 --candidates 4 {TINY}",
    "mixture_cost": f"--layers 2 --rounds 2 --children 3 --repeats 1 --warmup 0 {TINY}",
    "costs_check": "--rounds 1 --sequence_length 17",
    "latency_prediction": "--rounds 1 --children 3 --fitted 4 --layers 3 --min_run_time 0.002 --hidden_size 32"
    " --vocab_size 99 --batch_size 2 --sequence_length 13",
    "trie_evaluation": f"--layers 4 --rounds 2 --warmup 0 --population_size 6 --generations 3 {TINY}",
    "prefix_proposals": "--layers 6 --rounds 2 --population_size 8 --generations 3",
    "search_overhead": "--strategies nsga2 linas --layers 3 --rounds 2 --warmup 0 --population_size 5 --generations 2"
    f" --samples 12 --candidates 7 --batches 1 {TINY}",
}
RATIOS = {
    "step_time": 4,
    "sandwich_time": 2,
    "alignment_cost": 2 + 3 + 2,
    "throughput_vs_bert": 1,
    "trie_evaluation": 2 * 3,
}


@pytest.fixture(scope="module", autouse=True)
def _scripts_on_the_path():
    """The benchmarks import each other as scripts of one folder do."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def run(script: str, *arguments: str) -> None:
    importlib.import_module(script).main(list(arguments))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A folder with the results of every benchmark."""
    folder = tmp_path_factory.mktemp("results")
    for name, arguments in RUNS.items():
        run(name, *arguments.split(), "--output", str(folder / f"{name}.json"))
    return folder


def read(results: Path, name: str) -> dict:
    return json.loads((results / f"{name}.json").read_text())


@pytest.mark.parametrize("name", RUNS)
def test_head(results, name):
    benchmark = read(results, name)
    assert benchmark["benchmark"] == name
    assert benchmark["command"].startswith(f"python examples/benchmarks/{name}.py --")
    assert "--output" not in benchmark["command"]  # a folder of the machine
    assert {"seed", "rounds", "threads"} <= set(benchmark["settings"])
    environment = benchmark["environment"]
    assert {"torch", "transformers", "hf_supernet"} == set(environment["versions"])
    assert environment["threads"] == 1 and environment["cpu"] and len(environment["load_average_at_start"]) == 3


@pytest.mark.parametrize("name", RATIOS)
def test_ratios_follow_from_the_times_of_each_round(results, name):
    found = read(results, name)["results"]
    assert len(found) == RATIOS[name]
    for result in found:
        numerator, denominator = result["ratio_of"]
        for clock in ("wall", "cpu"):
            pairs = zip(result["seconds"][numerator][clock], result["seconds"][denominator][clock], strict=True)
            ratios = [a / b for a, b in pairs]
            assert result[clock]["per_round"] == ratios
            assert result[clock]["q1"] <= result[clock]["median"] <= result[clock]["q3"]
            assert math.isclose(result[clock]["mean"], sum(ratios) / len(ratios))
        if "target" in result:
            sign, bound = result["target"].rsplit(" ", 1)
            value = result[result["clock"]][result["statistic"]]
            assert result["met"] == (value <= float(bound) if sign == "at most" else value >= float(bound))


def test_first_differences_are_where_they_should_be(results):
    found = {result["name"]: result for result in read(results, "alignment_cost")["results"]}
    for first in range(3):
        assert set(found[f"first difference at layer {first} of 3"]["first_differences"]) == {first}
    assert set(found["child is the anchor"]["first_differences"]) == {3}


def test_memory_of_a_mixture(results):
    """Experts of all operators take more than those of some."""
    found = read(results, "mixture_cost")["results"]
    steps, evaluations = found[::2], found[1::2]
    assert len(steps) == len(evaluations) == 4
    some, all_operators = (steps[index]["weights"] for index in (0, 2))
    assert 1 < some < all_operators and all(step["kept_for_backward"] >= 1 for step in steps)


def test_memory_of_tensors(results):
    """Activations are the child's; gradients and states are those of what was trained."""
    child, path, everything = (result["per_round"][0] for result in read(results, "memory")["results"][:3])
    assert child["weights"] < path["weights"] == everything["weights"]
    assert child["gradients"] == path["gradients"] == everything["gradients"]
    assert child["optimizer states"] == path["optimizer states"] < everything["optimizer states"]
    kept = "kept for the backward pass"
    assert child[kept] == path[kept] == everything[kept] > 0


def test_costs_are_equal(results):
    for result in read(results, "costs_check")["results"]:
        assert result["met"] and result["value"] == "6 of 6 children equal", result


def test_predicted_latencies_and_their_figures(results):
    tau, error, plain_tau, plain_error = read(results, "latency_prediction")["results"][:4]
    assert {"target", "met"} <= set(tau) & set(error) and "target" not in plain_tau | plain_error
    assert len(tau["children"]) == 3 and set(tau["overhead"]["children"]).isdisjoint(
        child["architecture"] for child in tau["children"]
    )
    errors = sorted(abs(child["predicted"] / child["measured"] - 1) for child in tau["children"])
    assert error["value"] == f"{100 * errors[1]:.1f} % ({100 * errors[2]:.1f} %)" and error["met"] == (
        errors[1] <= 0.05
    )
    assert tau["met"] == (float(tau["value"]) >= 0.9) and all(child["samples"] > 0 for child in tau["children"])


def test_generations_as_tries(results):
    for result in read(results, "trie_evaluation")["results"]:
        children = [Architecture.from_string(text) for text in result["children"]]
        prefixes = {child.operators[:end] for child in children for end in range(1, 5)}
        assert result["calls"] == {"shared": len(prefixes), "alone": 4 * len(children)} and len(children) == 6
        assert 1 <= result["multiply_adds_saving"] <= 4 and result["largest_difference"] < 1e-5
        assert result["target"] == f"at least {round(0.9 * result['multiply_adds_saving'], 3)}"


def test_proposals_that_begin_alike(results):
    volumes, of_fewer, families, plain, stored = read(results, "prefix_proposals")["results"]
    assert all(len(result["per_seed"]) == 2 for result in (volumes, of_fewer, families, plain, stored))
    assert (
        "families / plain, fewer mutations, mean" in of_fewer["name"] and of_fewer["per_seed"] != volumes["per_seed"]
    )
    assert stored["met"] and stored["target"].startswith("at most 3, ") and 1 <= max(stored["per_seed"]) <= 3
    assert min(families["per_seed"]) > max(plain["per_seed"]) > 1 and volumes["value"].startswith(
        f"{sum(volumes['per_seed']) / 2:.3f} ["
    )


def test_what_is_not_running_children_is_overhead(results):
    ridge, svr, trees, nsga2, linas = read(results, "search_overhead")["results"]
    for result in (ridge, svr, trees):
        assert len(result["rates"]["per_round"]) == 2 and result["met"] == (result["rates"]["median"] >= 20_000)
    for result in (nsga2, linas):
        whole, running = (result["seconds"][part]["wall"] for part in ("whole", "running children"))
        assert 0 < running < whole and result["shares"]["wall"] == 1 - running / whole
        assert result["met"] == (result["shares"]["wall"] <= 0.02) and "overhead of 10 children" in result["name"]


def test_report_writes_the_tables(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text((BENCHMARKS / "README.md").read_text())
    project_readme = tmp_path / "PROJECT.md"
    project_readme.write_text((BENCHMARKS.parents[1] / "README.md").read_text())
    options = ("--results", str(results), "--readme", str(readme), "--project_readme", str(project_readme))
    for _ in range(2):  # again: the tables are replaced, not added
        run("report", *options)
    text = readme.read_text()
    for name in RUNS:
        assert text.count(f"### {name}\n") == 1
        for result in read(results, name)["results"]:
            assert text.count(f"| {result['name']} |") == 1
    readme.write_text("no place for tables")
    assert project_readme.read_text().count("without: random child and anchor (times of all rounds together") == 1
    with pytest.raises(ValueError, match="has to have the lines"):
        run("report", *options)


def test_readme_is_what_the_results_say(tmp_path):
    """The committed tables are those of the committed results; the script runs as a user runs it."""
    committed = {
        "--readme": (BENCHMARKS / "README.md").read_text(),
        "--project_readme": (BENCHMARKS.parents[1] / "README.md").read_text(),
    }
    options = []
    for name, text in committed.items():
        readme = tmp_path / f"{name}.md"
        readme.write_text(text)
        options += [name, str(readme)]
    subprocess.run([sys.executable, str(BENCHMARKS / "report.py"), *options], check=True)
    for name, text in committed.items():
        assert (tmp_path / f"{name}.md").read_text() == text, "run `python examples/benchmarks/report.py`"
