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
"""SplitSupernet: several supernets that share out a search space, as one model."""

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import nn
from transformers.utils import CONFIG_NAME, cached_file

from ..architecture import Architecture
from ..files import filling_folder
from ..loading import naming_damaged_weights
from ..models.searched_bert import SearchedBertPreTrainedModel
from ..models.supernet_bert import (
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetBertPreTrainedModel,
)
from ..search_space import SearchSpace


INDEX_NAME = "split_supernet.json"
"""In the folder of a split supernet, written last: the class and the folders of its supernets."""

_CLASSES = {
    supernet_class.__name__: supernet_class
    for supernet_class in (
        SupernetBertForMaskedLM,
        SupernetBertForQuestionAnswering,
        SupernetBertForSequenceClassification,
    )
}
_OF_A_LEAF = ("candidate_operators", "default_architecture")
_NOT_COMPARED = (*_OF_A_LEAF, "architectures", "dtype", "transformers_version", "_name_or_path")


class SplitSupernet(nn.Module):
    """
    Supernets of smaller spaces (*leaves*), each with weights of its own, that together are one supernet of the whole space.

    Each architecture is served by one leaf. An [`Evaluator`], a search and [`export_child`] take a split supernet where they take
    a supernet. The memory is that of all leaves: what is not of the layers that were split, embeddings and heads
    among it, is there once for each leaf.

    Args:
        config ([`SupernetBertConfig`]):
            That of the whole supernet: its space is the search space.
        leaves (`Sequence[SupernetBertPreTrainedModel]`):
            The supernets, of one class, with a head. Their spaces are parts of the whole one that have nothing in common and leave
            nothing out.

    Attributes:
        search_space ([`SearchSpace`]): the whole space.
        leaves (`nn.ModuleList`): the supernets.

    Raises:
        ValueError: where the leaves do not share out the space, or differ in more than their candidates.

    Example:

    ```python
    >>> split = SplitSupernet.from_pretrained("split-supernet")
    >>> result = run_search(strategy, [dev_loss(Evaluator(split, batches)), ParameterCost(split.config)])
    >>> export_child(split, result.best()["architecture"], "child")
    ```
    """

    def __init__(self, config: SupernetBertConfig, leaves: Sequence[SupernetBertPreTrainedModel]):
        super().__init__()
        self.config = config
        self.search_space = SearchSpace.from_config(config)
        self.leaves = nn.ModuleList(leaves)
        self._check()

    # Which leaf

    def leaf_index(self, architecture: Architecture | str | None = None) -> int:
        """
        The number of the leaf that serves an architecture.

        Args:
            architecture ([`Architecture`] or `str`, *optional*, defaults to `config.default_architecture`):
                Which one.

        Raises:
            ValueError: for an architecture outside the search space.
        """
        architecture = self.resolve_architecture(architecture)
        return next(index for index, leaf in enumerate(self.leaves) if architecture in leaf.search_space)

    def leaf_of(self, architecture: Architecture | str | None = None) -> SupernetBertPreTrainedModel:
        """The leaf that serves an architecture; see [`~SplitSupernet.leaf_index`]."""
        return self.leaves[self.leaf_index(architecture)]

    def resolve_architecture(self, architecture: Architecture | str | None) -> Architecture:
        """As of a supernet: the architecture that a call means; `None` for `config.default_architecture`."""
        if architecture is None:
            architecture = self.config.default_architecture
            if architecture is None:
                architecture = self.search_space.default_architecture()
        return self.search_space.check(architecture)

    # What a supernet can do

    def forward(self, *args, architecture: Architecture | str | None = None, **kwargs) -> Any:
        """As of a supernet, run by the leaf that serves `architecture`."""
        architecture = self.resolve_architecture(architecture)
        return self.leaf_of(architecture)(*args, architecture=architecture, **kwargs)

    def extract_child(self, architecture: Architecture | str | None = None) -> SearchedBertPreTrainedModel:
        """The stand-alone model of one architecture, with a copy of the weights that it has in its leaf."""
        architecture = self.resolve_architecture(architecture)
        return self.leaf_of(architecture).extract_child(architecture)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.leaves[0].device

    @property
    def label_arguments(self) -> tuple[str, ...]:
        """What `forward` takes labels by."""
        return self.leaves[0].label_arguments

    # Saving and loading

    def save_pretrained(self, directory: str | os.PathLike) -> None:
        """
        Writes all leaves to one folder, each as a supernet of its own in `leaf-0`, `leaf-1`, ...: all of them, or nothing that
        could be loaded. Other files in the folder stay.

        Args:
            directory (`str` or `os.PathLike`):
                The folder; it is made where it is not there.
        """
        names = [f"leaf-{index}" for index in range(len(self.leaves))]
        with filling_folder(directory, last=INDEX_NAME) as folder:
            for name, leaf in zip(names, self.leaves, strict=True):
                leaf.save_pretrained(folder / name)
            self.config.save_pretrained(folder)
            index = {"model_class": type(self.leaves[0]).__name__, "leaves": names}
            (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike, **hub_options: Any) -> "SplitSupernet":
        """
        Reads what [`~SplitSupernet.save_pretrained`] wrote.

        Args:
            name_or_path (`str` or `os.PathLike`):
                The folder, or a repository on the Hub.
            hub_options:
                For a repository: `revision`, `token`.

        Returns:
            [`SplitSupernet`]: in evaluation mode.

        Raises:
            ValueError: where this is no split supernet, or a part of it is missing or damaged.
        """
        folder = Path(name_or_path)
        if not folder.is_dir():
            # Without the supernets that it was made from, where a whole training was uploaded.
            patterns = [INDEX_NAME, CONFIG_NAME, "leaf-*/*"]
            folder = Path(snapshot_download(str(name_or_path), allow_patterns=patterns, **hub_options))
        index = read_index(folder)
        leaves = [_load_leaf(_CLASSES[index["model_class"]], folder / name) for name in index["leaves"]]
        return cls(SupernetBertConfig.from_pretrained(folder), leaves).eval()

    # Behind the scenes

    def _check(self) -> None:
        if not self.leaves:
            raise ValueError("A split supernet has at least one leaf; `leaves` is empty.")
        if len({type(leaf) for leaf in self.leaves}) > 1 or type(self.leaves[0]) not in _CLASSES.values():
            names = sorted({type(leaf).__name__ for leaf in self.leaves})
            raise ValueError(f"`leaves` are of one class of {', '.join(_CLASSES)}; got {', '.join(names)}.")
        for index, leaf in enumerate(self.leaves):
            self._check_leaf(index, leaf)
        for (one, first), (two, second) in itertools.combinations(enumerate(self._candidates()), 2):
            if all(mine & theirs for mine, theirs in zip(first, second, strict=True)):
                raise ValueError(
                    f"Leaves {one} and {two} have a candidate in common in every layer: paths that both serve."
                )
        served, number = sum(leaf.search_space.num_paths() for leaf in self.leaves), self.search_space.num_paths()
        if served != number:
            raise ValueError(f"The leaves serve {served} of the {number} paths of the space: a leaf is missing.")

    def _candidates(self) -> list[list[set]]:
        return [[set(row) for row in leaf.search_space.candidates] for leaf in self.leaves]

    def _check_leaf(self, index: int, leaf: SupernetBertPreTrainedModel) -> None:
        mine, theirs = self.config.to_dict(), leaf.config.to_dict()
        keys = [key for key in mine | theirs if key not in _NOT_COMPARED]
        if differing := sorted(key for key in keys if mine.get(key) != theirs.get(key)):
            key = differing[0]
            raise ValueError(
                f"Leaf {index} has another `{key}` ({theirs.get(key)}) than the whole supernet ({mine.get(key)}): only candidates"
                " may differ."
            )
        for layer, (whole, part) in enumerate(
            zip(self.search_space.candidates, leaf.search_space.candidates, strict=True)
        ):
            if foreign := [str(operator) for operator in part if operator not in whole]:
                raise ValueError(
                    f"Leaf {index} has {', '.join(foreign)} in layer {layer}, which the whole supernet has not."
                )


