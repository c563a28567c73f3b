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
import copy
import dataclasses
import os
import pickle
import subprocess
import sys

import pytest

from hf_supernet.architecture import Architecture
from hf_supernet.models.searched_bert import Operator


def read(text):
    return Architecture.from_string(text)


@pytest.mark.parametrize("text", ["I", "A4", "A4-F1024-C5-I", "H256:A4-F1024", "I-I-C11"])
def test_string_round_trip(text):
    architecture = read(text)
    assert str(architecture) == text
    assert read(str(architecture)) == architecture
    assert eval(repr(architecture)) == architecture


def test_from_operators_takes_operators_and_both_forms():
    architecture = Architecture.from_operators([Operator("attention", 4), "feed_forward-37", "C3", "identity"])
    assert str(architecture) == "A4-F37-C3-I"
    assert len(architecture) == 4
    assert architecture[1] == Operator("feed_forward", 37)
    assert list(architecture) == list(architecture.operators)
    assert Architecture.from_operators(iter(["A4"]), hidden_size=32) == read("H32:A4")


def test_equality_and_hash():
    assert read("A4-F37") == read("A4-F37")
    assert hash(read("A4-F37")) == hash(read("A4-F37"))
    different = [read("A4-F37"), read("F37-A4"), read("A4-F37-I"), read("H32:A4-F37"), read("H64:A4-F37")]
    assert len(set(different)) == len(different)
    assert read("A4") != "A4"
    assert read("A4") not in {"A4": 1}


def test_is_immutable():
    with pytest.raises(AttributeError):
        read("A4").hidden_size = 3


def test_operators_are_keys():
    """Equal ones have one hash, and those of a small space have different ones."""
    texts = [
        "attention-4",
        "attention-8",
        "feed_forward-4",
        "feed_forward-8",
        "convolution-3",
        "convolution-5",
        "identity",
    ]
    operators = [Operator.from_string(text) for text in texts]
    assert [hash(Operator.from_string(text)) for text in texts] == [hash(operator) for operator in operators]
    assert len({hash(operator) for operator in operators}) == len(texts)
    assert Operator("attention", 4) in {operators[0]} and copy.deepcopy(operators[0]) in {operators[0]}
    assert hash(dataclasses.replace(operators[0], size=8)) == hash(operators[1])


def test_pickles_are_usable_in_another_process():
    """A hash of strings differs between processes, so a cached one must not travel."""
    code = """
import pickle, sys
from hf_supernet.architecture import Architecture
architecture, operator = pickle.loads(sys.stdin.buffer.read())
print(architecture in {Architecture.from_string("H32:A4-I")}, operator in set(Architecture.from_string("A4")))
"""
    data = pickle.dumps((read("H32:A4-I"), Operator("attention", 4)))
    environment = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    ended = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, env=environment)
    assert ended.stdout.decode().split() == ["True", "True"], ended.stderr.decode()


def test_distance_and_first_difference():
    one, two = read("A4-F37-C3-I"), read("A4-F99-C3-C3")
    assert one.distance(two) == two.distance(one) == 2
    assert one.first_difference(two) == two.first_difference(one) == 1
    assert one.distance(one) == 0
    assert one.first_difference(read("A4-F37-C3-I")) == 4
    assert read("H32:A4").first_difference(read("H64:A4")) == 0
    for method in (one.distance, one.first_difference):
        with pytest.raises(ValueError, match="4 and 3 layers"):
            method(read("A4-F37-C3"))


def test_canonical():
    assert str(read("H32:A4-I-F37-I").canonical()) == "H32:A4-F37-I-I"
    assert read("A4-I-F64").canonical() == read("A4-F64-I").canonical()
    assert read("A4-F64").canonical() != read("F64-A4").canonical()


def test_replace():
    architecture = read("H32:A4-F37-C3")
    assert str(architecture.replace(0, "identity")) == "H32:I-F37-C3"
    assert str(architecture.replace(2, Operator("attention", 2))) == "H32:A4-F37-A2"
    assert str(architecture) == "H32:A4-F37-C3"
    for layer in (-1, 3):
        with pytest.raises(ValueError, match="0 to 2"):
            architecture.replace(layer, "A4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A4-G5-I", "layer 1 is 'G5'"),
        ("A4--I", "layer 1 is ''"),
        ("", "layer 0 is ''"),
        ("A4 -I", "layer 0 is 'A4 '"),
        ("A4-C4", "Layer 1 .* odd kernel"),
        ("A4-F0", "Layer 1 .* positive size"),
        ("H0:A4", "before the colon is 'H0'"),
        ("256:A4", "before the colon is '256'"),
        ("attention-4", "from_operators"),
        (4, "got 4"),
    ],
)
def test_typos_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        Architecture.from_string(text)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"Layer 1 .*Did you mean 'attention'"):
        Architecture.from_operators(["A4", "atention-4"])
    with pytest.raises(ValueError, match=r"Layer 0 .*got 7"):
        Architecture.from_operators([7])
    with pytest.raises(ValueError, match="use `from_string`"):
        Architecture.from_operators("A4-F37")
    with pytest.raises(ValueError, match="from_operators"):
        Architecture([Operator("attention", 4)])
    with pytest.raises(ValueError, match="at least one operator"):
        Architecture(())
    with pytest.raises(ValueError, match="`hidden_size`"):
        Architecture((Operator("identity"),), hidden_size=-3)
