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
"""Loading what a script was given by name, with errors that say what is wrong with it: missing, damaged, not trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import CONFIG_NAME


def check_length(max_seq_length: int, config: PreTrainedConfig) -> None:
    """
    Checks that a model has positions for the sequences.

    Raises:
        ValueError: where `max_seq_length` is more than the configuration's `max_position_embeddings`, if it has such.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and max_seq_length > positions:
        raise ValueError(
            f"`max_seq_length` {max_seq_length} is more than the {positions} tokens that the model reads."
        )


def load_config(name_or_path: str, kind: str = "model", **options) -> PreTrainedConfig:
    """
    The configuration of a model, or an error that says where it was looked for.

    Args:
        name_or_path (`str`):
            A folder, or a Hub id.
        kind (`str`, *optional*, defaults to `"model"`):
            What it should be, for the message.
        options:
            Passed on to `AutoConfig.from_pretrained` (`revision`, `token`, ...).

    Raises:
        OSError: where there is no configuration, neither in a folder nor on the Hub or in its cache.
    """
    if Path(name_or_path).is_dir() and not Path(name_or_path, CONFIG_NAME).is_file():
        raise OSError(f"There is no {kind} in the folder '{name_or_path}': it has no `{CONFIG_NAME}`.")
    try:
        return AutoConfig.from_pretrained(name_or_path, **options)
    except OSError as error:
        raise OSError(
            f"There is no {kind} '{name_or_path}': neither a folder with a `{CONFIG_NAME}`, nor found on the Hub ({error})."
        ) from error


def load_trained(
    auto_class: type, name_or_path: str, task: str, unneeded: str | None = None, **options
) -> PreTrainedModel:
    """
    A model of which no weights are random.

    Args:
        auto_class (`type`):
            The Auto class with the head.
        name_or_path (`str`):
            A folder, or a Hub id.
        task (`str`):
            What the head is for, for the message.
        unneeded (`str`, *optional*):
            Weights with this in their names may be missing.
        options:
            Passed on to `from_pretrained` (`config`, `revision`, `token`, ...).

    Raises:
        ValueError: where the checkpoint lacks weights, or is damaged.
    """
    with naming_damaged_weights(name_or_path):
        model, loaded = auto_class.from_pretrained(name_or_path, output_loading_info=True, **options)
    missing = sorted(name for name in loaded["missing_keys"] if unneeded is None or unneeded not in name)
    if missing:
        raise ValueError(
            f"'{name_or_path}' has no weights for {task}: {', '.join(missing)} would be random. Name a checkpoint that was"
            " trained for it."
        )
    return model


@contextmanager
def naming_damaged_weights(name_or_path: str) -> Iterator[None]:
    """
    Within this context, an error that safetensors raises of a damaged file says which file, and what to do.

    Args:
        name_or_path (`str`):
            What is loaded: a folder, or a Hub id.

    Raises:
        ValueError: for damaged weights.
    """
    try:
        yield
    except SafetensorError as error:
        folder = Path(name_or_path)
        if folder.is_dir():
            damaged = ", ".join(str(path) for path in sorted(folder.glob("*.safetensors")) if not _is_whole(path))
            what, remedy = damaged or str(folder), "Copy it anew, or write it anew with the script that made it."
        else:
            what = f"The cached file of '{name_or_path}'"
            remedy = f"Download it anew: `hf download {name_or_path} --force-download`."
        raise ValueError(f"{what} is damaged or not whole, its weights can't be read ({error}). {remedy}") from error


def _is_whole(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt"):
            return True
    except SafetensorError:
        return False


__all__ = ["check_length", "load_config", "load_trained", "naming_damaged_weights"]
