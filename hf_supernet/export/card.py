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
"""The model card of an exported child: what is known of it, read off the model or passed in, and nothing else."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..architecture import Architecture
from ..costs import count_multiply_adds, operator_multiply_adds
from ..models.searched_bert import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SearchedBertPreTrainedModel,
)


TEMPLATE = Path(__file__).parents[1] / "cards" / "templates" / "child.md.jinja"
TAGS = ("hf_supernet", "neural-architecture-search")
"""What every card is tagged with; `export_child` knows its own repositories by the first."""


class _Head(NamedTuple):
    auto_class: str
    pipeline_tag: str
    cost_head: str | None
    description: str


HEADS: dict[type[SearchedBertPreTrainedModel], _Head] = {
    SearchedBertModel: _Head("AutoModel", "feature-extraction", None, "encoder"),
    SearchedBertForMaskedLM: _Head("AutoModelForMaskedLM", "fill-mask", "masked-lm", "masked language model"),
    SearchedBertForMultipleChoice: _Head(
        "AutoModelForMultipleChoice", "multiple-choice", "multiple-choice", "model for multiple choice"
    ),
    SearchedBertForQuestionAnswering: _Head(
        "AutoModelForQuestionAnswering", "question-answering", "question-answering", "model for question answering"
    ),
    SearchedBertForSequenceClassification: _Head(
        "AutoModelForSequenceClassification", "text-classification", "sequence-classification", "text classifier"
    ),
    SearchedBertForTokenClassification: _Head(
        "AutoModelForTokenClassification", "token-classification", "token-classification", "token classifier"
    ),
}
"""How each child class is loaded, tagged, counted and called."""


@dataclass
class CardFacts:
    """
    What a card says beyond what the model itself shows. All of it is optional: what is not known is not on the card.

    Args:
        name (`str`, *optional*):
            What the model is loaded by: its repository on the Hub (`"user/name"`), or a folder. Defaults to the name of
            the folder that it is exported to.
        description (`str`, *optional*):
            A paragraph of Markdown below the title.
        metadata (`dict[str, Any]`, *optional*, defaults to `{}`):
            More fields of [`~huggingface_hub.ModelCardData`], such as `language`, `license`, `base_model` and `datasets`;
            `tags` are added to ours.
        training (`dict[str, Any]`, *optional*, defaults to `{}`):
            How the weights were trained, as rows of a table: sampler, steps, data, time. A value of `None` is left out.
        search (`dict[str, Any]`, *optional*, defaults to `{}`):
            How the architecture was found, likewise: strategy, constraints, number of architectures compared.
        results (`list[EvalResult]`, *optional*, defaults to `[]`):
            What was measured; it goes into a table and into the metadata, as `model-index`.
        sequence_length (`int`, *optional*, defaults to 128):
            The number of tokens that multiply-adds are given for; at most what the model reads.
    """

    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    results: list[EvalResult] = field(default_factory=list)
    sequence_length: int = 128

    def __post_init__(self):
        reserved = {"model_name", "eval_results", "model-index"} & set(self.metadata)
        if reserved:
            raise ValueError(
                f"`metadata` has {', '.join(sorted(reserved))}, which the card makes itself: use `name` and `results`."
            )


def head_of(child: SearchedBertPreTrainedModel) -> _Head:
    """
    How `child` is loaded, tagged, counted and called: by its class, or the one that it derives from.

    Raises:
        ValueError: for a class with a head that hf_supernet does not know.
    """
    for parent in type(child).__mro__:
        if parent in HEADS:
            return HEADS[parent]
    known = ", ".join(known.__name__ for known in HEADS)
    raise ValueError(f"{type(child).__name__} has a head that no card is known for; known are {known}.")


def build_card(
    child: SearchedBertPreTrainedModel,
    name: str,
    facts: CardFacts | None = None,
    plain_bert: bool = False,
    has_tokenizer: bool = False,
) -> ModelCard:
    """
    The model card of a child.

    Args:
        child ([`SearchedBertModel`] or one of its heads):
            The model that the card is about.
        name (`str`):
            What the model is loaded by where `facts` names nothing else.
        facts ([`CardFacts`], *optional*):
            What else is known.
        plain_bert (`bool`, *optional*, defaults to `False`):
            Whether the repository is a plain BERT, which needs no code of its own.
        has_tokenizer (`bool`, *optional*, defaults to `False`):
            Whether the repository has a tokenizer.

    Returns:
        [`~huggingface_hub.ModelCard`]: metadata and text.

    Raises:
        ValueError: for a model whose head is not one of hf_supernet's.
    """
    facts = facts or CardFacts()
    name = facts.name or name
    head = head_of(child)
    results = [_with_python_number(result) for result in facts.results]
    metadata = dict(facts.metadata)
    tags = [*TAGS, *(tag for tag in metadata.pop("tags", ()) if tag not in TAGS)]
    fields = {
        "library_name": "transformers",
        "pipeline_tag": head.pipeline_tag,
        "metrics": sorted({result.metric_type for result in results}) or None,
        **metadata,
    }
    short_name = name.rstrip("/").rpartition("/")[2]
    index = {"model_name": short_name, "eval_results": results} if results else {}
    data = ModelCardData(**fields, tags=tags, **index)
    length = min(facts.sequence_length, child.config.max_position_embeddings)
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        title=short_name,
        kind=head.description,
        description=facts.description,
        plain_bert=plain_bert,
        architecture=str(Architecture.from_operators(child.config.operators)),
        config=child.config,
        sequence_length=length,
        rows=_architecture_rows(child, length),
        code=_snippet(name, head, plain_bert, has_tokenizer),
        training=_facts_rows(facts.training),
        search=_facts_rows(facts.search),
        results=[_result_row(result) for result in results],
    )


def _architecture_rows(child: SearchedBertPreTrainedModel, sequence_length: int) -> list[tuple[str, str, str, str]]:
    """Label, operator, parameters and multiply-adds of the embeddings, of each layer, of the head, and of all of it."""
    config, base = child.config, child.base_model
    operators = Architecture.from_operators(config.operators)
    costs = [operator_multiply_adds(operator, config, sequence_length) for operator in operators]
    parameters = [_num_parameters(module) for module in base.encoder.layer]
    projects = config.embedding_size != config.hidden_size
    embeddings_cost = sequence_length * config.embedding_size * config.hidden_size if projects else 0
    embeddings = _num_parameters(base.embeddings)
    total_cost = count_multiply_adds(config, operators, sequence_length, head_of(child).cost_head)
    if base is child and base.pooler is None:
        total_cost -= config.hidden_size**2  # the closed form of a bare encoder has its pooler
    total = _num_parameters(child)
    rows = [
        ("embeddings", "", embeddings, embeddings_cost),
        *zip(range(len(operators)), (f"`{operator}`" for operator in operators), parameters, costs, strict=True),
        ("head", "", total - embeddings - sum(parameters), total_cost - embeddings_cost - sum(costs)),
        ("**all**", "", total, total_cost),
    ]
    return [(str(label), operator, f"{number:,}", f"{cost:,}") for label, operator, number, cost in rows]


def _num_parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _snippet(name: str, head: _Head, plain_bert: bool, has_tokenizer: bool) -> str:
    """Code that loads the model, and runs it where there is a tokenizer."""
    location = json.dumps(name)
    # The tokenizer is transformers' own, but finding its class reads the configuration, which asks for the flag too.
    arguments = location if plain_bert else f"{location}, trust_remote_code=True"
    runs = has_tokenizer and head.auto_class != "AutoModelForMultipleChoice"
    lines = [f"from transformers import {head.auto_class}{', AutoTokenizer' if has_tokenizer else ''}", ""]
    if has_tokenizer:
        lines.append(f"tokenizer = AutoTokenizer.from_pretrained({arguments})")
    lines.append(f"model = {head.auto_class}.from_pretrained({arguments})")
    if runs:
        lines.append('outputs = model(**tokenizer("A sentence to try it on.", return_tensors="pt"))')
    return "\n".join(lines)


def _facts_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_cell(label), _cell(value)) for label, value in facts.items() if value is not None]


def _result_row(result: EvalResult) -> tuple[str, ...]:
    data = f"{result.dataset_name} ({result.dataset_split})" if result.dataset_split else result.dataset_name
    return tuple(_cell(value) for value in (data, result.metric_name or result.metric_type, result.metric_value))


def _cell(value: Any) -> str:
    """A value as the cell of a Markdown table."""
    value = value.item() if hasattr(value, "item") else value
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _with_python_number(result: EvalResult) -> EvalResult:
    """Metrics are often NumPy scalars, which YAML cannot write."""
    value = result.metric_value
    return dataclasses.replace(result, metric_value=value.item()) if hasattr(value, "item") else result


__all__ = ["CardFacts", "build_card"]
