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
"""Children of a supernet that were trained alone, as folders of models: what a search calibrates the supernet's losses by."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel

from ..architecture import Architecture
from ..evaluation.calibration import Calibration, check_number
from ..evaluation.evaluator import mean_losses
from ..loading import load_config, load_trained
from ..models.searched_bert.configuration_searched_bert import SearchedBertConfig
from ..models.supernet_bert.configuration_supernet_bert import SupernetBertConfig
from ..search_space import SearchSpace
from .objectives import SupportsEvaluate
from .result import fingerprint


_SIZES = ("vocab_size", "hidden_size", "embedding_size", "attention_head_size", "max_position_embeddings")
"""What a child has from its supernet, and what decides whether both can read the same text."""


@dataclass(frozen=True)
class ChildrenAlone:
    """
    What children that were trained alone make of the dev data; see [`ChildrenAlone.measure`].

    Args:
        losses (`dict[Architecture, float]`):
            Their losses, in nats per label.
        fingerprint (`str`):
            A short hash of the architectures and the weights, for `depends_on` of [`dev_loss`]: a store keeps losses that
            are calibrated by other children apart, and those that are not calibrated.

    Example:

    ```python
    >>> children = read_children(["children/alone-0", "children/alone-1", "children/alone-2"], supernet.config)
    >>> alone = ChildrenAlone.measure(children, batches)
    >>> evaluator = Evaluator(supernet, batches)
    >>> calibrated = CalibratedEvaluator(evaluator, alone.calibrate(evaluator))
    >>> loss = dev_loss(calibrated, {"supernet": weights, "dev_data": data, "calibration": alone.fingerprint})
    ```
    """

    losses: dict[Architecture, float]
    fingerprint: str

    @classmethod
    def measure(
        cls,
        children: Mapping[Architecture, str],
        batches: Iterable[Mapping[str, torch.Tensor]],
        device: torch.device | str = "cpu",
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ) -> "ChildrenAlone":
        """
        Loads one child after the other and measures its loss. In a distributed run one process does, and tells the others.

        Args:
            children (`Mapping[Architecture, str]`):
                Their folders, as [`read_children`] returns them. In which order does not matter.
            batches (`Iterable[Mapping[str, torch.Tensor]]`):
                Those that the supernet is evaluated on, masks included.
            device (`torch.device` or `str`, *optional*, defaults to `"cpu"`):
                Where the children run.
            autocast (`Callable`, *optional*):
                As for [`Evaluator`].

        Raises:
            ValueError: where a folder lacks weights of the masked-LM head, or is damaged.
        """
        losses, sha = {}, hashlib.sha256()
        for architecture in sorted(children, key=str):
            child = load_trained(AutoModelForMaskedLM, children[architecture], "masked language modelling").to(device)
            losses[architecture] = loss_alone(child, batches, autocast)
            sha.update(f"{architecture} {fingerprint(child.state_dict().values())}\n".encode())
        return cls(losses, sha.hexdigest()[:16])

    def calibrate(self, evaluator: SupportsEvaluate) -> Calibration:
        """
        The [`Calibration`] of the supernet that `evaluator` runs these children through, on the same batches.

        Raises:
            ValueError: where a loss is not finite.
        """
        architectures = list(self.losses)
        scores = evaluator.evaluate(architectures)
        return Calibration(architectures, [scores[item] for item in architectures], list(self.losses.values()))


def read_children(folders: Sequence[str], config: SupernetBertConfig) -> dict[Architecture, str]:
    """
    Which children of a supernet stand in folders: reads their configurations only.

    Args:
        folders (`Sequence[str]`, at least 3):
            Searched-BERT models with the masked-LM head, one each, as `extract_child(architecture).save_pretrained` writes
            them, or `export_child` with `format="searched-bert"`.
        config ([`SupernetBertConfig`]):
            The supernet's; of the whole of its space, where only a part is searched.

    Returns:
        `dict[Architecture, str]`: the folder of each child.

    Raises:
        ValueError: for fewer than 3 folders, several hidden sizes, two folders with the same child, and a model that is
            no child of the supernet, or does not say which one.
        OSError: where a folder has no model.
    """
    check_number(len(folders))
    space = SearchSpace.from_config(config)
    if space.hidden_sizes:
        raise ValueError(
            "A calibration is for children of one hidden size, and this supernet searches"
            f" {', '.join(map(str, space.hidden_sizes))}: search without calibration."
        )
    children: dict[Architecture, str] = {}
    for folder in folders:
        architecture = _read_child(folder, config, space)
        if architecture in children:
            raise ValueError(
                f"'{children[architecture]}' and '{folder}' are the same child, '{architecture}': leave one of them out."
            )
        children[architecture] = folder
    return children


def _read_child(folder: str, config: SupernetBertConfig, space: SearchSpace) -> Architecture:
    own = load_config(folder, "child")
    if own.model_type == "bert":
        raise ValueError(
            f"'{folder}' is a plain BERT, which does not say in which layers of the supernet its operators were: train a"
            " child that was saved as searched BERT (`extract_child(architecture).save_pretrained(folder)`, or"
            ' `export_child` with `format="searched-bert"`).'
        )
    if not isinstance(own, SearchedBertConfig):
        raise ValueError(f"'{folder}' is a '{own.model_type}' model, not a child of a supernet ('searched-bert').")
    for name in _SIZES:
        if getattr(own, name) != getattr(config, name):
            raise ValueError(
                f"'{folder}' is no child of this supernet: its `{name}` is {getattr(own, name)}, the supernet's"
                f" {getattr(config, name)}."
            )
    try:
        return space.check(Architecture.from_operators(own.operators))
    except ValueError as error:
        raise ValueError(f"'{folder}' is no child of this supernet: {error}") from error


def loss_alone(
    child: PreTrainedModel,
    batches: Iterable[Mapping[str, torch.Tensor]],
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> float:
    """
    The dev loss of a masked-LM model by itself: what [`Evaluator`] says of a child with the same weights, to rounding.

    Args:
        child ([`SearchedBertForMaskedLM`]):
            The model, put into evaluation mode.
        batches (`Iterable[Mapping[str, torch.Tensor]]`):
            The dev data with labels, collated.
        autocast (`Callable`, *optional*):
            As for [`Evaluator`].

    Returns:
        `float`: in nats per label.

    Raises:
        ValueError: where there is no batch, or none has a label.
    """
    sums, labels = [], []
    child.eval()
    with torch.no_grad(), autocast():
        for batch in batches:
            batch = {name: tensor.to(child.device) for name, tensor in batch.items()}
            # divided by 1: the sum over the labels of the batch
            sums.append(child(**batch, prediction_positions="labelled", num_items_in_batch=1).loss.item())
            labels.append((batch["labels"] != -100).sum().item())
    return mean_losses(torch.tensor([sums], dtype=torch.float64), torch.tensor(labels))[0]


__all__ = ["ChildrenAlone", "loss_alone", "read_children"]
