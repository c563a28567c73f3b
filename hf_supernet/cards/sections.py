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
"""Sections of a card that are written again and again, beside what a user writes there."""

import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, ModelCardData, RepoCard

from ..files import replacing


_SECTION = re.compile(r"<!-- (?P<name>[^\n]+): begin -->\n(?P<body>.*?)\n*<!-- (?P=name): end -->", re.DOTALL)


def write_card_section(path: str | os.PathLike, name: str, body: str, data: ModelCardData) -> Path:
    """
    Writes a section of a model card, atomically; where there is a card, the section and its metadata are replaced and the
    rest is kept.

    Args:
        path (`str` or `os.PathLike`):
            The card, usually `README.md` in the folder of the model.
        name (`str`):
            The name of the section; it stands in two comments, between which the card is ours.
        body (`str`):
            The section, in Markdown.
        data ([`~huggingface_hub.ModelCardData`]):
            The metadata; tags are added to those that are there.

    Returns:
        `Path`: the card.
    """
    path = Path(path)
    metadata, text = split_card(path.read_text(encoding="utf-8")) if path.exists() else ({}, "")
    metadata.pop("model-index", None)  # the results of weights that are replaced
    metadata = merge_metadata(metadata, data.to_dict())
    with replacing(path) as temporary:
        temporary.write_text(join_card(metadata, replace_section(text, name, body)), encoding="utf-8")
    return path


def amend_card(theirs: str | None, ours: str, name: str) -> str:
    """
    A card with the sections and metadata of another, less finished one; what else it says stays.

    Args:
        theirs (`str`, *optional*):
            The card to amend, with its metadata, where there is one.
        ours (`str`):
            The new card, with its metadata. Only its sections go into `theirs`.
        name (`str`):
            The name of its only section where `ours` marks none.

    Returns:
        `str`: the card with its metadata. Results of `theirs` for other tasks or data than those of `ours` are kept.
    """
    metadata, text = split_card(ours)
    sections = sections_of(text)
    if not sections:
        sections, text = {name: text}, replace_section("", name, text)
    if theirs is not None:
        their_metadata, text = split_card(theirs)
        metadata = merge_metadata(their_metadata, metadata)
        for section, body in sections.items():
            text = replace_section(text, section, body)
    return join_card(metadata, text)


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """The metadata of a card, and the text below it."""
    parsed = RepoCard(card, ignore_metadata_errors=True)
    return parsed.data.to_dict(), parsed.text


def join_card(metadata: dict[str, Any], text: str) -> str:
    """The card of a metadata and a text; the reverse of [`split_card`]."""
    return f"---\n{CardData(**metadata)}\n---\n\n{text.strip()}\n"


def sections_of(text: str) -> dict[str, str]:
    """The bodies of the sections that `text` marks, by name."""
    return {match["name"]: match["body"] for match in _SECTION.finditer(text)}


def replace_section(text: str, name: str, body: str) -> str:
    """`text` with the section `name` replaced, or added at the end."""
    section = f"<!-- {name}: begin -->\n{body.strip()}\n\n<!-- {name}: end -->"
    for match in _SECTION.finditer(text):
        if match["name"] == name:
            return text[: match.start()] + section + text[match.end() :]
    return f"{text.rstrip()}\n\n{section}"


def merge_metadata(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The fields of both, those of `new` first; tags are put together, and so are results for different data."""
    merged = old | new
    if "tags" in old and "tags" in new:
        tags = old["tags"] if isinstance(old["tags"], list) else [old["tags"]]  # by hand, one tag is often a string
        merged["tags"] = list(dict.fromkeys([*tags, *new["tags"]]))
    if "model-index" in old and "model-index" in new:
        results = [result for model in new["model-index"] for result in model["results"]]
        measured = [(result["task"], result["dataset"]) for result in results]
        earlier = [result for model in old["model-index"] for result in model["results"]]
        kept = [result for result in earlier if (result["task"], result["dataset"]) not in measured]
        merged["model-index"] = [new["model-index"][0] | {"results": kept + results}]
    return merged


__all__ = [
    "amend_card",
    "join_card",
    "merge_metadata",
    "replace_section",
    "sections_of",
    "split_card",
    "write_card_section",
]
