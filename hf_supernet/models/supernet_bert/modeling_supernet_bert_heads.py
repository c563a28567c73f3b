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
"""PyTorch SupernetBERT with the heads of its tasks."""

import torch
from torch import nn
from transformers.modeling_outputs import MaskedLMOutput, QuestionAnsweringModelOutput, SequenceClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from ...architecture import Architecture
from ..searched_bert.modeling_searched_bert import (
    MaskedLMMixin,
    QuestionAnsweringMixin,
    SearchedBertForMaskedLM,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertLMPredictionHead,
    SequenceClassificationMixin,
    classifier_dropout,
)
from .configuration_supernet_bert import SupernetBertConfig
from .modeling_supernet_bert import SupernetBertModel, SupernetBertPreTrainedModel
from .sliced import SlicedLinear, slice_weights


class SlicedHeadsMixin:
    """For a head of which there are slices by hidden size: `narrower_heads`."""

    def head_for(self, states: torch.Tensor) -> nn.Module:
        key = str(states.shape[-1])
        return self.narrower_heads[key] if key in self.narrower_heads else super().head_for(states)


class SupernetBertHeadMixin(SlicedHeadsMixin):
    """Adds the architecture to the forward pass of a head that takes `labels`."""

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        architecture: Architecture | str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | MaskedLMOutput | SequenceClassifierOutput:
        r"""
        Args:
            labels (`torch.Tensor`, *optional*):
                As for the child with this head.
            architecture ([`Architecture`] or `str`, *optional*, defaults to `config.default_architecture`):
                The path to run.
            kwargs:
                As for the child with this head (`prediction_positions`, `num_items_in_batch`, ...).
        """
        return super().forward(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            labels,
            architecture=architecture,
            **kwargs,
        )


def narrower_projections(model: SupernetBertPreTrainedModel, name: str) -> nn.ModuleDict:
    """The slices of the linear head `name` of a supernet, by hidden size."""
    outputs = getattr(model, name).out_features
    sizes = model.config.narrower_sizes
    return nn.ModuleDict(
        {str(size): SlicedLinear(model, name, nn.Linear(size, outputs, device="meta")) for size in sizes}
    )


class SupernetBertNarrowerLMHead(nn.Module):
    """
    The masked-LM head at one of the smaller hidden sizes: slices of the whole one. It has no parameters.

    Args:
        config ([`SupernetBertConfig`]):
            The supernet's, at this hidden size.
        whole ([`SearchedBertLMPredictionHead`]):
            Whose weights these are.
    """

    def __init__(self, config: SupernetBertConfig, whole: SearchedBertLMPredictionHead):
        super().__init__()
        with torch.device("meta"):
            head = SearchedBertLMPredictionHead(config)
        self.transform = head.transform
        self.decoder = head.decoder
        slice_weights(self, whole)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.transform(hidden_states))


class SupernetBertForMaskedLM(SupernetBertHeadMixin, MaskedLMMixin, SupernetBertPreTrainedModel):
    """
    A supernet with the masked-LM head.

    Example:

    ```python
    >>> from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM

    >>> model = SupernetBertForMaskedLM(SupernetBertConfig(num_hidden_layers=4, hidden_size=64, vocab_size=1000))
    >>> child = model.extract_child("A4-F1024-C3-F1024")
    ```
    """

    child_class = SearchedBertForMaskedLM
    _tied_weights_keys = {
        "cls.decoder.weight": "supernet_bert.embeddings.word_embeddings.weight",
        "cls.decoder.bias": "cls.bias",
    }
    head_name = "cls"

    def __init__(self, config: SupernetBertConfig):
        super().__init__(config)
        self.supernet_bert = SupernetBertModel(config, add_pooling_layer=False)
        self.cls = SearchedBertLMPredictionHead(config)
        self.narrower_heads = nn.ModuleDict(
            {str(size): SupernetBertNarrowerLMHead(config.slices_at(size), self.cls) for size in config.narrower_sizes}
        )
        self.post_init()


class SupernetBertForSequenceClassification(
    SupernetBertHeadMixin, SequenceClassificationMixin, SupernetBertPreTrainedModel
):
    """A supernet with a classification or regression head."""

    child_class = SearchedBertForSequenceClassification
    head_name = "classifier"

    def __init__(self, config: SupernetBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.supernet_bert = SupernetBertModel(config)
        self.dropout = classifier_dropout(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.narrower_heads = narrower_projections(self, self.head_name)
        self.post_init()


class SupernetBertForQuestionAnswering(SlicedHeadsMixin, QuestionAnsweringMixin, SupernetBertPreTrainedModel):
    """A supernet with a head that marks the start and the end of an answer."""

    child_class = SearchedBertForQuestionAnswering
    head_name = "qa_outputs"

    def __init__(self, config: SupernetBertConfig):
        super().__init__(config)
        self.supernet_bert = SupernetBertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.narrower_heads = narrower_projections(self, self.head_name)
        self.post_init()

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        start_positions: torch.LongTensor | None = None,
        end_positions: torch.LongTensor | None = None,
        architecture: Architecture | str | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | QuestionAnsweringModelOutput:
        r"""
        Args:
            start_positions, end_positions (`torch.LongTensor` of shape `(batch_size,)`, *optional*):
                As for the child with this head.
            architecture ([`Architecture`] or `str`, *optional*, defaults to `config.default_architecture`):
                The path to run.
            kwargs:
                As for the child with this head (`num_items_in_batch`, ...).
        """
        return super().forward(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            start_positions,
            end_positions,
            architecture=architecture,
            **kwargs,
        )


__all__ = ["SupernetBertForMaskedLM", "SupernetBertForQuestionAnswering", "SupernetBertForSequenceClassification"]
