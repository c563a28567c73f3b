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
"""What `demo.py` shows: the progress, the tables at the end, and the model card of the child."""

import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch
from huggingface_hub import EvalResult
from transformers import ProgressCallback

from hf_supernet.export import CardFacts
from hf_supernet.search import describe_device, package_versions


TEXT = "prose of the Python documentation"


class LossBar(ProgressCallback):
    """The Trainer's progress bar, with the latest losses behind it in place of a line for each log."""

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        self.training_bar.set_description("Training the supernet")
        self.losses = {}

    def on_log(self, args, state, control, logs=None, **kwargs):
        names = {"loss": "loss", "alignment_loss": "alignment", "eval_loss": "dev loss"}
        if self.training_bar is not None:
            self.losses |= {names[name]: f"{value:.3f}" for name, value in logs.items() if name in names}
            self.training_bar.set_postfix(self.losses)


class Stages:
    """Announces each stage, and keeps how many seconds it took."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, text: str) -> Iterator[None]:
        print(f"\n[{len(self.seconds) + 1}/5] {text}", flush=True)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)


def describe_run(argv: list[str] | None, seed: int, settings: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """What has to be known to repeat a run."""
    return {
        "command": shlex.join(["python", "examples/demo.py", *(sys.argv[1:] if argv is None else argv)]),
        "seed": seed,
        "settings": settings,
        "versions": package_versions() | {name: version(name) for name in ("accelerate", "datasets", "tokenizers")},
        "device": describe_device(str(device)),
        "threads": torch.get_num_threads(),
    }


def summary(values: list[float]) -> dict[str, Any]:
    """Values with their mean and standard deviation."""
    return {"values": values, "mean": statistics.mean(values), "std": statistics.stdev(values)}


def percent(scores: dict[str, Any]) -> str:
    """A mean and a standard deviation as people read them."""
    return f"{100 * scores['mean']:.1f} ± {100 * scores['std']:.1f} %"


def card_facts(name: str, numbers: dict[str, Any]) -> CardFacts:
    """What the card says of the child `name`; of its fine-tuning too, where `numbers` has that already."""
    task = numbers.get("fine_tuning")
    return CardFacts(
        name=name,
        description=_description(numbers["versions"]["python"], task),
        metadata={"language": "en"},
        training=_training_facts(numbers),
        search=_search_facts(numbers),
        latency=_latency_facts(numbers),
        results=_results(numbers["search"]["chosen"]["loss"], task),
        methods=("gradual", "alignment"),
        trained_length=numbers["settings"]["sequence_length"],
        sequence_length=numbers["settings"]["sequence_length"],
    )


def _description(python: str, task: dict[str, Any] | None) -> str:
    text = (
        f"The outcome of `examples/demo.py`: a small model, trained for minutes on the English {TEXT} (version {python})."
        " It shows the way from a supernet to a model of one's own, and is of no other use."
    )
    if task is None:
        return text
    return (
        f"{text}\n\nFine-tuned on {task['train_sentences']:,} sentences to tell intact from corrupted ones, it is right"
        f" about {percent(task['pretrained'])} of {task['validation_sentences']} others; the same architecture, trained"
        f" in the same way from random weights, about {percent(task['random'])} (mean ± standard deviation over"
        f" {len(task['random']['values'])} seeds)."
    )


def _results(loss: float, task: dict[str, Any] | None) -> list[EvalResult]:
    results = [
        EvalResult(
            task_type="fill-mask",
            dataset_type="python-prose",
            dataset_name=TEXT,
            dataset_split="validation",
            metric_type="loss",
            metric_name="masked-LM loss (nats per label)",
            metric_value=round(loss, 4),
        )
    ]
    if task is not None:
        results.append(
            EvalResult(
                task_type="text-classification",
                dataset_type="python-prose-corruption",
                dataset_name="intact or corrupted sentences of it",
                dataset_split="validation",
                metric_type="accuracy",
                metric_name=f"accuracy, fine-tuned (mean of {len(task['pretrained']['values'])} seeds)",
                metric_value=round(task["pretrained"]["mean"], 4),
            )
        )
    return results


def _training_facts(numbers: dict[str, Any]) -> dict[str, Any]:
    settings, losses = numbers["settings"], numbers["training"]["dev_losses"]
    length = settings["sequence_length"]
    return {
        "method": f"MAGIC-AT: gradual modification, alignment with an anchor (weight {settings['alignment_weight']:g})",
        "steps": f"{settings['train_steps']} of {settings['train_batch_size']} sequences of {length} tokens, one child a step",
        "optimizer": f"AdamW, learning rate {settings['learning_rate']:g}, linear decay",
        "masked": f"{settings['mlm_probability']:.0%} of the tokens",
        "mean dev loss of a fixed set of children": f"{losses[0]:.3f} before, {losses[-1]:.3f} after",
        "seed": numbers["seed"],
    }


def _search_facts(numbers: dict[str, Any]) -> dict[str, Any]:
    found = numbers["search"]
    chosen, limits = found["chosen"], found["limits"]
    return {
        "strategy": f"evolutionary, {found['children_evaluated']} of {found['paths_in_space']:,} children evaluated",
        "limits, medians of random children": f"{limits['parameters']:,} parameters and"
        f" {1e3 * limits['latency']:.2f} ms for the encoder with its pooler",
        "parameters of it": f"{chosen['parameters']:,}",
        "dev loss": f"{chosen['loss']:.3f}; median of random children: {found['random_children']['loss']:.3f}",
    }


def _latency_facts(numbers: dict[str, Any]) -> dict[str, Any]:
    chosen, length = numbers["search"]["chosen"], numbers["settings"]["sequence_length"]
    return {
        "device": f"{numbers['device']['name']}, {numbers['threads']} thread(s), one sequence of {length} tokens",
        "encoder with its pooler, measured as a whole": f"{1e3 * chosen['latency_measured']:.2f} ms",
        "encoder with its pooler, predicted from its operators": f"{1e3 * chosen['latency']:.2f} ms",
    }


def format_report(numbers: dict[str, Any]) -> str:
    """The tables at the end, as plain text."""
    found, task = numbers["search"], numbers["fine_tuning"]
    losses = numbers["training"]["dev_losses"]
    gained = [a - b for a, b in zip(task["pretrained"]["values"], task["random"]["values"], strict=True)]
    children = {
        "limits of the search": found["limits"],
        "random children (medians)": found["random_children"],
        "chosen child": found["chosen"],
    }
    accuracies = {
        "the exported child": task["pretrained"],
        "random weights": task["random"],
        "difference": summary(gained),
    }
    return "\n".join(
        [
            f"Training   mean dev loss of a fixed set of children: {losses[0]:.3f} before, {losses[-1]:.3f} after",
            f"Search     {found['children_evaluated']} of {found['paths_in_space']:,} children evaluated",
            f"Chosen     {found['chosen']['architecture']}",
            "",
            _table([_child_row(name, values) for name, values in children.items()]),
            "",
            f"Intact or corrupted? {task['train_sentences']:,} sentences to learn from,"
            f" {task['validation_sentences']} others to judge",
            "",
            _table([_accuracy_row(name, values) for name, values in accuracies.items()]),
        ]
    )


def _child_row(name: str, values: dict[str, float]) -> dict[str, str]:
    return {
        "": name,
        "dev loss": f"{values['loss']:.3f}" if "loss" in values else "-",
        "parameters": f"{values['parameters']:,.0f}",
        "latency (ms)": f"{1e3 * values['latency']:.2f}",
    }


def _accuracy_row(name: str, scores: dict[str, Any]) -> dict[str, str]:
    return {
        "": name,
        "accuracy (mean ± sd)": percent(scores),
        "seed by seed": "  ".join(f"{100 * value:.1f}" for value in scores["values"]),
    }


def _table(rows: list[dict[str, str]]) -> str:
    table = pd.DataFrame(rows)
    table[""] = table[""].str.ljust(table[""].str.len().max())
    return table.to_string(index=False)
