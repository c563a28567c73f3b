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

import pytest
import torch

from hf_supernet import Architecture
from hf_supernet.training import AlignmentLoss, Anchor

from .conftest import make_collator, make_dataset, make_supernet


CHILD = "A4-F37-C3-I"
ANCHOR = "A4-C3-C3-F37"  # differs in layers 1 and 3
FAR = "F37-A4-I-C3"  # differs everywhere


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    """Rows of lengths from 7 to 16."""
    collated = make_collator()(list(make_dataset(7)))
    assert len(set(collated["attention_mask"].sum(dim=1).tolist())) > 3
    return collated


@pytest.fixture
def model():
    return make_supernet(dropout=0.0)


def states_of(model, batch, architecture: str) -> tuple[torch.Tensor, ...]:
    return model(**batch, architecture=architecture, output_hidden_states=True).hidden_states


def align(loss: AlignmentLoss, model, batch, child: str, anchor: str, states=None, **kwargs) -> torch.Tensor:
    states = states_of(model, batch, child) if states is None else states
    architectures = map(Architecture.from_string, (child, anchor))
    return loss(model, states, batch.get("attention_mask"), *architectures, **kwargs)


def by_hand(
    model, batch, child: str, anchor: str, layers: list[int], normalized: bool, anchor_model=None
) -> torch.Tensor:
    """Two passes from the first layer to the last, of real tokens one after the other."""
    child_states = states_of(model, batch, child)
    anchor_states = [states.detach() for states in states_of(anchor_model or model, batch, anchor)]
    errors = []
    for row, length in enumerate(batch["attention_mask"].sum(dim=1)):
        for token in range(length):
            for layer in layers:
                pair = [states[layer + 1][row, token] for states in (child_states, anchor_states)]
                if normalized:
                    pair = [(x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt() for x in pair]
                errors.append(((pair[0] - pair[1]) ** 2).mean())
    return torch.stack(errors).mean()


def gradients(model, loss: torch.Tensor) -> dict[str, torch.Tensor | None]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize(
    ("layers", "anchor", "aligned"),
    [
        ("all", ANCHOR, [0, 1, 2, 3]),
        ("all", FAR, [0, 1, 2, 3]),
        ("differing", ANCHOR, [1, 3]),
        ("differing", FAR, [0, 1, 2, 3]),
        ("2,0", ANCHOR, [0, 2]),
        ("2", FAR, [2]),
    ],
)
def test_loss_and_gradients_equal_a_computation_by_hand(model, batch, layers, anchor, aligned, normalized):
    """By hand nothing is shared: sharing the prefix changes neither the loss nor the gradients."""
    loss = align(AlignmentLoss(layers, normalized), model, batch, CHILD, anchor)
    expected = by_hand(model, batch, CHILD, anchor, aligned, normalized)
    torch.testing.assert_close(loss, expected)
    assert loss > 0.05
    found, wanted = gradients(model, loss), gradients(model, expected)
    assert {name for name, value in found.items() if value is None} == {
        name for name, value in wanted.items() if value is None
    }
    for name, value in found.items():
        if value is not None:
            torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("anchor", [CHILD, ANCHOR, FAR])
@pytest.mark.parametrize(("layers", "aligned"), [("all", [0, 1, 2, 3]), ("0", [0])])
def test_anchor_run_with_other_weights_shares_nothing(model, batch, anchor, layers, aligned):
    """Also where it is the child, or begins as the child does; its embeddings are its own."""
    other = make_supernet(dropout=0.0)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    states = states_of(model, batch, CHILD)
    loss = align(AlignmentLoss(layers), other, batch, CHILD, anchor, states, inputs=batch)
    expected = by_hand(model, batch, CHILD, anchor, aligned, True, other)
    torch.testing.assert_close(loss, expected)
    assert loss > 0.05
    found, wanted = gradients(model, loss), gradients(model, expected)
    for name, value in found.items():
        if value is not None:
            torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-7)
    assert all(parameter.grad is None for parameter in other.parameters())


def test_no_gradient_reaches_the_network_through_the_anchor(model, batch):
    found = gradients(model, align(AlignmentLoss(), model, batch, CHILD, FAR))
    path = Architecture.from_string(CHILD)
    for name, value in found.items():
        if ".layer." in name:
            index, operator = name.split(".layer.")[1].split(".")[:2]
            assert (value is not None) == (operator == str(path[int(index)])), name
    assert found["supernet_bert.embeddings.word_embeddings.weight"].abs().max() > 0


def test_child_that_is_the_anchor_has_no_error(model, batch):
    model.train()
    for layers in ("all", "differing", "1,3"):
        loss = align(AlignmentLoss(layers), model, batch, CHILD, CHILD)
        assert loss == 0
        assert not loss.requires_grad


@pytest.mark.parametrize("anchor", ["A4-F37-C3-F37", "A4-I-C3-I"])
def test_shared_prefix_shares_its_dropout_masks(batch, anchor):
    model = make_supernet(dropout=0.4).train()
    first = Architecture.from_string(CHILD).first_difference(Architecture.from_string(anchor))
    before = ",".join(map(str, range(first)))
    assert align(AlignmentLoss(before), model, batch, CHILD, anchor) == 0
    # A second pass of the same layers would not have drawn the same masks.
    torch.manual_seed(5)
    states = states_of(model, batch, CHILD)
    assert (states_of(model, batch, CHILD)[first] - states[first]).abs().max() > 0.1


