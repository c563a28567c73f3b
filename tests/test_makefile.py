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
"""The Makefile's set-up, with scripts in place of the interpreters, so that nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"
WORKS = '#!/bin/sh\necho "environment: $@" >> log\n'
BROKEN = "#!/bin/sh\nexit 1\n"
MAKES_ENVIRONMENT = (
    '#!/bin/sh\necho "outside: $@" >> log\nmkdir -p .venv/bin && touch .venv/pyvenv.cfg && cp works .venv/bin/python\n'
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no `make` on this machine")


@pytest.fixture
def project(tmp_path) -> Path:
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("setup.py", "constraints.txt"):
        (tmp_path / name).touch()
    for name, content in (("works", WORKS), ("outside", MAKES_ENVIRONMENT)):
        write_script(tmp_path / name, content)
    return tmp_path


def write_script(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)


def install(project: Path) -> list[str]:
    """The commands that were run, without those of pip."""
    (project / "log").write_text("")
    command = ["make", "install", "PYTHON=./outside", "VENV=.venv"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    return [line for line in (project / "log").read_text().splitlines() if "pip" not in line]


def test_environment_is_made_once(project):
    assert install(project) == ["outside: -m venv .venv"]
    assert "-m pip install --quiet --constraint constraints.txt" in (project / "log").read_text()
    assert install(project) == []
    (project / ".venv" / ".installed").unlink()  # pip was interrupted: it goes on in the same environment
    assert install(project) == []


@pytest.mark.parametrize("python", [BROKEN, None], ids=["without pip", "without python"])
def test_half_made_environment_is_made_anew(project, python):
    (project / ".venv").mkdir()
    (project / ".venv" / "pyvenv.cfg").touch()
    if python is not None:
        write_script(project / ".venv" / "bin" / "python", python)
    assert install(project) == ["outside: -m venv --clear .venv"]


def test_folder_that_is_no_environment_is_not_cleared(project):
    (project / ".venv").mkdir()
    (project / ".venv" / "thesis.tex").touch()
    assert install(project) == ["outside: -m venv .venv"]
