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
"""Renders a report as one HTML page."""

import base64
import os
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..files import replacing
from ..plotting import Panel, render_panel
from .records import Records, find_records
from .sections import build_sections, format_cell, format_fact


TEMPLATE_NAME = "report.html.jinja"
PAGE_NAME = "report.html"
MAX_ROWS = 200
"""Of a longer table, this many rows are shown, evenly spaced."""


def write_report(directory: str | os.PathLike, output: str | os.PathLike | None = None) -> Path:
    """
    Writes the report of a run, atomically.

    Args:
        directory (`str` or `os.PathLike`):
            The folder of the run; see [`find_records`].
        output (`str` or `os.PathLike`, *optional*, defaults to `report.html` in `directory`):
            The page to write. Its links to the run's files are relative to where it is.

    Returns:
        `Path`: the page.

    Raises:
        FileNotFoundError: where there is nothing to report on.
        ValueError: for a record that is damaged.
    """
    records = find_records(directory)
    output = records.folder / PAGE_NAME if output is None else Path(output)
    page = render_report(records, output.parent)
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return output


def render_report(records: Records, page_folder: str | os.PathLike) -> str:
    """
    The report as HTML, complete in itself: styles and images are part of it, and it runs no script.

    Args:
        records ([`Records`]):
            What was found. Names and texts in it are data: nothing of them becomes markup.
        page_folder (`str` or `os.PathLike`):
            The folder of the page, which links are relative to.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": format_cell,
        "fact": format_fact,
        "image": _data_uri,
        "shown": _shown_rows,
        "numeric": _is_numeric,
    }
    return environment.get_template(TEMPLATE_NAME).render(
        title=records.folder.resolve().name,
        sections=build_sections(records),
        files=[_link(path, records.folder, Path(page_folder)) for path in records.files],
    )


def _data_uri(panel: Panel, dark: bool = False) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(render_panel(panel, dark)).decode('ascii')}"


def _shown_rows(table: pd.DataFrame) -> pd.DataFrame:
    if len(table) <= MAX_ROWS:
        return table
    return table.iloc[np.linspace(0, len(table) - 1, MAX_ROWS).astype(int)]


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def _link(path: Path, folder: Path, page_folder: Path) -> tuple[str, str]:
    """What a file is called in the report, and how it is reached from the page."""
    relative = os.path.relpath(path.resolve(), page_folder.resolve())
    # A first part with a colon would be taken for a scheme.
    return path.relative_to(folder).as_posix(), f"./{quote(Path(relative).as_posix())}"


__all__ = ["render_report", "write_report"]
