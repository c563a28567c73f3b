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
import filecmp
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch.testing import assert_close
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
    pipeline,
)

import hf_supernet.models.searched_bert as searched_bert
from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForSequenceClassification,
    SupernetBertConfig,
    SupernetBertForMaskedLM,
    SupernetBertModel,
)
from hf_supernet.export import export_child

from .conftest import MIXED, PLAIN, randomise


CODE_FILES = {"configuration_searched_bert.py", "modeling_searched_bert.py"}
AUTO_CLASSES = [
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
]


@torch.no_grad()
def logits(model, batch):
    return model(**batch).logits


@pytest.fixture
def supernet():
    candidates = ["attention-4", "feed_forward-37", "convolution-3", "identity"]
    config = SupernetBertConfig(
        vocab_size=99,
        hidden_size=32,
        max_position_embeddings=41,
        num_hidden_layers=5,
        candidate_operators=candidates,
        pad_token_id=0,
    )
    return randomise(SupernetBertForMaskedLM(config))


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("architecture", "model_type"),
    [("A4-F37-I-A4-F37", "bert"), ("A4-C3-I-F37-A4", "searched-bert"), ("F37-A4-I-I-C3", "searched-bert")],
)
def test_the_child_of_a_supernet_comes_back(architecture, model_type, supernet, batch, tmp_path):
    folder = export_child(supernet, architecture, tmp_path / "child")
    loaded, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    assert loaded.config.model_type == model_type
    assert type(loaded) is (BertForMaskedLM if model_type == "bert" else SearchedBertForMaskedLM)
    with torch.no_grad():
        expected = supernet(**batch, architecture=architecture).logits
    assert_close(logits(loaded.eval(), batch), expected, rtol=0, atol=1e-5)
    for implementation in ("sdpa", "eager"):
        loaded.set_attn_implementation(implementation)
        assert_close(logits(loaded, batch), expected, rtol=0, atol=1e-5)
    code = CODE_FILES if model_type == "searched-bert" else set()
    assert set(files_in(folder)) == {"README.md", "config.json", "model.safetensors"} | code
    assert os.listdir(tmp_path) == ["child"]


def test_nothing_of_the_supernet_stays(supernet, tmp_path):
    folder = export_child(supernet, "A4-C3-I-F37-A4", tmp_path / "child")
    child = supernet.extract_child("A4-C3-I-F37-A4")
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        names = set(weights.keys())
        stored = sum(weights.get_tensor(name).numel() for name in names)
    assert names <= set(child.state_dict())
    assert stored == child.num_parameters() < supernet.num_parameters()
    header = 8 + int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    assert (folder / "model.safetensors").stat().st_size == header + 4 * stored
    mode = stat.S_IMODE((folder / "config.json").stat().st_mode)
    assert all(stat.S_IMODE(path.stat().st_mode) == mode for path in folder.iterdir())


def test_formats(supernet, make_child, tmp_path):
    folder = export_child(make_child(PLAIN), None, tmp_path / "a", format="searched-bert")
    assert AutoConfig.from_pretrained(folder).operators == PLAIN
    assert AutoConfig.from_pretrained(export_child(make_child(PLAIN), None, tmp_path / "b")).model_type == "bert"
    with pytest.raises(ValueError, match="no plain BERT: layer 1 is `convolution-5`"):
        export_child(make_child(MIXED), None, tmp_path / "c", format="bert")
    with pytest.raises(ValueError, match=r"`format` must be one of auto, bert, searched-bert; got 'Bert'"):
        export_child(supernet, None, tmp_path / "c", format="Bert")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_bad_input_leaves_nothing(supernet, make_child, tokenizer, tmp_path):
    target = tmp_path / "child"
    with pytest.raises(ValueError, match="A8"):
        export_child(supernet, "A8-F37-A4-F37-I", target)
    with pytest.raises(ValueError, match=r"is the child 'A2-C5-I-F37-A4-C3' and not 'A4-F37'"):
        export_child(make_child(MIXED), "A4-F37", target)
    with pytest.raises(ValueError, match=r"tokenizer has 12 tokens and the model 7.*`resize_token_embeddings`"):
        export_child(make_child(MIXED, vocab_size=7), None, target, tokenizer=tokenizer)
    with pytest.raises(TypeError, match="got BertForMaskedLM"):
        export_child(BertForMaskedLM(make_bert_config()), None, target)
    assert os.listdir(tmp_path) == []


