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
"""Writing a child as a model repository, as a plain BERT where it is one, and publishing what a search brought."""

import importlib
from typing import Any

from .card import CardFacts, build_card
from .export_child import EXPORT_FORMATS, export_child
from .to_bert import plain_bert_obstacle, to_bert


# Publishing needs the search and the training too; who only exports does not wait for them.
# Imported when they are asked for: they need the training, which needs the cards.
_LATER = {
    "PublishedCollection": ".collection",
    "publish_child": ".publishing",
    "publish_collection": ".collection",
    "publish_search_result": ".publishing",
    "publish_supernet": ".publishing",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name], __name__), name)


__all__ = [
    "EXPORT_FORMATS",
    "CardFacts",
    "PublishedCollection",
    "build_card",
    "export_child",
    "plain_bert_obstacle",
    "publish_child",
    "publish_collection",
    "publish_search_result",
    "publish_supernet",
    "to_bert",
]
