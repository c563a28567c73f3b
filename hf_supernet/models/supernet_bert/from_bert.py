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
"""Starting a supernet from a pretrained BERT: the work behind `SupernetBertPreTrainedModel.from_bert`."""

import torch
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel
from transformers.modeling_utils import PreTrainedModel

from ..bert_weights import MASKED_LM_HEAD_PREFIX, OPERATOR_NAMES, bert_sublayer
from ..searched_bert.configuration_searched_bert import Operator
from .configuration_supernet_bert import SupernetBertConfig
from .modeling_supernet_bert import (
    SupernetBertForMaskedLM,
    SupernetBertForSequenceClassification,
    SupernetBertModel,
    SupernetBertPreTrainedModel,
)


BERT_CLASSES = {
    SupernetBertModel: BertModel,
    SupernetBertForMaskedLM: BertForMaskedLM,
    SupernetBertForSequenceClassification: BertForSequenceClassification,
}

OUTPUT_PROJECTIONS = {"attention": "output", "feed_forward": "output", "convolution": "pointwise"}


def supernet_from_bert(
    supernet_class: type[SupernetBertPreTrainedModel],
    bert: str | PreTrainedModel,
    candidate_operators: list[str] | list[list[str]] | None,
    identity_placement: str,
    **kwargs,
) -> SupernetBertPreTrainedModel:
    """See `SupernetBertPreTrainedModel.from_bert`."""
    if not isinstance(bert, PreTrainedModel):
        # From safetensors alone, as all weights here: a pickled file can run code.
        bert = BERT_CLASSES[supernet_class].from_pretrained(bert, **kwargs | {"use_safetensors": True})
    elif kwargs:
        raise ValueError(f"{', '.join(kwargs)}: meant for `from_pretrained`, but `bert` is a model already.")
    if bert.config.model_type != "bert" or bert.config.is_decoder:
        kind = "a decoder" if getattr(bert.config, "is_decoder", False) else f"a {bert.config.model_type!r} model"
        raise ValueError(f"`from_bert` starts from a BERT encoder; {type(bert).__name__} is {kind}.")
    config = _supernet_config(bert, candidate_operators, identity_placement)
    model = supernet_class(config).to(bert.dtype)
    _copy_shared_weights(model, bert)
    _copy_operators(model, bert)
    return model.to(bert.device).train(bert.training)


def _supernet_config(bert, candidate_operators, identity_placement) -> SupernetBertConfig:
    source = bert.config
    own = (f"attention-{source.num_attention_heads}", f"feed_forward-{source.intermediate_size}")
    if candidate_operators is None:
        candidate_operators = [*own, "convolution-3", "convolution-5", "identity"]
    names = [name for name in SupernetBertConfig.__dataclass_fields__ if name not in ("model_type", "architectures")]
    fields = {name: value for name, value in source.to_dict().items() if name in names}
    fields |= {"num_hidden_layers": 2 * source.num_hidden_layers, "embedding_size": source.hidden_size}
    config = SupernetBertConfig(
        **fields, candidate_operators=candidate_operators, identity_placement=identity_placement
    )
    path = [Operator.from_string(text) for text in own * source.num_hidden_layers]
    if all(operator in candidates for operator, candidates in zip(path, config.layer_candidates, strict=True)):
        config.default_architecture = "-".join(operator.code for operator in path)
    config._attn_implementation = source._attn_implementation
    return config


@torch.no_grad()
def _copy_shared_weights(model: SupernetBertPreTrainedModel, bert: PreTrainedModel) -> None:
    """Copies embeddings, pooler and heads: all but the operators. What `bert` does not have stays as initialised."""
    source = bert.state_dict()
    bert_prefix = "" if bert.base_model is bert else f"{bert.base_model_prefix}."
    own_prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    head, bert_head = MASKED_LM_HEAD_PREFIX
    for name, target in model.state_dict().items():
        if ".layer." in name:
            continue
        if name.startswith(own_prefix):
            bert_name = bert_prefix + name.removeprefix(own_prefix)
        else:
            bert_name = bert_head + name.removeprefix(head) if name.startswith(head) else name
        if bert_name in source and source[bert_name].shape == target.shape:
            target.copy_(source[bert_name])


@torch.no_grad()
def _copy_operators(model: SupernetBertPreTrainedModel, bert: PreTrainedModel) -> None:
    source = bert.config
    sizes = {"attention": source.num_attention_heads, "feed_forward": source.intermediate_size}
    for index, candidates in enumerate(model.base_model.encoder.layer):
        block_index, kind = bert_sublayer(index)
        block = bert.base_model.encoder.layer[block_index]
        bert_names = OPERATOR_NAMES[kind]
        for name, module in candidates.items():
            operator = Operator.from_string(name)
            if operator == Operator(kind, sizes[kind]):
                for own_name, bert_name in bert_names.items():
                    module.get_submodule(own_name).load_state_dict(block.get_submodule(bert_name).state_dict())
            elif operator.kind != "identity":
                module.LayerNorm.load_state_dict(block.get_submodule(bert_names["LayerNorm"]).state_dict())
                projection = module.get_submodule(OUTPUT_PROJECTIONS[operator.kind])
                projection.weight.zero_()
                projection.bias.zero_()
