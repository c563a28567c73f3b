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
"""One fine-tuning with several seeds: a folder for each, and the mean and spread of their results."""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.utils import logging

from ..files import removing_if_empty, write_json


logger = logging.get_logger(__name__)

RUN_NAME = "run.json"
"""In the folder of each seed: the settings it was begun with, and its results when it is over."""

# Settings that may change between two calls: where things go, what is reported, and how the work is spread.
_NOT_COMPARED = {
    "cache_dir",
    "dataloader_num_workers",
    "disable_tqdm",
    "hub_model_id",
    "hub_token",
    "log_level",
    "log_level_replica",
    "logging_steps",
    "logging_strategy",
    "output_dir",
    "overwrite_cache",
    "project",
    "report_to",
    "resume_from_checkpoint",
    "run_name",
    "seed",
    "seeds",
    "token",
}


@dataclass
class SeedArguments:
    """
    Whether to run several times.

    Args:
        seeds (`list[int]`, *optional*):
            Run once with each of these, in `seed-1`, `seed-2`, ... of `output_dir`.

    Raises:
        ValueError: for a seed that is there twice, or is negative.
    """

    seeds: list[int] | None = field(
        default=None, metadata={"help": "Run once with each of these seeds, in seed-1, ... of the output folder."}
    )

    def __post_init__(self):
        if self.seeds is None:
            return
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=-1) < 0:
            raise ValueError(f"`seeds` must be different numbers from 0 on, got {self.seeds}.")


def seed_folder(output_dir: str | Path, seed: int) -> Path:
    """The folder of one seed."""
    return Path(output_dir) / f"seed-{seed}"


def fill_in_seed(name: str | None, seed: int) -> str | None:
    """A model's name in which `{seed}` stands for the seed."""
    return name and name.replace("{seed}", str(seed))


def comparable_settings(*arguments: Any) -> dict[str, Any]:
    """
    The settings on which the results depend, as values that JSON can hold.

    Args:
        arguments:
            Dataclasses of options, among them a [`~transformers.TrainingArguments`], or dictionaries.
    """
    settings: dict[str, Any] = {}
    for options in arguments:
        if isinstance(options, TrainingArguments):
            options = options.to_dict()
        elif not isinstance(options, dict):
            options = asdict(options)
        settings |= {name: value for name, value in options.items() if name not in _NOT_COMPARED}
    return json.loads(json.dumps(settings, default=str))


def run_seeds(
    seeds: Sequence[int],
    output_dir: str | Path,
    settings: dict[str, Any],
    run: Callable[[int, Path], dict[str, float]],
    writes: bool = True,
) -> dict[str, Any]:
    """
    Runs with one seed after the other, leaving out those that are finished.

    Args:
        seeds (`Sequence[int]`):
            The seeds.
        output_dir (`str` or `Path`):
            Where their folders lie, and `all_results.json` with the summary, see [`summarize`].
        settings (`dict[str, Any]`):
            From [`comparable_settings`].
        run (`Callable[[int, Path], dict[str, float]]`):
            Runs with a seed in a folder and returns the results. A seed that was begun is run again: it is up to `run`
            to go on from a checkpoint that is there.
        writes (`bool`, *optional*, defaults to `True`):
            Whether this process writes the records. One of several should.

    Returns:
        `dict[str, Any]`: The summary.

    Raises:
        ValueError: where a seed was run with other settings.
    """
    for seed in seeds:  # all of them first: better now than after hours
        _check_settings(seed_folder(output_dir, seed), settings)
    results: dict[int, dict[str, float]] = {}
    for seed in seeds:
        folder = seed_folder(output_dir, seed)
        finished = read_run(folder).get("results")
        if finished is None:
            record = {"seed": seed, "settings": settings}
            with _begin(folder, record) if writes else nullcontext():
                finished = run(seed, folder)
            if writes:
                write_json(folder / RUN_NAME, record | {"results": finished})
        else:
            logger.warning(f"{folder} is finished with the same settings: its results are taken as they are.")
        results[seed] = finished
    summary = summarize(results)
    if writes:
        write_json(Path(output_dir) / "all_results.json", summary)
    return summary


def read_run(folder: str | Path) -> dict[str, Any]:
    """
    The record of one seed, empty where there is none.

    Raises:
        ValueError: where it can't be read.
    """
    path = Path(folder) / RUN_NAME
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. Delete it to run this seed again.") from error


def summarize(results: dict[int, dict[str, float]]) -> dict[str, Any]:
    """
    Mean and spread of the results of several seeds.

    Args:
        results (`dict[int, dict[str, float]]`):
            The metrics by seed.

    Returns:
        `dict[str, Any]`: `seeds`; each metric's mean under its name and, with two seeds or more, its standard deviation
        (with n - 1) under `<name>_sd`; and `by_seed`, the metrics of each. A metric that a seed lacks is left out.
    """
    runs = list(results.values())
    summary: dict[str, Any] = {"seeds": list(results)}
    for name in runs[0]:
        values = [metrics.get(name) for metrics in runs]
        if not all(isinstance(value, (int, float)) for value in values):
            continue
        summary[name] = statistics.fmean(values)
        if len(values) > 1:
            summary[f"{name}_sd"] = statistics.stdev(values)
    return summary | {"by_seed": {str(seed): metrics for seed, metrics in results.items()}}


@contextmanager
def _begin(folder: Path, record: dict[str, Any]) -> Iterator[None]:
    """
    Writes the record of a run that begins. If the body raises before it wrote anything, the record goes too: the slip
    in the options that ended the run is to be mended, and would then be a difference in the settings.
    """
    with removing_if_empty(folder):
        write_json(folder / RUN_NAME, record)
        try:
            yield
        except BaseException:
            if [path.name for path in folder.iterdir()] == [RUN_NAME]:
                (folder / RUN_NAME).unlink()
            raise


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    before = read_run(folder).get("settings")
    if before is None or before == settings:
        return
    differing = [name for name in sorted(before | settings) if before.get(name) != settings.get(name)]
    shown = "; ".join(f"`{name}` {before.get(name)!r}, now {settings.get(name)!r}" for name in differing[:3])
    raise ValueError(
        f"{folder} was run with other settings: {shown}{', and more' if differing[3:] else ''}. Pass another `output_dir`,"
        " or delete the folder."
    )


__all__ = [
    "RUN_NAME",
    "SeedArguments",
    "comparable_settings",
    "fill_in_seed",
    "read_run",
    "run_seeds",
    "seed_folder",
    "summarize",
]
