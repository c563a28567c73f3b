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
"""
Runs what README.md tells people to run, as it stands there, section by section, each in a folder with small inputs: only
sizes are reduced, by options behind those of README. A block that there is no rule for is an error.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import datasets
import pandas as pd
import pytest
import transformers.utils.hub
from huggingface_hub import constants
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.data import prose

from .documentation import ROOT, Block, Command, import_script, option_names, read_blocks, read_commands
from .hub_server import HubServer
from .hub_state import Commit, Repository


README = ROOT / "README.md"
BLOCKS = read_blocks(README)
COMMANDS = read_commands(BLOCKS)
SET_UP = "Try it"  # the heading over what is about the whole project: make, and its environment

TRAINER = "--use_cpu --disable_tqdm true --log_level error --save_strategy no"
REDUCED = {
    "examples/run_supernet_mlm.py": f"{TRAINER} --max_steps 2 --max_seq_length 16 --max_eval_samples 4"
    " --per_device_eval_batch_size 2",
    "examples/search_architecture.py": "--max_seq_length 16 --max_eval_samples 4 --generations 1 --population_size 4"
    " --latency_min_run_time 0.001 --latency_num_threads 1",
    "examples/run_glue.py": f"{TRAINER} --train_file sst2.csv --validation_file sst2.csv --num_train_epochs 1",
}
"""What comes behind the options of README, in place of hours and of what would be downloaded."""
SMALLER = {"max_steps=1000": 'max_steps=2, report_to="none", use_cpu=True, save_strategy="no"'}
"""The same for Python: each has to occur once."""
WRITTEN = {
    "Just load a searched model": [],
    "Search from scratch": ["supernet/model.safetensors", "search/child/config.json", "sst2/all_results.json"],
    "Compress a BERT that you have": ["bert-supernet/model.safetensors", "bert-search/child/config.json"],
    "In Python": ["my-child/README.md"],
    "Several processes": ["supernet/model.safetensors"],
}
"""What there is when a section was run."""

WORDS = ["the", "of", "list", "return", "name", "dog", "cat", "sees", "finds", "old", "new", "good"]
BERT = "google-bert/bert-base-uncased"


@pytest.fixture
def _folder(tmp_path, monkeypatch) -> None:
    """The folder that a reader is in: with text and data of his own, and what `make demo` made."""
    (tmp_path / "reader").mkdir()
    monkeypatch.chdir(tmp_path / "reader")
    Path("examples").symlink_to(ROOT / "examples")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prose, "_library", lambda: Path(sysconfig.get_path("stdlib")) / "email")
    monkeypatch.setattr(prose, "_topics", list)
    sentences = [" ".join(WORDS[i % 7 :: 1 + i % 5]) for i in range(60)]
    Path("text").mkdir()
    pd.DataFrame({"text": sentences}).to_parquet("text/train-00000.parquet")
    pd.DataFrame({"text": sentences[:20]}).to_parquet("text/validation-00000.parquet")
    pd.DataFrame({"sentence": sentences[:12], "label": [0, 1] * 6}).to_csv("sst2.csv", index=False)
    child = SearchedBertConfig(operators=["attention-4", "convolution-3", "identity"], vocab_size=80, hidden_size=32)
    SearchedBertForMaskedLM(child).save_pretrained("demo_output/child")
    tokenizer().save_pretrained("demo_output/child")


def tokenizer() -> BertTokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".abcdefghijklmnopqrstuvwxyz"]
    return BertTokenizer(vocab={word: index for index, word in enumerate(dict.fromkeys([*special, *WORDS]))})


@pytest.fixture
def _bert_on_the_hub(hub: HubServer, tmp_path, monkeypatch) -> None:
    """BERT in the number of its layers, its heads and its feed-forward size; narrow, with random weights."""
    model = BertForMaskedLM(BertConfig(vocab_size=80, hidden_size=24, num_attention_heads=12))
    for part in (model, tokenizer()):
        part.save_pretrained(tmp_path / "bert")
    files = {
        path.name: hub.store(path.read_bytes(), path.suffix == ".safetensors")
        for path in (tmp_path / "bert").iterdir()
    }
    hub.repositories["model", BERT] = Repository(BERT, False, {"main": [Commit("theirs", files)]})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # the client of another test's Hub


def test_each_section_has_its_rule():
    assert {SET_UP, *WRITTEN} == {block.heading for block in BLOCKS}


@pytest.mark.slow
@pytest.mark.usefixtures("_folder", "_bert_on_the_hub", "states_of_their_own")
@pytest.mark.parametrize("heading", WRITTEN)
def test_sections(heading):
    for block in BLOCKS:
        if block.heading == heading:
            RULES.get(block.language, no_rule)(block)
    for name in WRITTEN[heading]:
        assert Path(name).is_file(), f"the section '{heading}' wrote no {name}"


def no_rule(block: Block) -> None:
    pytest.fail(f"{block.place}: there is no rule for a block of {block.language or 'no language'}")


def run_commands(block: Block) -> None:
    for command in COMMANDS[block]:
        if command.script is None:
            pytest.fail(f"{command.place}: there is no rule for `{command.words[0]}`")
        known = option_names(command.script, command.options)
        unknown = [word for word in command.options if word.startswith("--") and word not in known]
        assert not unknown, f"{command.place}: {unknown} are no options of {command.script}, or shortened"
        if command.script not in REDUCED:
            pytest.fail(f"{command.place}: say in `REDUCED` how {command.script} runs in seconds")
        options = [*command.options, *REDUCED[command.script].split()]
        if command.words[0] == "python":
            import_script(command.script).main(options)
        elif "--multi_gpu" not in command.words:  # of which there are none here: that the options are known has to do
            run_in_shell(command, options)


def run_in_shell(command: Command, options: list[str]) -> None:
    """Runs a command that starts processes of its own."""
    launcher = command.words[: command.words.index(command.script) + 1]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        " ".join([*launcher, shlex.join(options)]), shell=True, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def run_python(block: Block) -> None:
    code = block.text
    for long, short in SMALLER.items():
        code = code.replace(long, short)
    if "hf_supernet" in code:
        exec(compile(code, block.place, "exec"), {"__name__": "__main__"})
    else:
        run_elsewhere(code)


def run_elsewhere(code: str) -> None:
    """Runs code that imports nothing of ours where there is nothing of ours to import."""
    Path("snippet.py").write_text(code)
    Path("hf_supernet.py").write_text("raise ModuleNotFoundError('hf_supernet')")
    environment = {**os.environ, "HF_MODULES_CACHE": str(Path("modules").resolve())}
    done = subprocess.run(
        [sys.executable, "snippet.py"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Do you wish" not in done.stdout, done.stdout  # a question that nobody is there to answer


RULES = {"bash": run_commands, "python": run_python}


def test_what_is_made_smaller_is_there():
    for long in SMALLER:
        assert [long in block.text for block in BLOCKS].count(True) == 1, f"README has no `{long}`, or several"


@pytest.mark.skipif(shutil.which("make") is None, reason="no `make` on this machine")
def test_the_project_itself():
    """`make demo` and `make test` take too long for a test: that they are there and what they start."""
    made = ("MAKE", "MFLAGS", "VENV", "PYTHON")  # what a make that runs the tests passes on
    environment = {name: value for name, value in os.environ.items() if not name.startswith(made)}
    blocks = [block for block in BLOCKS if block.heading == SET_UP]
    started = {}
    for command in [command for block in blocks for command in COMMANDS[block]]:
        match command.words:
            case ["make", target]:
                done = subprocess.run(
                    ["make", "--dry-run", target], cwd=ROOT, env=environment, capture_output=True, text=True
                )
                assert done.returncode == 0, done.stderr
                started[target] = shlex.split(done.stdout.splitlines()[-1])
            case ["source", script]:
                activated = script
            case words:
                pytest.fail(f"{command.place}: there is no rule for `{shlex.join(words)}`")
    assert started.keys() == {"demo", "test"} and {block.language for block in blocks} == {"bash"}
    assert started["demo"][:2] == [activated.replace("/activate", "/python"), "examples/demo.py"]
    option_names("examples/demo.py", tuple(started["demo"][2:]))
    assert started["demo"][2:] == ["--output_dir", "demo_output"]  # where README says that the child is
    assert started["test"][1:3] == ["-m", "pytest"]
    assert "demo.main([" in (ROOT / "tests" / "examples" / "test_demo.py").read_text()  # which runs it in miniature
