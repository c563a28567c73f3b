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
"""What of a folder is published: the files by name, and the card with the name that it will be loaded by."""

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..cards.sections import join_card, split_card
from ..local_paths import public_values
from ..models import searched_bert
from ..models.searched_bert import SearchedBertConfig
from ..models.searched_bert.modeling_searched_bert import AUTO_MAP
from ..plotting import plot_pareto
from ..search.result import INFO_NAME, TABLE_NAME, SearchResult
from .export_child import TOKENIZER_FILES


CARD_NAME = "README.md"
CODE_FILES = ("configuration_searched_bert.py", "modeling_searched_bert.py")
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
WEIGHT_FILES = (WEIGHTS_NAME, "model-?????-of-?????.safetensors", INDEX_NAME)
PLOT_NAME = "pareto.png"

CHOSEN_NAME = "chosen.json"
LATENCY_TABLE_NAME = "latency_table.json"

_MODEL_FILES = ("config.json", *WEIGHT_FILES, *TOKENIZER_FILES, "*_results.json")
_SEARCH_FILES = (TABLE_NAME, INFO_NAME, LATENCY_TABLE_NAME, CHOSEN_NAME, "*.png")

_RECORDS = ("*_results.json", INFO_NAME, LATENCY_TABLE_NAME, CHOSEN_NAME)
"""Records of a run: what paths they name are those of the machine that it ran on."""
_CONFIGURATIONS = ("config.json", "tokenizer_config.json")
"""What a model is made from: a text that looks like a path may be a label or a token, but not under these names."""
_NAMES_OF_PATHS = ("*name_or_path", "*_file")

_TITLE = re.compile(r"(\A\s*|begin -->\n)# [^\n]*")
_CODE = re.compile(r"```python\n.*?```", re.DOTALL)
_LOADED_NAME = re.compile(r'(from_pretrained\(|model=)"[^"\n]*"')


def read_config(folder: Path) -> dict[str, Any]:
    """
    The configuration of the model in `folder`, as it stands there.

    Raises:
        ValueError: where there is none.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(f"There is no model in '{folder}': `config.json` is missing.")
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def read_card(folder: Path, repo_id: str) -> str:
    """
    The card of the model in `folder`, with the title and the name in the code that loads it changed to the repository's.

    Raises:
        ValueError: where there is none.
    """
    if not (folder / CARD_NAME).is_file():
        raise ValueError(f"'{folder}' has no card (`{CARD_NAME}`). Publish the model itself: its card is made then.")
    metadata, text = split_card((folder / CARD_NAME).read_text(encoding="utf-8"))
    name = repo_id.rpartition("/")[2]
    text = _TITLE.sub(rf"\g<1># {name}", text)
    text = _CODE.sub(lambda code: _LOADED_NAME.sub(rf'\g<1>"{repo_id}"', code[0]), text)
    for model in metadata.get("model-index", ()):
        model["name"] = name
    return join_card(metadata, text)


def model_files(folder: Path) -> dict[str, Path | bytes]:
    """
    Weights, configuration, tokenizer and results of the model in `folder`, and the code of a child; no pickles.

    Raises:
        ValueError: where there are no weights, or a part of them is missing.
    """
    files, config = _matching(folder, _MODEL_FILES), _public_configuration(read_config(folder))
    wanted = {WEIGHTS_NAME}
    if WEIGHTS_NAME not in files and INDEX_NAME in files:
        wanted = set(json.loads(files[INDEX_NAME].read_text(encoding="utf-8"))["weight_map"].values())
    if missing := sorted(wanted - set(files)):
        raise ValueError(f"The weights in '{folder}' are not whole: {missing[0]} is missing. Only safetensors count.")
    if config.get("model_type") == SearchedBertConfig.model_type:
        # Who trusts the code of a repository trusts the package's own, wherever the folder came from.
        files |= {name: Path(searched_bert.__file__).with_name(name) for name in CODE_FILES}
        files["config.json"] = to_json(config | {"auto_map": AUTO_MAP})
    return files


def search_files(result: SearchResult, folder: Path | None, temporary: Path) -> dict[str, Path | bytes]:
    """
    The table, the settings and the plots of a search, and what else its folder has of it.

    Args:
        result ([`SearchResult`]):
            The search.
        folder (`Path`, *optional*):
            The folder that it was saved to.
        temporary (`Path`):
            Where what is not in `folder` is written to.

    Raises:
        ValueError: where the search evaluated nothing.
    """
    if not len(result):
        raise ValueError("The search evaluated nothing yet; there is nothing to publish.")
    if folder is None:
        result.save(temporary)
    files = _matching(folder or temporary, _SEARCH_FILES)
    if PLOT_NAME not in files:
        plot_pareto(result, temporary / PLOT_NAME)
        files[PLOT_NAME] = temporary / PLOT_NAME
    return files


def left_out(folder: Path, files: Mapping[str, Any]) -> list[str]:
    """What is in `folder` and is not published."""
    return sorted(path.name for path in folder.iterdir() if path.name not in files and path.name != CARD_NAME)


def read_json(path: Path) -> Any:
    """
    The content of a JSON file; `None` where it is not there.

    Raises:
        ValueError: where it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise ValueError(f"'{path}' is damaged: {error}. Write it again, or take it away.") from error


def to_json(values: Any) -> bytes:
    """`values` as the content of a JSON file."""
    return json.dumps(values, indent=2).encode("utf-8") + b"\n"


def _matching(folder: Path, patterns: Iterable[str]) -> dict[str, Path | bytes]:
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file())
    return {path.name: _without_local_paths(path) for path in found}


def _without_local_paths(path: Path) -> Path | bytes:
    """The file, or its content where that had to be changed."""
    if any(path.match(name) for name in _RECORDS):
        change = public_values
    elif path.name in _CONFIGURATIONS:
        change = _public_configuration
    else:
        return path
    values = read_json(path)
    changed = change(values)
    return path if changed == values else to_json(changed)


def _public_configuration(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: public_values(value) if any(fnmatchcase(key, name) for name in _NAMES_OF_PATHS) else value
        for key, value in config.items()
    }
