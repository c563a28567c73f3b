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
What a compressed child is compared with: the checkpoint without some of its blocks, the checkpoint uniformly narrower, and a child
of the same supernet drawn at random.
"""

import random
from collections.abc import Callable, Iterator

from transformers import BertConfig, BertForSequenceClassification

from ..architecture import Architecture
from ..models.searched_bert import SearchedBertForSequenceClassification
from ..models.searched_bert.configuration_searched_bert import Operator
from ..models.supernet_bert import SupernetBertConfig
from ..search.constraints import Constraint, FeasibleSpace
from ..search_space import SearchSpace
from .supernet import make_supernet, spread_blocks, supernet_config


IDENTITY = Operator("identity")

_NEAR_THE_BUDGET = 0.9
_DRAWS = 1000


def shallower(bert: BertConfig, loss: Callable[[Architecture], float]) -> Iterator[Architecture]:
    """
    The checkpoint without one block, without two, and so on. Of as many blocks, two choices are there: without the last ones, which
    serves best where a pretrained BERT is fine-tuned after it ([On the Effect of Dropping Layers of Pre-trained Transformer
    Models](https://huggingface.co/papers/2004.03844)), and with those at equal distances ([`spread_blocks`]).

    Args:
        bert ([`~transformers.BertConfig`]):
            The checkpoint's sizes.
        loss (`Callable[[Architecture], float]`):
            Of a child, before it is trained, on rows that no training saw: the better choice comes first.

    Yields:
        [`Architecture`]: the deeper ones first.
    """
    block = (Operator("attention", bert.num_attention_heads), Operator("feed_forward", bert.intermediate_size))
    blocks = bert.num_hidden_layers
    for number in range(blocks - 1, 0, -1):
        choices = [list(range(number)), spread_blocks(number, blocks)]
        children = [
            Architecture(sum((block if index in kept else (IDENTITY, IDENTITY) for index in range(blocks)), ()))
            for kept in choices
        ]
        yield from sorted(children, key=loss)


def narrower(bert: BertConfig) -> Iterator[Architecture]:
    """
    The checkpoint with fewer heads and, in the same proportion, fewer feed-forward units in all blocks. Only behind the narrowest
    of these come those whose hidden states are narrower too, which spoils more. (This order is our choice.)
    """
    heads, head_size = bert.num_attention_heads, bert.hidden_size // bert.num_attention_heads
    for narrows_states in (False, True):
        for kept in range(heads - 1, 0, -1):
            units = max(1, round(bert.intermediate_size * kept / heads))
            block = (Operator("attention", kept), Operator("feed_forward", units))
            yield Architecture(block * bert.num_hidden_layers, kept * head_size if narrows_states else None)


def config_of(bert: BertConfig, architecture: Architecture) -> SupernetBertConfig:
    """The configuration of a supernet that has this child of a BERT, and BERT itself."""
    return supernet_config(bert, _options_of(bert, architecture))


def untrained_child(
    reference: BertForSequenceClassification, architecture: Architecture
) -> SearchedBertForSequenceClassification:
    """
    A part of a classifier: of each layer the heads and units, and of the hidden states the elements, of largest magnitude.

    Args:
        reference ([`~transformers.BertForSequenceClassification`]):
            The classifier.
        architecture ([`Architecture`]):
            From [`shallower`] or [`narrower`].
    """
    return make_supernet(reference, _options_of(reference.config, architecture)).extract_child(architecture)


def _options_of(bert: BertConfig, architecture: Architecture) -> dict:
    own = (Operator("attention", bert.num_attention_heads), Operator("feed_forward", bert.intermediate_size))
    size = architecture.hidden_size
    return {
        "candidate_operators": [
            list(dict.fromkeys([str(own[layer % 2]), str(operator)])) for layer, operator in enumerate(architecture)
        ],
        "identity_placement": "anywhere",
        "weight_sharing": "sliced",
        "kernel_transform": False,
        "hidden_sizes": None if size is None else [bert.hidden_size, size],
        "plain_children": False,
    }


def random_children(space: SearchSpace, constraints: list[Constraint], seed: int) -> Iterator[Architecture]:
    """
    Children drawn uniformly from those that keep the budget and use it: at least one of their costs is 90 % of its limit or
    more. Where hardly any is (as in a small space), the largest that were drawn follow. (That is our choice: a child far below the
    budget would be no match.)

    Args:
        space ([`SearchSpace`]):
            The supernet's.
        constraints (`list[Constraint]`):
            The budget, each with a maximum.
        seed (`int`):
            Of the draws.
    """
    feasible, generator = FeasibleSpace(space, constraints), random.Random(f"random child/{seed}")
    rest: dict[Architecture, float] = {}
    seen: set[Architecture] = set()
    for _ in range(_DRAWS):
        architecture = feasible.sample(generator)
        if architecture in seen:
            continue
        seen.add(architecture)
        share = max(constraint.cost(architecture) / constraint.maximum for constraint in constraints)
        if share >= _NEAR_THE_BUDGET:
            yield architecture
        else:
            rest[architecture] = share
    yield from sorted(rest, key=rest.get, reverse=True)


__all__ = ["config_of", "narrower", "random_children", "shallower", "untrained_child"]
