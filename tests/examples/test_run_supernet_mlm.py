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

import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertTokenizer

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.data import prose
from hf_supernet.models.supernet_bert import magnitude_importance


ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "run_supernet_mlm.py"

sys.path.insert(0, str(ROOT / "examples"))
import run_supernet_mlm  # noqa: E402 (a script, found beside the package)


pytestmark = pytest.mark.usefixtures("states_of_their_own")


WORDS = [
    "the",
    "cat",
    "dog",
    "bird",
    "tree",
    "house",
    "sees",
    "finds",
    "likes",
    "old",
    "new",
    "red",
    "small",
    "big",
    "in",
    "on",
    "under",
    "and",
    "or",
    "of",
]


@pytest.fixture(scope="module", autouse=True)
def _cache_of_their_own(tmp_path_factory):
    """What `datasets` converts is kept nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("cache"))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        patch.setenv("HF_DATASETS_CACHE", folder)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n".join(" ".join(draw.choices(WORDS, k=draw.randrange(4, 20))) for _ in range(150)))
    return path


NEW = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "candidate_operators": ["attention-4", "feed_forward-37", "convolution-3", "identity"],
}
AT = {"sampler": "gradual", "alignment_weight": 0.5, "anchor_interval": 2, "anchor_eval_samples": 4}


def options(output: Path, **more) -> list[str]:
    """A command line; `None` leaves an option out."""
    given = {
        "output_dir": str(output),
        "max_seq_length": 16,
        "validation_split_percentage": 20,
        "per_device_train_batch_size": 4,
        "max_steps": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "eval_random_children": 1,
        "save_strategy": "no",
        "do_train": True,
        "do_eval": True,
        "use_cpu": True,
        "disable_tqdm": "true",
        "log_level": "error",
        **more,
    }
    line = []
    for name, value in given.items():
        if value is not None and value is not False:
            values = [] if value is True else value if isinstance(value, list) else [value]
            line += [f"--{name}", *map(str, values)]
    return line


def run(output: Path, **more) -> dict[str, float]:
    return run_supernet_mlm.main(options(output, **more))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same_weights(folder: Path, other: Path) -> None:
    weights = weights_of(other)
    for name, weight in weights_of(folder).items():
        assert torch.equal(weight, weights[name]), name


@pytest.fixture(scope="module")
def supernet(corpus, tmp_path_factory) -> tuple[Path, dict[str, float]]:
    """A run from scratch, with checkpoints."""
    folder = tmp_path_factory.mktemp("run") / "supernet"
    metrics = run(folder, train_file=corpus, save_strategy="steps", save_steps=2, **NEW, **AT)
    return folder, metrics


def test_from_scratch(supernet):
    folder, metrics = supernet
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert isinstance(model, SupernetBertForMaskedLM)
    assert model.config.vocab_size == len(tokenizer) <= 60
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.tokenize("the") == ["the"]
    for name in ("smallest", "largest", "anchor", "random"):
        assert 0 < metrics[f"eval_{name}_loss"] < 6
    written = json.loads((folder / "all_results.json").read_text())
    assert written["eval_loss"] == metrics["eval_loss"] and written["train_loss"] == metrics["train_loss"]
    card = (folder / "README.md").read_text()
    assert "library_name: hf_supernet" in card and "| sampler | `gradual`" in card and "| data | local files |" in card
    assert f"| mean of all | {metrics['eval_loss']:.4f} |" in card


def test_resumed_equals_uninterrupted(supernet, corpus, tmp_path):
    """As left by a kill behind the first checkpoint."""
    folder, metrics = supernet
    for part in ("checkpoint-2", "tokenizer"):
        shutil.copytree(folder / part, tmp_path / "run" / part)
    arguments = {"train_file": corpus, "save_strategy": "steps", "save_steps": 2, **NEW, **AT}
    resumed = run(tmp_path / "run", resume_from_checkpoint="True", **arguments)
    assert_same_weights(tmp_path / "run", folder)
    assert resumed["eval_loss"] == metrics["eval_loss"] and resumed["train_loss"] == metrics["train_loss"]


def test_supernet_is_trained_further(supernet, corpus, tmp_path):
    folder, _ = supernet
    run(tmp_path / "run", model_name_or_path=folder, train_file=corpus, validation_file=None, max_steps=1)
    before, after = weights_of(folder), weights_of(tmp_path / "run")
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert 0 < len(moved) < len(before)
    assert "starting from `supernet`" in (tmp_path / "run" / "README.md").read_text()
    decided = {
        "candidate_operators": ["identity"],
        "weight_sharing": "sliced",
        "mixture": "layer",
        "zero_init_branches": True,
    }
    with pytest.raises(
        ValueError,
        match="`candidate_operators`, `weight_sharing`, `mixture`, `zero_init_branches`: fixed by the supernet",
    ):
        run(tmp_path / "run", model_name_or_path=folder, train_file=corpus, **decided)


def test_bignas(corpus, tmp_path):
    """Slices of one network, all children plain ones; trained with a learning rate of zero, so that the start is seen."""
    sizes = {"candidate_operators": ["attention-4", "attention-2", "feed_forward-37", "feed_forward-12", "identity"]}
    sharing = {"weight_sharing": "sliced", "attention_head_size": 8, "hidden_sizes": [32, 16]}
    given = NEW | sizes | sharing | {"plain_children": True, "zero_init_branches": True}
    trained = {"sampler": "sandwich", "distillation": "inplace", "learning_rate": 0.0, "max_steps": 1}
    run(tmp_path / "run", train_file=corpus, **given | trained)
    config = SupernetBertConfig.from_pretrained(tmp_path / "run")
    assert config.weight_sharing == "sliced" and config.plain_children and config.hidden_sizes == [32, 16]
    weights = weights_of(tmp_path / "run")
    outputs = [name for name in weights if ".layer." in name and name.endswith(".output.weight")]
    assert len(outputs) == 8 and all((weights[name] == 0).all() for name in outputs)


def test_stream(corpus, tmp_path):
    """
    More steps than the stream has batches: it begins anew. Nothing is known of its length. The supernet has a mixture of
    experts, which the card tells.
    """
    options = NEW | {"vocab_size": 50, "mixture": "neuron", "num_experts": 3}
    metrics = run(tmp_path / "run", train_file=corpus, streaming=True, max_train_samples=6, **options)
    assert metrics["eval_loss"] > 0
    assert json.loads((tmp_path / "run" / "trainer_state.json").read_text())["global_step"] == 4
    card = (tmp_path / "run" / "README.md").read_text()
    assert (
        "| experts | 3 of each linear layer in feed-forward operators, mixed for each architecture, a neuron |" in card
    )
    assert "jawahar2024mixture" in card
    assert json.loads((tmp_path / "run" / "supernet_settings.json").read_text())["mixture"] == {
        "mixture": "neuron",
        "num_experts": 3,
        "expert_operators": "feed_forward",
        "router_hidden_size": 128,
    }


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    tokenizer = BertTokenizer(
        vocab={word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    )
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=24, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_from_bert_with_options_from_a_file(bert, corpus, tmp_path):
    """Nothing is trained, so that BERT's weights are seen."""
    given = {
        "output_dir": str(tmp_path / "run"),
        "model_name_or_path": str(bert),
        "candidate_operators": ["attention-4", "feed_forward-37", "feed_forward-12", "convolution-3"],
        "weight_sharing": "sliced",
        "mixture": "layer",
        "expert_operators": "all",
        "train_file": [str(corpus)],
        "max_seq_length": 16,
        "sampler": "gradual",
        "sampler_kwargs": {"num_modified": 2},
        "max_steps": 1,
        "learning_rate": 0.0,
        "do_train": True,
        "use_cpu": True,
        "disable_tqdm": "true",
        "save_strategy": "no",
    }
    (tmp_path / "options.json").write_text(json.dumps(given))
    run_supernet_mlm.main([str(tmp_path / "options.json")])
    weights, bert_weights = weights_of(tmp_path / "run"), weights_of(bert)
    bert_weight = bert_weights["bert.encoder.layer.1.attention.self.query.weight"]
    for expert in range(2):
        name = f"supernet_bert.encoder.layer.2.attention-4.self.query.experts.{expert}.weight"
        assert torch.equal(weights[name], bert_weight)
    assert not any("feed_forward-12" in name for name in weights)  # a part of the other
    with pytest.raises(ValueError, match="`zero_init_branches` is for training from scratch"):
        run(tmp_path / "run", model_name_or_path=bert, train_file=corpus, zero_init_branches=True)
    with pytest.raises(ValueError, match="`max_seq_length` 25 is more than the 24 tokens"):
        run(tmp_path / "run", model_name_or_path=bert, train_file=corpus, max_seq_length=25)


