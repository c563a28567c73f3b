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
"""How the weights of a plain BERT are called in a searched one: used both ways, by `from_bert` and by `to_bert`."""

ATTENTION_NAMES = {
    "self.query": "attention.self.query",
    "self.key": "attention.self.key",
    "self.value": "attention.self.value",
    "output": "attention.output.dense",
    "LayerNorm": "attention.output.LayerNorm",
}
"""The modules of `SearchedBertAttention`, and of a BERT block's first half."""

FEED_FORWARD_NAMES = {
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "LayerNorm": "output.LayerNorm",
}
"""The modules of `SearchedBertFeedForward`, and of a BERT block's second half."""

OPERATOR_NAMES = {"attention": ATTENTION_NAMES, "feed_forward": FEED_FORWARD_NAMES}

MASKED_LM_HEAD_PREFIX = ("cls.", "cls.predictions.")
"""The prefix of the masked-LM head here, and in BERT."""


def bert_sublayer(layer: int) -> tuple[int, str]:
    """The BERT block and the kind of its sub-layer that stand at `layer`: blocks are an attention, then a feed-forward."""
    return layer // 2, ("attention", "feed_forward")[layer % 2]
