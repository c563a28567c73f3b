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
"""A child whose weights all matter, a batch with padding, and a tokenizer: made on the spot."""

from collections.abc import Callable

import pytest
import torch
from transformers import BertTokenizer, PreTrainedModel

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM


PLAIN = ["attention-4", "feed_forward-37", "identity", "attention-4", "feed_forward-37"]
MIXED = ["attention-2", "convolution-5", "identity", "feed_forward-37", "attention-4", "convolution-3"]


def randomise(model: PreTrainedModel) -> PreTrainedModel:
    """Fills all weights with noise: zeros of biases and ones of norms hide mistakes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = 0.3 * torch.randn_like(parameter)
            parameter.copy_(1 + noise if "LayerNorm.weight" in name else noise)
    return model.eval()


@pytest.fixture
def make_child() -> Callable[..., PreTrainedModel]:
    def make(operators=MIXED, model_class=SearchedBertForMaskedLM, add_pooling_layer=None, **fields):
        config = SearchedBertConfig(
            **{"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 41, **fields}, operators=list(operators)
        )
        kwargs = {} if add_pooling_layer is None else {"add_pooling_layer": add_pooling_layer}
        return randomise(model_class(config, **kwargs))

    return make


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Three rows of seven tokens, of which the last two are padded by two and by five."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([7, 5, 2])
    return {
        "input_ids": torch.randint(5, 99, (3, 7), generator=generator),
        "token_type_ids": torch.randint(0, 2, (3, 7), generator=generator),
        "attention_mask": (torch.arange(7) < lengths[:, None]).long(),
    }


@pytest.fixture
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "sentence", "to", "try", "it", "on", "."]
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)})
