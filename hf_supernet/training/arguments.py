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
"""The training arguments of a supernet."""

import json
import math
from dataclasses import dataclass, field

from transformers import TrainingArguments

from ..models.supernet_bert import SupernetBertConfig
from ..samplers import SAMPLERS, ArchitectureSampler, make_sampler
from ..search_space import SearchSpace
from .alignment import AlignmentLoss
from .anchor import ANCHORS
from .distillation_choices import check_distillation
from .rested_moments import RESTED_MOMENTS
from .rested_slices import RESTED_SLICES


@dataclass
class SupernetTrainingArguments(TrainingArguments):
    r"""
    [`~transformers.TrainingArguments`] and what a supernet adds to them. No default of the parent class is changed.

    BigNAS is `sampler="sandwich"` with `distillation="inplace"`, a supernet with `weight_sharing="sliced"`, and a learning rate that
    stays at 5 % of its peak in the end. For this the library's schedules do: `lr_scheduler_type="warmup_stable_decay"` with
    `lr_scheduler_kwargs={"num_stable_steps": 0, "num_decay_steps": n, "min_lr_ratio": 0.05}` decays for n steps and then stays
    (by a cosine, where the paper's decay is exponential).

    Args:
        sampler (`str`, *optional*, defaults to `"uniform"`):
            Which architectures a step trains. In the benchmark of this project (`examples/ranking`) `"fair"` comes out highest
            at equal compute, and `"gradual"` no better than the default. `"uniform"` (SPOS), `"fair"` (FairNAS), `"gradual"` (MAGIC-T),
            `"gradual-fair"` (ours: [`GradualFairSampler`]), `"sandwich"` (BigNAS), `"shift"` (ShiftNAS), `"importance"` (the
            paths of PA&DA), `"progressive"` (once-for-all), or a name given to [`register_sampler`]. `"shift"` and
            `"importance"` measure children on the `eval_dataset`.
        sampler_kwargs (`dict` or `str`, *optional*):
            Options of the sampler, as a dict or as JSON: `num_paths` of [`UniformSampler`]; `num_modified`,
            `restart_probability`, `layer_order` and `num_paths` of [`GradualSampler`]; `num_random`, `largest` and `smallest` of
            [`SandwichSampler`]; `num_bins`, `interval`, `proposals` and others of [`ShiftSampler`]; `interval` and `growth_steps`
            of [`ImportanceSampler`]; `phase_steps` of [`ProgressiveSampler`].
        sampler_seed (`int`, *optional*, defaults to `seed`):
            Seed of the draws.
        split_batch (`bool`, *optional*, defaults to `False`):
            Whether the paths of a step share out its batch, so that each row trains one path, instead of each path training on
            all rows. Then a step of a sampler with several paths multiplies no more than one with a single path (small passes take
            somewhat longer than one large one), and its gradient is a mean over rows and over paths. With several processes or micro-batches, a
            `per_device_train_batch_size` that is a multiple of the number of paths gives the same as one large batch. Not with
            in-place distillation, whose paths learn from each other's outputs on the same rows.
        alignment_weight (`float`, *optional*, defaults to 0.0):
            Weight of the alignment loss; 0 turns it off. With `sampler="gradual"` it makes MAGIC-AT. In `examples/ranking`, of the
            weights 0, 0.1, 0.5, 1, 2 and 5 each ranked children worse than the one before it (one seed), and 5 trained nothing; 0.1, with which
            the project's other runs were made, is the largest that cost little.
        alignment_layers (`str`, *optional*, defaults to `"all"`):
            The layers whose outputs are aligned: `"all"`, `"differing"` (where the operators of child and anchor
            differ), or indices with commas between them (`"0,2,5"`). No choice ranked children better in `examples/ranking`.
        alignment_normalized (`bool`, *optional*, defaults to `True`):
            Whether states are normalised to mean 0 and variance 1 over the hidden size before they are compared, so that a weight
            means the same at every width and depth. In `examples/ranking`, with a weight of 0.1, raw states did neither better nor worse.
        alignment_warmup (`float`, *optional*, defaults to 0.0):
            The share of the steps, from 0 to 1, in which the alignment weight rises linearly from 0; 0: it is there at once.
            (Risen over half of the steps, alignment neither helped nor harmed in `examples/ranking`.)
        anchor (`str`, *optional*, defaults to `"best"`):
            The child that others are aligned with: `"best"`, the one seen so far with the lowest dev loss, or `"largest"`, always
            the one with the most parameters, for which no dev set is needed. In `examples/ranking` nothing tells them apart.
        anchor_average (`float`, *optional*, defaults to 0.0):
            With a value above 0, the anchor is run (and judged) with an exponential moving average of the weights, of which this
            share stays at each step, below 1 ([`MeanTeacher`]); 0: with the weights as they are. It costs the layers that
            child and anchor share, and the memory of another supernet.
        anchor_interval (`int`, *optional*, defaults to 100):
            Optimizer steps between two challenges of the anchor.
        anchor_eval_samples (`int`, *optional*, defaults to 256):
            Examples of the dev set on which anchor and challenger are scored, always the same.
        rested_moments (`str`, *optional*, defaults to `"keep"`):
            What the optimizer's moments of a weight do while no step trains it: `"keep"`, as PyTorch does, or `"decay"`, as with
            gradients of zero ([`decay_rested_moments`]; AdamW of PyTorch only).
        rested_slices (`str`, *optional*, defaults to `"move"`):
            With `weight_sharing="sliced"`, what the optimizer does to the part of a weight that lies outside the slices of the
            step's paths: `"move"` it by its moments and its decay, as PyTorch does (and as published), or `"restore"` it and its
            moments ([`restore_rested_slices`]; AdamW, Adam and SGD of PyTorch only).
        distillation (`str`, *optional*, defaults to `"none"`):
            `"inplace"` (BigNAS): only the largest path of a step sees the labels, the others learn its soft outputs, for which
            the sampler has to be one that trains it in each step (`"sandwich"`). `"teacher"`: all paths learn from a trained
            model. See [`DistilledTrainingMixin`].
        distillation_weight (`float`, *optional*, defaults to 1.0):
            λ in the loss `(1 - λ) · task + λ · KL(teacher || path)` of the paths that learn from soft outputs; the divergence is
            the mean over the labels, for masked-LM over the masked positions alone. 1: these outputs alone, as in BigNAS.
        distillation_temperature (`float`, *optional*, defaults to 1.0):
            Divides the logits of both; see [`DistillationLoss`].
        distillation_targets (`str`, *optional*, defaults to `"logits"`):
            What is learnt of a teacher: `"logits"`, `"hidden_states"` ([`HiddenStateDistance`]), `"attention_relations"`
            ([`AttentionRelationDistance`]), or several with commas between them; their distances are added.
        distillation_relation_heads (`int`, *optional*):
            The number of relation heads for `"attention_relations"`, a divisor of heads times head size in all attentions. By
            default four times the teacher's heads, or the largest number below that divides them all.
        teacher_model_name_or_path (`str`, *optional*):
            The teacher, on the Hub or in a folder, with the supernet's head and vocabulary.
        regularized_paths (`str`, *optional*):
            The paths of a step that have dropout, and whose weights decay: `"all"`, or `"largest"`, the largest alone
            ([`DistilledTrainingMixin`]). Defaults to `"largest"` with in-place distillation, as in BigNAS, and else to `"all"`.
        eval_random_children (`int`, *optional*, defaults to 4):
            How many random children an evaluation looks at, always the same, besides the smallest, the largest and
            the anchor.
    """

    _VALID_DICT_FIELDS = [*TrainingArguments._VALID_DICT_FIELDS, "sampler_kwargs"]

    sampler: str = field(
        default="uniform",
        metadata={
            "help": "Which architectures a step trains: uniform (SPOS), fair (FairNAS), gradual (MAGIC-T), gradual-fair"
            " (ours: both), sandwich (BigNAS), shift (ShiftNAS), importance (PA&DA), progressive (once-for-all), or a registered"
            " name."
        },
    )
    sampler_kwargs: dict | str | None = field(
        default=None, metadata={"help": "Options of the sampler, as a dict or as JSON."}
    )
    sampler_seed: int | None = field(default=None, metadata={"help": "Seed of the draws; `seed` where not given."})
    split_batch: bool = field(
        default=False,
        metadata={"help": "Whether the paths of a step share out its batch, instead of each training on all of it."},
    )
    alignment_weight: float = field(
        default=0.0, metadata={"help": "Weight of the alignment loss (MAGIC-A; with gradual, MAGIC-AT); 0 is off."}
    )
    alignment_layers: str = field(
        default="all",
        metadata={"help": "Layers whose outputs are aligned: all, differing, or indices such as 0,2,5."},
    )
    alignment_normalized: bool = field(
        default=True, metadata={"help": "Whether states are normalised over the hidden size before they are compared."}
    )
    alignment_warmup: float = field(
        default=0.0,
        metadata={
            "help": "Share of the steps in which the alignment weight rises linearly from 0; 0: it is there at once."
        },
    )
    anchor: str = field(
        default="best",
        metadata={"help": "The child that others are aligned with: best (lowest dev loss so far) or largest, always."},
    )
    anchor_average: float = field(
        default=0.0,
        metadata={
            "help": "Decay of an average of the weights with which the anchor is run; 0: with the weights themselves."
        },
    )
    anchor_interval: int = field(
        default=100, metadata={"help": "Optimizer steps between two challenges of the anchor."}
    )
    anchor_eval_samples: int = field(
        default=256, metadata={"help": "Dev examples on which anchor and challenger are scored."}
    )
    rested_moments: str = field(
        default="keep",
        metadata={
            "help": "What AdamW's moments of a weight do while no step trains it: keep, or decay as with gradients of zero."
        },
    )
    rested_slices: str = field(
        default="move",
        metadata={
            "help": "What the optimizer does to the part of a sliced weight that no path of the step has: move, by its moments"
            " and its decay, or restore it and them."
        },
    )
    distillation: str = field(
        default="none",
        metadata={
            "help": "What paths learn from beside the labels: none, inplace (the largest path's soft outputs; BigNAS), or"
            " teacher (a trained model)."
        },
    )
    distillation_weight: float = field(
        default=1.0,
        metadata={
            "help": "Weight w of the soft outputs: (1 - w) * task loss + w * KL(teacher || path); 1: them alone."
        },
    )
    distillation_temperature: float = field(default=1.0, metadata={"help": "Divides the logits of both."})
    distillation_targets: str = field(
        default="logits",
        metadata={
            "help": "What is learnt of a teacher: logits, hidden_states, attention_relations, or several with commas between"
            " them."
        },
    )
    distillation_relation_heads: int | None = field(
        default=None,
        metadata={"help": "Relation heads for attention_relations; by default about four times the teacher's heads."},
    )
    teacher_model_name_or_path: str | None = field(
        default=None, metadata={"help": "The teacher: a model with the supernet's head and vocabulary."}
    )
    regularized_paths: str | None = field(
        default=None,
        metadata={
            "help": "The paths of a step that have dropout and whose weights decay: all, or largest (alone). Default: largest"
            " with in-place distillation, else all."
        },
    )
    eval_random_children: int = field(
        default=4, metadata={"help": "Random children that an evaluation looks at, besides smallest, largest, anchor."}
    )

    def __post_init__(self):
        super().__post_init__()
        self.sampler_kwargs = _parsed(self.sampler_kwargs)
        if self.sampler_seed is None:
            self.sampler_seed = self.seed
        if self.sampler not in SAMPLERS:
            raise ValueError(f"`sampler` must be one of {', '.join(sorted(SAMPLERS))}; got {self.sampler!r}.")
        if self.split_batch and self.distillation == "inplace":
            raise ValueError(
                "`split_batch` and `distillation='inplace'` don't go together: paths learn from the outputs of the largest one on"
                " the same rows. Leave one of them out."
            )
        if not (self.alignment_weight >= 0 and math.isfinite(self.alignment_weight)):
            raise ValueError(f"`alignment_weight` must be a number from 0, got {self.alignment_weight}.")
        if not 0 <= self.alignment_warmup <= 1:
            raise ValueError(f"`alignment_warmup` must be a share from 0 to 1, got {self.alignment_warmup}.")
        if self.anchor not in ANCHORS:
            raise ValueError(f"`anchor` must be one of {', '.join(ANCHORS)}; got {self.anchor!r}.")
        if not 0 <= self.anchor_average < 1:
            raise ValueError(f"`anchor_average` must be a number from 0 to below 1, got {self.anchor_average}.")
        for name, default in (("alignment_warmup", 0.0), ("anchor", "best"), ("anchor_average", 0.0)):
            if self.alignment_weight == 0 and getattr(self, name) != default:
                raise ValueError(f"`{name}` goes with an `alignment_weight` above 0: leave it out, or set that.")
        for name in ("anchor_interval", "anchor_eval_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if self.rested_moments not in RESTED_MOMENTS:
            raise ValueError(
                f"`rested_moments` must be one of {', '.join(RESTED_MOMENTS)}; got {self.rested_moments!r}."
            )
        if self.rested_slices not in RESTED_SLICES:
            raise ValueError(f"`rested_slices` must be one of {', '.join(RESTED_SLICES)}; got {self.rested_slices!r}.")
        check_distillation(self)
        if self.eval_random_children < 0:
            raise ValueError(f"`eval_random_children` must not be negative, got {self.eval_random_children}.")
        if self.torch_compile:
            raise ValueError(
                "`torch_compile` compiles the whole model, which is a new graph for each architecture. Call"
                " `model.compile_operators()` instead, and leave it off."
            )

    def build_sampler(
        self, search_space: SearchSpace, config: SupernetBertConfig | None = None
    ) -> ArchitectureSampler:
        """
        The sampler that these arguments name.

        Args:
            search_space ([`SearchSpace`]):
                The supernet's.
            config ([`SupernetBertConfig`], *optional*):
                The supernet's, where options of the sampler come from that depend on its sizes
                ([`~ArchitectureSampler.options_for`]).

        Raises:
            ValueError: where the sampler does not know an option of `sampler_kwargs`, or does not fit the space.
        """
        options = {} if config is None else SAMPLERS[self.sampler].options_for(config, search_space)
        options |= self.sampler_kwargs or {}
        try:
            return make_sampler(self.sampler, search_space, seed=self.sampler_seed, **options)
        except TypeError as error:
            raise ValueError(
                f"`sampler_kwargs` {self.sampler_kwargs} do not suit {self.sampler!r}: {error}."
            ) from error

    def build_alignment(self, search_space: SearchSpace) -> AlignmentLoss | None:
        """
        The alignment loss that these arguments ask for; `None` where its weight is 0.

        Raises:
            ValueError: where `alignment_layers` is none of its values, or names layers that there are not, and where the
                hidden size is searched.
        """
        if self.alignment_weight == 0:
            return None
        if len(sizes := search_space.hidden_sizes) > 1:
            raise ValueError(
                f"`alignment_weight` is {self.alignment_weight}, but the hidden size is searched ({', '.join(map(str, sizes))}):"
                " the layer outputs of a child and an anchor of different hidden sizes can't be compared. Set it to 0, or"
                " search a space with one hidden size."
            )
        alignment = AlignmentLoss(self.alignment_layers, self.alignment_normalized)
        alignment.check_layers(len(search_space))
        return alignment


def _parsed(options: dict | str | None) -> dict | None:
    """Options of a sampler as a dict, where they may have come from the command line as JSON."""
    parsed = options
    if isinstance(options, str):
        try:
            parsed = json.loads(options)
        except json.JSONDecodeError as error:
            raise ValueError(f"`sampler_kwargs` is not JSON: {options!r} ({error}).") from error
    if not isinstance(parsed, dict | None):
        raise ValueError(f'`sampler_kwargs` must be a dict such as {{"num_modified": 1}}, got {options!r}.')
    return parsed
