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
"""What a report shows: sections of facts, plots and tables, as plain values that the template lays out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from ..architecture import Architecture
from ..costs import operator_multiply_adds, operator_parameters
from ..plotting import Panel, anchor_panels, architecture_panels, loss_panels, pareto_panels
from .records import Records, SearchRecord, TrainingRecord


NUM_BEST = 10
"""Children in the table of the best."""

_COLUMNS = {  # of a search's table: heading, factor
    "loss": ("dev loss", 1),
    "parameters": ("parameters", 1),
    "multiply_adds": ("multiply-adds (millions)", 1e-6),
    "latency": ("latency (ms)", 1e3),
    "architecture": ("architecture", None),
}


@dataclass
class Table:
    """A table with its caption; numbers are formatted by the template's filter."""

    caption: str
    rows: pd.DataFrame


@dataclass
class Section:
    """
    A part of the report.

    Args:
        title (`str`):
            Its heading.
        text (`str`, *optional*):
            A paragraph.
        facts (`dict[str, Any]`, *optional*):
            Label and value; what is not known is left out.
        panels (`list[Panel]`, *optional*):
            Its plots.
        operators (`Architecture`, *optional*):
            An architecture to show as a row of boxes.
        tables (`list[Table]`, *optional*):
            Its tables.
    """

    title: str
    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    panels: list[Panel] = field(default_factory=list)
    operators: Architecture | None = None
    tables: list[Table] = field(default_factory=list)

    def __post_init__(self):
        self.facts = {label: value for label, value in self.facts.items() if _is_known(value)}

    def __bool__(self) -> bool:
        return bool(self.text or self.facts or self.panels or self.tables)


def build_sections(records: Records) -> list[Section]:
    """The sections of a report, those that there are records for."""
    sections = [section for training in records.trainings for section in _training_sections(training)]
    sections += [section for search in records.searches for section in _search_sections(search)]
    return [section for section in sections if section]


def format_cell(value: Any) -> str:
    """A value as people read it: numbers with few digits, whole ones in groups of three, nothing where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return f"{value:.4f}" if 0.01 <= abs(value) < 1e4 else f"{value:,.4g}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | Mapping | Sequence) and len(value) == 0)


def format_fact(value: Any) -> str:
    """A value that stands by itself, so that zeros at its end would say nothing."""
    return f"{value:.5g}" if isinstance(value, float) and abs(value) < 1e4 else format_cell(value)


# ---- Training ----


def _training_sections(training: TrainingRecord) -> Iterator[Section]:
    name = training.folder.resolve().name
    losses = loss_panels(training.log)
    yield Section(f"Training: {name}", facts=_training_facts(training), panels=losses)
    yield _visits(training, name)
    if anchors := anchor_panels(training.log):
        table = anchors[0].table
        text = f"{len(table)} anchors are in the log. A mark is the first logged step at which a child was the anchor."
        yield Section(f"Anchor of {name}", text=text, panels=anchors)


def _training_facts(training: TrainingRecord) -> dict[str, Any]:
    settings, config, results = training.settings, training.config, training.results
    facts = {
        "model": ", ".join(map(str, config.get("architectures") or [])),
        "steps": training.log[-1]["step"],
        "epochs": results.get("epoch"),
        "training time": _seconds(results.get("train_runtime")),
        "hidden size": config.get("hidden_size"),
        "layers": config.get("num_hidden_layers"),
        "candidate operators": _joined(config.get("candidate_operators")),
        "sampler": _named(settings.get("sampler")),
        "alignment": _named(settings.get("alignment")),
        "transformers": config.get("transformers_version"),
    }
    scores = {f"final {key.replace('_', ' ')}": value for key, value in results.items() if _is_score(key, value)}
    return facts | scores


def _seconds(value: Any) -> str:
    return f"{value:,.0f} s" if isinstance(value, int | float) else ""


def _is_score(key: str, value: Any) -> bool:
    speed = key.endswith(("_runtime", "_per_second", "_samples"))
    return key.startswith(("eval_", "train_loss", "test_")) and not speed and isinstance(value, int | float)


def _named(values: Any) -> str:
    """The settings of a sampler or an alignment in one line."""
    if not isinstance(values, Mapping):
        return ""
    parts = [str(values["name"])] if "name" in values else []
    return ", ".join(
        parts + [f"{key.replace('_', ' ')} {format_cell(v)}" for key, v in values.items() if key != "name"]
    )


def _joined(values: Any) -> str:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ""
    return ", ".join(map(str, values)) if all(isinstance(value, str) for value in values) else json.dumps(values)


def _visits(training: TrainingRecord, name: str) -> Section:
    logged, all_of_them = training.logged_architectures(), training.trained_architectures()
    visited = all_of_them or logged
    if len({len(architecture) for _, architecture in visited}) != 1:
        return Section(f"Architectures visited by {name}")
    if all_of_them:
        text = "The architectures of all steps, drawn anew by the recorded sampler; they agree with those in the log."
    else:
        text = f"The log names the architectures of {len({s for s, _ in logged}):,} of {training.log[-1]['step']:,} steps."
    steps, architectures = zip(*visited, strict=True)
    return Section(
        f"Architectures visited by {name}",
        text=text,
        facts={"architectures": len(visited), "different ones": len(set(architectures))},
        panels=architecture_panels(steps, architectures),
    )


# ---- Search ----


def _search_sections(search: SearchRecord) -> Iterator[Section]:
    name, result, chosen = search.folder.resolve().name, search.result, search.chosen["architecture"]
    has_costs = {"parameters", "latency"} & set(result.table)
    best = result.ranked().dropna(subset="loss").head(NUM_BEST)
    yield Section(
        f"Search: {name}",
        facts={"children evaluated": len(result)} | _settings(result.info.get("settings")),
        panels=pareto_panels(result, chosen) if has_costs else [],
        tables=[
            Table(f"The best {len(best)} children", _readable(best)),
            *_predictor_tables(result.info.get("predictors")),
        ],
    )
    yield _chosen_section(search)
    yield _latency_section(search)
    yield Section(
        f"Made with: {name}", facts=_settings(result.info.get("versions")) | _device(result.info.get("device"))
    )


def _settings(values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {}
    facts = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            facts |= {f"{name} {label}": inner for label, inner in _settings(value).items()}
        elif isinstance(value, str) and PurePath(value).is_absolute():
            facts[name.replace("_", " ")] = PurePath(
                value
            ).name  # where it lay on somebody's machine is nobody's business
        else:
            facts[name.replace("_", " ")] = value
    return {label: value for label, value in facts.items() if value is not None}


def _device(values: Any) -> dict[str, Any]:
    """What [`describe_device`] says, where its `device` is a name such as "cpu"."""
    return {f"device {label}".replace("device device", "device kind"): v for label, v in _settings(values).items()}


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that people compare, in their units."""
    shown = {column: meaning for column, meaning in _COLUMNS.items() if column in table}
    return pd.DataFrame(
        {
            heading: table[column] if factor in (None, 1) else table[column] * factor
            for column, (heading, factor) in shown.items()
        }
    )


