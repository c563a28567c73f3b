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
Searches of [NNI](https://github.com/microsoft/nni)'s Retiarii (`nni.nas`), asked for by `search_peers.py`.

NNI has no encoder: the one here is written with its `LayerChoice` as its users would, with torch's own attention and norms after
the sum as in BERT, and a classification head. The search is that of its documentation: `RandomOneShot` makes the supernet, and a
multi-trial strategy evaluates frozen children of it with its sequential engine.
"""

from typing import Any

import nni
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.oneshot.pytorch.strategy import RandomOneShot
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import Random, RegularizedEvolution
from protocol import Search, make_token_ids, serve, timed_search
from torch import nn


class Attention(nn.Module):
    """Self-attention with some of the heads of the largest."""

    def __init__(self, hidden_size: int, heads: int, head_size: int):
        super().__init__()
        self.heads, self.head_size = heads, head_size
        self.query, self.key, self.value = (nn.Linear(hidden_size, heads * head_size) for _ in range(3))
        self.output, self.norm = nn.Linear(heads * head_size, hidden_size), nn.LayerNorm(hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        rows, length, _ = states.shape
        query, key, value = (
            projection(states).view(rows, length, self.heads, self.head_size).transpose(1, 2)
            for projection in (self.query, self.key, self.value)
        )
        read = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.norm(states + self.output(read.transpose(1, 2).reshape(rows, length, -1)))


class FeedForward(nn.Module):
    """Two linear layers."""

    def __init__(self, hidden_size: int, size: int):
        super().__init__()
        self.up, self.down = nn.Linear(hidden_size, size), nn.Linear(size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.norm(states + self.down(nn.functional.gelu(self.up(states))))


class Encoder(ModelSpace):
    """A BERT whose layers choose the number of heads and the size of the feed-forward."""

    def __init__(self, task: dict[str, Any]):
        super().__init__()
        hidden_size, heads = task["hidden_size"], task["heads"]
        self.words = nn.Embedding(task["vocab_size"], hidden_size)
        self.positions = nn.Embedding(task["sequence_length"], hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        layers: list[nn.Module] = []
        for index in range(task["layers"]):
            attentions = [Attention(hidden_size, number, hidden_size // max(heads)) for number in heads]
            feed_forwards = [FeedForward(hidden_size, size) for size in task["feed_forward_sizes"]]
            layers.append(LayerChoice(attentions, label=f"attention_{index}"))
            layers.append(LayerChoice(feed_forwards, label=f"feed_forward_{index}"))
        self.layers = nn.Sequential(*layers)
        self.pooler, self.classifier = nn.Linear(hidden_size, hidden_size), nn.Linear(hidden_size, 2)

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(token_ids.shape[1])
        states = self.layers(self.norm(self.words(token_ids) + self.positions(positions)))
        return self.classifier(torch.tanh(self.pooler(states[:, 0])))


def dev_loss(model: nn.Module, batches: list[torch.Tensor]) -> float:
    model.eval()
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(model(ids), ids[:, 0] % 2) for ids in batches]
    return float(torch.stack(losses).mean())


def make_strategy(asked: dict[str, Any]) -> Any:
    if asked["strategy"] == "random":
        return Random(seed=asked["seed"])
    return RegularizedEvolution(
        population_size=asked["population_size"], sample_size=asked["population_size"] // 2, seed=asked["seed"]
    )


def begin(task: dict[str, Any]) -> tuple[dict[str, str], Search]:
    space = Encoder(task)
    RandomOneShot().mutate_model(space)
    batches = make_token_ids(task)

    def search(asked: dict[str, Any]) -> dict[str, Any]:
        def evaluate(model: nn.Module) -> None:
            nni.report_final_result(-dev_loss(model, batches))

        def run() -> list[str]:
            engine = SequentialExecutionEngine(max_model_count=asked["children"])
            make_strategy(asked)(RawFormatModelSpace(space, FunctionalEvaluator(evaluate)), engine)
            return [str(sorted(model.sample.items())) for model in engine.list_models()]

        return timed_search(run)

    return {"nni": nni.__version__}, search


if __name__ == "__main__":
    serve(begin)
