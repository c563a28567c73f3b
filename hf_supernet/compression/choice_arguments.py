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
"""The options that say which child is wanted: the budget, the children to choose from, how one is chosen and compared."""

from dataclasses import dataclass, field

from ..models.supernet_bert import IMPORTANCES
from ..search.timing import LatencySettings


SPACES = ("plain", "free")
BASELINES = ("layers_dropped", "narrowed", "random_child")
"""What the compressed child is compared with, besides the reference."""


@dataclass
class BudgetArguments:
    """
    What the child may cost. Each limit holds for the whole classifier, embeddings and head included; several may be given.

    Args:
        max_latency_ratio (`float`, *optional*):
            Its latency, as a share of the reference's on the same machine.
        max_parameters (`int`, *optional*):
            Its number of parameters.
        max_multiply_adds (`int`, *optional*):
            Its multiply-adds for one sequence, of the length that latencies are measured at.

    Raises:
        ValueError: without any limit, and for a limit that can't be.
    """

    max_latency_ratio: float | None = field(
        default=None, metadata={"help": "The child's latency, as a share of the reference's."}
    )
    max_parameters: int | None = field(default=None, metadata={"help": "The child's parameters, all included."})
    max_multiply_adds: int | None = field(
        default=None, metadata={"help": "The child's multiply-adds for one sequence."}
    )

    def __post_init__(self):
        if not self.limits:
            raise ValueError(
                "No budget is given: pass one or several of `max_latency_ratio`, `max_parameters`, `max_multiply_adds`."
            )
        if self.max_latency_ratio is not None and not 0 < self.max_latency_ratio < 1:
            raise ValueError(
                f"`max_latency_ratio` is a share of the reference's latency, between 0 and 1; got {self.max_latency_ratio}."
            )
        for name in ("max_parameters", "max_multiply_adds"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given, by the name of their cost: `latency` (a ratio), `parameters`, `multiply_adds`."""
        given = {
            "latency": self.max_latency_ratio,
            "parameters": self.max_parameters,
            "multiply_adds": self.max_multiply_adds,
        }
        return {name: limit for name, limit in given.items() if limit is not None}


@dataclass
class SpaceArguments:
    """
    Which children there are to choose from. The checkpoint's own sizes are always among them.

    Args:
        space (`str`, *optional*, defaults to `"plain"`):
            `"plain"`: only children that a `BertConfig` can say, which `transformers` loads by itself. `"free"`: each
            layer has a size of its own.
        head_counts (`list[int]`, *optional*):
            Numbers of heads. With `"plain"` they follow from the hidden sizes. Defaults to the checkpoint's, and 3/4, 1/2
            and 1/4 of it.
        feed_forward_sizes (`list[int]`, *optional*):
            Feed-forward sizes. Defaults to the checkpoint's, and 3/4, 1/2 and 1/4 of it.
        hidden_sizes (`list[int]`, *optional*):
            Hidden sizes of the whole network. Defaults to the checkpoint's alone.
        min_blocks (`int`, *optional*):
            Blocks that can't be left out: the first, the last, and others at equal distances. Defaults to half of them,
            rounded up.
        importance (`str`, *optional*, defaults to `"gradient"`):
            How heads and feed-forward units are ordered, so that narrower children keep those that matter: `"gradient"` (by
            the loss on training rows) or `"magnitude"` (of the weights). Hidden sizes go by magnitude.
        importance_samples (`int`, *optional*, defaults to 512):
            Training rows for `"gradient"`.

    Raises:
        ValueError: for another space or importance, for sizes that are not positive or come twice, and for heads of a
            space of plain children.
    """

    space: str = field(
        default="plain",
        metadata={"help": "plain (children that a BertConfig can say) or free (each layer by itself)."},
    )
    head_counts: list[int] | None = field(
        default=None,
        metadata={"help": "Numbers of heads, with --space free. Default: 1, 3/4, 1/2, 1/4 of the model's."},
    )
    feed_forward_sizes: list[int] | None = field(
        default=None, metadata={"help": "Feed-forward sizes. Default: 1, 3/4, 1/2, 1/4 of the model's."}
    )
    hidden_sizes: list[int] | None = field(
        default=None, metadata={"help": "Hidden sizes of the whole network. Default: the model's alone."}
    )
    min_blocks: int | None = field(
        default=None, metadata={"help": "Blocks that can't be left out, spread over all. Default: half of them."}
    )
    importance: str = field(
        default="gradient", metadata={"help": "What orders heads and units: gradient (on data) or magnitude."}
    )
    importance_samples: int = field(default=512, metadata={"help": "Training rows for --importance gradient."})

    def __post_init__(self):
        for name, allowed in (("space", SPACES), ("importance", IMPORTANCES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        for name in ("head_counts", "feed_forward_sizes", "hidden_sizes"):
            sizes = getattr(self, name) or [1]
            if min(sizes) < 1 or len(set(sizes)) < len(sizes):
                raise ValueError(f"`{name}` must be different numbers from 1 on, got {sizes}.")
        if self.space == "plain" and self.head_counts is not None:
            raise ValueError(
                "`head_counts` goes with `space='free'`: in a plain BERT heads make up the hidden size, so that their number"
                " follows from `hidden_sizes`. Leave it out, or set the space."
            )
        for name in ("min_blocks", "importance_samples"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")


@dataclass
class ChoiceArguments:
    """
    How the child is searched and what it is compared with.

    Args:
        population_size (`int`, *optional*, defaults to 32):
            Children evaluated in a generation.
        generations (`int`, *optional*, defaults to 8):
            Number of generations; a small space is evaluated whole, and then no more.
        reference_epochs (`float`, *optional*, defaults to 3.0):
            How long a checkpoint is fine-tuned that was not yet, on the task.
        reference_learning_rate (`float`, *optional*, defaults to `learning_rate`):
            Its learning rate then.
        finetune_epochs (`float`, *optional*, defaults to 1.0):
            How long the child is fine-tuned after the search; 0: not at all.
        finetune_learning_rate (`float`, *optional*, defaults to `learning_rate`):
            Its learning rate then.
        finetune_distillation_weight (`float`, *optional*, defaults to 0.5):
            λ in the loss `(1 - λ) · task + λ · KL(teacher || student)` of every fine-tuning but the reference's.
        baselines (`list[str]`, *optional*, defaults to all):
            What the child is compared with, at the same budget and with as many training steps: `"layers_dropped"`,
            `"narrowed"`, `"random_child"`; or `"none"`.
        baseline_learning_rate (`float`, *optional*, defaults to `learning_rate`):
            Of those that start from the checkpoint and have no supernet.

    Raises:
        ValueError: for values out of their range, and another baseline.
    """

    population_size: int = field(default=32, metadata={"help": "Children evaluated in a generation."})
    generations: int = field(default=8, metadata={"help": "Number of generations."})
    reference_epochs: float = field(
        default=3.0, metadata={"help": "Epochs for a checkpoint that was not fine-tuned on the task."}
    )
    reference_learning_rate: float | None = field(
        default=None, metadata={"help": "Its learning rate. Default: learning_rate."}
    )
    finetune_epochs: float = field(default=1.0, metadata={"help": "Epochs of the child after the search; 0: none."})
    finetune_learning_rate: float | None = field(
        default=None, metadata={"help": "Its learning rate. Default: learning_rate."}
    )
    finetune_distillation_weight: float = field(
        default=0.5, metadata={"help": "Weight w of the teacher in fine-tunings: (1 - w) * task loss + w * KL."}
    )
    baselines: list[str] = field(
        default_factory=lambda: list(BASELINES),
        metadata={"help": f"What the child is compared with: {', '.join(BASELINES)}; or none."},
    )
    baseline_learning_rate: float | None = field(
        default=None, metadata={"help": "Of those that start from the checkpoint. Default: learning_rate."}
    )

    def __post_init__(self):
        if not 0 <= self.finetune_distillation_weight <= 1:
            raise ValueError(
                f"`finetune_distillation_weight` must lie in [0, 1], got {self.finetune_distillation_weight}."
            )
        for name in ("reference_learning_rate", "finetune_learning_rate", "baseline_learning_rate"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite, got {getattr(self, name)}.")
        if self.baselines == ["none"]:
            self.baselines = []
        if unknown := [name for name in self.baselines if name not in BASELINES]:
            raise ValueError(f"`baselines` are of {', '.join(BASELINES)}, or none; got {', '.join(unknown)}.")
        for name in ("population_size", "generations"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        if not (self.reference_epochs > 0 and self.finetune_epochs >= 0):
            raise ValueError(
                "`reference_epochs` must be above 0 and `finetune_epochs` not below it, got"
                f" {self.reference_epochs} and {self.finetune_epochs}."
            )


@dataclass
class LatencyArguments:
    """
    The conditions of all latencies.

    Args:
        latency_batch_size (`int`, *optional*, defaults to 1):
            Sequences in a batch.
        latency_seq_length (`int`, *optional*, defaults to `max_seq_length`):
            Tokens of a sequence; multiply-adds are those of such a sequence too.
        latency_num_threads (`int`, *optional*):
            CPU threads; by default all of PyTorch's.
        latency_device (`str`, *optional*):
            Where; by default where the training runs.
        latency_min_run_time (`float`, *optional*, defaults to 0.9):
            Seconds for which each thing is run.
        latency_rounds (`int`, *optional*, defaults to 9):
            Turns in which that time is split: in each, everything is measured once, side by side.
        latency_num_children (`int`, *optional*, defaults to 24):
            Whole children by which the latency table is fitted, at each hidden size; 0 for none.

    Raises:
        ValueError: for a number that is not positive, and for fewer than no children.
    """

    latency_batch_size: int = field(default=1, metadata={"help": "Sequences in a batch whose latency is measured."})
    latency_seq_length: int | None = field(default=None, metadata={"help": "Their length; by default max_seq_length."})
    latency_num_threads: int | None = field(default=None, metadata={"help": "Threads; by default all of PyTorch's."})
    latency_device: str | None = field(default=None, metadata={"help": "Where; by default where the training runs."})
    latency_min_run_time: float = field(default=0.9, metadata={"help": "Seconds for which each thing is run."})
    latency_rounds: int = field(default=9, metadata={"help": "Turns in which that time is split."})
    latency_num_children: int = field(
        default=24, metadata={"help": "Whole children by which the latency table is fitted; 0 for none."}
    )

    def __post_init__(self):
        for name in ("batch_size", "seq_length", "num_threads", "min_run_time", "rounds"):
            value = getattr(self, f"latency_{name}")
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"`latency_{name}` must be positive and finite, got {value}.")
        if self.latency_num_children < 0:
            raise ValueError(f"`latency_num_children` must be at least 0, got {self.latency_num_children}.")

    def conditions(self, max_seq_length: int, max_position_embeddings: int, device: str) -> LatencySettings:
        """
        The conditions as a latency table takes them.

        Args:
            max_seq_length (`int`):
                That of the data.
            max_position_embeddings (`int`):
                What the model reads at most.
            device (`str`):
                Where the training runs.
        """
        return LatencySettings(
            batch_size=self.latency_batch_size,
            sequence_length=min(self.latency_seq_length or max_seq_length, max_position_embeddings),
            device=self.latency_device or device,
            num_threads=self.latency_num_threads,
            min_run_time=self.latency_min_run_time,
            repeats=self.latency_rounds,
        )


__all__ = ["BASELINES", "BudgetArguments", "ChoiceArguments", "LatencyArguments", "SpaceArguments"]
