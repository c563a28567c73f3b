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
"""A `Trainer` for supernets."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader, Dataset, Subset
from transformers import PreTrainedModel, Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, rotate_checkpoints, speed_metrics

from ..architecture import Architecture
from ..costs import count_multiply_adds, parameter_table
from ..evaluation.evaluator import Evaluator
from ..models.searched_bert.modeling_searched_bert import MaskedLMMixin
from ..models.supernet_bert import SupernetBertPreTrainedModel
from ..samplers import ArchitectureSampler, make_sampler
from .alignment import AlignmentLoss, Anchor
from .arguments import SupernetTrainingArguments
from .callbacks import SupernetCallback
from .checkpoints import last_complete_checkpoint, read_supernet_state, write_supernet_state
from .distributed import average_gradients, broadcast_model


class SupernetTrainer(Trainer):
    """
    A [`~transformers.Trainer`] that trains the architectures a sampler draws.

    Everything that a Trainer does works as usual. What is added:

    - Each optimizer step trains the architectures that `sampler.sample(step)` names, the same on every process and in
      every micro-batch of the step; its loss is the mean of theirs, and one path's activations are kept at a time.
    - With `alignment_weight`, the alignment loss of MAGIC-A ([`AlignmentLoss`]) and its [`Anchor`].
    - [`~SupernetTrainer.evaluate`] reports a fixed set of children and their mean.
    - Several processes exchange the gradients of the weights that the step trained, once an optimizer step; the model
      is not wrapped in `DistributedDataParallel`.
    - A checkpoint has the sampler, the anchor and the loss since the last log, and is whole or not there. A run that
      was killed and resumed ends as one that was not, given a collator whose masks do not depend on the process, such
      as [`MaskingCollator`].

    Args:
        model ([`SupernetBertForMaskedLM`] or [`SupernetBertForSequenceClassification`]):
            The supernet.
        args ([`SupernetTrainingArguments`]):
            The arguments.
        sampler ([`ArchitectureSampler`], *optional*):
            Replaces the one that `args` names.
        kwargs:
            As for [`~transformers.Trainer`].

    Raises:
        ValueError: for a model that is no supernet, an alignment without a dev set, and forms of parallel training that
            split a model or copy it to several devices in one process.
    """

    # The loss is divided by the labels of all micro-batches and processes of a step.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        args: SupernetTrainingArguments | None = None,
        *pos_args,
        sampler: ArchitectureSampler | None = None,
        **kwargs,
    ):
        if not isinstance(model, SupernetBertPreTrainedModel):
            raise ValueError(
                f"`model` must be a supernet such as `SupernetBertForMaskedLM`, got {type(model).__name__}. A child is"
                " trained with `transformers.Trainer`."
            )
        if args is None:
            args = SupernetTrainingArguments("tmp_trainer")
        super().__init__(model, args, *pos_args, **kwargs)
        if args.n_gpu > 1 or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise ValueError(
                "A supernet is trained with one process for each device, each with the whole model: start with"
                " `accelerate launch` or `torchrun`, without FSDP and DeepSpeed."
            )
        space = model.search_space
        self.sampler = sampler or make_sampler(
            args.sampler, space, seed=args.sampler_seed, **(args.sampler_kwargs or {})
        )
        self.alignment: AlignmentLoss | None = None
        self.anchor: Anchor | None = None
        if args.alignment_weight > 0:
            if self.eval_dataset is None:
                raise ValueError(
                    "`alignment_weight` needs an `eval_dataset`: the anchor is the best child on dev data."
                )
            self.alignment = AlignmentLoss(args.alignment_layers, args.alignment_normalized)
            default = model.resolve_architecture(None)
            self.alignment.aligned_layers(default, default)  # an index outside the layers is an error now
            self.anchor = Anchor(Evaluator(model, self._anchor_batches(), self.accelerator.autocast))
        self._architecture: Architecture | None = None
        self._architectures_in_step = 1
        self._num_tokens_in_step: torch.Tensor | None = None
        self._loss_parts: dict[str, torch.Tensor] = {}
        self._loss_parts_since = 0
        self._resumed_state: dict[str, Any] | None = None
        self.add_callback(SupernetCallback(self))

    # ---- Set-up ----

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        prepare_model = self.accelerator.prepare_model
        # Autocast and placement as always, but no DistributedDataParallel: it would exchange the gradients of all
        # candidates, in each micro-batch.
        self.accelerator.prepare_model = lambda model, device_placement=None, evaluation_mode=False: prepare_model(
            model, device_placement=device_placement, evaluation_mode=True
        )

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        # The masking collator reads these and does not pass them on.
        self._signature_columns += ["example_id", "special_tokens_mask"]

    def begin_training(self) -> None:
        """Runs when training begins: brings all processes to the same weights, and a resumed run to where it was."""
        if self.args.world_size > 1:
            broadcast_model(self.model)
        self._loss_parts = {name: torch.zeros((), device=self.args.device) for name in ("task_loss", "alignment_loss")}
        self._loss_parts_since = self.state.global_step
        if self._resumed_state is None:
            return
        kept = self._resumed_state["losses"]
        rank = self.args.process_index
        self._tr_loss += kept["since_log"][rank]
        self._total_loss_scalar = kept["total"]
        self._globalstep_last_logged = self._loss_parts_since = kept["last_logged_step"]
        self._initial_global_step = 0
        for name, values in kept["parts"].items():
            self._loss_parts[name] += values[rank]
        self._resumed_state = None

    # ---- A step ----

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, torch.Tensor | int | None]:
        batches, num_items_in_batch = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.alignment is not None and batches:
            tokens = sum(batch.get("attention_mask", torch.ones_like(batch["input_ids"])).sum() for batch in batches)
            tokens = tokens.to(device)
            self._num_tokens_in_step = self.accelerator.reduce(tokens) if self.args.world_size > 1 else tokens
        return batches, num_items_in_batch

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        architectures = self.sampler.sample(self.state.global_step)
        self._architectures_in_step = len(architectures)
        if self.anchor is not None and self.anchor.architecture is None:
            self.anchor.architecture = architectures[0]
        losses = []
        for architecture in architectures:
            self._architecture = architecture
            losses.append(super().training_step(model, inputs, num_items_in_batch))
        self._architecture = None
        if self.args.world_size > 1 and self.accelerator.sync_gradients:
            average_gradients(self.model.parameters())
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """
        The loss of the architecture that is being trained; outside a training step, of the default one.

        In training it is the task's loss plus `alignment_weight` times the alignment loss, divided by the number of
        architectures in the step.
        """
        if self._architecture is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = {**inputs, "architecture": self._architecture}
        if isinstance(self.model, MaskedLMMixin):
            inputs["prediction_positions"] = "labelled"
        if self.alignment is not None:
            inputs["output_hidden_states"] = True
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        loss = loss / self._architectures_in_step
        if self.alignment is not None:
            # Gradients are averaged over processes, errors are divided by the tokens of all of them.
            scale = self.args.world_size / self._architectures_in_step
            with self.accelerator.autocast():
                alignment_loss = scale * self.alignment(
                    self.model,
                    outputs.hidden_states,
                    inputs.get("attention_mask"),
                    self._architecture,
                    self.anchor.architecture,
                    self._num_tokens_in_step,
                )
            self._loss_parts["task_loss"] += loss.detach()
            self._loss_parts["alignment_loss"] += alignment_loss.detach()
            loss = loss + self.args.alignment_weight * alignment_loss
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs: dict[str, torch.Tensor | Any]) -> int:
        """Operations of forward and backward through the paths that the step trains, in closed form."""
        batch_size, sequence_length = inputs["input_ids"].shape[:2]
        architectures = self.sampler.sample(self.state.global_step)
        config = self.model.config
        return sum(6 * batch_size * count_multiply_adds(config, a, sequence_length) for a in architectures)

    # ---- Logging ----

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """
        Logs with the parts of the loss: `task_loss`, `alignment_loss` (before its weight), each a mean over the steps
        since the last log, `architecture` (of the last step), `anchor` and `anchor_loss`.
        """
        if "loss" in logs:
            if self.alignment is not None:
                steps = self.state.global_step - self._loss_parts_since
                for name, value in self._loss_parts.items():
                    logs[name] = self.accelerator.gather(value).mean().item() / steps
                    value.zero_()
            self._loss_parts_since = self.state.global_step
            logs["architecture"] = " ".join(str(a) for a in self.sampler.sample(self.state.global_step - 1))
            if self.anchor is not None:
                logs["anchor"] = str(self.anchor.architecture)
                if self.anchor.loss is not None:
                    logs["anchor_loss"] = self.anchor.loss
        super().log(logs, start_time)

    # ---- Evaluation ----

    def evaluation_children(self) -> dict[str, Architecture]:
        """The children that [`~SupernetTrainer.evaluate`] looks at, by name; the same at each call, but for the anchor."""
        space = self.model.search_space
        costs = parameter_table(self.model.config, space)
        children = {"smallest": space.cheapest(costs), "largest": space.dearest(costs)}
        if self.anchor is not None and self.anchor.architecture is not None:
            children["anchor"] = self.anchor.architecture
        for index in range(self.args.eval_random_children):
            generator = random.Random(f"evaluation/{self.args.sampler_seed}/{index}")
            children[f"random_{index}"] = space.sample(generator)
        return children

    def evaluate(
        self,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """
        Evaluates a fixed set of children: the smallest, the largest, the anchor, and some random ones.

        Returns:
            `dict[str, float]`: `eval_smallest_loss`, `eval_largest_loss`, `eval_anchor_loss`, `eval_random_loss` (the
            mean of the random ones) and `eval_loss`, the mean of all; losses are means over labels. With
            `compute_metrics`, its metrics for each child as well (`eval_smallest_accuracy`, ...), and their means.
        """
        if eval_dataset is None:
            eval_dataset = self.eval_dataset
        if isinstance(eval_dataset, Mapping):
            metrics = {}
            for name, dataset in eval_dataset.items():
                metrics |= self.evaluate(dataset, ignore_keys, f"{metric_key_prefix}_{name}")
            return metrics
        start_time = time.time()
        children = self.evaluation_children()
        evaluator = Evaluator(self.model, self._dev_batches(eval_dataset), self.accelerator.autocast)
        scores = evaluator.evaluate(children.values())
        losses = {name: scores[architecture] for name, architecture in children.items()}
        metrics = {f"{metric_key_prefix}_loss": _mean(losses.values())}
        metrics |= {f"{metric_key_prefix}_{name}": value for name, value in _name_scores(losses, "loss").items()}
        if self.compute_metrics is not None:
            metrics |= self._evaluate_metrics(children, eval_dataset, ignore_keys, metric_key_prefix)
        num_samples = len(eval_dataset) if hasattr(eval_dataset, "__len__") else None
        metrics |= speed_metrics(metric_key_prefix, start_time, num_samples=num_samples)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _evaluate_metrics(
        self,
        children: dict[str, Architecture],
        eval_dataset: Dataset,
        ignore_keys: list[str] | None,
        metric_key_prefix: str,
    ) -> dict[str, float]:
        """What `compute_metrics` says of each child, and the mean over children under the metric's own name."""
        found: dict[str, dict[str, float]] = {}
        loader = self.get_eval_dataloader(eval_dataset)
        for name, architecture in children.items():
            self._architecture = architecture
            try:
                output = self.evaluation_loop(loader, "Evaluation", None, ignore_keys, metric_key_prefix)
            finally:
                self._architecture = None
            for key, value in output.metrics.items():
                metric = key.removeprefix(f"{metric_key_prefix}_")
                if metric not in ("loss", "model_preparation_time") and isinstance(value, int | float):
                    found.setdefault(metric, {})[name] = value
        metrics = {}
        for metric, values in found.items():
            named = {metric: _mean(values.values()), **_name_scores(values, metric)}
            metrics |= {f"{metric_key_prefix}_{name}": value for name, value in named.items()}
        return metrics

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        if self._architecture is not None:
            inputs = {**inputs, "architecture": self._architecture}
        return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)

    def get_train_dataloader(self) -> DataLoader:
        loader = super().get_train_dataloader()
        # A loader draws a seed for its workers when they start, which a resumed run does at another time: not from the
        # generator that dropout uses.
        generator = torch.Generator().manual_seed(self.args.data_seed or self.args.seed)
        getattr(loader, "base_dataloader", loader).generator = generator
        return loader

    def get_eval_dataloader(self, eval_dataset: str | Dataset | None = None) -> DataLoader:
        collator = self.data_collator
        self.data_collator = _fixed_masks(collator)
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = collator

    def _dev_batches(self, dataset: Dataset, max_samples: int | None = None) -> Iterator[dict[str, torch.Tensor]]:
        """
        This process's share of the dev batches. No example comes twice, as it would where shares are made even, so that
        the loss does not depend on the number of processes.
        """
        collator = _fixed_masks(self.data_collator)
        if isinstance(dataset, datasets.Dataset):
            dataset = self._remove_unused_columns(dataset, description="evaluation")
        else:
            collator = self._get_collator_with_removed_columns(collator, description="evaluation")
        if max_samples is not None:
            if hasattr(dataset, "__len__"):
                dataset = Subset(dataset, range(min(max_samples, len(dataset))))
            else:
                dataset = dataset.take(max_samples)
        loader = DataLoader(
            dataset,
            batch_size=self.args.eval_batch_size,
            collate_fn=collator,
            num_workers=self.args.dataloader_num_workers,
            generator=torch.Generator(),  # the loader draws a seed: not from the generator that dropout uses
        )
        return islice(loader, self.args.process_index, None, self.args.world_size)

    def _anchor_batches(self) -> list[dict[str, torch.Tensor]]:
        dataset = self.eval_dataset
        if isinstance(dataset, Mapping):
            dataset = next(iter(dataset.values()))
        return list(self._dev_batches(dataset, self.args.anchor_eval_samples))

    # ---- Checkpoints ----

    def train(self, resume_from_checkpoint: str | bool | None = None, *args, **kwargs):
        """
        Trains; see [`~transformers.Trainer.train`].

        Raises:
            ValueError: where the checkpoint to resume from is damaged or incomplete, or is of a run with another
                sampler, space or seed. With `resume_from_checkpoint=True`, incomplete ones are passed over.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = last_complete_checkpoint(self.args.output_dir)
        if resume_from_checkpoint:
            self._load_supernet_state(read_supernet_state(resume_from_checkpoint))
        return super().train(resume_from_checkpoint or None, *args, **kwargs)

    def _load_supernet_state(self, state: dict[str, Any]) -> None:
        ranks = len(state["losses"]["since_log"])
        if ranks != self.args.world_size:
            raise ValueError(
                f"The checkpoint is of a run with {ranks} processes, this one has {self.args.world_size}: it cannot go"
                " on as the same run. Start as many, or begin a new run from the checkpoint's weights."
            )
        if (state["anchor"] is None) != (self.anchor is None):
            raise ValueError(
                "The checkpoint is of a run " + ("without" if state["anchor"] is None else "with") + " alignment, this"
                " one is the reverse; set `alignment_weight` as it was."
            )
        self.sampler.load_state_dict(state["sampler"])
        if self.anchor is not None:
            self.anchor.load_state_dict(state["anchor"])
        self._resumed_state = state

    def _supernet_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the Trainer's own state; collective, since each process has losses of its own."""
        return {
            "sampler": self.sampler.state_dict(),
            "anchor": None if self.anchor is None else self.anchor.state_dict(),
            "losses": {
                "since_log": self.accelerator.gather(self._tr_loss.reshape(1)).tolist(),
                "total": self._total_loss_scalar,
                "last_logged_step": self._globalstep_last_logged,
                "parts": {
                    name: self.accelerator.gather(value.reshape(1)).tolist()
                    for name, value in self._loss_parts.items()
                },
            },
        }

    def _save_checkpoint(self, model: torch.nn.Module, trial) -> None:
        # Older checkpoints go only when the new one is whole.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        state = self._supernet_state()
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            run_folder = self._get_output_dir(trial)
            write_supernet_state(Path(run_folder) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}", state)
            rotate_checkpoints(
                output_dir=run_folder,
                save_total_limit=limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=True,
            )


def _fixed_masks(collator):
    """The collator for dev data: masks must not change with the epoch."""
    return collator.frozen() if hasattr(collator, "frozen") else collator


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def _name_scores(scores: dict[str, float], metric: str) -> dict[str, float]:
    """`smallest_loss` and so on; the random children's become one mean, `random_loss`."""
    named = {f"{name}_{metric}": value for name, value in scores.items() if not name.startswith("random_")}
    drawn = [value for name, value in scores.items() if name.startswith("random_")]
    return named | ({f"random_{metric}": _mean(drawn)} if drawn else {})
