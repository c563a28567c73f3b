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
"""PyTorch SearchedBERT: a BERT-like encoder with one operator a layer, as architecture search finds it."""

import os
from collections.abc import Callable

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.loss.loss_utils import fixed_cross_entropy
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, is_tracing
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_searched_bert import Operator, SearchedBertBaseConfig, SearchedBertConfig


AUTO_MAP = {
    "AutoConfig": "configuration_searched_bert.SearchedBertConfig",
    "AutoModel": "modeling_searched_bert.SearchedBertModel",
    "AutoModelForMaskedLM": "modeling_searched_bert.SearchedBertForMaskedLM",
    "AutoModelForMultipleChoice": "modeling_searched_bert.SearchedBertForMultipleChoice",
    "AutoModelForQuestionAnswering": "modeling_searched_bert.SearchedBertForQuestionAnswering",
    "AutoModelForSequenceClassification": "modeling_searched_bert.SearchedBertForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_searched_bert.SearchedBertForTokenClassification",
}
"""Which class of the code in a saved repository each Auto class loads."""

MAX_NEW_PARAMETERS = 2**26
"""The parameters (a new head, say) that a model may have beyond what its weights' files could hold."""


class SearchedBertEmbeddings(nn.Module):
    """Word, position and token-type embeddings, projected to the hidden size where theirs is another."""

    def __init__(self, config: SearchedBertBaseConfig):
        super().__init__()
        size = config.embedding_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        # CODEPATH: embeddings of another size than the hidden states, as NAS-BERT's small models have them
        self.projection = nn.Linear(size, config.hidden_size) if size != config.hidden_size else nn.Identity()

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if inputs_embeds is None:
            inputs_embeds = self.word_embeddings(input_ids)
        batch_size, sequence_length = inputs_embeds.shape[:2]
        device = inputs_embeds.device
        if position_ids is None:
            limit = self.position_embeddings.num_embeddings
            # A traced length is a symbol, which the comparison would bind: an export is to hold for any length.
            if not is_tracing(inputs_embeds) and sequence_length > limit:
                raise ValueError(
                    f"A sequence of {sequence_length} tokens is longer than `max_position_embeddings` {limit}; truncate it"
                    f" (`tokenizer(..., truncation=True, max_length={limit})`)."
                )
            position_ids = torch.arange(sequence_length, device=device).unsqueeze(0)
        if token_type_ids is None:
            token_type_ids = torch.zeros((batch_size, sequence_length), dtype=torch.long, device=device)
        embeddings = inputs_embeds + self.token_type_embeddings(token_type_ids)
        embeddings = embeddings + self.position_embeddings(position_ids)
        return self.projection(self.dropout(self.LayerNorm(embeddings)))


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Attention written out, which has the weights to hand out; other implementations are looked up by name.

    Args:
        module (`nn.Module`):
            The attention; in training, dropout is applied to the weights.
        query, key, value (`torch.Tensor` of shape `(batch_size, num_heads, sequence_length, head_size)`):
            The projected hidden states.
        attention_mask (`torch.Tensor` of shape `(batch_size, 1, 1 or sequence_length, sequence_length)`, *optional*):
            Added to the scores.
        scaling (`float`):
            What the scores are multiplied by.
        dropout (`float`, *optional*, defaults to 0.0):
            The probability of dropout.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: the outputs of shape `(batch_size, sequence_length, num_heads, head_size)`,
        and the weights of shape `(batch_size, num_heads, sequence_length, sequence_length)`.
    """
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class SearchedBertSelfAttention(nn.Module):
    """Bidirectional multi-head attention without its output projection."""

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        super().__init__()
        self.config = config
        self.head_size = config.head_size_of(operator)
        self.scaling = self.head_size**-0.5
        self.dropout = config.attention_probs_dropout_prob
        self.is_causal = False
        inner_size = operator.size * self.head_size
        self.query = nn.Linear(config.hidden_size, inner_size)
        self.key = nn.Linear(config.hidden_size, inner_size)
        self.value = nn.Linear(config.hidden_size, inner_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        input_shape = hidden_states.shape[:-1]
        # The number of heads is read off the projections, so that sliced ones need no other attention.
        hidden_shape = (*input_shape, -1, self.head_size)
        query = self.query(hidden_states).view(hidden_shape).transpose(1, 2)  # (batch, heads, length, head size)
        key = self.key(hidden_states).view(hidden_shape).transpose(1, 2)
        value = self.value(hidden_states).view(hidden_shape).transpose(1, 2)
        attention_interface: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        context, weights = attention_interface(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return context.reshape(*input_shape, -1).contiguous(), weights


class SearchedBertOperator(GradientCheckpointingLayer):
    """
    One residual sub-layer, normalised after the sum as in BERT: `LayerNorm(x + dropout(f(x)))`.

    Projections are called as modules alone: a sliced or a mixed projection can take the place of a linear one.
    """

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def add_and_norm(self, hidden_states: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dropout(change) + hidden_states)


class SearchedBertAttention(SearchedBertOperator):
    """`attention-n`: self-attention with n heads and its output projection."""

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        super().__init__(config, operator)
        self.self = SearchedBertSelfAttention(config, operator)
        self.output = nn.Linear(operator.size * config.head_size_of(operator), config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        context, _ = self.self(hidden_states, attention_mask, **kwargs)
        return self.add_and_norm(hidden_states, self.output(context))


class SearchedBertFeedForward(SearchedBertOperator):
    """`feed_forward-n`: two linear layers with n units between them."""

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        super().__init__(config, operator)
        self.intermediate = nn.Linear(config.hidden_size, operator.size)
        self.activation = ACT2FN[config.hidden_act]
        self.output = nn.Linear(operator.size, config.hidden_size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        change = self.output(self.activation(self.intermediate(hidden_states)))
        return self.add_and_norm(hidden_states, change)


class SearchedBertConvolution(SearchedBertOperator):
    """`convolution-k`: a depthwise convolution over k tokens, an activation, and a pointwise linear layer."""

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        super().__init__(config, operator)
        size = config.hidden_size
        # Two-dimensional over (length, 1): on a CPU this reaches a channels-last kernel, which a one-dimensional
        # depthwise convolution does not.
        padding = (operator.size // 2, 0)
        self.depthwise = nn.Conv2d(size, size, kernel_size=(operator.size, 1), padding=padding, groups=size)
        self.activation = ACT2FN[config.hidden_act]
        self.pointwise = nn.Linear(size, size)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        if token_mask is None and attention_mask is not None:
            raise ValueError("A convolution needs an `attention_mask` of shape (batch_size, sequence_length).")
        # A padded position reads as the zeros that lie beyond the edge of a sequence.
        tokens = hidden_states if token_mask is None else hidden_states * token_mask
        channels = tokens.transpose(1, 2).unsqueeze(-1)  # (batch, hidden, length, 1), channels last in memory
        change = self.depthwise(channels).squeeze(-1).transpose(1, 2)
        return self.add_and_norm(hidden_states, self.pointwise(self.activation(change)))


class SearchedBertIdentity(SearchedBertOperator):
    """`identity`: returns its input, without a norm. This is how depth is searched."""

    def __init__(self, config: SearchedBertBaseConfig, operator: Operator):
        GradientCheckpointingLayer.__init__(self)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        return hidden_states


OPERATOR_CLASSES = {
    "attention": SearchedBertAttention,
    "feed_forward": SearchedBertFeedForward,
    "convolution": SearchedBertConvolution,
    "identity": SearchedBertIdentity,
}


def build_operator(config: SearchedBertBaseConfig, operator: Operator) -> SearchedBertOperator:
    """The module of one operator, the same for a child and for a supernet's candidate."""
    return OPERATOR_CLASSES[operator.kind](config, operator)


