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
What `test_every_script.py` starts with `accelerate launch`: every script as a program, one after another in one process, since
most of what a script takes is to import.

    accelerate launch --cpu -m tests.examples.every_script
"""

import json
import runpy
import sys
import traceback
from pathlib import Path

from accelerate.state import AcceleratorState, GradientState

from hf_supernet.files import write_json

from .tiny_inputs import LINES, words


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def main() -> None:
    """Runs them in the working folder, and leaves in `launched.json` what went wrong in each, if anything."""
    sys.path.insert(0, str(EXAMPLES))
    errors: dict[str, str | None] = {}
    for name, options in LINES.items():
        sys.argv = [f"{name}.py", *words(options | {"output_dir": f"launched/{name}"})]
        try:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
            errors[name] = None
        except BaseException:
            errors[name] = traceback.format_exc()
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    write_json(Path("launched.json"), errors)
    print(json.dumps(errors))


if __name__ == "__main__":
    main()
