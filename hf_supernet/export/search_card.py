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
"""The card of a search that is published as a data set: what its table holds, read off the result, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..architecture import Architecture
from ..cards.architecture import operator_legend
from ..cards.citations import methods_of, papers_of
from ..cards.rendering import render
from ..cards.sections import join_card
from ..local_paths import is_local, public_name, public_values
from ..search.result import TABLE_NAME, SearchResult


TAGS = ("hf_supernet", "neural-architecture-search")
NUM_BEST = 10
"""Children in the card's table."""

# Column: its heading in the table of the best, its format there with the factor before, and what it means.
_COLUMNS = {
    "loss": ("loss", "{:.4f}", 1, "loss on the dev data, with the weights that the children share in the supernet"),
    "parameters": ("parameters", "{:,.0f}", 1, "number of parameters"),
    "multiply_adds": ("multiply-adds (M)", "{:,.1f}", 1e-6, "multiply-adds of one sequence"),
    "latency": ("latency (ms)", "{:.2f}", 1e3, "predicted latency in seconds: the sum over the operators"),
}
_FINGERPRINTS = ("search_space", "supernet", "dev_data", "calibration")
"""Settings that say whether two searches had the same, not what it was."""


def search_card(
    result: SearchResult,
    name: str,
    plots: Sequence[str] = (),
    chosen: Mapping[str, Any] | None = None,
    latency_table: Mapping[str, Any] | None = None,
    supernet: str | None = None,
) -> DatasetCard:
    """
    The card of a search.

    Args:
        result ([`SearchResult`]):
            The search.
        name (`str`):
            Its repository on the Hub (`"user/name"`).
        plots (`Sequence[str]`, *optional*):
            The names of images beside the card.
        chosen (`dict[str, Any]`, *optional*):
            The child that was chosen, as in the `chosen.json` of `search_architecture.py`.
        latency_table (`dict[str, Any]`, *optional*):
            What a [`LatencyTable`] saved: where its `device` and `settings` are, the card has them.
        supernet (`str`, *optional*):
            The supernet's repository on the Hub, where that is not what the search was given.

    Returns:
        [`~huggingface_hub.DatasetCard`]: metadata and text.
    """
    shown = {column: format for column, format in _COLUMNS.items() if column in result.table}
    best = result.ranked().dropna(subset="loss").head(NUM_BEST)
    title = name.rpartition("/")[2]
    info = public_values(result.info)
    data = DatasetCardData(
        pretty_name=title,
        tags=list(TAGS),
        configs=[{"config_name": "default", "data_files": TABLE_NAME}],
    )
    text = render(
        "search",
        title=title,
        name=name,
        number=len(result),
        supernet=_link(supernet or result.info.get("supernet")),
        plots=plots,
        chosen=_chosen_rows(chosen or {}),
        headings=[heading for heading, *_ in shown.values()],
        best=[[*_cells(row, shown), row["architecture"]] for _, row in best.iterrows()],
        table_name=TABLE_NAME,
        columns=_column_meanings(result),
        latency=_latency_rows(latency_table or {}),
        settings=_setting_rows(info.get("settings", {})),
        circumstances=_circumstances(info),
        limits=_limits(result),
        papers=papers_of(methods_of(info.get("supernet_settings", {}))),
    )
    return DatasetCard(join_card(data.to_dict(), text))


def search_section(result: SearchResult, repo_id: str) -> str:
    """What the card of a supernet in `repo_id` says of a search that is published with it, in `search/`."""
    best = result.ranked().dropna(subset="loss").head(1)
    found = "".join(
        f" The least loss, {row['loss']:.4f}{_correction(result)}, is that of `{row['architecture']}`."
        for _, row in best.iterrows()
    )
    return (
        f"## Search\n\nThe folder [`search`](./tree/main/search) has a search: {len(result):,} children, evaluated with"
        f" the shared weights.{found}\n\n"
        "```python\n"
        "from huggingface_hub import snapshot_download\n\n"
        "from hf_supernet.search import SearchResult\n\n"
        f'folder = snapshot_download("{repo_id}", allow_patterns="search/*")\n'
        'result = SearchResult.load(f"{folder}/search")\n'
        "```"
    )


