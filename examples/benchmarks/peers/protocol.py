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
What the workers have in common, in environments without hf_supernet: the conversation with `search_peers.py`, made-up dev
batches, and time. It needs nothing but PyTorch.

A worker reads one JSON object a line. The first describes the shape; each of the others asks for one search. It answers
each with one line, and ends with its input. What the peers print goes to standard error.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch


Search = Callable[[dict[str, Any]], dict[str, Any]]


def make_token_ids(task: dict[str, Any]) -> list[torch.Tensor]:
    """The dev batches: the same numbers in every worker."""
    shape = (task["batch_size"], task["sequence_length"])
    generator = torch.Generator().manual_seed(task["seed"])
    return [torch.randint(5, task["vocab_size"], shape, generator=generator) for _ in range(task["batches"])]


def timed_search(run: Callable[[], list[str]]) -> dict[str, Any]:
    """
    One search.

    Args:
        run (`Callable[[], list[str]]`):
            Searches, and returns a name for each child that it evaluated, the same for the same network.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    evaluated = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "evaluated": len(evaluated), "distinct": len(set(evaluated))}


def serve(begin: Callable[[dict[str, Any]], tuple[dict[str, str], Search]]) -> None:
    """
    Answers until the input ends.

    Args:
        begin (`Callable`):
            Imports the peer and builds its supernet from the task; returns the versions of what counts, and what answers
            a request. An exception of either is the answer: the peer is skipped with it, or has failed.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    search: Search | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if search is None:
                torch.set_num_threads(asked["threads"])
                torch.manual_seed(asked["seed"])
                versions, search = begin(asked)
                answer = {"versions": {"torch": torch.__version__, **versions}}
            else:
                answer = search(asked)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if search is None:
            return
