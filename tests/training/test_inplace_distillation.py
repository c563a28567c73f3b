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
"""Sandwich steps, in-place distillation, and regularisation of the largest path alone."""

import copy
import weakref

import pytest
import torch
from torch.nn import functional as F

from hf_supernet import Architecture
from hf_supernet.samplers import ArchitectureSampler, make_sampler
from hf_supernet.training.rested_slices import trained_slices

from .conftest import logs_of, make_collator, make_dataset, make_supernet
from .test_trainer import TASKS, Watch, pad


BIGNAS = {"sampler": "sandwich", "distillation": "inplace"}
SLICED = {
    "weight_sharing": "sliced",
    "hidden_sizes": [16, 32],
    "attention_head_size": 8,
    "candidate_operators": [["attention-4", "attention-2"], ["feed_forward-37", "feed_forward-8", "identity"]] * 2,
}
ENDS = {"num_random": 0, "largest": "A4-F37-A4-C3", "smallest": "F37-I-C3-F37"}
ONE_STEP = {"max_steps": 1, "logging_steps": 1, "max_grad_norm": 0.0, "per_device_train_batch_size": 44}


class OnlySampler(ArchitectureSampler):
    """One path, always: training it alone."""

    name = "only"

    def __init__(self, search_space, path: str):
        super().__init__(search_space)
        self.largest = Architecture.from_string(path)

    def sample(self, step):
        return [self.largest]


def gradients_by_hand(model, batch, paths, weight: float, temperature: float, scale: float = 1.0) -> dict:
    """The labels for the first path, its soft outputs for the others; the mean over paths."""
    kept = batch["labels"] != -100
    model.train()
    first = model(**batch, architecture=paths[0])
    targets = (first.logits[kept].detach() / temperature).softmax(-1)
    parts = [first.loss]
    for path in paths[1:]:
        outputs = model(**batch, architecture=path)
        student = (outputs.logits[kept] / temperature).log_softmax(-1)
        divergence = (targets * (targets.log() - student)).sum(-1).mean() * temperature**2
        parts.append((1 - weight) * outputs.loss + weight * divergence)
    (scale * torch.stack(parts).mean()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name: grad for name, grad in gradients.items() if grad is not None}


