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
"""Reading what was measured from a file of JSON."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar


T = TypeVar("T")


def read_latencies(path: str | os.PathLike, build: Callable[[dict[str, Any]], T]) -> T:
    """
    What `build` makes of a file of JSON.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where `build` cannot make anything of it; the message names the file.
    """
    try:
        return build(json.loads(Path(path).read_text(encoding="utf-8")))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"'{path}' is not a latency table, or a damaged one: {error!r}.") from error


__all__ = ["read_latencies"]
