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
"""Finds and reads what a run left behind: its logs, searches and measurements. All of it may be a stranger's."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from pandas.api.types import is_numeric_dtype

from ..architecture import Architecture
from ..models.searched_bert import SearchedBertConfig
from ..models.supernet_bert import SupernetBertConfig
from ..samplers import make_sampler
from ..search.latency import LatencyTable
from ..search.latency_tables import LatencyTables
from ..search.result import INFO_NAME, TABLE_NAME, SearchResult
from ..search_space import SearchSpace
from ..training.settings import SETTINGS_NAME


STATE_NAME = "trainer_state.json"
RESULTS_NAME = "all_results.json"
CONFIG_NAME = "config.json"
CHOSEN_NAME = "chosen.json"
LATENCY_NAME = "latency_table.json"
DEMO_NAME = "numbers.json"

MAX_STEPS = 200_000
"""Of a longer training, the architectures are those in the log: drawing all of them anew would take too long."""


@dataclass
class TrainingRecord:
    """
    What a Trainer left in `folder`: its log, the results, the configuration of the model and the settings of sampler and
    alignment; those without a record are empty.
    """

    folder: Path
    log: list[dict[str, Any]]
    results: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def logged_architectures(self) -> list[tuple[int, Architecture]]:
        """The architectures of the steps that were logged."""
        texts = [(entry["step"], entry["architecture"]) for entry in self.log if "architecture" in entry]
        return [(step, Architecture.from_string(name)) for step, text in texts for name in str(text).split()]

    def trained_architectures(self) -> list[tuple[int, Architecture]] | None:
        """
        Those of all steps, drawn anew by the sampler that was recorded; `None` where that can't be done, or where it does
        not give what was logged.
        """
        logged, steps = self.logged_architectures(), self.log[-1]["step"]
        if not logged or steps > MAX_STEPS or not {"sampler", "search_space"} <= set(self.settings):
            return None
        try:
            options = dict(self.settings["sampler"])
            space = SearchSpace.from_dict(self.settings["search_space"])
            sampler = make_sampler(options.pop("name"), space, **options)
            drawn = {step: sampler.sample(step - 1) for step, _ in logged}
            if [(step, child) for step in drawn for child in drawn[step]] != logged:
                return None
            return [(step, child) for step in range(1, steps + 1) for child in sampler.sample(step - 1)]
        except (KeyError, TypeError, ValueError, AttributeError):
            return None  # a sampler of somebody's own, which is not registered here, or other settings than ours


@dataclass
class SearchRecord:
    """
    What a search left in `folder`. `chosen` has the names of `chosen.json`; `config` is that of the chosen child, `latency`
    the table of its hidden size.
    """

    folder: Path
    result: SearchResult
    chosen: dict[str, Any] = field(default_factory=dict)
    latency: LatencyTable | None = None
    config: SearchedBertConfig | None = None


@dataclass
class Records:
    """All that was found in `folder` and right below it, and the files that it was read from."""

    folder: Path
    trainings: list[TrainingRecord] = field(default_factory=list)
    searches: list[SearchRecord] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def find_records(directory: str | os.PathLike) -> Records:
    """
    Reads the records in a folder and in the folders right below it; checkpoints and hidden folders are passed over.

    Args:
        directory (`str` or `os.PathLike`):
            The folder of a run.

    Returns:
        [`Records`]: the trainings and searches found.

    Raises:
        FileNotFoundError: for a folder that is not there, and where there is no record in it.
        ValueError: for a record that is damaged.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"There is no folder '{directory}'.")
    records = Records(directory)
    for folder in (directory, *_below(directory)):
        if (folder / STATE_NAME).is_file() and (training := _read_training(folder)).log:
            records.trainings.append(training)
            records.files += _present(folder, STATE_NAME, RESULTS_NAME, CONFIG_NAME, SETTINGS_NAME)
        if (folder / TABLE_NAME).is_file() and (folder / INFO_NAME).is_file():
            search = _read_search(folder)
            if len(search.result):
                records.searches.append(search)
                records.files += _present(folder, TABLE_NAME, INFO_NAME, CHOSEN_NAME, LATENCY_NAME)
    if not records.trainings and not records.searches:
        raise FileNotFoundError(
            f"There is nothing to report on in '{directory}' and the folders right below it: neither a training"
            f" ({STATE_NAME} with a log) nor a search ({TABLE_NAME} with {INFO_NAME}). Name the output folder of"
            " run_supernet_mlm.py, search_architecture.py or demo.py."
        )
    _complete(records)
    return records


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith((".", "_")) and "checkpoint" not in path.name:
            yield path


