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
"""
Writes the tables of the README beside this script from the results, so that no figure is typed in.

    python examples/benchmarks/report.py
"""

import argparse
import json
from pathlib import Path
from typing import Any

from bert_compression_report import children_alone_section, compression_section, compression_summary
from common import RESULTS
from search_peers_report import search_peers_section

from hf_supernet.cards.rendering import markdown_table
from hf_supernet.files import replacing


README = Path(__file__).resolve().parent / "README.md"
PROJECT_README = Path(__file__).resolve().parents[2] / "README.md"
MARKERS = ("<!-- results: written by report.py -->", "<!-- end of results -->")
ORDER = (
    "step_time",
    "sandwich_time",
    "alignment_cost",
    "throughput_vs_bert",
    "memory",
    "mixture_cost",
    "costs_check",
    "latency_prediction",
    "trie_evaluation",
    "prefix_proposals",
    "search_overhead",
    "search_strategies",
)

COMPARED = {
    "step_time": "",
    "alignment_cost": "step with alignment / without: ",
    "throughput_vs_bert": "child / transformers.BertForMaskedLM: ",
}
"""What stands in front of a result's name where the name alone does not say it."""

TOGETHER = " (times of all rounds together; quartiles of single rounds)"


def figure(values: dict[str, Any], statistic: str) -> str:
    return f"{values[statistic]:.3f} [{values['q1']:.3f}, {values['q3']:.3f}]"


def verdict(result: dict[str, Any]) -> str:
    if "target" not in result:
        return ""
    text = f"{result['target']}: {'met' if result['met'] else '**missed**'}"
    values = result.get(result.get("clock"), {})
    if result.get("statistic") == "total" and result["target"].startswith("at most"):
        limit = float(result["target"].removeprefix("at most "))
        if (values["median"] <= limit) != result["met"]:
            text += f", but **{'missed' if result['met'] else 'met'}** by the median of rounds, {values['median']:.3f}"
    return text


