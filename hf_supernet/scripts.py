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
"""What the scripts in `examples/` share: how they read their options, what they check, and how they log."""

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import transformers
from accelerate import Accelerator
from accelerate.utils import get_int_from_env
from torch import distributed
from transformers import HfArgumentParser, TrainingArguments

from .spelling import did_you_mean
from .training.checkpoints import last_whole_checkpoint, missing_files


def run_script(main: Callable[[], Any]) -> None:
    """
    Runs the main function of a script as a process of its own, and ends what the process shares with others.

    A process group that is still there when the interpreter shuts down takes its threads with it at a moment of its own
    choosing: now and then a process whose work is done then ends with SIGABRT, and the launcher reports a failure.

    Args:
        main (`Callable`):
            Called without arguments.
    """
    main()
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def parse_arguments(types: Sequence[type], argv: Sequence[str] | None = None) -> tuple[Any, ...]:
    """
    Reads the options of a script, from the command line or from one `.json` or `.yaml` file.

    Args:
        types (`Sequence[type]`):
            The dataclasses whose fields are the options.
        argv (`Sequence[str]`, *optional*):
            The options; by default those of the command line. A single name of a `.json`, `.yaml` or `.yml` file stands
            for the options in it.

    Returns:
        `tuple`: an object of each type. In a [`~transformers.TrainingArguments`], `resume_from_checkpoint` is `True`
        (the last checkpoint), `None` or a name, however it was spelled.

    Raises:
        ValueError: for an option that there is not, before any other is looked at; abbreviations are none.
    """
    parser = HfArgumentParser(tuple(types), allow_abbrev=False)
    argv = sys.argv[1:] if argv is None else list(argv)
    if len(argv) == 1 and argv[0].endswith(".json"):
        parsed = parser.parse_json_file(argv[0])
    elif len(argv) == 1 and argv[0].endswith((".yaml", ".yml")):
        parsed = parser.parse_yaml_file(argv[0])
    else:
        check_names(parser, argv)
        parsed = parser.parse_args_into_dataclasses(argv)
    for arguments in parsed:
        if isinstance(arguments, TrainingArguments):
            checkpoint = arguments.resume_from_checkpoint
            arguments.resume_from_checkpoint = {"true": True, "false": None}.get(str(checkpoint).lower(), checkpoint)
    return parsed


def check_names(parser: ArgumentParser, argv: Sequence[str]) -> None:
    """
    Checks that a parser knows all options: else a misspelt one is missed by those that are looked at first.

    Raises:
        ValueError: for the first that it does not know, with the one that may be meant.
    """
    known = parser._option_string_actions  # argparse has no public list of them
    for word in argv:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known and name != "--":
            hint = did_you_mean(name, known)
            raise ValueError(f"There is no option `{name}`{hint}. `--help` lists all.")


def check_actions(training_args: TrainingArguments, actions: Sequence[str] = ("do_train", "do_eval")) -> None:
    """
    Checks that there is something to do.

    Raises:
        ValueError: where none of `actions`, the names of options, is set.
    """
    if not any(getattr(training_args, action) for action in actions):
        raise ValueError(f"There is nothing to do: pass at least one of {', '.join(f'`{name}`' for name in actions)}.")


def check_checkpoint(training_args: TrainingArguments) -> None:
    """
    Checks that the checkpoint to resume from is whole, if one was asked for.

    Args:
        training_args ([`~transformers.TrainingArguments`]):
            Where `resume_from_checkpoint` is `True`, it is replaced by the newest checkpoint in `output_dir` that is whole:
            the Trainer would take the newest one, though its run may have been killed while it saved.

    Raises:
        FileNotFoundError: where there is none of that name, or for `True` no whole one in `output_dir`.
        ValueError: for one that was named and lacks something; without its optimizer, a new one would be trained with.
    """
    name, output_dir = training_args.resume_from_checkpoint, training_args.output_dir
    if name is None:
        return
    if name is True:
        training_args.resume_from_checkpoint = last_whole_checkpoint(output_dir)
        if training_args.resume_from_checkpoint is None:
            raise FileNotFoundError(
                f'`resume_from_checkpoint`: "{output_dir}" has no whole checkpoint `checkpoint-*`.'
            )
    elif not Path(name).is_dir():
        raise FileNotFoundError(f'`resume_from_checkpoint`: there is no folder "{name}".')
    elif missing := missing_files(name):
        raise ValueError(
            f'`resume_from_checkpoint`: "{name}" is no whole checkpoint, it lacks {", ".join(missing)}. Its run was killed'
            " while it saved, or has `save_only_model`. Name another one, or pass `True` for the newest whole one."
        )


def check_one_process(what: str) -> None:
    """
    Refuses what a launcher started in several processes, which would write over each other.

    Args:
        what (`str`):
            What runs, for the message.

    Raises:
        ValueError: where the launcher's environment says that there are more processes than this one.
    """
    # the names that Accelerate reads; not its state, which would have to wait for the other processes
    names = ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"]
    processes = get_int_from_env(names, 1)
    if processes > 1:
        raise ValueError(f"{what} is for one process, and there are {processes}: start it with plain `python`.")


def set_up_logging(logger: logging.Logger, training_args: TrainingArguments) -> None:
    """
    Sends log lines to the standard output, at the level that the training arguments name (by default: info on the
    process that logs, warnings on the others).

    Args:
        logger (`logging.Logger`):
            The script's own.
        training_args ([`~transformers.TrainingArguments`]):
            What says the level.
    """
    _log_to_stdout()
    if training_args.should_log:
        transformers.utils.logging.set_verbosity_info()  # the default of `log_level` is what is set here
    level = training_args.get_process_log_level()
    logger.setLevel(level)
    datasets.utils.logging.set_verbosity(level)
    transformers.utils.logging.set_verbosity(level)
    transformers.utils.logging.enable_default_handler()
    transformers.utils.logging.enable_explicit_format()
    logger.warning(
        f"Process {training_args.process_index} of {training_args.world_size}, device: {training_args.device}"
    )


def set_up_accelerate_logging(accelerator: Accelerator) -> None:
    """
    Sends log lines to the standard output: those of the script from info on, those of the libraries from warnings on, and
    from other processes than the first of a machine their errors only.
    """
    _log_to_stdout(level=logging.INFO)
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    for library in (datasets, transformers):
        library.utils.logging.set_verbosity(logging.WARNING if accelerator.is_local_main_process else logging.ERROR)


def _log_to_stdout(**options) -> None:
    logging.basicConfig(
        format="%(asctime)s - %(levelname)s - %(name)s - %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
        handlers=[logging.StreamHandler(sys.stdout)],
        **options,
    )


__all__ = [
    "check_actions",
    "check_checkpoint",
    "check_one_process",
    "parse_arguments",
    "run_script",
    "set_up_accelerate_logging",
    "set_up_logging",
]