def make_bert_config():
    return AutoConfig.for_model(
        "bert", vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=5
    )


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("failing", ["model", "tokenizer", "rename"])
def test_a_failure_midway_leaves_what_was_there(failing, existing, make_child, tokenizer, tmp_path, monkeypatch):
    target = tmp_path / "child"
    if existing:
        export_child(make_child(PLAIN), None, target)
    before = files_in(tmp_path)

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    child = make_child(MIXED)
    if failing == "model":
        save = SearchedBertForMaskedLM.save_pretrained
        monkeypatch.setattr(
            SearchedBertForMaskedLM, "save_pretrained", lambda self, folder: (save(self, folder), fail())
        )
    elif failing == "tokenizer":
        monkeypatch.setattr(type(tokenizer), "save_pretrained", fail)
    else:
        rename = Path.rename
        monkeypatch.setattr(
            Path, "rename", lambda self, to: fail() if self.name.endswith(".new") else rename(self, to)
        )
    with pytest.raises(OSError, match="no space left"):
        export_child(child, None, target, tokenizer=tokenizer)
    assert files_in(tmp_path) == before
    assert os.listdir(tmp_path) == (["child"] if existing else [])


def test_what_may_be_replaced(make_child, tokenizer, tmp_path):
    child, target = make_child(MIXED), tmp_path / "deep" / "child"
    export_child(child, None, target, tokenizer=tokenizer)
    export_child(make_child(PLAIN), None, target)  # an earlier export
    assert set(files_in(target)) == {"README.md", "config.json", "model.safetensors"}
    empty = tmp_path / "empty"
    empty.mkdir()
    export_child(child, None, empty)
    assert os.listdir(target.parent) == ["child"]

    (target / "training_args.bin").write_bytes(b"work")  # fine-tuned in place, say
    with pytest.raises(FileExistsError, match=r"no export wrote \(training_args.bin\).*`overwrite=True`"):
        export_child(child, None, target)
    foreign = tmp_path / "foreign"
    child.save_pretrained(foreign)  # the right names, but no card of ours
    with pytest.raises(FileExistsError, match="was not exported by hf_supernet"):
        export_child(child, None, foreign)
    (tmp_path / "file").write_text("text")
    with pytest.raises(FileExistsError, match="is a file"):
        export_child(child, None, tmp_path / "file", overwrite=True)
    assert (target / "training_args.bin").read_bytes() == b"work"
    export_child(child, None, target, overwrite=True)
    assert not (target / "training_args.bin").exists()


@pytest.mark.parametrize("by", ["export_child", "save_pretrained"])
def test_every_head_loads_without_a_question(by, make_child, batch, tmp_path, monkeypatch, caplog):
    """With hf_supernet imported, the code in the repository plays no part: no prompt, no warning, our own classes."""
    child, folder = make_child(MIXED), tmp_path / "child"
    export_child(child, None, folder) if by == "export_child" else child.save_pretrained(folder)
    monkeypatch.setattr("builtins.input", lambda *args: pytest.fail("a prompt about remote code"))
    package = Path(searched_bert.__file__).parent
    assert filecmp.cmpfiles(package, folder, CODE_FILES, shallow=False)[0]
    logging.getLogger("transformers").addHandler(caplog.handler)
    for auto_class in AUTO_CLASSES:
        for kwargs in ({}, {"trust_remote_code": True}):
            model = auto_class.from_pretrained(folder, **kwargs)
            assert type(model).__module__ == "hf_supernet.models.searched_bert.modeling_searched_bert"
        assert model.config.auto_map[auto_class.__name__] == f"modeling_searched_bert.{type(model).__name__}"
    logging.getLogger("transformers").removeHandler(caplog.handler)
    assert not [record for record in caplog.records if "code" in record.message]


