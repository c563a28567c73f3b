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
"""What came out of a compression: a row for each model, the table, and the card of the child."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..cards.citations import methods_of
from ..cards.rendering import format_cell
from ..evaluation.glue_card import FineTuningCard
from ..export.card import CardFacts
from ..local_paths import is_local, public_name
from .arguments import CompressionSettings
from .arms import Arm
from .latency import RelativeLatency


Row = dict[str, Any]


def model_row(sizes: Mapping[str, int], format: str, scores: Mapping[str, float], metric: str) -> Row:
    """
    The figures of a model that do not depend on how it was made.

    Args:
        sizes (`dict[str, int]`):
            Its parameters and multiply-adds.
        format (`str`):
            What it is exported as, `"bert"` or `"searched-bert"`.
        scores (`dict[str, float]`):
            Its metrics on the validation split.
        metric (`str`):
            The one that models are compared by.
    """
    return {"format": format, **sizes, "score": scores[metric], "scores": dict(scores)}


def reference_row(row: Row, architecture: str) -> Row:
    """The row of the reference."""
    return {"name": "reference", "label": "reference", "architecture": architecture, "steps": 0, "passes": 0, **row}


def arm_row(row: Row, arm: Arm, passes_per_step: int) -> Row:
    """
    The row of another model: with its optimizer steps since the reference, and the passes of a batch, forward and backward,
    that these took: a supernet's step takes one for each path, or one in all where the paths share the batch.
    """
    facts = {"name": arm.name, "label": arm.label, "architecture": arm.architecture, "steps": arm.steps}
    return {**facts, "passes": passes_per_step * arm.supernet_steps + arm.own_steps, **row}


def with_latencies(rows: Sequence[Row], latencies: Mapping[str, RelativeLatency]) -> list[Row]:
    """The rows, each with what was measured: of the reference by its name, of the others by their architecture."""
    keys = ["reference" if row["name"] == "reference" else row["architecture"] for row in rows]
    return [row | latencies[key].to_dict() for row, key in zip(rows, keys, strict=True)]


def comparison_table(comparison: Mapping[str, Any]) -> str:
    """The rows of a comparison as a Markdown table, and what has to be known to read it."""
    columns = {
        "model": lambda row: row["label"],
        comparison["metric"]: lambda row: f"{row['score']:.4f}",
        "parameters": lambda row: f"{row['parameters']:,}",
        "multiply-adds": lambda row: f"{row['multiply_adds']:,}",
        "latency": lambda row: f"{row['latency_ratio']:.3f}",
        "steps": lambda row: f"{row['steps']:,}",
        "passes": lambda row: f"{row['passes']:,}",
    }
    lines = [" | ".join(columns), " | ".join(["---", *["---:"] * (len(columns) - 1)])]
    lines += [" | ".join(format_cell(cell(row)) for cell in columns.values()) for row in comparison["models"]]
    limit = comparison["budget"].get("latency", math.inf)
    above = [
        f"{row['label']} ({row['latency_ratio']:.3f})"
        for row in comparison["models"][1:]
        if row["latency_ratio"] > limit
    ]
    notes = [f"Measured anew for this table, these are above the budget of {limit:g}: {'; '.join(above)}."] * bool(
        above
    )
    notes += [f"Left out: {name.replace('_', ' ')}, as {why}." for name, why in comparison["left_out"].items()]
    return "\n".join([*(f"| {line} |" for line in lines), "", _legend(comparison), *notes])


def _legend(comparison: Mapping[str, Any]) -> str:
    rows = {key: f"{number:,}" for key, number in comparison["rows"].items()}
    return (
        f"All on the {rows['validation']} rows of the validation split, which were used for nothing else: the child was chosen"
        f" on {rows['search']} training rows that no training here saw, and all were trained on the {rows['train']}"
        " others. Latency is a share of the reference's, measured side by side; multiply-adds are those of"
        f" {comparison['sequence_length']} tokens. Steps are optimizer steps since the reference, those of the supernet included;"
        f" passes are batches that went forward and backward, of which a step of the supernet takes"
        f" {comparison['passes_per_step']}."
    )


def child_facts(
    comparison: Mapping[str, Any], row: Row, name: str, settings: CompressionSettings, supernet: Mapping[str, Any]
) -> CardFacts:
    """
    What the card of an exported child says.

    Args:
        comparison (`dict[str, Any]`):
            As in `comparison.json`.
        row (`dict[str, Any]`):
            The child's.
        name (`str`):
            What it is loaded by.
        settings ([`CompressionSettings`]):
            All options.
        supernet (`dict[str, Any]`):
            How the supernet was trained, from [`supernet_settings`].
    """
    start, data = settings.checkpoint.model_name_or_path, settings.data
    reference, child_steps = comparison["models"][0], row["steps"] - comparison["supernet_steps"]
    metrics = {f"eval_{name}": value for name, value in row["scores"].items()}
    results = FineTuningCard(name, start, False, data.description, data.task_name, data.hub_dataset, metrics=metrics)
    description = (
        f"`{public_name(start)}`, compressed for {data.description}: with {row['parameters'] / reference['parameters']:.2f} of its"
        f" parameters and {row['latency_ratio']:.2f} of its latency, {comparison['metric']} is {row['score']:.4f}; that of the"
        f" original, fine-tuned, is {reference['score']:.4f}."
    )
    return CardFacts(
        name=name,
        description=description,
        metadata={
            "language": "en" if data.task_name else None,
            "base_model": None if is_local(start) else start,
            "datasets": [data.hub_dataset] if data.hub_dataset else None,
        },
        sections={"Comparison": comparison_table(comparison)},
        training=_training_facts(comparison, settings, child_steps),
        search=_search_facts(comparison, settings),
        latency={
            "device": f"{comparison['device']['name']}, {comparison['latency_conditions']}",
            "as a whole": f"{1e3 * row['latency']:.3f} ms",
            "the reference": f"{1e3 * reference['latency']:.3f} ms",
        },
        results=results.results,
        methods=[*methods_of(supernet), *_methods(settings, child_steps)],
        trained_length=min(data.max_seq_length, comparison["max_position_embeddings"]),
        sequence_length=comparison["sequence_length"],
    )


def _methods(settings: CompressionSettings, child_steps: int) -> list[str]:
    distilled = bool(child_steps) and settings.choice.finetune_distillation_weight > 0
    return ["distillation"] * distilled + ["glue"] * bool(settings.data.task_name)


def _training_facts(comparison: Mapping[str, Any], settings: CompressionSettings, child_steps: int) -> dict[str, Any]:
    args, choice = settings.training, settings.choice
    own = None
    if child_steps:
        rate = args.learning_rate if choice.finetune_learning_rate is None else choice.finetune_learning_rate
        own = f"{child_steps:,} steps, learning rate {rate:g}, weight of the teacher {choice.finetune_distillation_weight:g}"
    return {
        "supernet": f"{comparison['supernet_steps']:,} steps of {comparison['paths_per_step']} paths, sampler {args.sampler},"
        f" distillation {args.distillation}, learning rate {args.learning_rate:g}",
        "the child alone, after that": own,
        "batch size": args.train_batch_size * args.gradient_accumulation_steps,
        "seed": args.seed,
    }


def _search_facts(comparison: Mapping[str, Any], settings: CompressionSettings) -> dict[str, Any]:
    budget = ", ".join(f"{name.replace('_', '-')} at most {limit:,}" for name, limit in comparison["budget"].items())
    return {
        "budget": budget.replace("latency at most", "latency ratio at most"),
        "children": f"{settings.space.space}, {comparison['children_evaluated']:,} evaluated with the shared weights",
    }


__all__ = ["arm_row", "child_facts", "comparison_table", "model_row", "reference_row", "with_latencies"]
