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
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..search.result import TABLE_NAME, SearchResult


TEMPLATE = Path(__file__).parents[1] / "cards" / "templates" / "search.md.jinja"
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
_MEANINGS = {
    "architecture": "one operator a layer: `A4` is an attention with 4 heads, `F512` a feed-forward of size 512, `C5` a"
    " convolution over 5 tokens, `I` none",
    **{name: meaning for name, (_, _, _, meaning) in _COLUMNS.items()},
    "generation": "when it was evaluated, from 0",
}


def search_card(result: SearchResult, name: str, plots: Sequence[str] = ()) -> DatasetCard:
    """
    The card of a search.

    Args:
        result ([`SearchResult`]):
            The search.
        name (`str`):
            Its repository on the Hub (`"user/name"`).
        plots (`Sequence[str]`, *optional*):
            The names of images beside the card.

    Returns:
        [`~huggingface_hub.DatasetCard`]: metadata and text.
    """
    shown = {column: format for column, format in _COLUMNS.items() if column in result.table}
    best = result.ranked().dropna(subset="loss").head(NUM_BEST)
    title = name.rpartition("/")[2]
    data = DatasetCardData(
        pretty_name=title,
        tags=list(TAGS),
        configs=[{"config_name": "default", "data_files": TABLE_NAME}],
    )
    return DatasetCard.from_template(
        data,
        template_path=str(TEMPLATE),
        title=title,
        name=name,
        number=len(result),
        plots=plots,
        headings=[heading for heading, *_ in shown.values()],
        best=[
            [format.format(row[column] * factor) for column, (_, format, factor, _) in shown.items()]
            + [row["architecture"]]
            for _, row in best.iterrows()
        ],
        columns=[(column, _MEANINGS.get(column, "")) for column in result.table],
        settings=_rows(result.info.get("settings", {})),
        circumstances=[
            *((f"device: {label}", value) for label, value in _rows(result.info.get("device", {}))),
            *result.info.get("versions", {}).items(),
        ],
    )


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
        for name, value in values.items()
        if value not in (None, {}, [])
    ]


__all__ = ["search_card"]
