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
Searches of [DyNAS-T](https://github.com/IntelLabs/DyNAS-T) (`dynast`), asked for by `search_peers.py`: its BERT supernet with a
classification head, and its own search tactics, on a shape that is not built in, or on a table of losses.

What is put in its place, since the package (archived in 2024) does not run this by itself:

- `fairseq`, which does not import with Python 3.11, and `torchvision`, whose releases on PyPI do not import beside PyTorch for
  the CPU, are stand-ins: BERT needs nothing of them;
- checkpoint and SST-2 rows are random weights and made-up tokens, and the space is that of the task; these are fixed names in
  the package, and so is the hidden size;
- joblib sees one core where one thread is asked for: the predictors take all there are.

Evaluating, counting multiply-adds, predicting and searching are the package's own.
"""

import csv
import importlib.machinery
import importlib.metadata
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from protocol import Search, make_token_ids, serve, timed_search
from transformers import BertConfig


STAND_INS = {
    "fairseq": ("data", "models", "modules"),
    "torchvision": ("datasets", "models", "transforms", "transforms.functional"),
}


class StandIn(types.ModuleType):
    """A module that has every name: its modules, and empty classes."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__path__: list[str] = []
        self.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)  # `find_spec` asks for it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # One of them is loaded as a library; without a file that is this program.
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {"__file__": None})


for _package, _modules in STAND_INS.items():
    for _name in (_package, *(f"{_package}.{module}" for module in _modules)):
        sys.modules[_name] = StandIn(_name)

from dynast import DyNAS  # noqa: E402 (after the stand-in)
from dynast.supernetwork import supernetwork_registry  # noqa: E402
from dynast.supernetwork.text_classification import bert_interface  # noqa: E402
from dynast.supernetwork.text_classification.bert_supernetwork import (  # noqa: E402
    BertSupernetForSequenceClassification,
)


SUPERNET = "bert_base_sst2"
TACTICS = {"random": "random", "nsga2": "evolutionary", "linas": "linas"}
OWN_INPUT_LENGTH = 128
"""Of the package's multiply-adds."""


class Batches:
    """The dev data as the package reads it: tokens, mask, segments, labels."""

    def __init__(self, token_ids: list[torch.Tensor]):
        self.token_ids = token_ids

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for ids in self.token_ids:
            yield ids, torch.ones_like(ids), torch.zeros_like(ids), ids[:, 0] % 2


def set_space(layers: int, heads: list[int], sizes: list[int]) -> None:
    supernetwork_registry.SUPERNET_PARAMETERS[SUPERNET] = {
        "num_layers": {"count": 1, "vars": [layers]},
        "num_attention_heads": {"count": layers, "vars": heads},
        "intermediate_size": {"count": layers, "vars": sizes},
    }


def use_supernet(task: dict[str, Any]) -> None:
    """The package's BERT in the shape of the task."""
    hidden_size = task["hidden_size"]
    config = BertConfig(
        vocab_size=task["vocab_size"],
        hidden_size=hidden_size,
        num_hidden_layers=task["layers"],
        num_attention_heads=max(task["heads"]),
        intermediate_size=max(task["feed_forward_sizes"]),
        max_position_embeddings=max(task["sequence_length"], OWN_INPUT_LENGTH),
        attn_implementation="eager",
    )
    model, batches = BertSupernetForSequenceClassification(config, num_labels=2), Batches(make_token_ids(task))
    accuracy, multiply_adds = bert_interface.compute_accuracy_sst2, bert_interface.compute_macs
    bert_interface.load_supernet = lambda path: (model, config)
    bert_interface.prepare_data_loader = lambda path: batches
    bert_interface.compute_accuracy_sst2 = lambda child, *args, **kwargs: accuracy(
        child | {"hidden_size": hidden_size}, *args, **kwargs
    )
    bert_interface.compute_macs = lambda child, *args: multiply_adds(child | {"hidden_size": hidden_size}, *args)
    set_space(task["layers"], task["heads"], task["feed_forward_sizes"])


def use_table(task: dict[str, Any]) -> None:
    """A table in place of a network: loss and cost of each child, by the numbers of its candidates."""
    rows = task["table"]

    def row(child: dict[str, Any]) -> list[float]:
        return rows["-".join(map(str, child["intermediate_size"]))]

    bert_interface.load_supernet = lambda path: (None, None)
    bert_interface.prepare_data_loader = lambda path: None
    bert_interface.compute_accuracy_sst2 = lambda child, *args, **kwargs: -row(child)[0]
    bert_interface.compute_macs = lambda child, *args: (row(child)[1], row(child)[1])
    # One choice for each layer, which the package takes for the size of a feed-forward.
    set_space(task["layers"], [1], list(range(task["candidates"])))


def evaluated_children(results: Path) -> list[str]:
    """What the package's record of its evaluations says, in order."""
    with results.open(newline="", encoding="utf-8") as file:
        return [row[0] for row in csv.reader(file)][1:]


def search(asked: dict[str, Any]) -> dict[str, Any]:
    """One search. Random search has no second objective: the package's multiply-adds take time that it needs not take."""
    strategy, children = asked["strategy"], asked["children"]
    metrics = ["accuracy_sst2"] if strategy == "random" else ["accuracy_sst2", "macs"]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.csv"

        def run() -> list[str]:
            DyNAS(
                supernet=SUPERNET,
                results_path=str(results),
                optimization_metrics=list(metrics),
                measurements=list(metrics),
                search_tactic=TACTICS[strategy],
                num_evals=children,
                population=children if strategy == "random" else asked["population_size"],
                seed=asked["seed"],
                batch_size=1,
            ).search()
            return evaluated_children(results)

        answer = timed_search(run)
        return answer | {"children": evaluated_children(results)} if asked.get("list") else answer


def begin(task: dict[str, Any]) -> tuple[dict[str, str], Search]:
    os.environ["LOKY_MAX_CPU_COUNT"] = str(task["threads"])
    if "table" in task:
        use_table(task)
    else:
        use_supernet(task)
    return {name: importlib.metadata.version(name) for name in ("dynast", "transformers", "pymoo")}, search


if __name__ == "__main__":
    serve(begin)
