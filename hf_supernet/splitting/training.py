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
"""SplitTraining: a supernet is trained, split, and its parts are trained on."""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..files import write_json
from ..models.supernet_bert import SupernetBertConfig, SupernetBertPreTrainedModel
from ..search.result import fingerprint
from ..training import SupernetTrainer, SupernetTrainingArguments
from ..training.checkpoints import read_supernet_state
from ..training.settings import SETTINGS_NAME, read_settings, run_settings
from .checks import check_arguments, check_model, check_steps
from .inheritance import split_off
from .leaf_checkpoints import StopBehind, is_there, write_leaf_checkpoint
from .split import Split
from .split_supernet import SplitSupernet
from .splitters import Splitter
from .training_folder import ROOT, TrainingFolder


logger = logging.getLogger(__name__)


class SplitTraining:
    """
    Trains a supernet in stages, and splits it between them: few-shot NAS ([Zhao et al., ICML
    2021](https://huggingface.co/papers/2006.06863); by gradient matching [Hu et al., ICLR
    2022](https://huggingface.co/papers/2203.15207)).

    In the first stage the whole supernet is trained (the warm-up, without which gradients say little). Then it is split at one
    layer, and each part is trained by itself in the second stage, split at another layer, and so on. Each part decides by
    itself where it is split. Those of the last stage are the leaves of a [`SplitSupernet`].

    A part goes on as the whole would have: with its weights, its optimizer's state, its place in the data and in the schedule of
    the learning rate, which runs over all stages. With `restart_from`, the leaves begin anew instead, as in the published
    experiments: with the weights of that supernet, and with a schedule for the last stage alone. A sampler that adapts (`"shift"`,
    `"importance"`) begins anew in each part, whose space is another. Whether a sampler suits a part is only seen when its training
    begins: of layers that are left with one candidate, some samplers can do nothing.

    All of it goes on where it was killed, and ends with the same weights. Supernets are trained in turn by
    [`~SplitTraining.train`]; or in several processes, on one machine or several that share `args.output_dir`, each of which calls
    [`~SplitTraining.train_node`] with another of the names that [`~SplitTraining.ready`] gives.

    In turn, the memory is that of training one supernet, and of `model`, which then stays on the CPU. Where one is split, it is that
    of the weights of the whole and of a part and of the optimizer's states of both, these on the CPU; before, of what
    [`matching_distances`] takes. On disk, each supernet keeps a checkpoint, about three times its weights with AdamW. The steps
    are those of each supernet: two splits into two groups train 1, 2 and 4 supernets.

    Args:
        model ([`SupernetBertForMaskedLM`] or a supernet with another head):
            The whole supernet: a new one or one that was trained, from whose weights the first stage begins.
        args ([`SupernetTrainingArguments`]):
            For each training, but for `max_steps`, which `steps` says. Supernets are trained in folders of `output_dir`, where
            the result is saved too.
        make_trainer (`Callable[[SupernetBertPreTrainedModel, SupernetTrainingArguments], SupernetTrainer]`):
            Makes the trainer of one supernet, the same way each time:
            `functools.partial(SupernetTrainer, train_dataset=..., data_collator=...)`.
        steps (`Sequence[int]`):
            Optimizer steps of the stages, one more than there are splits. One stage is the plain training. With 0 in front, the model
            is warmed up already, and is split as it is; its parts have its weights, and begin with a new optimizer.
        splitter ([`Splitter`], *optional*):
            Decides how to split; needed for two stages or more.
        restart_from (`SupernetBertPreTrainedModel`, *optional*):
            A supernet of the same configuration, such as a new one, with whose weights the leaves of the last split begin. By
            default, they go on.

    Raises:
        ValueError: for arguments that do not fit each other, and where `output_dir` has another training of this kind.

    Example:

    ```python
    >>> make_trainer = functools.partial(SupernetTrainer, train_dataset=train, data_collator=collator)
    >>> args = SupernetTrainingArguments("split-supernet", sampler="uniform", learning_rate=1e-3)
    >>> training = SplitTraining(model, args, make_trainer, [2000, 1000, 5000], MatchingSplitter(batches))
    >>> split = training.train()  # four leaves
    ```
    """

    def __init__(
        self,
        model: SupernetBertPreTrainedModel,
        args: SupernetTrainingArguments,
        make_trainer: Callable[[SupernetBertPreTrainedModel, SupernetTrainingArguments], SupernetTrainer],
        steps: Sequence[int],
        splitter: Splitter | None = None,
        restart_from: SupernetBertPreTrainedModel | None = None,
    ):
        check_steps(steps, splitter)
        check_arguments(args)
        check_model(model, steps, restart_from)
        if splitter is not None:
            splitter.check(model.config, len(steps) - 1)
            splitter.check_data(model)
        self.model = model
        self.config = copy.deepcopy(model.config)
        self.args = args
        self.make_trainer = make_trainer
        self.splitter = splitter
        self.restart_from = restart_from
        self.folder = TrainingFolder(args.output_dir, steps, restarts=restart_from is not None)
        self.folder.check_settings(self.settings())

    def settings(self) -> dict[str, Any]:
        """What makes the training what it is, besides the arguments of the trainer, as values that JSON can hold."""
        restart = self.restart_from and fingerprint(self.restart_from.state_dict().values())
        begins = fingerprint(self.model.state_dict().values()) if self.folder.steps[0] == 0 else None
        return {
            "search_space": self.model.search_space.fingerprint,
            "steps": list(self.folder.steps),
            "splitter": self.splitter and self.splitter.settings(),
            "model": begins,
            "restart_from": restart,
        }

    # What there is to do

    def ready(self) -> list[str]:
        """
        The names of the supernets that can be trained now and are not finished: `"root"` at first, then `"root.0"` and `"root.1"`,
        and of those that they are split into `"root.0.0"` and so on.
        """
        return [node for node, _ in self._walk() if self.folder.is_begun(node) and not self.folder.is_finished(node)]

    def _walk(self) -> Iterator[tuple[str, SupernetBertConfig]]:
        """The supernets that there are so far with their configurations, each in front of its parts."""
        waiting = [(ROOT, self.config)]
        while waiting:
            node, config = waiting.pop(0)
            yield node, config
            split = self.folder.split_of(node)
            if split is not None:
                configs = split.configs(config)
                waiting[:0] = [(f"{node}.{index}", part) for index, part in enumerate(configs)]

    def _config(self, node: str) -> SupernetBertConfig:
        configs = dict(self._walk())
        if node not in configs:
            raise ValueError(f"There is no supernet {node!r} (yet); there are {', '.join(configs)}.")
        return configs[node]

    # Training

    def train(self) -> SplitSupernet:
        """
        Trains all that is not finished, one supernet after the other, and saves the result in `args.output_dir`.

        Returns:
            [`SplitSupernet`]: the leaves, on the CPU.
        """
        while ready := self.ready():
            self.train_node(ready[0])
        split = self.assemble()
        split.save_pretrained(self.args.output_dir)
        write_json(Path(self.args.output_dir) / SETTINGS_NAME, self._supernet_settings())
        return split

    def _supernet_settings(self) -> dict[str, Any]:
        """What was sampled and how, for those who search: as a leaf says it, but for the space."""
        leaf = next(node for node, _ in self._walk() if self.folder.is_leaf(node))
        settings = read_settings(self.folder.end(leaf), self.model.search_space)
        return settings | {"search_space": self.model.search_space.to_dict(), "splitting": self.settings()}

    def train_node(self, node: str) -> None:
        """
        Trains one supernet to the end of its stage, or to the end of what is left of it, and splits it, if it is not a leaf. A
        supernet is trained by one process at a time.

        Args:
            node (`str`):
                Its name, one of [`~SplitTraining.ready`]. Of one that is finished nothing is left to do.

        Raises:
            ValueError: where there is no such supernet, or the one that it is split off from is not finished, and where others
                were trained with other options of the trainer.
            RuntimeError: where something else ended the training before its stage was over.
        """
        config = self._config(node)
        if self.folder.is_finished(node):
            return
        if not self.folder.is_begun(node):
            raise ValueError(f"{node!r} can't be trained yet: what it is split off from is not finished.")
        self.folder.write_settings(self.settings())
        if not self.folder.is_trained(node):
            self._train(node, config)
        if not self.folder.is_leaf(node):
            self._split(node)
        self.model.to("cpu")  # where it takes no room from its parts

    def assemble(self) -> SplitSupernet:
        """
        The leaves as one model.

        Raises:
            ValueError: where some are not finished.
        """
        nodes = dict(self._walk())
        if unfinished := [node for node in nodes if not self.folder.is_finished(node)]:
            raise ValueError(f"Not all supernets are finished: {', '.join(unfinished)}. Train them first.")
        leaves = [self._load(node) for node in nodes if self.folder.is_leaf(node)]
        return SplitSupernet(self.config, leaves)

    def _train(self, node: str, config: SupernetBertConfig) -> None:
        trainer = self._trainer(node, self._begin(node, config))
        sampling = {name: getattr(trainer.args, name) for name in ("sampler_kwargs", "sampler_seed")}
        self.folder.claim_for(run_settings(trainer) | {"sampler": trainer.sampler.name} | sampling)
        trainer.add_callback(StopBehind(self.folder.last_step(node)))
        trainer.train(resume_from_checkpoint=self.folder.last_checkpoint(node))
        if not self.folder.is_trained(node):
            raise RuntimeError(
                f"The training of {node!r} ended at step {trainer.state.global_step}, its stage at step"
                f" {self.folder.last_step(node)}: leave out what stops it early."
            )

    def _begin(self, node: str, config: SupernetBertConfig) -> SupernetBertPreTrainedModel:
        """The model of a supernet; the weights of a checkpoint to go on from are read by the trainer."""
        if node == ROOT:
            return self.model
        if self.folder.starts_anew(node.rpartition(".")[0]):
            restarts = self.folder.restarts and self.folder.is_leaf(node)
            return split_off(self.restart_from if restarts else self.model, config)
        return type(self.model).from_pretrained(self.folder.last_checkpoint(node))

    def _trainer(self, node: str, model: SupernetBertPreTrainedModel) -> SupernetTrainer:
        args = copy.copy(self.args)
        args.output_dir, args.max_steps = str(self.folder.of(node)), self.folder.total_steps(node)
        return self.make_trainer(model, args)

    def _load(self, node: str) -> SupernetBertPreTrainedModel:
        """A supernet as its stage left it."""
        if self.folder.last_step(node) == 0:
            return self.model
        read_supernet_state(self.folder.end(node))  # an error where it is damaged
        return type(self.model).from_pretrained(self.folder.end(node))

    # Splitting

    def _split(self, node: str) -> None:
        """Decides how, and writes what the parts begin with."""
        model = self._load(node).to(self.args.device)
        split = self.folder.split_of(node)
        if split is None:
            split = self._decide(node, model)
            logger.info(f"{node} is split at {split}")
            self.folder.write_split(node, split)
        if not self.folder.starts_anew(node):
            self._write_parts(node, split, self._trainer(node, model))

    def _decide(self, node: str, model: SupernetBertPreTrainedModel) -> Split:
        whole, own = self.config.layer_candidates, model.search_space.candidates
        left = [layer for layer in model.search_space.searched_layers if own[layer] == whole[layer]]
        split = self.splitter.split(model, left, node)
        if split.layer not in left:
            raise ValueError(
                f"{node!r} can't be split at layer {split.layer}: those that it may be split at are {left}."
            )
        split.configs(model.config)
        return split

    def _write_parts(self, node: str, split: Split, whole: SupernetTrainer) -> None:
        source = self.folder.end(node)
        for index, config in enumerate(split.configs(whole.model.config)):
            target = self.folder.of(f"{node}.{index}") / source.name
            if not is_there(target):
                leaf = self._trainer(f"{node}.{index}", split_off(whole.model, config))
                write_leaf_checkpoint(source, target, whole, leaf)


__all__ = ["SplitTraining"]
