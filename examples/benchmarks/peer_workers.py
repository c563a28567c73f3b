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
"""The conversation with a peer, which runs in an environment of its own: see `peers/protocol.py` for its other end."""

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any


WORKERS = Path(__file__).resolve().parent / "peers"
END_IN_SECONDS = 30


class PeerError(RuntimeError):
    """Why a peer does not run, or no longer."""


class Worker:
    """
    A peer's process, which has its supernet when this returns. A context manager: the process ends with it.

    Args:
        name (`str`):
            The peer; its script is `peers/{name}_worker.py`.
        python (`str`, *optional*):
            The interpreter of its environment.
        task (`dict[str, Any]`):
            The shape of the supernet, or a table, and `threads`.

    Raises:
        PeerError: where no environment is named, there is none, or it does not import the peer.
    """

    versions: dict[str, str]

    def __init__(self, name: str, python: str | None, task: dict[str, Any]):
        if python is None:
            raise PeerError(f"no environment is named for it (`--{name}_python`)")
        self._stack = contextlib.ExitStack()
        self._log = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack is one)
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())  # some leave files where they run
        try:
            self._process = subprocess.Popen(
                [os.path.abspath(python), str(WORKERS / f"{name}_worker.py")],
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log, "text": True},
                env=_environment(task["threads"]),
                cwd=folder,
            )
        except OSError as error:
            self._stack.close()
            raise PeerError(f"`--{name}_python` does not run: {error.strerror}") from error
        try:
            self.versions = self.ask(task)["versions"]
        except PeerError:
            self.close()
            raise

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """
        Sends one request, and waits for its answer.

        Raises:
            PeerError: with what went wrong there.
        """
        with contextlib.suppress(BrokenPipeError):  # where it has ended, it may have said why, which is read below
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def close(self) -> None:
        """Ends the process."""
        try:
            self._process.communicate(timeout=END_IN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._stack.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else f"ended with the code {self._process.returncode}"

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _environment(threads: int) -> dict[str, str]:
    """That of this process, but for what would lead the worker to other packages or more threads."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return kept | limits | {"PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1"}