def is_split_supernet(name_or_path: str | os.PathLike, **hub_options: Any) -> bool:
    """
    Whether a folder, or a repository on the Hub, has a split supernet.

    Args:
        name_or_path (`str` or `os.PathLike`):
            Which one.
        hub_options:
            For a repository: `revision`, `token`.
    """
    if Path(name_or_path).is_dir():
        return (Path(name_or_path) / INDEX_NAME).is_file()
    path = cached_file(str(name_or_path), INDEX_NAME, _raise_exceptions_for_missing_entries=False, **hub_options)
    return path is not None


def read_index(folder: str | os.PathLike) -> dict[str, Any]:
    """
    What a folder says of the split supernet in it.

    Args:
        folder (`str` or `os.PathLike`):
            The folder.

    Returns:
        `dict[str, Any]`: `model_class`, and the names of the folders of the `leaves`.

    Raises:
        ValueError: where there is none, or it can't be read.
    """
    path = Path(folder) / INDEX_NAME
    if not path.is_file():
        raise ValueError(
            f"There is no split supernet in '{folder}': {INDEX_NAME}, which is written last, is not there."
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        leaves, model_class = index["leaves"], index["model_class"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}. Write the supernet anew, or copy it anew.") from error
    if model_class not in _CLASSES:
        raise ValueError(f"{path} names the class {model_class!r}; known are {', '.join(_CLASSES)}.")
    if not leaves or not all(isinstance(name, str) and Path(name).name == name for name in leaves):
        raise ValueError(f"{path} names {leaves!r} for leaves: these are folders beside it, by their names.")
    return index


def _load_leaf(supernet_class: type[SupernetBertPreTrainedModel], folder: Path) -> SupernetBertPreTrainedModel:
    if not (folder / "config.json").is_file():
        raise ValueError(f"A leaf of the split supernet is missing: there is no supernet in '{folder}'. Copy it anew.")
    with naming_damaged_weights(str(folder)):
        leaf, info = supernet_class.from_pretrained(folder, output_loading_info=True)
    if info["missing_keys"]:
        raise ValueError(f"'{folder}' lacks weights: {', '.join(sorted(info['missing_keys'])[:3])}. Copy it anew.")
    return leaf


__all__ = ["INDEX_NAME", "SplitSupernet", "is_split_supernet", "read_index"]
