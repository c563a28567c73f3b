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
"""Folders of children that were trained alone, and the calibration that comes of them."""

import pytest
import torch
from transformers import BertConfig

from hf_supernet import Architecture, SupernetBertForMaskedLM
from hf_supernet.evaluation.calibration import operator_counts
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.search.children_alone import ChildrenAlone, read_children

from ..models.conftest import make_batch, make_masked_labels, randomise
from .conftest import tiny_config


PATHS = ["A4-F37-I-C3", "I-I-F37-I", "A4-A4-A4-A4", "C3-I-I-A4"]
LAYERS = {"num_hidden_layers": 4}


@pytest.fixture(scope="module")
def supernet():
    torch.manual_seed(0)
    return randomise(SupernetBertForMaskedLM(tiny_config(**LAYERS)))


@pytest.fixture(scope="module")
def folders(supernet, tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("children")
    for path in PATHS:
        supernet.extract_child(path).save_pretrained(folder / path)
    return [str(folder / path) for path in PATHS]


@pytest.fixture(scope="module")
def batches():
    batches = [make_batch(), make_batch("left", seed=1)]
    return [batch | {"labels": make_masked_labels(batch, seed)} for seed, batch in enumerate(batches)]


def test_children_with_the_weights_of_the_supernet_have_the_losses_that_it_gives_them(supernet, folders, batches):
    children = read_children(folders, supernet.config)
    assert {str(architecture): folder for architecture, folder in children.items()} == dict(
        zip(PATHS, folders, strict=True)
    )
    alone, evaluator = ChildrenAlone.measure(children, batches), Evaluator(supernet, batches)
    assert alone.losses == pytest.approx(evaluator.evaluate(PATHS), rel=1e-5)
    assert all(abs(worth) < 1e-4 for worth in alone.calibrate(evaluator).worths.values())


def test_a_calibration_is_of_losses_alone_and_through_the_supernet(supernet, folders, batches):
    children = [Architecture.from_string(path) for path in PATHS]
    scores = Evaluator(supernet, batches).evaluate(children)
    losses = {item: scores[item] + 0.5 * operator_counts([item], ["A4"])[0, 0] for item in children}
    calibration = ChildrenAlone(losses, "made up").calibrate(Evaluator(supernet, batches))
    assert calibration.worths["A4"] > 0.3 > abs(calibration.worths["C3"])


def test_the_fingerprint_is_that_of_the_children(supernet, folders, batches, tmp_path):
    children = read_children(folders, supernet.config)
    alone = ChildrenAlone.measure(children, batches)
    # in any order, and wherever they are evaluated
    backwards = ChildrenAlone.measure(dict(reversed(children.items())), batches[:1])
    assert backwards.fingerprint == alone.fingerprint and list(backwards.losses) == list(alone.losses)
    first = next(iter(children))
    other = supernet.extract_child(first)
    with torch.no_grad():
        other.base_model.embeddings.word_embeddings.weight[0, 0] += 1
    other.save_pretrained(tmp_path)
    assert ChildrenAlone.measure(children | {first: str(tmp_path)}, batches).fingerprint != alone.fingerprint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"candidate_operators": ["attention-4", "identity"]},
            r"A4-F37-I-C3' is no child .* layer 1 is feed_forward-37",
        ),
        ({"num_hidden_layers": 5}, r"is no child .* has 4 layers, but the search space has 5"),
        ({"vocab_size": 77}, r"is no child of this supernet: its `vocab_size` is 99, the supernet's 77"),
        ({"identity_placement": "end"}, r"is no child .* with its identities moved is 'A4-F37-C3-I'"),
        (
            {"hidden_sizes": [32, 16], "weight_sharing": "sliced", "attention_head_size": 8},
            r"of one hidden size, and this supernet searches .*: search without calibration",
        ),
    ],
)
def test_children_of_other_supernets_are_refused(folders, fields, message):
    with pytest.raises(ValueError, match=message):
        read_children(folders, tiny_config(**{**LAYERS, **fields}))


def test_what_says_no_architecture_is_refused(supernet, folders, tmp_path):
    BertConfig().save_pretrained(tmp_path / "bert")
    supernet.config.save_pretrained(tmp_path / "supernet")
    for others, error, message in (
        (
            ["bert"],
            ValueError,
            r"bert' is a plain BERT, .* in which layers .*, or `export_child` with `format=\"searched",
        ),
        (["supernet"], ValueError, r"supernet' is a 'supernet-bert' model, not a child of a supernet"),
        (["nothing"], OSError, r"There is no child '.*nothing'"),
    ):
        with pytest.raises(error, match=message):
            read_children([*folders[:2], *(str(tmp_path / name) for name in others)], supernet.config)
    with pytest.raises(ValueError, match=r"needs 3 children trained alone, better 6 or more; got 2"):
        read_children(folders[:2], supernet.config)
    with pytest.raises(ValueError, match=r"I-I-F37-I' and '.*I-I-F37-I' are the same child, 'I-I-F37-I': leave one"):
        read_children([*folders, folders[1]], supernet.config)
