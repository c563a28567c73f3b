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
"""Runs transformers' own model linter over our model files: `python -m tests.lint_models`."""

import sys
from pathlib import Path

from mlinter import analyze_file
from mlinter.mlinter import DEFAULT_ENABLED_TRF_RULES


# Asks for the decorator `auto_docstring`, which looks its texts up in transformers' own tree.
NOT_OURS = {"TRF057"}


def main() -> int:
    folder = Path(__file__).parents[1] / "hf_supernet" / "models"
    files = sorted([*folder.rglob("modeling_*.py"), *folder.rglob("configuration_*.py")])
    found = [
        violation
        for file in files
        for violation in analyze_file(file, file.read_text(encoding="utf-8"), DEFAULT_ENABLED_TRF_RULES - NOT_OURS)
    ]
    for violation in found:
        print(f"{violation.file_path}:{violation.line_number}: {violation.message}")
    print(f"{len(files)} model files, {len(found)} violations")
    return bool(found) or not files


if __name__ == "__main__":
    sys.exit(main())