@pytest.mark.parametrize("importance", [None, "gradient"])
def test_slices_of_a_bert_keep_what_matters(importance, bert, corpus, tmp_path):
    """The largest child stays the BERT that it was, whose parts are in another order."""
    operators = ["attention-4", "attention-2", "feed_forward-37", "feed_forward-12"]
    sliced = {"candidate_operators": operators, "weight_sharing": "sliced", "attention_head_size": None}
    trained = {"max_steps": 1, "learning_rate": 0.0, "vocab_size": None, "max_seq_length": 16}
    given = {"model_name_or_path": bert, "train_file": corpus, "importance": importance, **sliced, **trained}
    run(tmp_path / "run", **{name: value for name, value in given.items() if value is not None})
    supernet = SupernetBertForMaskedLM.from_pretrained(tmp_path / "run").eval()
    original = BertForMaskedLM.from_pretrained(bert).eval()
    inputs = {"input_ids": torch.arange(5, 17)[None]}
    with torch.no_grad():
        mine = supernet(**inputs, architecture="A4-F37-A4-F37").logits
        torch.testing.assert_close(mine, original(**inputs).logits, atol=1e-5, rtol=1e-5)
    weight = supernet.get_submodule("supernet_bert.encoder.layer.1.feed_forward-37").intermediate.weight
    before = original.bert.encoder.layer[0].intermediate.dense.weight
    assert not torch.equal(weight, before)
    torch.testing.assert_close(weight.sum(0), before.sum(0))
    if importance is None:
        scores = magnitude_importance(supernet)[1, "feed_forward"]
        assert torch.equal(scores, scores.sort(descending=True).values)


