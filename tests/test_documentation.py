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
"""What the documentation names is there: links, files, names of Python, options. README's commands are run by
`test_readme.py`; those of `examples/README.md` are read here by the scripts themselves, which then stop."""

import importlib.util
import pkgutil
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertTokenizer

from hf_supernet import SearchSpace, SupernetBertConfig
from hf_supernet.search.children_alone import read_children
from hf_supernet.training import SupernetTrainingArguments

from .documentation import (
    LAUNCHERS,
    ROOT,
    anchors_of,
    import_script,
    option_names,
    read_blocks,
    read_commands,
    text_of,
)
from .examples.search_inputs import save_supernet_and_text
from .required import library


FILES = [ROOT / name for name in ("README.md", "examples/README.md", "examples/benchmarks/README.md", "CHANGELOG.md")]
README, EXAMPLES = FILES[:2]
BLOCKS = read_blocks(EXAMPLES)
COMMANDS = [command for commands in read_commands(BLOCKS).values() for command in commands]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


# ---- What the text names ----


@each_file
def test_links(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if not target.startswith("https://"):
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists() and linked.is_relative_to(ROOT), f"a link to {target}"
            assert not anchor or anchor in anchors_of(linked), f"a link to {target}: there is no such heading"


@each_file
def test_files_and_modules(path):
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"[\w/.]*\w\.py\b", text)):
        folders = (ROOT, path.parent, ROOT / "examples", ROOT / "examples" / "benchmarks")
        assert any((folder / name).is_file() for folder in folders), f"no file {name}"
    for name in re.findall(r"python -m ([\w.]+)", text):
        assert importlib.util.find_spec(name) is not None, f"no module {name}"
    for extra in re.findall(r"hf_supernet\[(\w+)\]", text):
        assert f'"{extra}": [' in (ROOT / "setup.py").read_text(), f"no extra {extra}"
    for target in re.findall(r"`make (\w+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no target {target}"


@each_file
def test_names_of_python(path):
    for name in re.findall(r"`(hf_supernet(?:\.\w+)+)", text_of(path)):
        assert pkgutil.resolve_name(name) is not None


def test_table_of_trainings(tmp_path):
    """Each row of README's table is a sampler and an alignment that there are."""
    rows = re.findall(r"^\| ([\w-]+) \| `sampler=.*$", text_of(README), re.MULTILINE)
    assert rows == ["SPOS", "FairNAS", "MAGIC-T", "MAGIC-A", "MAGIC-AT", "BigNAS", "ShiftNAS", "once-for-all"]
    config = SupernetBertConfig(num_hidden_layers=2, hidden_size=16, vocab_size=50)
    space = SearchSpace.from_config(config)
    for row in rows:
        given = re.search(rf"^\| {row} \|(.*)$", text_of(README), re.MULTILINE).group(1)
        settings = eval(f"dict({', '.join(re.findall('`(.*?)`', given))})")
        arguments = SupernetTrainingArguments(str(tmp_path), **settings)
        arguments.build_sampler(space, config)
        assert ("T" in row.removeprefix("MAGIC-")) == (arguments.sampler == "gradual")
        assert ("-A" in row) == (arguments.alignment_weight > 0)


# ---- The commands of examples/README.md ----


@pytest.fixture
def _folder(tmp_path, monkeypatch) -> None:
    """A folder with the files that the commands name; scripts look whether they are there before anything else."""
    monkeypatch.chdir(tmp_path)
    for option in (option for command in COMMANDS for option in command.options):
        if re.search(r"\.(parquet|json)$", option):
            path = Path(option.replace("*", "0"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for task, split in [
        (t, s) for t in ("mnli", "rte", "stsb") for s in ("train", "validation", "validation_matched")
    ]:
        path = Path("glue", task, f"{split}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    Path("mrpc-child/step_100").mkdir(parents=True)


def test_every_block_is_tested():
    """Shell and Python are; of YAML there is what the benchmark reads."""
    assert {block.language for block in BLOCKS} == {"bash", "python", "yaml"}
    headings = {language: [b.heading for b in BLOCKS if b.language == language] for language in ("python", "yaml")}
    assert headings == {
        "python": ["With a few children trained alone", "ONNX: `export_onnx.py`"],
        "yaml": ["The whole of GLUE: `run_glue_benchmark.py`"],
    }


@pytest.mark.usefixtures("_folder", "states_of_their_own")
def test_commands_of_the_examples():
    Path("settings.yaml").write_text(next(block.text for block in BLOCKS if block.language == "yaml"))
    known = {}
    for command in COMMANDS:
        if command.script is None:
            assert command.words == ["make", "demo"], f"{command.place}: there is no rule for `{command.words[0]}`"
            continue
        known[command.script] = option_names(command.script, command.options)
        unknown = [word for word in command.options if word.startswith("--") and word not in known[command.script]]
        assert not unknown, f"{command.place}: {unknown} are no options of {command.script}, or shortened"
    settings = yaml.safe_load(Path("settings.yaml").read_text())
    assert {f"--{name}" for options in settings.values() for name in options} <= known["examples/run_glue.py"]
    scripts = {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")} - {"examples/demo_report.py"}
    assert scripts <= known.keys(), "a script without a command"

    launched = {name for parser in LAUNCHERS.values() for name in parser()._option_string_actions}
    for path in (README, EXAMPLES):
        # those of the ranking benchmark are in tests/examples/ranking/test_plan.py
        text = re.sub(r"`python examples/ranking/[^`]*`", "", text_of(path))
        named = set(re.findall(r"(?<![\w-])--\w+", text))
        assert named <= launched.union(*known.values())


@pytest.mark.usefixtures("_folder", "states_of_their_own")
def test_onnx_as_described():
    """The command that exports a classifier, and the snippet that then uses it."""
    library("onnxruntime")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "great", "film", "bore"]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(vocabulary)})
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    for part in (BertForSequenceClassification(BertConfig(**sizes, intermediate_size=16)), tokenizer):
        part.save_pretrained("path/to/sst2-child")
    rows = pd.DataFrame({"sentence": ["a great film", "a bore"], "label": [1, 0]})
    rows.to_parquet("glue/sst2/validation.parquet")
    snippet = next(block for block in BLOCKS if block.language == "python" and "ONNX" in block.heading)
    command = next(command for command in COMMANDS if "sst2-onnx" in command.options)
    import_script(command.script).main(list(command.options))
    names = {}
    exec(compile(snippet.text, snippet.place, "exec"), names)
    assert names["logits"].shape == (2, 2)


def test_children_to_train_alone_as_described(tmp_path, monkeypatch):
    """The snippet writes what the commands behind it read."""
    monkeypatch.chdir(tmp_path)
    config = save_supernet_and_text(tmp_path, num_hidden_layers=4, num_texts=1)
    snippet = next(block for block in BLOCKS if block.language == "python" and "alone" in block.heading)
    exec(compile(snippet.text, snippet.place, "exec"), {})
    folders = [f"children/start-{number}" for number in range(6)]
    commands = [command for command in COMMANDS if "children/start-$number" in command.options]
    assert [Path(folder) for folder in folders] == sorted(Path("children").iterdir()) and len(commands) == 1
    assert len(read_children(folders, config)) == 6
    child = import_script(commands[0].script).load_child(folders[0], max_seq_length=16)
    assert len(AutoTokenizer.from_pretrained(folders[0])) == child.config.vocab_size
