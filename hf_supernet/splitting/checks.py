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
"""What a [`SplitTraining`] can't do, said before it begins."""

from collections.abc import Sequence

from ..models.supernet_bert import SupernetBertPreTrainedModel
from ..training import SupernetTrainingArguments
from .splitters import Splitter


def check_steps(steps: Sequence[int], splitter: Splitter | None) -> None:
    """Raises a `ValueError` where the stages are not numbers of steps, and where there are splits and nothing that decides them."""
    given = steps if isinstance(steps, Sequence) else ()
    if not given or any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in given):
        raise ValueError(
            f"`steps` are the optimizer steps of each stage, one or several positive integers; got {steps!r}."
        )
    if 0 in steps[1:] or list(steps) == [0]:
        raise ValueError(f"`steps` are {steps!r}: only a first stage in front of a split can have 0 steps.")
    if len(steps) > 1 and splitter is None:
        raise ValueError(f"`steps` has {len(steps)} stages, with splits between them: pass a `splitter`.")
    if splitter is not None and not isinstance(splitter, Splitter):
        raise ValueError(f"`splitter` is a `Splitter`, such as `RandomSplitter(num_groups=2)`; got {splitter!r}.")
    if len(steps) == 1 and splitter is not None:
        raise ValueError("`splitter` goes with two stages or more, and `steps` has one: leave it out, or add a stage.")


def check_arguments(args: SupernetTrainingArguments) -> None:
    """Raises a `ValueError` for arguments that do not go with several supernets that are trained one after the other."""
    unsuitable = {
        "load_best_model_at_end": "the best of a stage would be another checkpoint than the one that is split",
        "push_to_hub": "each supernet would be pushed to the same repository. Save the result alone by `save_pretrained` and upload that folder",
        "save_only_model": "what is split off goes on with the optimizer's state",
    }
    for name, reason in unsuitable.items():
        if getattr(args, name):
            raise ValueError(f"`{name}` does not go with splitting: {reason}. Leave it out.")
    if args.world_size > 1:
        raise ValueError(
            f"{args.world_size} processes were started together. Here each process trains supernets of its own: start them one by"
            " one, each with other supernets to train."
        )


def check_model(
    model: SupernetBertPreTrainedModel, steps: Sequence[int], restart_from: SupernetBertPreTrainedModel | None
) -> None:
    """Raises a `ValueError` for a model that can't be split, and for one to restart from that is another."""
    if not isinstance(model, SupernetBertPreTrainedModel) or model.base_model is model:
        raise ValueError(
            f"`model` must be a supernet with a head, such as `SupernetBertForMaskedLM`, got {type(model).__name__}."
        )
    if any(".base_layer." in name for name, _ in model.named_parameters()):
        raise ValueError("A supernet with adapters can't be split: call `hf_supernet.peft.merge_lora` first.")
    if frozen := [name for name, parameter in model.named_parameters() if not parameter.requires_grad]:
        raise ValueError(
            f"`{frozen[0]}` is frozen, which the supernets that are split off would not know: freeze it in `make_trainer`."
        )
    if restart_from is not None:
        if restart_from is model:
            raise ValueError(
                "`restart_from` is the `model` that the first stages train, whose weights of now would be gone: pass"
                " `copy.deepcopy(model)`."
            )
        if len(steps) == 1:
            raise ValueError(
                "`restart_from` goes with two stages or more, and `steps` has one: leave it out, or add a stage."
            )
        theirs, ours = restart_from.search_space, model.search_space
        if type(restart_from) is not type(model) or theirs != ours:
            raise ValueError(
                f"`restart_from` is {theirs} with the class {type(restart_from).__name__}, the supernet {ours}"
                f" with {type(model).__name__}: they must be the same."
            )


__all__ = ["check_arguments", "check_model", "check_steps"]
