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
import transformers.utils.hub
from huggingface_hub import constants

from hf_supernet import make_sampler
from hf_supernet.export import publish_supernet
from hf_supernet.training.settings import find_settings, supernet_settings

from .conftest import make_supernet


@pytest.fixture
def supernet():
    return make_supernet()


def test_of_a_supernet_on_the_hub(supernet, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # the client of another test's Hub
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    sampler = make_sampler("fair", supernet.search_space, seed=5)
    publish_supernet(supernet, "user/net", sampler=sampler)
    assert find_settings("user/net", supernet.search_space) == supernet_settings(supernet.search_space, sampler)
    supernet.push_to_hub("user/bare")
    assert find_settings("user/bare", supernet.search_space) == supernet_settings(supernet.search_space)


def test_of_a_supernet_in_a_folder(supernet, tmp_path):
    assert find_settings(str(tmp_path), supernet.search_space) == supernet_settings(supernet.search_space)
    (tmp_path / "supernet_settings.json").write_text('{"sampler": {"name": "one of my own"}}')
    assert find_settings(str(tmp_path), supernet.search_space) == {"sampler": {"name": "one of my own"}}