def test_python_prose(tmp_path, monkeypatch):
    """Of a small part of the library; longer sequences than a BERT reads."""
    monkeypatch.setattr(prose, "_library", lambda: Path(sysconfig.get_path("stdlib")) / "email")
    monkeypatch.setattr(prose, "_topics", list)
    small = {"max_train_samples": 4, "max_eval_samples": 3, "max_steps": 1, "max_seq_length": 520}
    metrics = run(tmp_path / "run", python_prose=True, **NEW | {"vocab_size": 300} | small)
    assert metrics["eval_loss"] > 0
    assert "prose of a Python installation" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["supernet", "bert"])
def test_damaged_weights(kind, request, corpus, tmp_path):
    source = request.getfixturevalue(kind)
    folder = source[0] if kind == "supernet" else source
    shutil.copytree(folder, tmp_path / "damaged")
    file = tmp_path / "damaged" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged/model\.safetensors is damaged or not whole"):
        run(tmp_path / "run", model_name_or_path=tmp_path / "damaged", train_file=corpus)
    assert not (tmp_path / "run").exists()


BAD_INPUT = [
    ({"train_file": "missing.txt"}, "'missing.txt' of `train_file` does not exist"),
    ({"validation_file": "blank.csv"}, "The validation split has no text"),
    ({"text_column": "texts"}, r"no column 'texts' in .*Did you mean 'text'\?"),
    ({"importance": "gradient"}, "`importance` orders the parts of a pretrained BERT, .* Leave it out"),
    ({"python_prose": True}, "exactly one of `dataset_name`, `train_file` and `python_prose`"),
    ({"train_file": None}, "exactly one of `dataset_name`, `train_file` and `python_prose`"),
    (
        {"train_file": None, "python_prose": True, "validation_file": "x.txt"},
        "`validation_file` goes with `train_file`",
    ),
    ({"train_file": None, "python_prose": True, "streaming": True}, "`python_prose` is in memory"),
    ({"streaming": True, "preprocessing_num_workers": 2}, "does not go with `streaming`"),
    ({"streaming": True, "max_steps": -1}, "say with `max_steps` how long"),
    ({"do_train": False, "do_eval": False}, "nothing to do"),
    ({"candidate_operators": ["attention-4", "pooling-3"]}, "pooling"),
    ({"candidate_operators": ["attention-5"]}, "heads|divide"),
    ({"candidate_operators": ["convolution-4"]}, "odd"),
    ({"hidden_sizes": [32, 16]}, "goes with `weight_sharing='sliced'`"),
    (
        {"plain_children": True, "candidate_operators": ["convolution-3"]},
        "No architecture of this space is a plain BERT",
    ),
    (
        {"sampler": "greedy"},
        "must be one of fair, gradual, gradual-fair, importance, progressive, sandwich, shift, uniform; got 'greedy'",
    ),
    ({"sampler_kwargs": '{"num_modified": 2}'}, "`sampler_kwargs` .* do not suit 'uniform'"),
    ({"alignment_weight": 0.1, "alignment_layers": "0,4"}, r"`alignment_layers` names \[4\]"),
    ({"resume_from_checkpoint": "True"}, "No complete checkpoint"),
    ({"resume_from_checkpoint": "checkpoint-7"}, "checkpoint-7 is no complete checkpoint"),
]