def _present(folder: Path, *names: str) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()]


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is no JSON, or damaged: {error}.") from error
    if not isinstance(values, dict):
        raise ValueError(f"'{path}' holds a {type(values).__name__}, expected is an object.")
    return values


def _read_training(folder: Path) -> TrainingRecord:
    log = _read_json(folder / STATE_NAME).get("log_history", [])
    if not isinstance(log, Sequence) or not all(isinstance(e, Mapping) and type(e.get("step")) is int for e in log):
        raise ValueError(f"'{folder / STATE_NAME}' is damaged: `log_history` is no list of entries with a `step`.")
    record = TrainingRecord(folder, list(log), *(_read_json(folder / name) for name in (RESULTS_NAME, CONFIG_NAME)))
    record.settings = _read_json(folder / SETTINGS_NAME)
    try:
        record.logged_architectures()
    except ValueError as error:
        raise ValueError(f"'{folder / STATE_NAME}' is damaged: {error}") from error
    return record


def _read_search(folder: Path) -> SearchRecord:
    result = SearchResult.load(folder)
    if missing := {"architecture", "loss"} - set(result.table):
        raise ValueError(f"'{folder / TABLE_NAME}' has no column {', '.join(sorted(missing))}.")
    for column in {"loss", "parameters", "multiply_adds", "latency"} & set(result.table):
        if not is_numeric_dtype(result.table[column]):
            raise ValueError(
                f"'{folder / TABLE_NAME}' has a column {column} of {result.table[column].dtype}, not numbers."
            )
    return SearchRecord(folder, result, _read_json(folder / CHOSEN_NAME))


def _complete(records: Records) -> None:
    """Which child was chosen, perhaps by the demo, and what is known of it: its configuration, and latencies of its size."""
    demo = records.folder / DEMO_NAME
    found = _read_json(demo).get("search")
    if isinstance(found, Mapping) and isinstance(found.get("chosen"), Mapping):
        records.files.append(demo)
        for search in records.searches:
            search.chosen = search.chosen or _demo_choice(found["chosen"])
    for search in records.searches:
        table = search.result.table["architecture"]
        chosen = search.chosen.get("architecture", search.result.best()["architecture"])
        if chosen not in set(table):
            raise ValueError(
                f"The chosen child '{chosen}' is not among the {len(table)} that the search in '{search.folder}'"
                " evaluated: the files are of two runs."
            )
        search.chosen["architecture"] = chosen
        search.config = _child_config(search, records)
        if (latencies := search.folder / LATENCY_NAME).is_file():
            search.latency = LatencyTables.load(latencies).of(chosen)


def _demo_choice(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """In the demo's figures, `loss` is that on other text than the search saw, and `latency` is the predicted one."""
    names = {"architecture": "architecture", "latency": "latency_predicted", "search_loss": "loss"}
    same = ("parameters", "multiply_adds", "latency_measured", "latency_measured_iqr")
    return {names.get(name, name): value for name, value in chosen.items() if name in (*names, *same)}


def _child_config(search: SearchRecord, records: Records) -> SearchedBertConfig | None:
    """Of the child that was exported, or of the supernet where that was found; what can't be one is left out."""
    for folder in (search.folder / "child", records.folder / "child", *(t.folder for t in records.trainings)):
        values = _read_json(folder / CONFIG_NAME)
        try:
            if values.get("model_type") == SearchedBertConfig.model_type:
                config = SearchedBertConfig(**values)
                if config.operators == _names(search.chosen["architecture"]):
                    return config
            elif values.get("model_type") == SupernetBertConfig.model_type:
                chosen = Architecture.from_string(search.chosen["architecture"])
                return SupernetBertConfig(**values).child_config(chosen, chosen.hidden_size)
        except (StrictDataclassError, TypeError, ValueError):
            continue
    return None


def _names(architecture: str) -> list[str]:
    return [str(operator) for operator in Architecture.from_string(architecture)]


__all__ = ["Records", "SearchRecord", "TrainingRecord", "find_records"]
