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
Turns what a run left behind into one HTML page, which needs no other file and no network.

    python -m hf_supernet.report supernet                          # the training: supernet/report.html
    python -m hf_supernet.report demo_output --output report.html  # training, search and child

DIR and the folders right below it are looked at. Parts that the run has no record of are left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from .page import write_report


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line, or those of `argv`."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_supernet.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="The output folder of a training or a search.")
    parser.add_argument("--output", metavar="FILE", type=Path, help="The page to write; DIR/report.html by default.")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the page and prints its path; what is wrong with the folder ends the program with a message."""
    args = parse_arguments(argv)
    try:
        print(write_report(args.directory, args.output))
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
