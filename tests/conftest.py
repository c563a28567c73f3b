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
"""Fixtures that many tests share: one thread, no network, and the folder of real data where it is present."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start; several tests run at a time

import torch
from huggingface_hub import constants

from .hub_server import TOKEN, HubServer
from .required import lacks


DATA_FOLDER = Path(os.environ.get("HF_SUPERNET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with `glue/`, `squad/`, `text/` and `vocab/`; tests that need it are skipped where it is absent."""
    if not (DATA_FOLDER / "glue").is_dir():
        lacks("data", f"no real data at {DATA_FOLDER}; set HF_SUPERNET_DATA to a folder with glue/, text/ and vocab/")
    return DATA_FOLDER


@pytest.fixture
def states_of_their_own() -> Iterator[None]:
    """A process runs one script; in a test file several follow one another."""
    from accelerate.state import AcceleratorState, GradientState  # here: both imports take seconds
    from transformers import logging

    verbosity = logging.get_verbosity()
    yield
    logging.set_verbosity(verbosity)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[HubServer]:
    """A Hub on this machine, which the client in this process talks to with the user's token."""
    with HubServer(tmp_path / "hub") as server:
        template = server.url + constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
