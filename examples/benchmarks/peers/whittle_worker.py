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
Searches of [whittle](https://github.com/whittle-org/whittle), asked for by `search_peers.py`: its supernet, and its
`multi_objective_search` of the validation loss beside the parameters with the objective of its `search_sub_networks`.

Whittle has decoders only: a layer is causal attention and a feed-forward, positions are rotary, and the loss is that of the
next token at every position. The objective knows spaces in which all layers are alike; here each layer has a number of heads and a
feed-forward size of its own, which the model's `set_sub_network` takes.
"""

from typing import Any

import lightning
import torch
import whittle
from litgpt import Config
from litgpt.args import EvalArgs
from protocol import Search, make_token_ids, serve, timed_search
from syne_tune.config_space import choice
from whittle.models.gpt import GPT
from whittle.search import multi_objective_search
from whittle.search_sub_networks import _objective


STRATEGIES = {"random": "random_search", "nsga2": "nsga2"}


class LayerwiseGPT(GPT):
    """The same, with an architecture of its own in each layer."""

    def select_sub_network(self, config: dict[str, int]) -> None:
        layers = self.config.n_layer
        self.set_sub_network(
            sub_network_n_embd=self.config.n_embd,
            sub_network_intermediate_size=[config[f"intermediate_size_{index}"] for index in range(layers)],
            sub_network_num_heads=[config[f"heads_{index}"] for index in range(layers)],
            sub_network_n_layers=layers,
        )


def make_supernet(task: dict[str, Any]) -> GPT:
    """A decoder of the shape with random weights."""
    config = Config(
        n_layer=task["layers"],
        n_embd=task["hidden_size"],
        n_head=max(task["heads"]),
        intermediate_size=max(task["feed_forward_sizes"]),
        block_size=task["sequence_length"],
        padded_vocab_size=task["vocab_size"],
        norm_class_name="LayerNorm",
        mlp_class_name="GptNeoxMLP",
        parallel_residual=False,
        bias=True,
    )
    model = LayerwiseGPT(config)
    model.max_seq_length = task["sequence_length"]
    return model


def begin(task: dict[str, Any]) -> tuple[dict[str, str], Search]:
    model = make_supernet(task)
    # A row has one token more than the model reads: targets are the next ones.
    batches = [torch.cat([ids, ids[:, :1]], dim=1) for ids in make_token_ids(task)]
    space = {}
    for index in range(task["layers"]):
        space[f"heads_{index}"] = choice(task["heads"])
        space[f"intermediate_size_{index}"] = choice(task["feed_forward_sizes"])
    arguments = {
        "fabric": lightning.Fabric(accelerator="cpu", devices=1),
        "model": model,
        "val_dataloader": batches,
        "eval": EvalArgs(max_iters=len(batches)),
        "verbose": False,
    }

    def search(asked: dict[str, Any]) -> dict[str, Any]:
        def run() -> list[str]:
            found = multi_objective_search(
                _objective,
                space,
                search_strategy=STRATEGIES[asked["strategy"]],
                num_samples=asked["children"],
                objective_kwargs=arguments,
                seed=asked["seed"],
                verbose=False,
            )
            return [str(sorted(config.items())) for config in found["configs"]]

        return timed_search(run)

    return {"whittle": whittle.__version__}, search


if __name__ == "__main__":
    serve(begin)
