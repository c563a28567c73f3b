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
"""Weight-sharing neural architecture search for BERT-like models, in the Hugging Face ecosystem."""

import importlib
from typing import Any

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from .architecture import Architecture
from .import_hooks import after_import
from .models.searched_bert import (
    Operator,
    SearchedBertConfig,
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
)
from .models.supernet_bert import (
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    SupernetBertForQuestionAnswering,
    SupernetBertForSequenceClassification,
    SupernetBertModel,
)
from .plain_space import PlainBertSpace
from .search_space import SearchSpace


__version__ = "0.1.0.dev0"

AutoConfig.register("searched-bert", SearchedBertConfig)
AutoModel.register(SearchedBertConfig, SearchedBertModel)
AutoModelForMaskedLM.register(SearchedBertConfig, SearchedBertForMaskedLM)
AutoModelForMultipleChoice.register(SearchedBertConfig, SearchedBertForMultipleChoice)
AutoModelForQuestionAnswering.register(SearchedBertConfig, SearchedBertForQuestionAnswering)
AutoModelForSequenceClassification.register(SearchedBertConfig, SearchedBertForSequenceClassification)
AutoModelForTokenClassification.register(SearchedBertConfig, SearchedBertForTokenClassification)

AutoConfig.register("supernet-bert", SupernetBertConfig)
AutoModel.register(SupernetBertConfig, SupernetBertModel)
AutoModelForMaskedLM.register(SupernetBertConfig, SupernetBertForMaskedLM)
AutoModelForQuestionAnswering.register(SupernetBertConfig, SupernetBertForQuestionAnswering)
AutoModelForSequenceClassification.register(SupernetBertConfig, SupernetBertForSequenceClassification)

# What `save_pretrained` and `push_to_hub` of a child write carries its own code, so that it loads anywhere.
SearchedBertConfig.register_for_auto_class()
SearchedBertModel.register_for_auto_class("AutoModel")
SearchedBertForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
SearchedBertForMultipleChoice.register_for_auto_class("AutoModelForMultipleChoice")
SearchedBertForQuestionAnswering.register_for_auto_class("AutoModelForQuestionAnswering")
SearchedBertForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
SearchedBertForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")

# PEFT learns what to adapt in our models, whichever of the two is imported first.
after_import("peft", lambda: importlib.import_module(".peft", __name__))

# What trains, searches and exports is imported when it is asked for: who only loads a searched model does not wait for it.
_LAZY = {
    "Evaluator": ".evaluation.evaluator",
    "MaskingCollator": ".data",
    "SupernetTrainer": ".training",
    "SupernetTrainingArguments": ".training",
    "export_child": ".export",
    "make_sampler": ".samplers",
    "register_sampler": ".samplers",
    "run_search": ".search",
    "to_bert": ".export",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name], __name__), name)


__all__ = [
    "Architecture",
    "Evaluator",
    "MaskingCollator",
    "Operator",
    "PlainBertSpace",
    "SearchSpace",
    "SearchedBertConfig",
    "SearchedBertForMaskedLM",
    "SearchedBertForMultipleChoice",
    "SearchedBertForQuestionAnswering",
    "SearchedBertForSequenceClassification",
    "SearchedBertForTokenClassification",
    "SearchedBertModel",
    "SupernetBertConfig",
    "SupernetBertForMaskedLM",
    "SupernetBertForQuestionAnswering",
    "SupernetBertForSequenceClassification",
    "SupernetBertModel",
    "SupernetTrainer",
    "SupernetTrainingArguments",
    "export_child",
    "make_sampler",
    "register_sampler",
    "run_search",
    "to_bert",
]