def section(benchmark: dict[str, Any]) -> list[str]:
    """One benchmark: the command, the machine, its table."""
    environment, results = benchmark["environment"], benchmark["results"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    load = environment["load_average_at_start"][0]
    lines = [
        f"### {benchmark['benchmark']}",
        "",
        f"`{benchmark['command']}`, seed {benchmark['settings']['seed']}; {environment['cpu']}, "
        f"{environment['threads']} of {environment['cores']} cores, load average {load} at the start; {versions}.",
        "",
    ]
    if "value" in results[0]:
        rows = [[result["name"], result["value"], verdict(result)] for result in results]
        return [*lines, *markdown_table(["what", "found", "target"], rows)]
    rows = []
    for result in results:
        wall, cpu = (figure(result[clock], result["statistic"]) for clock in ("wall", "cpu"))
        rows.append([result["name"], wall, cpu, str(len(result["wall"]["per_round"])), verdict(result)])
    clock = results[0]["clock"]
    return [*lines, *markdown_table(["ratio", "wall clock", "processor time", "rounds", f"target ({clock})"], rows)]


def interval(difference: dict[str, float]) -> str:
    return f"{difference['mean']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]"


def real_text_table(results: dict[str, Any]) -> list[str]:
    """Fine-tuning the searched child against the same network from random weights."""
    rows = []
    for task, row in results["glue"].items():
        arms = [f"{row[arm]['mean']:.2f} ± {row[arm]['sd']:.2f}" for arm in ("searched", "random_init")]
        differences = [interval(results[part][task]["difference"]) for part in ("glue_settled", "glue_fresh", "glue")]
        rows.append([task, *arms, *differences])
    first, fresh = len(results["seeds"]), len(results["fresh_seeds"])
    rates = ", ".join(
        f"{arm} {task} {rate:g}" for arm, found in results["learning_rates"].items() for task, rate in found.items()
    )
    head = [
        f"task, {first + fresh} seeds",
        "searched child, trained further alone",
        "same network, random weights",
        f"difference [95 % interval], the {first} seeds with which settings were settled",
        f"the same, {fresh} fresh seeds",
        "the same, all",
    ]
    return [
        *markdown_table(head, rows),
        "",
        "The mean of a task's metrics in percent on its whole dev set, ± the standard deviation over seeds; differences are"
        " paired by seed, their intervals are Student's. How these numbers came about: the length of the trainings, the stage on"
        " the sentences of the tasks and the number of seeds (first three, then five) were changed while results were looked"
        " at, and the learning rates are chosen on the same dev sets, for the random weights the best that were tried for"
        f" them ({rates}). After that everything was left as it was, and the fresh seeds were run. Most of the child's training"
        " is not the supernet's: it was trained alone for"
        f" {results['child_dev_losses'][-1]['step']:,} steps after the search, then on the sentences of these tasks without"
        f" their labels. SST-2 is fine-tuned on {results['max_train_samples']:,} sentences.",
    ]


def dev_loss_table(results: dict[str, Any]) -> list[str]:
    """The dev losses of children while their supernet was trained."""
    names = {"smallest": "smallest", "largest": "largest", "anchor": "anchor", "random": "random ones, mean"}
    rows = [
        [str(entry["step"]), *(f"{entry[f'eval_{name}_loss']:.3f}" for name in names)]
        for entry in results["supernet_dev_losses"]
    ]
    return [
        "Dev loss of children through the supernet while it was trained:",
        "",
        *markdown_table(["step", *names.values()], rows),
        "",
        "The largest child is the one of most parameters: feed-forward in every layer. None of its tokens reads another, so"
        " that it can do no better than to know how frequent tokens are.",
    ]


def real_text_section(results: dict[str, Any]) -> list[str]:
    """The run on real text has a form of its own."""
    return [
        "### real_text",
        "",
        f"`{results['command']}`, seeds {', '.join(map(str, results['seeds'] + results['fresh_seeds']))};"
        f" `{results['architecture']}`.",
        "",
        *real_text_table(results),
        "",
        *dev_loss_table(results),
    ]


def glue_table(results: dict[str, Any]) -> list[str]:
    """The searched child against a plain BERT, all tasks."""
    rows = []
    for task, row in results["glue"].items():
        models = [f"{row[model]['mean']:.2f} ± {row[model]['sd']:.2f}" for model in results["models"]]
        sizes = [
            f"{results[part][task]:,}" if task in results[part] else "" for part in ("train_samples", "dev_samples")
        ]
        rows.append([task, *sizes, *models, interval(row["difference"])])
    child, bert = (results["models"][name] for name in ("searched", "bert"))
    head = [
        f"task, {len(results['seeds'])} seeds",
        "trained on",
        "dev rows",
        f"searched child, {child['parameters']:,} parameters",
        f"plain BERT, {bert['parameters']:,} parameters",
        "difference, 95 % interval",
    ]
    return [
        *markdown_table(head, rows),
        "",
        "In percent, ± the standard deviation over seeds: Matthews' correlation (CoLA), F1 (MRPC, QQP), Spearman's correlation"
        " (STS-B), else accuracy; the difference"
        " is paired by seed, its interval is Student's. Both have read the same text: the BERT as many tokens as the supernet"
        " and the child together, in batches of one size and with one schedule, that of the child, after which their dev losses"
        f" were {child['pretraining_dev_loss']:.2f} (child) and {bert['pretraining_dev_loss']:.2f} (BERT);"
        f" who predicts by the frequency of the tokens alone has {results['dev_loss_of_token_frequencies']:.2f}. Then both read the"
        " sentences of SST-2, MRPC, RTE and CoLA. The fine-tuning has the same settings for both, which were tuned for neither."
        " QNLI, MNLI and QQP have a part of their official training rows, QQP's dev rows are a part of those, and MNLI's are"
        " the matched ones.",
        "",
        _verdict_of_glue_table(results),
    ]


def _verdict_of_glue_table(results: dict[str, Any]) -> str:
    def tasks(sign: int) -> str:
        names = [
            task
            for task, row in results["glue"].items()
            if min(sign * row["difference"][end] for end in ("low", "high")) > 0
        ]
        return ", ".join(names) or "none"

    overall = results["glue"]["mean of tasks"]["difference"]
    text = f"The child is better, with an interval above 0, on: {tasks(1)}; the BERT on: {tasks(-1)}."
    if overall["low"] > 0 or overall["high"] < 0:
        return f"Over all tasks the {'child' if overall['low'] > 0 else 'BERT'} is better. {text}"
    return (
        f"Over all tasks the two cannot be told apart. {text} What one predicts better in pretraining helps it little in these"
        " tasks, at this size and after so little text."
    )


def glue_table_section(results: dict[str, Any]) -> list[str]:
    return [
        "### glue_table",
        "",
        f"`{results['command']}`, seeds {', '.join(map(str, results['seeds']))}. The commands that it runs:",
        "",
        "```bash",
        *results["stages"],
        "```",
        "",
        *glue_table(results),
    ]


OWN_FORM = {
    "real_text": real_text_section,
    "glue_table": glue_table_section,
    "bert_compression": compression_section,
    "children_alone": children_alone_section,
    "search_peers": search_peers_section,
}
"""The benchmarks whose results are of their own kind."""


SUMMARIES = {"real_text": real_text_table, "glue_table": glue_table, "bert_compression": compression_summary}
"""What the project's own README shows of some of these."""


def summary(results: Path) -> list[str]:
    """The figures that the project's own README shows: those with a target, on one line each, and runs on real data."""
    rows = []
    for name, compared in COMPARED.items():
        path = results / f"{name}.json"
        found = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []
        rows += [
            [
                compared + result["name"] + TOGETHER * (result["statistic"] == "total"),
                figure(result[result["clock"]], result["statistic"]),
                verdict(result),
            ]
            for result in found
            if "target" in result
        ]
    lines = markdown_table(["ratio, side by side in one run", "found [quartiles]", "target"], rows)
    for name, write in SUMMARIES.items():
        path = results / f"{name}.json"
        if path.is_file() and (shown := write(json.loads(path.read_text(encoding="utf-8")))):
            lines += ["", *shown]
    return lines


def replace_tables(readme: Path, lines: list[str]) -> None:
    """
    Puts `lines` between the markers of `readme`.

    Raises:
        ValueError: where `readme` does not have both markers.
    """
    text = readme.read_text(encoding="utf-8")
    before, found, rest = text.partition(MARKERS[0])
    _, found_end, after = rest.partition(MARKERS[1])
    if not found or not found_end:
        raise ValueError(f"{readme} has to have the lines {MARKERS[0]!r} and {MARKERS[1]!r} for the tables.")
    with replacing(readme) as temporary:
        content = before + "\n".join([MARKERS[0], "", *lines, MARKERS[1]]) + after
        temporary.write_text(content, encoding="utf-8")
    print(f"Wrote {readme}")


def sections(results: Path) -> list[str]:
    """All tables."""
    lines: list[str] = []
    for name in ORDER:
        path = results / f"{name}.json"
        if path.is_file():
            lines += [*section(json.loads(path.read_text(encoding="utf-8"))), ""]
    for name, write in OWN_FORM.items():
        path = results / f"{name}.json"
        if path.is_file():
            lines += [*write(json.loads(path.read_text(encoding="utf-8"))), ""]
    return lines


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="The folder with the JSON files.")
    parser.add_argument("--readme", type=Path, default=README, help="The file to write all tables to.")
    parser.add_argument("--project_readme", type=Path, default=PROJECT_README, help="The file for those with targets.")
    args = parser.parse_args(argv)
    replace_tables(args.readme, sections(args.results))
    replace_tables(args.project_readme, [*summary(args.results), ""])


if __name__ == "__main__":
    main()
