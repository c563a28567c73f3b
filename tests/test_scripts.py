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
"""What the scripts share: their options from the command line and from files, and the checks before any work."""

import json
import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import datasets
import pytest
import transformers
import yaml
from torch import distributed
from transformers import TrainingArguments

from hf_supernet.compression import BudgetArguments
from hf_supernet.scripts import (
    check_actions,
    check_checkpoint,
    check_one_process,
    parse_arguments,
    run_script,
    set_up_logging,
)


@dataclass
class Sizes:
    width: int = 3
    names: list[str] | None = None


GIVEN = {"width": 7, "names": ["one", "two"], "output_dir": "out", "resume_from_checkpoint": "TRUE", "use_cpu": True}


@pytest.mark.parametrize("source", ["line", "sys.argv", "options.json", "options.yaml", "options.yml"])
def test_options_from_the_line_and_from_files(source, tmp_path, monkeypatch):
    line = [
        "--width",
        "7",
        "--names",
        "one",
        "two",
        "--output_dir",
        "out",
        "--resume_from_checkpoint",
        "true",
        "--use_cpu",
    ]
    if source.startswith("options"):
        write = json.dumps if source.endswith("json") else yaml.safe_dump
        (tmp_path / source).write_text(write(GIVEN))
        line = [str(tmp_path / source)]
    monkeypatch.setattr(sys, "argv", ["script.py", *line])
    sizes, training_args = parse_arguments((Sizes, TrainingArguments), None if source == "sys.argv" else line)
    assert sizes == Sizes(7, ["one", "two"])
    assert training_args.output_dir == "out" and training_args.resume_from_checkpoint is True


@pytest.mark.parametrize(("given", "expected"), [("False", None), ("some/folder", "some/folder")])
def test_checkpoint_option(given, expected):
    (training_args,) = parse_arguments([TrainingArguments], ["--resume_from_checkpoint", given, "--use_cpu"])
    assert training_args.resume_from_checkpoint == expected


def arguments(**options) -> TrainingArguments:
    return TrainingArguments(use_cpu=True, **options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max_parmeters", "3"], r'no option `--max_parmeters` \(did you mean "--max_parameters"\?\)'),
        (["--max_param=3"], r'no option `--max_param` \(did you mean "--max_parameters"\?\)'),
        (["--max_parameters", "3", "--zzz"], r"no option `--zzz`\. `--help` lists all"),
    ],
)
def test_misspelt_options_are_named_first(words, message):
    """Before what is missing without them; and abbreviations are no options."""
    with pytest.raises(ValueError, match=message):
        parse_arguments((BudgetArguments,), words)
    assert parse_arguments((BudgetArguments,), ["--max-parameters=3"])[0].max_parameters == 3


def test_nothing_to_do():
    with pytest.raises(ValueError, match="nothing to do: pass at least one of `do_train`, `do_eval`"):
        check_actions(arguments(do_predict=True))
    check_actions(arguments(do_predict=True), ("do_train", "do_predict"))


def test_a_checkpoint_that_is_not_there(tmp_path):
    for name, message in (("nowhere", 'there is no folder "nowhere"'), (True, "has no whole checkpoint `checkpoint-")):
        for output in (tmp_path, tmp_path / "new"):
            with pytest.raises(FileNotFoundError, match=message):
                check_checkpoint(arguments(output_dir=str(output), resume_from_checkpoint=name))


def test_a_checkpoint_that_is_not_whole(tmp_path):
    """The newest one that is whole is taken; one that was named is refused, and one that lacks nothing kept."""

    def chosen(name) -> str | None:
        training_args = arguments(output_dir=str(tmp_path), resume_from_checkpoint=name)
        check_checkpoint(training_args)
        return training_args.resume_from_checkpoint

    names = ["adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state_0.pth", "trainer_state.json"]
    older, newest = str(tmp_path / "checkpoint-3"), str(tmp_path / "checkpoint-12")
    for folder, lacking in ((newest, "optimizer.pt"), (older, None)):
        with pytest.raises(FileNotFoundError, match="has no whole checkpoint `checkpoint-"):
            chosen(True)
        Path(folder).mkdir()
        for name in names:
            if name != lacking:
                (Path(folder) / name).write_text("{}")
    assert chosen(True) == chosen(older) == older
    assert chosen(None) is None
    with pytest.raises(
        ValueError, match=r'checkpoint-12" is no whole checkpoint, it lacks optimizer\.pt\. .* Name another'
    ):
        chosen(newest)


@pytest.mark.parametrize(
    ("options", "level"), [({}, logging.INFO), ({"log_level": "error"}, logging.ERROR)], ids=["default", "error"]
)
def test_the_level_reaches_script_and_libraries(options, level):
    logger = logging.getLogger("a script")
    libraries = (transformers.utils.logging, datasets.utils.logging)
    before = [library.get_verbosity() for library in libraries]
    try:
        set_up_logging(logger, arguments(**options))
        assert [logger.level, *(library.get_verbosity() for library in libraries)] == [level] * 3
    finally:
        for library, verbosity in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_several_processes_where_one_is_meant(variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    check_one_process("The demo")
    monkeypatch.setenv(variable, "2")
    with pytest.raises(ValueError, match="The demo is for one process, and there are 2: start it with plain `python`"):
        check_one_process("The demo")


def test_a_script_ends_its_process_group(tmp_path):
    def main():
        distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)

    run_script(main)
    assert not distributed.is_initialized()
    run_script(lambda: None)


def test_scripts_that_run_on_several_processes_end_in_one_way():
    examples = Path(__file__).parents[1] / "examples"
    scripts = {path.name: path.read_text(encoding="utf-8") for path in examples.glob("*.py")}
    trains = "TrainingArguments|Accelerator|PartialState|CompressionSettings"
    several = {name for name, text in scripts.items() if re.search(trains, text)}
    ended = {
        name for name, text in scripts.items() if text.endswith('if __name__ == "__main__":\n    run_script(main)\n')
    }
    assert {"run_glue.py", "run_glue_no_trainer.py", "search_architecture.py"} <= several
    assert several - {"demo.py"} == ended