def _predictor_tables(quality: Any) -> Iterator[Table]:
    """What each generation's proposals rest on, and how well each candidate ranked children that it had not seen."""
    rows = [row for row in quality if isinstance(row, Mapping)] if isinstance(quality, list) else []
    if rows:
        shown = [
            {name: value for name, value in row.items() if name != "kendall"} | _settings(row.get("kendall"))
            for row in rows
        ]
        yield Table("Predictors, with Kendall's tau of each candidate in cross-validation", pd.DataFrame(shown))


def _chosen_section(search: SearchRecord) -> Section:
    row = search.result.table[search.result.table["architecture"] == search.chosen["architecture"]].head(1)
    facts = dict(_readable(row).iloc[0])
    architecture = Architecture.from_string(search.chosen["architecture"])
    tables = [Table("Its layers and their costs", _layers(search, architecture))]
    return Section("Chosen child", facts=facts, operators=architecture, tables=tables)


def _layers(search: SearchRecord, architecture: Architecture) -> pd.DataFrame:
    operators = architecture.operators
    columns: dict[str, Sequence[Any]] = {"layer": range(len(operators)), "operator": list(map(str, operators))}
    if (config := search.config) is not None:
        length = search.latency.settings.sequence_length if search.latency is not None else 128
        length = min(length, config.max_position_embeddings)
        columns["parameters"] = [operator_parameters(operator, config) for operator in operators]
        columns[f"multiply-adds ({length} tokens)"] = [operator_multiply_adds(o, config, length) for o in operators]
    if search.latency is not None and set(operators) <= set(search.latency.operators):
        columns["latency (ms)"] = [1e3 * search.latency.operators[operator].median for operator in operators]
    return pd.DataFrame(columns)


def _latency_section(search: SearchRecord) -> Section:
    chosen, table = search.chosen, search.latency
    facts = {
        "predicted from the operators": _milliseconds(chosen.get("latency_predicted")),
        "measured (whole child)": _milliseconds(chosen.get("latency_measured"), chosen.get("latency_measured_iqr")),
        "device": chosen.get("latency_device"),
        "conditions": chosen.get("latency_conditions"),
    }
    if table is None:
        return Section("Latency of the chosen child", facts=facts)
    measurements = {"embeddings and head": table.base} | {str(o): m for o, m in table.operators.items()}
    rows = [(name, 1e3 * m.median, 1e3 * m.iqr, m.samples) for name, m in measurements.items()]
    measured = pd.DataFrame(rows, columns=["part", "median (ms)", "interquartile range (ms)", "samples"])
    facts |= _device(table.device) | _settings({"setting:": vars(table.settings)})
    return Section("Latency of the chosen child", facts=facts, tables=[Table("Latency of each operator", measured)])


def _milliseconds(seconds: Any, spread: Any = None) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"{1e3 * seconds:.3f} ms" + (
        f", interquartile range {1e3 * spread:.3f} ms" if isinstance(spread, int | float) else ""
    )


__all__ = ["Section", "Table", "build_sections", "format_cell", "format_fact"]