class SearchedBertEncoder(nn.Module):
    """The operators, one after the other."""

    def __init__(self, config: SearchedBertConfig):
        super().__init__()
        operators = [Operator.from_string(text) for text in config.operators]
        self.layer = nn.ModuleList([build_operator(config, operator) for operator in operators])

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        for layer in self.layer:
            hidden_states = layer(hidden_states, attention_mask, token_mask, **kwargs)
        return BaseModelOutput(last_hidden_state=hidden_states)


class SearchedBertPooler(nn.Module):
    """A linear layer and tanh on the first token."""

    def __init__(self, config: SearchedBertBaseConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = nn.Tanh()

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.activation(self.dense(hidden_states[:, 0]))


class SearchedBertPredictionHeadTransform(nn.Module):
    """A linear layer to the embedding size, an activation and a norm."""

    def __init__(self, config: SearchedBertBaseConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)
        self.activation = ACT2FN[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.activation(self.dense(hidden_states)))


class SearchedBertLMPredictionHead(nn.Module):
    """The masked-LM head; its decoder is tied to the word embeddings."""

    def __init__(self, config: SearchedBertBaseConfig):
        super().__init__()
        self.transform = SearchedBertPredictionHeadTransform(config)
        self.decoder = nn.Linear(config.embedding_size, config.vocab_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.transform(hidden_states))


def select_predicted_positions(
    hidden_states: torch.Tensor, labels: torch.Tensor | None, prediction_positions: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    Keeps what is to go through the vocabulary head.

    Args:
        hidden_states (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
            The encoder's output.
        labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
            The labels, -100 where there is none.
        prediction_positions (`str`):
            `"all"`: everything, unchanged. `"labelled"`: the positions with a label, in the order of the batch.

    Returns:
        `tuple`: states and labels, of shapes `(number of labelled positions, hidden_size)` and
        `(number of labelled positions,)` for `"labelled"`.
    """
    if prediction_positions == "all":
        return hidden_states, labels
    if prediction_positions != "labelled":
        raise ValueError(f"`prediction_positions` must be 'all' or 'labelled', got {prediction_positions!r}.")
    if labels is None:
        raise ValueError("`prediction_positions='labelled'` needs `labels`; pass them, or predict at 'all' positions.")
    kept = (labels != -100).flatten().nonzero().squeeze(-1)
    return hidden_states.flatten(0, 1).index_select(0, kept), labels.flatten().index_select(0, kept)


class SearchedBertPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation of every SearchedBERT model."""

    config: SearchedBertConfig
    base_model_prefix = "searched_bert"
    supports_gradient_checkpointing = True
    _no_split_modules = [
        "SearchedBertEmbeddings",
        "SearchedBertAttention",
        "SearchedBertFeedForward",
        "SearchedBertConvolution",
    ]
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": SearchedBertOperator, "attentions": SearchedBertSelfAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SearchedBertLMPredictionHead):
            init.zeros_(module.bias)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs):
        """As for any model of the library, but from safetensors alone: a pickled file can run code."""
        if kwargs.get("use_safetensors") is False:
            raise ValueError(
                f"{cls.__name__} reads safetensors alone, and `use_safetensors=False` asks for pickled weights. Convert"
                " them where you trust them."
            )
        kwargs["use_safetensors"] = True
        return super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)

    @staticmethod
    def _load_pretrained_model(model, state_dict, checkpoint_files, load_config, *args, **kwargs):
        # Called when the model is known and takes no memory yet. What is missing in the files will be allocated.
        check_weight_files(model, checkpoint_files or [], load_config.sharded_metadata or {})
        return PreTrainedModel._load_pretrained_model(
            model, state_dict, checkpoint_files, load_config, *args, **kwargs
        )

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """As for any model of the library; the repository names the code of every head, not only of the one it has."""
        if self.is_remote_code():  # whether the code files are written with the weights
            self.config.auto_map = dict(AUTO_MAP)
        super().save_pretrained(save_directory, **kwargs)


def check_weight_files(model: PreTrainedModel, paths: list[str], index: dict) -> None:
    """
    Raises a `ValueError` where the weights' files cannot be those of `model`: files elsewhere than beside their index,
    files that are no safetensors, or too few bytes for the number of parameters.
    """
    for name in index.get("weight_map", {}).values():
        if os.path.basename(name) != name or not name.endswith(".safetensors"):
            raise ValueError(f"The index of the weights names {name!r}; allowed are safetensors files beside it.")
    size = sum(os.path.getsize(path) for path in paths)
    number = sum(parameter.numel() for parameter in model.parameters())
    if paths and number > size + MAX_NEW_PARAMETERS:
        raise ValueError(
            f"The configuration describes {number:,} parameters, and its weights' files have {size:,} bytes: they do not"
            " belong together. Check where the model comes from."
        )


def prepare_masks(
    config: SearchedBertBaseConfig, embeddings: torch.Tensor, attention_mask: torch.Tensor | None
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """
    What the operators need of `attention_mask`.

    Returns:
        `tuple`: the mask in the form that the attention implementation reads, and the token mask of shape
        `(batch_size, sequence_length, 1)` with 1 at real tokens and 0 at padding, for convolutions. Each may be `None`.
    """
    if attention_mask is None:  # all tokens are real; while tracing, the library would make a mask that says so
        return None, None
    token_mask = attention_mask.to(embeddings.dtype).unsqueeze(-1) if attention_mask.ndim == 2 else None
    return create_bidirectional_mask(config, embeddings, attention_mask), token_mask


class SearchedBertModel(SearchedBertPreTrainedModel):
    """
    The bare encoder of a searched architecture.

    Args:
        config ([`SearchedBertConfig`]):
            Names the operators and sizes.
        add_pooling_layer (`bool`, *optional*, defaults to `True`):
            Whether to add BERT's pooler on the first token.
    """

    def __init__(self, config: SearchedBertConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        self.embeddings = SearchedBertEmbeddings(config)
        self.encoder = SearchedBertEncoder(config)
        self.pooler = SearchedBertPooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embeddings.word_embeddings = value

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | BaseModelOutputWithPooling:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Pass exactly one of `input_ids` and `inputs_embeds`.")
        embeddings = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        attention_mask, token_mask = prepare_masks(self.config, embeddings, attention_mask)
        hidden_states = self.encoder(embeddings, attention_mask, token_mask, **kwargs).last_hidden_state
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states,
            pooler_output=self.pooler(hidden_states) if self.pooler is not None else None,
        )


class MaskedLMMixin:
    """The masked-LM head of a child or a supernet: `self.base_model`, then `self.cls`."""

    label_arguments = ("labels",)
    """What `forward` and `apply_head` take labels by."""

    def head_for(self, states: torch.Tensor) -> nn.Module:
        """The module that reads `states`; a supernet with several hidden sizes has one for each."""
        return self.cls

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.cls.decoder = new_embeddings
        bias = new_embeddings.bias
        # Untied, one tensor under two names would lose one of them in a safetensors file.
        self.cls.bias = bias if self.config.tie_word_embeddings else nn.Parameter(bias.detach().clone())

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        prediction_positions: str = "all",
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | MaskedLMOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
                The tokens to predict, -100 where there is nothing to predict.
            prediction_positions (`str`, *optional*, defaults to `"all"`):
                Which positions go through the vocabulary head. `"labelled"`: only those with a label, so that the
                logits have the shape `(number of labelled positions, vocab_size)`; loss and gradients are the same.
            num_items_in_batch (`int` or `torch.Tensor`, *optional*):
                What the summed loss is divided by. Defaults to the number of labels in this batch.
        """
        outputs = self.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        return self.apply_head(outputs, labels, num_items_in_batch, prediction_positions)

    def apply_head(
        self,
        outputs: BaseModelOutputWithPooling,
        labels: torch.LongTensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        prediction_positions: str = "all",
    ) -> MaskedLMOutput:
        """The part of `forward` that follows the encoder; arguments as there."""
        states, labels = select_predicted_positions(outputs.last_hidden_state, labels, prediction_positions)
        logits = self.head_for(states)(states)
        loss = None
        if labels is not None:
            vocab_size = self.config.vocab_size
            loss = self.loss_function(logits, labels, vocab_size=vocab_size, num_items_in_batch=num_items_in_batch)
        return MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class SequenceClassificationMixin:
    """The classification or regression head of a child or a supernet: `self.base_model`, dropout, `self.classifier`."""

    label_arguments = ("labels",)

    def head_for(self, states: torch.Tensor) -> nn.Module:
        """The module that reads `states`; a supernet with several hidden sizes has one for each."""
        return self.classifier

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | SequenceClassifierOutput:
        r"""
        Args:
            labels (`torch.Tensor` of shape `(batch_size,)`, or `(batch_size, num_labels)` for several labels each):
                Classes, or values where `num_labels` is 1 or `problem_type` is `"regression"`.
            num_items_in_batch (`int` or `torch.Tensor`, *optional*):
                What the summed loss is divided by. Defaults to the size of this batch.
        """
        outputs = self.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        return self.apply_head(outputs, labels, num_items_in_batch)

    def apply_head(
        self,
        outputs: BaseModelOutputWithPooling,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> SequenceClassifierOutput:
        """The part of `forward` that follows the encoder; arguments as there."""
        logits = self.head_for(outputs.pooler_output)(self.dropout(outputs.pooler_output))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels, logits, self.config, num_items_in_batch=num_items_in_batch)
            if num_items_in_batch is not None and self.config.problem_type != "single_label_classification":
                # The library's loss for regression and for several labels is a mean that knows no other divisor.
                loss = loss * (labels.numel() / num_items_in_batch)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class QuestionAnsweringMixin:
    """The head of a child or a supernet that marks an answer: `self.base_model`, then `self.qa_outputs`."""

    label_arguments = ("start_positions", "end_positions")

    def head_for(self, states: torch.Tensor) -> nn.Module:
        """The module that reads `states`; a supernet with several hidden sizes has one for each."""
        return self.qa_outputs

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.LongTensor | None = None,
        end_positions: torch.LongTensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | QuestionAnsweringModelOutput:
        r"""
        Args:
            start_positions, end_positions (`torch.LongTensor` of shape `(batch_size,)`, *optional*):
                The first and the last token of the answer; one beyond the sequence is ignored.
            num_items_in_batch (`int` or `torch.Tensor`, *optional*):
                What the summed loss is divided by. Defaults to the size of this batch.
        """
        outputs = self.base_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        return self.apply_head(outputs, start_positions, end_positions, num_items_in_batch)

    def apply_head(
        self,
        outputs: BaseModelOutputWithPooling,
        start_positions: torch.LongTensor | None = None,
        end_positions: torch.LongTensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> QuestionAnsweringModelOutput:
        """The part of `forward` that follows the encoder; arguments as there."""
        states = outputs.last_hidden_state
        start_logits, end_logits = self.head_for(states)(states).unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = self.loss_function(
                start_logits, end_logits, start_positions, end_positions, num_items_in_batch=num_items_in_batch
            )
        return QuestionAnsweringModelOutput(
            loss=loss,
            start_logits=start_logits.contiguous(),
            end_logits=end_logits.contiguous(),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


def classifier_dropout(config: SearchedBertBaseConfig) -> nn.Dropout:
    """The dropout before a classifier: `classifier_dropout`, or the hidden layers' where that is not set."""
    rate = config.classifier_dropout
    return nn.Dropout(config.hidden_dropout_prob if rate is None else rate)


class SearchedBertForMaskedLM(MaskedLMMixin, SearchedBertPreTrainedModel):
    """A child with the masked-LM head."""

    _tied_weights_keys = {
        "cls.decoder.weight": "searched_bert.embeddings.word_embeddings.weight",
        "cls.decoder.bias": "cls.bias",
    }

    def __init__(self, config: SearchedBertConfig):
        super().__init__(config)
        self.searched_bert = SearchedBertModel(config, add_pooling_layer=False)
        self.cls = SearchedBertLMPredictionHead(config)
        self.post_init()


class SearchedBertForSequenceClassification(SequenceClassificationMixin, SearchedBertPreTrainedModel):
    """A child with a classification or regression head, for tasks such as GLUE's."""

    def __init__(self, config: SearchedBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.searched_bert = SearchedBertModel(config)
        self.dropout = classifier_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


class SearchedBertForTokenClassification(SearchedBertPreTrainedModel):
    """A child with a head that classifies every token."""

    def __init__(self, config: SearchedBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.searched_bert = SearchedBertModel(config, add_pooling_layer=False)
        self.dropout = classifier_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | TokenClassifierOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
                The class of each token, -100 where there is none.
            num_items_in_batch (`int` or `torch.Tensor`, *optional*):
                What the summed loss is divided by. Defaults to the number of labels in this batch.
        """
        outputs = self.searched_bert(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        logits = self.classifier(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.config, num_items_in_batch=num_items_in_batch)
        return TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class SearchedBertForQuestionAnswering(QuestionAnsweringMixin, SearchedBertPreTrainedModel):
    """A child with a head that marks the start and the end of an answer, for tasks such as SQuAD."""

    def __init__(self, config: SearchedBertConfig):
        super().__init__(config)
        self.searched_bert = SearchedBertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


class SearchedBertForMultipleChoice(SearchedBertPreTrainedModel):
    """A child with a head that scores each of several choices."""

    def __init__(self, config: SearchedBertConfig):
        super().__init__(config)
        self.searched_bert = SearchedBertModel(config)
        self.dropout = classifier_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | MultipleChoiceModelOutput:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch_size, num_choices, sequence_length)`):
                The tokens of each choice; the other inputs have the same leading dimensions.
            labels (`torch.LongTensor` of shape `(batch_size,)`, *optional*):
                The right choice.
            num_items_in_batch (`int` or `torch.Tensor`, *optional*):
                What the summed loss is divided by. Defaults to the size of this batch.
        """
        num_choices = (input_ids if input_ids is not None else inputs_embeds).shape[1]
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
        }
        flat = {name: None if value is None else value.flatten(0, 1) for name, value in inputs.items()}
        outputs = self.searched_bert(**flat, return_dict=True, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output)).view(-1, num_choices)
        loss = None
        if labels is not None:
            loss = fixed_cross_entropy(logits, labels, num_items_in_batch)
        return MultipleChoiceModelOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


__all__ = [
    "SearchedBertForMaskedLM",
    "SearchedBertForMultipleChoice",
    "SearchedBertForQuestionAnswering",
    "SearchedBertForSequenceClassification",
    "SearchedBertForTokenClassification",
    "SearchedBertModel",
    "SearchedBertPreTrainedModel",
]
