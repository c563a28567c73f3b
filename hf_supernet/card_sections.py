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
"""Sections of a model card that are written again and again, beside what a user writes there."""

import os
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from .files import replacing


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
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    body = f"{begin}\n{body.strip()}\n\n{end}"
    if path.exists():
        card = ModelCard.load(path, ignore_metadata_errors=True)
        old = {key: value for key, value in card.data.to_dict().items() if key != "model-index"}
        new = {key: value for key, value in data.__dict__.items() if value is not None}
        if "tags" in old and "tags" in new:
            new["tags"] = list(dict.fromkeys([*old["tags"], *new["tags"]]))
        data = ModelCardData(**(old | new))
        before, found, rest = card.text.partition(begin)
        _, closed, after = rest.partition(end)
        body = before + body + after if found and closed else f"{card.text.rstrip()}\n\n{body}"
    with replacing(path) as temporary:
        temporary.write_text(f"---\n{data}\n---\n\n{body.strip()}\n", encoding="utf-8")
    return path


__all__ = ["write_card_section"]
