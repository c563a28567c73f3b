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
"""The model card of a supernet."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from ..models.searched_bert.modeling_searched_bert import MaskedLMMixin
from ..models.supernet_bert import SupernetBertPreTrainedModel


if TYPE_CHECKING:
    from .trainer import SupernetTrainer


SECTION = "supernet training"
TAGS = ("hf_supernet", "neural-architecture-search", "supernet")


def supernet_card_data(
    model: SupernetBertPreTrainedModel,
    started_from: str | None = None,
    tags: str | list[str] | None = None,
    **fields: Any,
) -> ModelCardData:
    """The metadata of the card: `fields` of [`~huggingface_hub.ModelCardData`], and `tags` added to ours."""
    is_masked_lm = isinstance(model, MaskedLMMixin)
    more = [tags] if isinstance(tags, str) else tags or []
    given = {name: value for name, value in fields.items() if value is not None}
    return ModelCardData(
        tags=list(dict.fromkeys([*TAGS, *more])),
        **{
            "library_name": "hf_supernet",
            "pipeline_tag": "fill-mask" if is_masked_lm else "text-classification",
            "base_model": started_from if started_from and not Path(started_from).exists() else None,
            **given,
        },
    )


def supernet_card_text(
    model: SupernetBertPreTrainedModel,
    model_name: str,
    trainer: "SupernetTrainer | None" = None,
    started_from: str | None = None,
    data: str | None = None,
) -> str:
    """
    What the card says: the search space, how the supernet was trained, and how its children did.

    Args:
        model ([`SupernetBertPreTrainedModel`]):
            The supernet.
        model_name (`str`):
            What it is loaded by: its repository on the Hub (`"user/name"`), or a folder.
        trainer ([`SupernetTrainer`], *optional*):
            Its trainer, before or after training.
        started_from (`str`, *optional*):
            The model, on the Hub or in a folder, whose weights the training started from.
        data (`str`, *optional*):
            What it was trained on, in words.
    """
    default = model.resolve_architecture(None)
    steps = trainer.state.global_step if trainer is not None else 0
    history = f" It was trained for {steps:,} steps" if steps else ""
    if started_from:
        is_folder = Path(started_from).exists()
        origin = Path(started_from).resolve().name if is_folder else started_from
        link = f"`{origin}`" if is_folder else f"[{origin}](https://huggingface.co/{origin})"
        history = f"{history}, starting from {link}" if history else f" Its weights come from {link}"
    history += "." if history else ""
    lines = [
        f"# {model_name.rstrip('/').rpartition('/')[2]}",
        "",
        f"A supernet (`{type(model).__name__}`): it holds every candidate operator of every layer, and each choice of one"
        f" operator a layer is a child that runs with the shared weights.{history} It is made to be searched, not to be"
        f" used as it is: without an `architecture`, it runs the child `{default}`.",
        "",
        "```python",
        f"from hf_supernet import {type(model).__name__}",
        "",
        f'supernet = {type(model).__name__}.from_pretrained("{model_name}")',
        f'child = supernet.extract_child("{default}")',
        "```",
        *_table("Search space", _space_rows(model)),
    ]
    if steps:
        lines += _table("Training", ({"data": data} if data else {}) | _training_rows(trainer))
    if trainer is not None:
        lines += _table("Dev loss of its children", _evaluation_rows(trainer))
    return "\n".join(lines)


def _table(heading: str, rows: Mapping[str, Any]) -> list[str]:
    if not rows:
        return []
    cells = [f"| {name} | {value} |" for name, value in rows.items()]
    return ["", f"## {heading}", "", "| | |", "| --- | --- |", *cells]


def _space_rows(model: SupernetBertPreTrainedModel) -> dict[str, Any]:
    config, space = model.config, model.search_space
    rows: dict[str, Any] = {"hidden size": config.hidden_size, "vocabulary": f"{config.vocab_size:,}"}
    lists = [", ".join(f"`{operator}`" for operator in candidates) for candidates in space.candidates]
    rows["layers"] = len(lists)
    if len(set(lists)) == 1:
        rows["candidates of each layer"] = lists[0]
    else:
        rows |= {f"candidates of layer {index}": names for index, names in enumerate(lists)}
    return rows | {"identities": config.identity_placement, "paths": f"{space.num_paths():,}"}


def _training_rows(trainer: "SupernetTrainer") -> dict[str, Any]:
    args = trainer.args
    options = ", ".join(f"{name} {value}" for name, value in trainer.sampler.settings().items())
    rows = {
        "sampler": f"`{trainer.sampler.name}`" + (f" ({options})" if options else ""),
        "sampler seed": trainer.sampler.seed,
    }
    if trainer.alignment is not None:
        error = "normalised" if args.alignment_normalized else "plain"
        rows["alignment"] = f"weight {args.alignment_weight}, layers {args.alignment_layers}, {error} states"
        rows["anchor"] = f"`{trainer.anchor.architecture}`, challenged every {args.anchor_interval} steps"
    batch_size = trainer.get_total_train_batch_size(args)
    return rows | {
        "steps": f"{trainer.state.global_step:,}",
        "examples a step": batch_size,
        "learning rate": f"{args.learning_rate:g}, {args.lr_scheduler_type.value}, {args.get_warmup_steps(trainer.state.max_steps)} warm-up steps",
        "optimizer": getattr(args.optim, "value", args.optim),
        "weight decay": args.weight_decay,
        "dropout": trainer.model.config.hidden_dropout_prob,
        "precision": args.mixed_precision if args.mixed_precision != "no" else str(trainer.model.dtype).split(".")[-1],
        "seed": args.seed,
    }


def _evaluation_rows(trainer: "SupernetTrainer") -> dict[str, str]:
    """The losses of the last evaluation."""
    for entry in reversed(trainer.state.log_history):
        rows = {
            name.removeprefix("eval_").removesuffix("loss").replace("_", " ").strip() or "mean of all": f"{value:.4f}"
            for name, value in entry.items()
            if name.startswith("eval_") and name.endswith("loss")
        }
        if rows:
            return {"step": f"{entry['step']:,}"} | rows
    return {}