def _cells(row: Mapping[str, Any], columns: Mapping[str, tuple]) -> list[str]:
    return [format.format(row[column] * factor) for column, (_, format, factor, _) in columns.items()]


def _column_meanings(result: SearchResult) -> dict[str, str]:
    architectures = [Architecture.from_string(name) for name in result.table["architecture"]]
    legend = operator_legend(sorted({operator for item in architectures for operator in item.operators}, key=str))
    size = "the hidden size behind an `H`, then " if any(item.hidden_size for item in architectures) else ""
    meanings = {
        "architecture": f"{size}one operator a layer: {legend}",
        **{name: meaning for name, (_, _, _, meaning) in _COLUMNS.items()},
        "generation": "when it was evaluated, from 0",
    }
    meanings["loss"] += _correction(result)
    return {column: meanings.get(column, "") for column in result.table}


def _correction(result: SearchResult) -> str:
    calibration = result.info.get("calibration")
    return "" if calibration is None else f", calibrated by {len(calibration['losses_alone'])} children trained alone"


def _chosen_rows(chosen: Mapping[str, Any]) -> dict[str, str]:
    rows = {
        "architecture": "`{}`",
        "loss": "{:.4f}",
        "calibration_children": "{}",
        "parameters": "{:,}",
        "multiply_adds": "{:,}",
        "latency_predicted": "{:.2f} ms",
        "latency_measured": "{:.2f} ms",
        "latency_device": "{}",
        "latency_conditions": "{}",
    }
    labels = {
        "loss": "dev loss",
        "calibration_children": "children trained alone that calibrate it",
        "multiply_adds": "multiply-adds",
        "latency_predicted": "latency, predicted from its operators",
        "latency_measured": "latency, measured as a whole",
        "latency_device": "latency measured on",
        "latency_conditions": "latency measured with",
    }
    return {
        labels.get(key, key): format.format(chosen[key] * 1e3 if format.endswith("ms") else chosen[key])
        for key, format in rows.items()
        if chosen.get(key) is not None
    }


def _latency_rows(table: Mapping[str, Any]) -> dict[str, Any]:
    settings = table.get("settings", {})
    rows = {"device": table.get("device", {}).get("name")}
    if "batch_size" in settings and "sequence_length" in settings:
        rows["one batch"] = f"{settings['batch_size']} x {settings['sequence_length']} tokens"
    return rows | {"data type": settings.get("dtype"), "CPU threads": settings.get("num_threads")}


def _setting_rows(settings: Mapping[str, Any]) -> dict[str, str]:
    rows = {}
    for name, value in settings.items():
        label = name.replace("_", " ") + (" (fingerprint)" if name in _FINGERPRINTS else "")
        if name == "constraints":
            value = "; ".join(_limit(column, limits) for column, limits in value.items())
        if value not in (None, "", {}, []):
            rows[label] = value if isinstance(value, str) else json.dumps(value)
    return rows


def _limit(column: str, limits: Mapping[str, float | None]) -> str:
    heading, format, factor, _ = _COLUMNS.get(column, (column, "{:,}", 1, ""))
    words = {"minimum": "at least", "maximum": "at most"}
    given = [
        f"{word} {format.format(limits[key] * factor)}" for key, word in words.items() if limits.get(key) is not None
    ]
    return f"{heading} {' and '.join(given)}"


def _circumstances(info: Mapping[str, Any]) -> dict[str, Any]:
    """Where the search ran: what `search.json` has beside that, such as the build of the system, tells a reader nothing."""
    device = info.get("device", {})
    return {"device": device.get("name"), "cores": device.get("cores"), **info.get("versions", {})}


def _link(supernet: str | None) -> str | None:
    if supernet is None:
        return None
    name = public_name(supernet)
    return f"`{name}`" if is_local(supernet) else f"[{name}](https://huggingface.co/{name})"


def _limits(result: SearchResult) -> list[str]:
    limits = [
        "The losses are for telling children apart: trained on alone, they have other losses, and perhaps another order."
    ]
    if "latency" in result.table:
        limits.append(
            "A latency is predicted from what the operators take one by one, on one device. A whole model may take longer or"
            " shorter, and another device may put the children in another order."
        )
    return limits


__all__ = ["search_card", "search_section"]
