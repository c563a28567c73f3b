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
"""What a machine lacks is a skip with its reason, and a failure where it was said to be there."""

import sys

import pytest

from .required import VARIABLE, lacks, library


@pytest.mark.parametrize(
    ("required", "outcome", "message"),
    [
        (None, pytest.skip.Exception, "^no data here$"),
        ("browser, trackio", pytest.skip.Exception, "^no data here$"),
        ("browser, data", pytest.fail.Exception, r"no data here \(HF_SUPERNET_REQUIRE has data\)"),
        ("dtaa", pytest.fail.Exception, "names dtaa; it can name browser, data, "),
    ],
)
def test_what_is_lacking(required, outcome, message, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    if required is not None:
        monkeypatch.setenv(VARIABLE, required)
    with pytest.raises(outcome, match=message):
        lacks("data", "no data here")


def test_libraries(monkeypatch):
    assert library("json", "json.decoder").__name__ == "json.decoder"
    monkeypatch.setenv(VARIABLE, "trackio")
    monkeypatch.setitem(sys.modules, "trackio", None)  # as if it were not installed
    with pytest.raises(pytest.fail.Exception, match=r"no trackio here: pip install .* \(HF_SUPERNET_REQUIRE has"):
        library("trackio")
    with pytest.raises(ModuleNotFoundError, match="nothing"):  # a library that is there, but not whole
        library("json", "nothing")