def test_anchor_goes_on_from_the_state_of_the_child(batch):
    """With dropout: where the anchor leaves out a layer, its state behind it is the child's state before it."""
    model = make_supernet(dropout=0.4).train()
    states = states_of(model, batch, CHILD)
    loss = align(AlignmentLoss("1", normalized=False), model, batch, CHILD, "A4-I-C3-I", states)
    real = batch["attention_mask"].bool()
    torch.testing.assert_close(loss, (states[2] - states[1])[real].square().mean())


def test_error_counts_real_tokens_of_all_batches_of_a_step(model):
    """Micro-batches that are padded to lengths of their own, divided by the tokens of all, add up to the whole batch."""
    collator, rows = make_collator(), list(make_dataset(7))
    loss = AlignmentLoss()
    whole = collator(rows)
    num_tokens = whole["attention_mask"].sum()
    parts = [collator(rows[:2]), collator(rows[2:3]), collator(rows[3:])]
    assert len({part["input_ids"].shape[1] for part in parts}) > 1
    total = sum(align(loss, model, part, CHILD, FAR, num_tokens=num_tokens) for part in parts)
    torch.testing.assert_close(total, align(loss, model, whole, CHILD, FAR))


def test_children_of_different_hidden_sizes_are_an_error(batch):
    sliced = {"weight_sharing": "sliced", "hidden_sizes": [16, 32], "attention_head_size": 8}
    model = make_supernet(dropout=0.0, **sliced)
    with pytest.raises(
        ValueError, match=r"'H16:A4-F37-C3-I' and of the anchor 'H32:.*' can't be compared: their hidden sizes differ"
    ):
        align(AlignmentLoss(), model, batch, f"H16:{CHILD}", f"H32:{ANCHOR}")
    assert align(AlignmentLoss(), model, batch, f"H16:{CHILD}", f"H16:{FAR}", inputs=batch) > 0.05


def test_batch_without_mask(model):
    batch = make_collator()(list(make_dataset(3, length=6)))
    masked = align(AlignmentLoss(), model, batch, CHILD, FAR)
    del batch["attention_mask"]
    torch.testing.assert_close(align(AlignmentLoss(), model, batch, CHILD, FAR), masked)


def test_anchor_stops_behind_the_last_aligned_layer(model, batch):
    states = states_of(model, batch, CHILD)
    ran = []
    for index, layer in enumerate(model.base_model.encoder.layer):
        for operator in layer.values():
            operator.register_forward_hook(lambda *_, index=index: ran.append(index))
    align(AlignmentLoss("0,2"), model, batch, CHILD, ANCHOR, states)
    assert ran == [1, 2]


@pytest.mark.parametrize("layers", ["some", "", "1;2", "1.5"])
def test_unknown_layers_are_an_error(layers):
    with pytest.raises(ValueError, match="must be 'all', 'differing', or indices"):
        AlignmentLoss(layers)


@pytest.mark.parametrize(("layers", "outside"), [("0,4", r"\[4\]"), ("-1", r"\[-1\]"), ("7,9", r"\[7, 9\]")])
def test_layers_out_of_range_are_an_error(layers, outside):
    loss = AlignmentLoss(layers)
    with pytest.raises(ValueError, match=f"names {outside}, but the layers are 0 to 3"):
        loss.check_layers(4)


class Scores:
    """An evaluator that reads from a table, and keeps what it was asked."""

    def __init__(self, **losses: float):
        self.losses = losses
        self.asked: list[list[str]] = []

    def evaluate(self, architectures):
        self.asked.append([str(architecture) for architecture in architectures])
        return {architecture: self.losses[str(architecture)[0]] for architecture in architectures}


def test_better_challenger_takes_the_place_of_the_anchor_by_current_losses():
    a, c, f = [Architecture.from_string(text) for text in ("A4", "C3", "F37")]
    scores = Scores(A=2.0, C=3.0, F=1.0)
    anchor = Anchor(scores)
    anchor.architecture = a
    anchor.challenge([c])
    assert (anchor.architecture, anchor.loss) == (a, 2.0)
    scores.losses |= {"A": 4.0, "C": 3.5}  # both have other weights by now
    anchor.challenge([c])
    assert (anchor.architecture, anchor.loss) == (c, 3.5)
    scores.losses["A"] = 3.5
    anchor.challenge([a])  # a tie
    assert (anchor.architecture, anchor.loss) == (c, 3.5)
    anchor.challenge([a, f])  # several, as with the fair sampler
    assert (anchor.architecture, anchor.loss) == (f, 1.0)
    assert scores.asked == [["A4", "C3"], ["A4", "C3"], ["C3", "A4"], ["C3", "A4", "F37"]]


def test_fixed_anchor_is_not_challenged():
    anchor = Anchor(architecture=Architecture.from_string("A4"))
    anchor.challenge([Architecture.from_string("C3")])
    assert (str(anchor.architecture), anchor.loss) == ("A4", None)


def test_anchor_state_goes_round():
    anchor, other = Anchor(Scores(A=2.0)), Anchor(Scores())
    assert anchor.state_dict() == {"architecture": None, "loss": None}
    anchor.architecture = Architecture.from_string("A4")
    anchor.challenge([])
    other.load_state_dict(anchor.state_dict())
    assert (other.architecture, other.loss) == (anchor.architecture, 2.0)
    other.load_state_dict({"architecture": None, "loss": None})
    assert other.architecture is None
