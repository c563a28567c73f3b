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
"""
Checkpoints that are either whole or not there.

Of a supernet, a state file, written last, lists what belongs to each. Of other models, the Trainer's own state is the file that
is written last ([`WholeCheckpointsMixin`]).
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import xxhash
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from transformers.utils import ADAPTER_SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, logging


logger = logging.get_logger(__name__)

SUPERNET_STATE_NAME = "supernet_state.json"

# One of each group is what a run goes on from; without the random states, dropout is another one.
_NEEDED = (
    (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, ADAPTER_SAFE_WEIGHTS_NAME),
    (OPTIMIZER_NAME,),
    (SCHEDULER_NAME,),
    ("rng_state*.pth",),
    (TRAINER_STATE_NAME,),
)


def write_supernet_state(folder: str | Path, state: dict[str, Any]) -> None:
    """
    Completes the checkpoint in `folder`: records `state`, and the size and a hash of every file beside it.

    The file appears at once or not at all, so that a run that dies while it saves leaves no checkpoint that looks whole.
    """
    folder = Path(folder)
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "xxh3_128": _hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != SUPERNET_STATE_NAME
    }
    temporary = folder / f".{SUPERNET_STATE_NAME}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({**state, "files": files}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / SUPERNET_STATE_NAME)


def read_supernet_state(folder: str | Path) -> dict[str, Any]:
    """
    The state that a checkpoint keeps beside the Trainer's own, after a check that the checkpoint is whole.

    Raises:
        ValueError: where `folder` is no checkpoint of a supernet, or a file is missing or not what was written.
    """
    folder = Path(folder)
    path = folder / SUPERNET_STATE_NAME
    if not path.is_file():
        raise ValueError(
            f"{folder} is no complete checkpoint of a supernet: {SUPERNET_STATE_NAME}, which is written last, is not"
            " there. Resume from an older checkpoint, or pass `resume_from_checkpoint=True` for the last complete one."
        )
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        files = {name: (entry["bytes"], entry["xxh3_128"]) for name, entry in state["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}. Resume from an older checkpoint.") from error
    for name, (size, digest) in files.items():
        if what := _damage(folder / name, size, digest):
            raise ValueError(f"The checkpoint {folder} is damaged: {name} {what}. Resume from an older checkpoint.")
    return state


def _hash(path: Path) -> str:
    # Against bits that flip, not against people: next to writing the file it costs nothing.
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def _damage(path: Path, size: int, digest: str) -> str | None:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes instead of {size}"
    return None if _hash(path) == digest else "has other contents than were written"


def last_complete_checkpoint(output_dir: str | Path) -> str:
    """
    The newest checkpoint in `output_dir` that is whole; newer ones that are not are named in a warning.

    Raises:
        ValueError: where there is none.
    """
    for folder in _newest_first(output_dir):
        try:
            read_supernet_state(folder)
        except ValueError as error:
            logger.warning(f"Passing over {folder}: {error}")
        else:
            return str(folder)
    raise ValueError(f"No complete checkpoint of a supernet in {output_dir}; start without `resume_from_checkpoint`.")


def missing_files(folder: str | Path) -> list[str]:
    """
    What a checkpoint of a [`~transformers.Trainer`] lacks to go on from it exactly.

    Args:
        folder (`str` or `Path`):
            The checkpoint.

    Returns:
        `list[str]`: The names of the files that are not there, or of a state that was not written to its end; empty for a
        whole checkpoint.
    """
    folder = Path(folder)
    missing = [names[0] for names in _NEEDED if not any(path for name in names for path in folder.glob(name))]
    if TRAINER_STATE_NAME not in missing:
        try:
            json.loads((folder / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
        except ValueError:
            missing.append(TRAINER_STATE_NAME)
    return missing


def last_whole_checkpoint(output_dir: str | Path) -> str | None:
    """
    The newest checkpoint of a [`~transformers.Trainer`] that lacks nothing; newer ones that do are named in a warning.

    Args:
        output_dir (`str` or `Path`):
            The output folder of the Trainer.

    Returns:
        `str`, *optional*: The checkpoint's folder.
    """
    for folder in _newest_first(output_dir):
        if not (missing := missing_files(folder)):
            return str(folder)
        logger.warning(f"Passing over {folder}: it is not whole, it lacks {', '.join(missing)}.")
    return None


def _newest_first(output_dir: str | Path) -> list[Path]:
    prefix = f"{PREFIX_CHECKPOINT_DIR}-"
    folders = [path for path in Path(output_dir).glob(f"{prefix}*") if path.name.removeprefix(prefix).isdecimal()]
    return sorted(folders, key=lambda path: int(path.name.removeprefix(prefix)), reverse=True)
