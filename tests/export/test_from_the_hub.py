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
"""What is pushed loads from the Hub by its name, in a new process with an empty cache, with hf_supernet and without it."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import transformers.utils.hub
from torch.testing import assert_close

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.export import publish_child, publish_search_result, publish_supernet
from hf_supernet.search import SearchResult
from tests.hub_server import TOKEN, HubServer

from .conftest import MIXED, PLAIN, randomise


ARCHITECTURE = "F37-A4-C3"
CHILDREN = ("user/mixed", "user/plain", "user/pushed")

COMMON = """
import os, sys

import torch
import transformers
from transformers import AutoModelForMaskedLM

batch = torch.load("batch.pt")
results = {}


def logits(model):
    with torch.no_grad():
        return model.eval()(**batch).logits


def refusal(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def run_snippet(repo_id, repo_type="model"):
    from huggingface_hub import hf_hub_download

    text = open(hf_hub_download(repo_id, "README.md", repo_type=repo_type), encoding="utf-8").read()
    names = {}
    exec(text.split("```python\\n")[1].split("```")[0], names)
    return names


transformers.utils.logging.disable_progress_bar()
"""

WITH = """
import hf_supernet
from hf_supernet import SupernetBertForMaskedLM

for name in CHILDREN:
    results[name] = logits(AutoModelForMaskedLM.from_pretrained(name))
results["second"] = logits(AutoModelForMaskedLM.from_pretrained("user/mixed", revision="second"))
results["no revision"] = refusal(AutoModelForMaskedLM.from_pretrained, "user/mixed", revision="third")
for name in ("user/net", "user/net-pushed"):
    supernet = SupernetBertForMaskedLM.from_pretrained(name)
    results[name] = logits(supernet.extract_child(ARCHITECTURE))
results["snippet"] = str(run_snippet("user/net")["child"].config.operators)
results["search"] = len(run_snippet("user/search", "dataset")["result"])
results["no token"] = refusal(AutoModelForMaskedLM.from_pretrained, "user/private")
results["private"] = logits(AutoModelForMaskedLM.from_pretrained("user/private", token=TOKEN))
os.environ["HF_TOKEN"] = TOKEN
results["logged in"] = logits(AutoModelForMaskedLM.from_pretrained("user/private", force_download=True))
torch.save(results, "with.pt")
"""

WITHOUT = """
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hf_supernet":
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, Blocker())
assert "hf_supernet" not in sys.modules and refusal(__import__, "hf_supernet").startswith("ModuleNotFoundError")
for name in CHILDREN:
    model = AutoModelForMaskedLM.from_pretrained(name, trust_remote_code=name != "user/plain")
    assert type(model).__module__.startswith("transformers" if name == "user/plain" else "transformers_modules."), name
    results[name] = logits(model)
model = AutoModelForMaskedLM.from_pretrained("user/mixed", revision="second", trust_remote_code=True)
results["second"] = logits(model)
for name in ("user/mixed", "user/plain"):
    results[f"snippet of {name}"] = run_snippet(name)["outputs"].logits.shape[-1]
results["not trusted"] = refusal(AutoModelForMaskedLM.from_pretrained, "user/mixed")
results["supernet"] = refusal(AutoModelForMaskedLM.from_pretrained, "user/net")
torch.save(results, "without.pt")
"""


def run(code: str, server: HubServer, folder: Path) -> dict:
    """Runs `code` where nothing is known but the address of the Hub."""
    name = "with" if "import hf_supernet" in code else "without"
    for constant, value in {"CHILDREN": CHILDREN, "ARCHITECTURE": ARCHITECTURE, "TOKEN": TOKEN}.items():
        code = f"{constant} = {value!r}\n{code}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HF_"))}
    environment |= {"HF_HOME": str(folder / f"home-{name}"), "HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / f"{name}.pt")


@pytest.fixture
def published(hub, make_child, tokenizer, batch, tmp_path, monkeypatch) -> dict[str, torch.Tensor]:
    """Fills the Hub; what the models on it answer."""
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # the client of another test's Hub
    sizes = {"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 41, "num_hidden_layers": 3}
    config = SupernetBertConfig(**sizes, candidate_operators=["attention-4", "feed_forward-37", "convolution-3"])
    supernet = randomise(SupernetBertForMaskedLM(config))
    mixed, second, plain = make_child(MIXED), make_child(MIXED), make_child(PLAIN)
    table = pd.DataFrame({"architecture": [ARCHITECTURE], "loss": [1.5], "parameters": [4000], "generation": [0]})
    result = SearchResult(table, {})
    publish_child(mixed, "user/mixed", tokenizer)
    publish_child(second, "user/mixed", tokenizer, revision="second")
    publish_child(plain, "user/plain", tokenizer)
    publish_child(mixed, "user/private", private=True)
    publish_supernet(supernet, "user/net", search_result=result)
    publish_search_result(result, "user/search")
    mixed.push_to_hub("user/pushed")
    supernet.push_to_hub("user/net-pushed")
    torch.save(batch, tmp_path / "batch.pt")
    models = {"user/mixed": mixed, "user/pushed": mixed, "user/private": mixed, "user/plain": plain, "second": second}
    models["user/net"] = supernet.extract_child(ARCHITECTURE)
    with torch.no_grad():
        return {name: model(**batch).logits for name, model in models.items()}


def test_what_is_pushed_loads_by_its_name(hub, published, tmp_path):
    found = run(COMMON + WITH, hub, tmp_path)
    for name in (*CHILDREN, "second", "user/net"):
        assert_close(found[name], published[name], rtol=0, atol=1e-5)
    assert_close(found["user/net-pushed"], published["user/net"], rtol=0, atol=1e-5)
    assert found["snippet"] == "['attention-4', 'attention-4', 'attention-4']" and found["search"] == 1
    for name in ("private", "logged in"):
        assert_close(found[name], published["user/private"], rtol=0, atol=1e-5)
    assert found["no token"].startswith(
        "OSError: user/private is not a local folder and is not a valid model identifier"
    )
    assert "If this is a private repository, make sure to pass a token" in found["no token"]
    assert "third is not a valid git identifier" in found["no revision"]

    found = run(COMMON + WITHOUT, hub, tmp_path)
    for name in (*CHILDREN, "second"):
        assert_close(found[name], published[name], rtol=0, atol=1e-5)
    assert [found[f"snippet of {name}"] for name in ("user/mixed", "user/plain")] == [99, 99]
    assert "`trust_remote_code=True`" in found["not trusted"]
    assert "model type `supernet-bert`" in found["supernet"]
