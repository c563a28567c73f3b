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
"""Which text: one source, named by options that go together."""

import pytest
from transformers import HfArgumentParser

from hf_supernet.data.text_arguments import TextArguments


class DevTextArguments(TextArguments):
    trains = False


BAD = [
    ({}, "exactly one of `dataset_name`, `train_file` and `python_prose`"),
    ({"dataset_name": "x", "train_file": ["y.txt"]}, "exactly one of"),
    ({"dataset_name": "x", "python_prose": True}, "exactly one of"),
    ({"validation_file": ["x.txt"]}, "`validation_file` goes with `train_file`"),
    ({"train_file": ["x.txt"], "dataset_config_name": "en"}, "`dataset_config_name` goes with `dataset_name`"),
    ({"python_prose": True, "text_column": "texts"}, r"leave out `text_column` \('texts'\)"),
    ({"train_file": ["x.txt"], "max_eval_samples": 0}, "`max_eval_samples` must be at least 1, got 0"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        TextArguments(**options)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mlm_probability", 0, "above 0 and at most 1, got 0"),
        ("mlm_probability", 1.5, "above 0 and at most 1, got 1.5"),
        ("max_seq_length", 2, "at least 3 .*, got 2"),
    ],
)
def test_sizes_out_of_range(name, value, message):
    with pytest.raises(ValueError, match=f"`{name}` must be {message}"):
        TextArguments(python_prose=True, **{name: value})


def test_dev_text_alone():
    assert DevTextArguments(validation_file=["x.txt"]).train_file is None
    with pytest.raises(ValueError, match=r"exactly one of `dataset_name`, `validation_file` \(or `train_file`\)"):
        DevTextArguments()


def test_description():
    named = TextArguments(dataset_name="Salesforce/wikitext", dataset_config_name="wikitext-2-v1")
    assert named.description == "Salesforce/wikitext wikitext-2-v1"
    assert TextArguments(train_file=["secret/x.txt"]).description == "local files"
    assert "Python" in TextArguments(python_prose=True).description


def test_the_seed_says_what_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    file = tmp_path / "text.txt"
    file.write_text("\n\n".join(f"document {number}" for number in range(40)))
    line = ["--train_file", str(file), "--validation_split_percentage", "25"]
    (text,) = HfArgumentParser(TextArguments).parse_args_into_dataclasses(line)
    held_out = [set(text.load(seed)["validation"]["text"]) for seed in (1, 1, 2)]
    assert len(held_out[0]) == 10 and held_out[0] == held_out[1] != held_out[2]
    stream = text.load(1, streaming=True)
    assert {row["text"] for split in stream.values() for row in split} == {f"document {n}" for n in range(40)}