@pytest.mark.parametrize(("more", "message"), BAD_INPUT)
def test_bad_input_is_an_error_before_any_work(corpus, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(corpus.parent)
    Path("blank.csv").write_text('text\n" "\n""\n')
    for name in ("train_tokenizer", "tokenize_corpus", "SupernetTrainer"):
        monkeypatch.setattr(run_supernet_mlm, name, lambda *_, name=name: pytest.fail(f"{name} was called"))
    with pytest.raises(Exception, match=message):
        run(tmp_path / "run", **{"train_file": corpus, **NEW, **more})
    assert not (tmp_path / "run").exists()


def test_tokenizer_is_written_whole_or_not_at_all_and_belongs_to_its_run(corpus, tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(*args):
        raise Stop

    def save_half(self, folder):
        (Path(folder) / "tokenizer.json").write_text("{")
        raise Stop

    monkeypatch.setattr(run_supernet_mlm, "prepare_data", stop)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(BertTokenizer, "save_pretrained", save_half)
        run(tmp_path / "run", train_file=corpus, **NEW)
    assert list((tmp_path / "run").iterdir()) == []
    for size in (40, 45):  # a new run in the same folder has its own vocabulary
        with pytest.raises(Stop):
            run(tmp_path / "run", train_file=corpus, **NEW | {"vocab_size": size})
        assert len(AutoTokenizer.from_pretrained(tmp_path / "run" / "tokenizer")) == size
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["tokenizer"]


@pytest.mark.slow
def test_under_accelerate_launch(supernet, corpus, tmp_path):
    """The same run, in a process of its own, ends with the same weights."""
    folder, _ = supernet
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes", "1"]
    line = options(tmp_path / "run", train_file=corpus, do_eval=False, **NEW, **AT)
    ended = subprocess.run(
        [*command, "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", str(SCRIPT), *line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert_same_weights(tmp_path / "run", folder)
