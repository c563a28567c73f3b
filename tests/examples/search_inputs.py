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
"""A tiny supernet with its tokenizer, and a text, as the scripts that search take them."""

import random
from pathlib import Path

import pandas as pd
import torch
from transformers import BertTokenizer

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM


WORDS = [f"{one}{two}" for one in "bdfgklmnprst" for two in "aeiou"]


def save_supernet_and_text(folder: Path, num_hidden_layers: int, num_texts: int, **fields) -> SupernetBertConfig:
    """Writes `supernet/` and `dev.csv`; `fields` are further ones of the configuration."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate([*special, *WORDS])})
    torch.manual_seed(0)
    config = SupernetBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=num_hidden_layers,
        candidate_operators=["attention-4", "feed_forward-37", "convolution-3", "identity"],
        max_position_embeddings=40,
        **fields,
    )
    for part in (SupernetBertForMaskedLM(config), tokenizer):
        part.save_pretrained(folder / "supernet")
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=25)) for _ in range(num_texts)]
    pd.DataFrame({"text": texts}).to_csv(folder / "dev.csv", index=False)
    return config