@pytest.mark.parametrize(
    ("config", "weight", "temperature"), [({}, 1.0, 1.0), (SLICED, 1.0, 2.0), (SLICED, 0.25, 1.0)]
)
def test_step_equals_a_computation_by_hand(make_trainer, config, weight, temperature):
    model, watch = make_supernet(dropout=0.0, **config), Watch()
    untrained = copy.deepcopy(model)
    settings = {"distillation_weight": weight, "distillation_temperature": temperature}
    trainer = make_trainer(model=model, callbacks=[watch], **BIGNAS, **settings, **ONE_STEP)
    trainer.train()
    paths = trainer.sampler.sample(0)
    assert len(paths) == 4 and paths[0] == trainer.sampler.largest
    expected = gradients_by_hand(untrained, make_collator()(list(make_dataset(44))), paths, weight, temperature)
    found = {name: grad for name, grad in watch.gradients[0].items() if grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    (log,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert log["loss"] == pytest.approx(log["task_loss"] + log["distillation_loss"], rel=1e-5)
    assert log["distillation_loss"] > 0.01


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_tasks_with_a_label_for_each_example(make_trainer, task):
    config, options = TASKS[task]
    model, watch = make_supernet(dropout=0.0, **config), Watch()
    untrained = copy.deepcopy(model)
    options = options | {"eval_dataset": options["train_dataset"], "data_collator": pad}
    arguments = ONE_STEP | {"sampler_kwargs": ENDS}
    trainer = make_trainer(model=model, callbacks=[watch], options=options, **BIGNAS, **arguments)
    trainer.train()
    batch = pad(list(options["train_dataset"].remove_columns("example_id")))
    first, other = (untrained(**batch, architecture=ENDS[name]) for name in ("largest", "smallest"))
    targets = first.logits.detach()
    distance = (
        F.mse_loss(other.logits, targets)
        if task == "regression"
        else (targets.softmax(-1) * (targets.log_softmax(-1) - other.logits.log_softmax(-1))).sum(-1).mean()
    )
    ((first.loss + distance) / 2).backward()
    for name, parameter in untrained.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(watch.gradients[0][name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_largest_is_trained_as_if_it_were_alone(make_trainer):
    """With dropout, bit for bit: half the gradient, and of the weights that no other path has."""
    watches = []
    for sampler in (None, OnlySampler(make_supernet().search_space, ENDS["largest"])):
        watch = Watch()
        arguments = BIGNAS | {"sampler_kwargs": ENDS} | ONE_STEP
        make_trainer(callbacks=[watch], options={"sampler": sampler}, **arguments).train()
        watches.append(watch.gradients[0])
    both, alone = watches
    own = [name for name in both if any(f"layer.{i}.{o}." in name for i, o in enumerate(("attention-4", "feed_forward-37", "attention-4", "convolution-3")))]  # fmt: skip
    assert len(own) > 30
    for name in own:
        assert torch.equal(both[name], alone[name] / 2), name
    shared = "supernet_bert.embeddings.word_embeddings.weight"
    assert not torch.equal(both[shared], alone[shared] / 2)


def test_what_the_largest_alone_has_of_slices_is_trained_as_if_it_were_alone(make_trainer):
    """Of shared weights too: soft targets send nothing back into what the small path does not read."""
    space = {
        "candidate_operators": SLICED["candidate_operators"],
        "weight_sharing": "sliced",
        "attention_head_size": 8,
    }
    ends = {"num_random": 0, "largest": "A4-F37-A4-F37", "smallest": "A2-F8-A2-F8"}
    gradients = []
    for path in (None, ends["largest"]):
        model, watch = make_supernet(**space), Watch()
        options = {"sampler": path and OnlySampler(model.search_space, path)}
        arguments = BIGNAS | {"sampler_kwargs": ends} | ONE_STEP
        make_trainer(model=model, callbacks=[watch], options=options, **arguments).train()
        gradients.append(watch.gradients[0])
    both, alone = gradients
    names = {parameter: name for name, parameter in model.named_parameters()}
    masks = list(trained_slices(model, [Architecture.from_string(ends["smallest"])]))
    assert len(masks) > 15
    for parameter, read in masks:
        name = names[parameter]
        assert torch.equal(both[name][~read], alone[name][~read] / 2), name
        assert "key.bias" in name or not torch.equal(both[name][read], alone[name][read] / 2), name


@pytest.mark.parametrize("checkpointing", [False, True])
def test_only_the_largest_has_dropout(make_trainer, checkpointing):
    """Seen at what the dropouts change, also where layers run again in the backward pass; and they are as before afterwards."""
    model = make_supernet(dropout=0.3)
    trainer = make_trainer(
        model=model, sampler_kwargs=ENDS, activation_checkpointing=checkpointing, **BIGNAS, **ONE_STEP
    )
    changed: dict[str, list[bool]] = {"largest": [], "smallest": []}

    def look(module, inputs, output):
        path = "largest" if trainer._architecture == trainer.sampler.largest else "smallest"
        changed[path].append(not torch.equal(inputs[0], output))

    states = []
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(look)
    for layer in model.base_model.encoder.layer:
        layer["attention-4"].self.register_forward_hook(lambda module, *_: states.append(module.dropout))
    trainer.train()
    assert all(changed["largest"]) and len(changed["largest"]) >= 5
    assert not any(changed["smallest"]) and len(changed["smallest"]) >= 4
    assert set(states) == {0.3}  # the largest alone has attention here
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}


def test_paths_without_dropout_draw_no_random_numbers(make_trainer):
    """The masks of the second step are those of training the largest alone."""
    seen = []
    for sampler in (None, OnlySampler(make_supernet().search_space, ENDS["largest"])):
        trainer = make_trainer(
            sampler_kwargs=ENDS, max_steps=2, learning_rate=0.0, options={"sampler": sampler}, **BIGNAS
        )
        masks: list[torch.Tensor] = []
        layer = trainer.model.base_model.encoder.layer[0]["attention-4"]
        layer.dropout.register_forward_hook(lambda _, inputs, output, masks=masks: masks.append(output == 0))
        trainer.train()
        seen.append(masks)
    assert len(seen[0]) == len(seen[1]) == 2
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*seen, strict=True))
    assert seen[0][1].any() and not torch.equal(*seen[0])


@pytest.mark.parametrize(("setting", "config"), [(None, {}), ("all", {}), (None, SLICED)])
def test_weights_beside_the_largest_path_do_not_decay(make_trainer, setting, config):
    options = {"sampler_kwargs": ENDS} if not config else {}
    trainer = make_trainer(
        model=make_supernet(**config), weight_decay=0.25, regularized_paths=setting, **BIGNAS, **options
    )
    trainer.create_optimizer()
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    decays = {names[id(p)]: group["weight_decay"] for group in trainer.optimizer.param_groups for p in group["params"]}
    matrices = {name for name in decays if name.endswith("weight") and "LayerNorm" not in name}
    largest = [str(operator) for operator in trainer.sampler.largest]
    on_path = {
        name
        for name in matrices
        if ".layer." not in name or any(f".layer.{i}.{operator}." in name for i, operator in enumerate(largest))
    }
    assert {name for name, decay in decays.items() if decay} == (matrices if setting == "all" else on_path)
    assert (on_path == matrices) == bool(config)  # all are slices of the largest's


def test_activations_of_one_path_are_kept_at_a_time(make_trainer):
    trainer = make_trainer(max_steps=2, gradient_accumulation_steps=2, **BIGNAS)
    states, alive = [], []
    embeddings = trainer.model.base_model.embeddings

    def begin(*_):
        alive.append(sum(reference() is not None for reference in states))

    embeddings.register_forward_pre_hook(begin)
    for layer in trainer.model.base_model.encoder.layer:
        for operator in layer.values():
            operator.register_forward_hook(lambda module, inputs, output: states.append(weakref.ref(output)))
    trainer.train()
    assert len(alive) == 2 * 2 * 4 and len(states) == 4 * len(alive)
    assert set(alive) == {0}
    assert trainer._soft_targets is None


def test_sandwich_without_distillation_has_the_labels_everywhere(make_trainer):
    model, watch = make_supernet(dropout=0.0, **SLICED), Watch()
    untrained = copy.deepcopy(model)
    trainer = make_trainer(model=model, callbacks=[watch], sampler="sandwich", **ONE_STEP)
    trainer.train()
    assert trainer.args.regularized_paths == "all"
    batch = make_collator()(list(make_dataset(44)))
    loss = torch.stack([untrained(**batch, architecture=path).loss for path in trainer.sampler.sample(0)]).mean()
    assert logs_of(trainer) == [pytest.approx(loss.item(), rel=1e-5)]


def test_with_alignment(make_trainer):
    arguments = {"alignment_weight": 0.5, "anchor": "largest", "anchor_average": 0.5, "sampler_kwargs": ENDS}
    trainer = make_trainer(logging_steps=1, max_steps=2, **BIGNAS, **arguments)
    trainer.train()
    for log in trainer.state.log_history[:2]:
        parts = log["task_loss"] + log["distillation_loss"] + 0.5 * log["alignment_loss"]
        assert log["loss"] == pytest.approx(parts, rel=1e-5)
        assert min(log["distillation_loss"], log["alignment_loss"]) > 0.01


@pytest.mark.filterwarnings("ignore:Both num_training_steps")  # the Trainer passes the one
def test_learning_rate_that_stays_at_a_share_of_its_peak(make_trainer):
    """As the arguments' docstring says."""
    schedule = {"num_stable_steps": 0, "num_decay_steps": 3, "min_lr_ratio": 0.05}
    arguments = {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": schedule, "warmup_steps": 1}
    trainer = make_trainer(logging_steps=1, learning_rate=0.02, max_steps=6, **arguments)
    trainer.train()
    rates = logs_of(trainer, "learning_rate")
    assert rates[1] == 0.02 and rates[1] > rates[2] > rates[3] > rates[4]
    assert rates[4] == rates[5] == pytest.approx(0.001)


@pytest.mark.parametrize("sampler", ["uniform", "fair", "gradual"])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"distillation": "inplace"}, "`distillation='inplace'` needs the largest path in each step.*sampler='sandwich'"),
        ({"regularized_paths": "largest"}, "`regularized_paths='largest'` needs the largest path in each step"),
    ],
)  # fmt: skip
def test_samplers_without_a_largest_path_are_refused(make_trainer, sampler, option, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(sampler=sampler, **option)


class PromisingSampler(OnlySampler):
    """Has a `largest`, and trains something else."""

    name = "promising"

    def __init__(self, search_space, largest):
        self.largest, self.search_space, self.seed = largest, search_space, 0

    def sample(self, step):
        return [Architecture.from_string(path) for path in ("I-I-I-I", ENDS["largest"])]


@pytest.mark.parametrize("option", [{"distillation": "inplace"}, {"regularized_paths": "largest"}])
@pytest.mark.parametrize(
    ("largest", "message"),
    [
        (Architecture.from_string(ENDS["largest"]), r"the 'promising' sampler has 'A4-F37-A4-C3' as .* but step 0 begins with 'I-I-I-I'"),
        (ENDS["largest"], "`largest` of the 'promising' sampler must be an `Architecture`, got 'A4-F37-A4-C3'"),
        (Architecture.from_string("A4-F38-A4-C3"), "`largest` of the 'promising' sampler: 'A4-F38-A4-C3': layer 1 is feed_forward-38"),
    ],
)  # fmt: skip
def test_a_largest_path_that_is_none_is_an_error(make_trainer, option, largest, message):
    sampler = PromisingSampler(make_supernet().search_space, largest)
    with pytest.raises(ValueError, match="(?i)" + message):
        make_trainer(options={"sampler": sampler}, **option).train()


def test_a_misspelt_end_of_the_sandwich_is_an_error(make_trainer):
    for name, path, message in (
        ("largest", "A4-F38-A4-C3", "layer 1 is feed_forward-38, allowed there are"),
        ("smallest", "the small one", "Cannot read the architecture 'the small one'"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` of the sandwich sampler: .*{message}"):
            make_trainer(sampler_kwargs=ENDS | {name: path}, **BIGNAS)


def test_several_labels_for_each_example_are_refused(make_trainer):
    config, options = TASKS["classification"]
    data = options["train_dataset"].remove_columns("labels").add_column("labels", [[1.0, 0.0, 1.0]] * 16)
    model = make_supernet(problem_type="multi_label_classification", **config)
    options = {"train_dataset": data, "eval_dataset": data, "data_collator": pad}
    with pytest.raises(ValueError, match=r"The labels have the shape \(8, 3\): `distillation` is for one class"):
        make_trainer(model=model, options=options, **BIGNAS).train()


def test_label_smoothing_acts_on_the_largest(make_trainer):
    """Its logits are those of all positions, of which the masked ones are learnt."""
    losses = []
    for smoothing in (0.0, 0.2):
        trainer = make_trainer(
            model=make_supernet(dropout=0.0), label_smoothing_factor=smoothing, **BIGNAS, **ONE_STEP
        )
        trainer.train()
        losses.append((*logs_of(trainer, "task_loss"), *logs_of(trainer, "distillation_loss")))
    assert losses[0][0] != pytest.approx(losses[1][0], rel=1e-3)
    assert losses[0][1] == pytest.approx(losses[1][1], rel=1e-5)


def test_a_path_drawn_that_is_the_largest_sees_the_labels_again(make_trainer):
    trainer = make_trainer(sampler_kwargs=ENDS | {"smallest": ENDS["largest"]}, **BIGNAS, **ONE_STEP)
    trainer.train()
    assert not logs_of(trainer, "distillation_loss")
    assert make_sampler("sandwich", trainer.model.search_space, **trainer.sampler.settings()).sample(0)
