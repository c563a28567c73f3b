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
"""A child that alternates attention and feed-forward, as transformers' own BERT."""

from accelerate import init_empty_weights
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertPreTrainedModel,
)

from ..architecture import Architecture
from ..models.bert_weights import MASKED_LM_HEAD_PREFIX, OPERATOR_NAMES, bert_sublayer
from ..models.searched_bert import (
    Operator,
    SearchedBertConfig,
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
    SearchedBertPreTrainedModel,
)
from ..models.searched_bert.configuration_searched_bert import SearchedBertBaseConfig
from ..path_counting import IDENTITY
from ..plain_bert import operators_obstacle


BERT_CLASSES: dict[type[SearchedBertPreTrainedModel], type[BertPreTrainedModel]] = {
    SearchedBertModel: BertModel,
    SearchedBertForMaskedLM: BertForMaskedLM,
    SearchedBertForMultipleChoice: BertForMultipleChoice,
    SearchedBertForQuestionAnswering: BertForQuestionAnswering,
    SearchedBertForSequenceClassification: BertForSequenceClassification,
    SearchedBertForTokenClassification: BertForTokenClassification,
}
"""The BERT class that has the head of each child class."""


def plain_bert_obstacle(config: SearchedBertBaseConfig, architecture: Architecture | str | None = None) -> str | None:
    """
    Why an architecture is no plain BERT.

    Identities are no operators and do not count: what is left has to be attention and feed-forward in turn, all
    attentions alike and all feed-forwards alike, with heads that split the hidden size.

    Args:
        config ([`SearchedBertConfig`] or [`SupernetBertConfig`]):
            The sizes around the operators.
        architecture ([`Architecture`] or `str`, *optional*):
            The operators. Defaults to those of `config`, which is a [`SearchedBertConfig`] then.

    Returns:
        `str` or `None`: the first thing that a `BertConfig` has no words for, with its layer; `None` for a plain BERT.

    Example:

    ```python
    >>> from hf_supernet import SearchedBertConfig
    >>> from hf_supernet.export import plain_bert_obstacle

    >>> config = SearchedBertConfig(hidden_size=64)
    >>> plain_bert_obstacle(config, "A4-F128-I-A4-F128")
    >>> plain_bert_obstacle(config, "A4-F128-A4-C5")
    'layer 3 is `convolution-5`, where a BERT block has its feed-forward'
    ```
    """
    if isinstance(architecture, str):
        architecture = Architecture.from_string(architecture)
    if getattr(config, "hidden_sizes", None) and architecture is not None:
        config = config.at_hidden_size(architecture.hidden_size)
    if config.embedding_size != config.hidden_size:
        return (
            f"`embedding_size` is {config.embedding_size} and `hidden_size` is {config.hidden_size}, which are one in"
            " BERT"
        )
    operators = _operators(config) if architecture is None else architecture
    return operators_obstacle(operators, config.hidden_size, config.attention_head_size)


def to_bert(child: SearchedBertPreTrainedModel) -> BertPreTrainedModel:
    """
    The same network as transformers' own BERT, with a copy of the weights: the same logits.

    Labels, token ids, dropout rates, tied embeddings, dtype, device, mode (training or evaluation) and attention
    implementation are those of the child.

    Args:
        child ([`SearchedBertModel`] or one of its heads):
            A child, as `extract_child` gives it.

    Returns:
        [`~transformers.BertModel`] or the BERT with the head of `child`.

    Raises:
        TypeError: where `child` is no SearchedBERT model.
        ValueError: where a plain `BertConfig` cannot describe it; the message names the layer and the reason.

    Example:

    ```python
    >>> from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
    >>> from hf_supernet.export import to_bert

    >>> operators = ["attention-4", "feed_forward-128", "identity", "attention-4", "feed_forward-128"]
    >>> bert = to_bert(SearchedBertForMaskedLM(SearchedBertConfig(hidden_size=64, operators=operators)))
    >>> type(bert).__name__, bert.config.num_hidden_layers
    ('BertForMaskedLM', 2)
    ```
    """
    bert_class = next((BERT_CLASSES[parent] for parent in type(child).__mro__ if parent in BERT_CLASSES), None)
    if bert_class is None:
        raise TypeError(
            f"`to_bert` takes a SearchedBERT model of hf_supernet, got {type(child).__name__}. For a supernet, call"
            " `extract_child` first; a wrapped model has to be unwrapped, a child with adapters merged."
        )
    reason = plain_bert_obstacle(child.config)
    if reason is not None:
        raise ValueError(f"This child is no plain BERT: {reason}. Export it with `format='searched-bert'`.")
    kwargs = {"add_pooling_layer": child.pooler is not None} if bert_class is BertModel else {}
    # The parameters have no storage until they get the child's: nothing is allocated twice, no random number is drawn.
    with init_empty_weights(include_buffers=False):
        bert = bert_class(_bert_config(child), **kwargs)
    names = _BertNames(child)
    weights = {names.bert_name(name): tensor.detach().clone() for name, tensor in child.state_dict().items()}
    bert.load_state_dict(weights, assign=True)
    bert.tie_weights()
    return bert.to(child.device).train(child.training)


def _operators(config: SearchedBertConfig) -> list[Operator]:
    return [Operator.from_string(text) for text in config.operators]


def _bert_config(child: SearchedBertPreTrainedModel) -> BertConfig:
    own = [name for name in SearchedBertConfig.__dataclass_fields__ if name not in BertConfig.__dataclass_fields__]
    left_out = (*own, "num_hidden_layers", "model_type", "architectures", "auto_map", "transformers_version")
    fields = {name: value for name, value in child.config.to_dict().items() if name not in left_out}
    kept = [operator for operator in _operators(child.config) if operator != IDENTITY]
    config = BertConfig(
        **fields | {"dtype": child.dtype},
        num_hidden_layers=len(kept) // 2,
        num_attention_heads=kept[0].size,
        intermediate_size=kept[1].size,
    )
    config._attn_implementation = child.config._attn_implementation
    if isinstance(child, SearchedBertForQuestionAnswering):
        config.num_labels = 2  # start and end, however many classes the model knew that it comes from
    return config


class _BertNames:
    """How each weight of a child is called in BERT."""

    def __init__(self, child: SearchedBertPreTrainedModel):
        is_base = child.base_model is child
        self.prefix = "" if is_base else f"{child.base_model_prefix}."
        self.bert_prefix = "" if is_base else f"{BertPreTrainedModel.base_model_prefix}."
        kept = [layer for layer, operator in enumerate(_operators(child.config)) if operator != IDENTITY]
        self.positions = {layer: position for position, layer in enumerate(kept)}

    def bert_name(self, name: str) -> str:
        head, bert_head = MASKED_LM_HEAD_PREFIX
        if name.startswith(head):
            return bert_head + name.removeprefix(head)
        if not name.startswith(self.prefix):
            return name
        name = name.removeprefix(self.prefix)
        if not name.startswith("encoder.layer."):
            return self.bert_prefix + name
        layer, tail = name.removeprefix("encoder.layer.").split(".", 1)
        module, parameter = tail.rsplit(".", 1)
        block, kind = bert_sublayer(self.positions[int(layer)])
        return f"{self.bert_prefix}encoder.layer.{block}.{OPERATOR_NAMES[kind][module]}.{parameter}"


__all__ = ["BERT_CLASSES", "plain_bert_obstacle", "to_bert"]
