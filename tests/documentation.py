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
"""Reading the documentation: blocks of code, the commands in them, links and what the text names."""

import argparse
import importlib.util
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from accelerate.commands.launch import launch_command_parser
from torch.distributed.run import get_args_parser as torchrun_parser


ROOT = Path(__file__).resolve().parents[1]
LAUNCHERS: dict[tuple[str, ...], Callable[[], argparse.ArgumentParser]] = {
    ("accelerate", "launch"): launch_command_parser,
    ("torchrun",): torchrun_parser,
}


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and the heading that it stands under."""

    language: str
    text: str
    heading: str
    place: str  # file and line, for messages


@dataclass(frozen=True)
class Command:
    """A command with the script that it runs, where it runs one, and that script's options; `words` is all of it."""

    words: list[str]
    place: str
    script: str | None = None
    options: tuple[str, ...] = ()


_LOOP = ("for", "done")
"""What begins the lines around the commands of a loop."""


def read_blocks(path: Path) -> list[Block]:
    """All blocks of a Markdown file."""
    text = path.read_text(encoding="utf-8")
    fences = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    blocks = []
    for match in fences.finditer(text):
        before = text[: match.start()]
        heading = re.findall(r"^#+ (.*)$", fences.sub("", before), re.MULTILINE)[-1]
        blocks.append(Block(*match.groups(), heading, f"{path.name}, line {before.count(chr(10)) + 1}"))
    assert text.count("\n```") == 2 * len(blocks), f"{path}: a block that is not closed, or indented"
    return blocks


def read_commands(blocks: list[Block]) -> dict[Block, list[Command]]:
    """
    The commands of the shell blocks. As the reader is told, `...` stands for the options that the script had where it came
    first.
    """
    first_options: dict[str, list[str]] = {}
    commands = {}
    for block in blocks:
        if block.language == "bash":
            lines = block.text.replace("\\\n", " ").splitlines()
            words = [shlex.split(line, comments=True) for line in lines]
            commands[block] = [
                _read_command(line, first_options, block.place) for line in words if line and line[0] not in _LOOP
            ]
    return commands


def _read_command(words: list[str], first_options: dict[str, list[str]], place: str) -> Command:
    program = words
    while re.fullmatch(r"\w+=\S*", program[0]):  # the environment
        program = program[1:]
    script = program[1:]
    for launcher, parser in LAUNCHERS.items():
        if tuple(program[: len(launcher)]) == launcher:
            try:
                arguments = parser().parse_args(program[len(launcher) :])
            except SystemExit as error:
                raise AssertionError(f"{place}: {' '.join(launcher)} does not know these options") from error
            script = [arguments.training_script, *arguments.training_script_args]
            break
    else:
        if program[0] != "python":
            return Command(words, place)
    if script[:1] == ["-m"]:
        return Command(words, place, script[1], tuple(script[2:]))
    name, options = script[0], script[1:]
    if "..." in options:
        assert name in first_options, f"{place}: `...` stands for the options of an earlier {name}; there is none"
        at = options.index("...")
        options[at : at + 1] = first_options[name]
    first_options.setdefault(name, options)
    return Command(words, place, name, tuple(options))


def import_script(name: str) -> ModuleType:
    """The module of a script in `examples/`, or of a `python -m`."""
    if not name.endswith(".py"):
        is_package = importlib.util.find_spec(name).submodule_search_locations is not None
        return importlib.import_module(f"{name}.__main__" if is_package else name)
    path = ROOT / name
    assert path.is_file() and path.parent == ROOT / "examples", f"there is no script {name}"
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return importlib.import_module(path.stem)


class OptionsAreRead(Exception):
    """What ends a script as soon as it has read its options."""


STOPS = re.compile("parse_(loop_)?arg(ument)?s")
LATER_STOPS = {"run_glue_benchmark": "BenchmarkTable"}  # after it has read the options of all its runs


def option_names(script: str, options: tuple[str, ...]) -> set[str]:
    """
    Has a script read its options, checks included, and nothing more.

    Returns:
        `set[str]`: the names of all options that it has.

    Raises:
        Exception: what the script raises of them; `SystemExit` for a name that it does not know.
    """
    module = import_script(script)
    stop = LATER_STOPS.get(module.__name__) or next(name for name in vars(module) if STOPS.fullmatch(name))
    original, parse = getattr(module, stop), argparse.ArgumentParser.parse_known_args
    names: set[str] = set()

    def read_and_stop(*args, **kwargs):
        original(*args, **kwargs)
        raise OptionsAreRead

    def parse_and_note(parser, *args, **kwargs):
        names.update(parser._option_string_actions)
        return parse(parser, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OptionsAreRead):
        patch.setattr(module, stop, read_and_stop)
        patch.setattr(argparse.ArgumentParser, "parse_known_args", parse_and_note)
        module.main(list(options))
    return names


def text_of(path: Path) -> str:
    """A Markdown file without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors_of(path: Path) -> set[str]:
    """What a link may name behind `#`: the headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