def test_a_fine_tuned_child_is_exported_with_its_labels(make_child, batch, tmp_path):
    child = make_child(
        MIXED,
        SearchedBertForSequenceClassification,
        id2label={0: "no", 1: "perhaps", 2: "yes"},
        label2id={"no": 0, "perhaps": 1, "yes": 2},
    )
    loaded = AutoModelForSequenceClassification.from_pretrained(export_child(child, None, tmp_path / "child"))
    assert loaded.config.id2label == child.config.id2label
    assert_close(logits(loaded.eval(), batch), logits(child, batch), rtol=0, atol=1e-6)


def test_the_bare_supernet_and_bfloat16(tmp_path):
    config = SupernetBertConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2)
    supernet = SupernetBertModel(config).to(torch.bfloat16)
    loaded = AutoModel.from_pretrained(export_child(supernet, "C3-A4", tmp_path / "child"))
    assert loaded.dtype == torch.bfloat16
    expected = supernet.extract_child("C3-A4").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize("operators", [PLAIN, MIXED])
def test_pipelines(operators, make_child, tokenizer, tmp_path):
    folder = str(export_child(make_child(operators), None, tmp_path / "lm", tokenizer=tokenizer))
    answers = pipeline("fill-mask", model=folder)("a [MASK] to try", top_k=2)
    assert [set(answer) for answer in answers] == [{"score", "token", "token_str", "sequence"}] * 2

    child = make_child(operators, SearchedBertForSequenceClassification, id2label={0: "no", 1: "yes"})
    folder = str(export_child(child, None, tmp_path / "classifier", tokenizer=tokenizer))
    classifier = pipeline("text-classification", model=folder)
    inputs = AutoTokenizer.from_pretrained(folder)("try it", return_tensors="pt")
    best = logits(child, inputs).softmax(-1).max(-1)
    answer = classifier("try it")[0]
    assert answer["label"] == child.config.id2label[best.indices.item()]
    assert answer["score"] == pytest.approx(best.values.item(), abs=1e-5)
    if operators is PLAIN:
        assert type(classifier.model) is BertForSequenceClassification


WITHOUT_HF_SUPERNET = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hf_supernet":
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, Blocker())
try:
    import hf_supernet
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("hf_supernet can be imported, the test shows nothing")

import torch
import transformers

folder, plain = sys.argv[1:]
batch = torch.load("batch.pt")
results = {"logits": {}, "classes": {}}
for name in AUTO_CLASSES:
    model, info = getattr(transformers, name).from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True
    )
    results["classes"][name] = type(model).__name__
    assert type(model).__module__.startswith("transformers_modules."), type(model)
    if name == "AutoModelForMaskedLM":
        assert not any(info.values()), info
        for implementation in ("sdpa", "eager"):
            model.set_attn_implementation(implementation)
            with torch.no_grad():
                results["logits"][implementation] = model.eval()(**batch).logits
    elif name == "AutoModelForSequenceClassification":
        model.save_pretrained("again")
        again = transformers.AutoModelForSequenceClassification.from_pretrained("again", trust_remote_code=True)
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
for path in (folder, plain):
    outputs = None
    text = open(f"{path}/README.md", encoding="utf-8").read()
    exec(text.split("```python\\n")[1].split("```")[0])
    assert outputs.logits.shape[-1] == 99, path
torch.save(results, "results.pt")
"""


def test_loads_where_hf_supernet_cannot_be_imported(make_child, tokenizer, batch, tmp_path):
    """In one process: every head, the same logits, saved again, and the code on the cards of both formats."""
    child = make_child(MIXED)
    export_child(child, None, tmp_path / "mixed", tokenizer=tokenizer)
    export_child(make_child(PLAIN), None, tmp_path / "plain", tokenizer=tokenizer)
    torch.save(batch, tmp_path / "batch.pt")
    names = [auto_class.__name__ for auto_class in AUTO_CLASSES]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HF_SUPERNET.replace("AUTO_CLASSES", repr(names)), "mixed", "plain"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = torch.load(tmp_path / "results.pt")
    expected = {name: name.replace("AutoModelFor", "SearchedBertFor") for name in names}
    assert results["classes"] == expected | {"AutoModel": "SearchedBertModel"}
    for values in results["logits"].values():
        assert_close(values, logits(child, batch), rtol=0, atol=1e-5)
    package = Path(searched_bert.__file__).parent
    assert set(filecmp.cmpfiles(package, tmp_path / "again", CODE_FILES, shallow=False)[0]) == CODE_FILES
