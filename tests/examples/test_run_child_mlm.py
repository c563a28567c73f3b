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
"""`run_child_mlm.py` as a user runs it, on a child with code of its own and on one that is a plain BERT."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertTokenizer

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.export import publish_child, to_bert


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import run_child_mlm

from .glue_runs import leave_killed_run, log_history, same_weights, went_on_from


WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *["the", "a", "cat", "dog", "tree", "sees", "finds", "old", "red", "and"],
]


@pytest.fixture
def text(tmp_path) -> Path:
    file = tmp_path / "text.txt"
    lines = [
        f"the {a} {b} sees the {c}" for a in ("old", "red") for b in ("cat", "dog", "tree") for c in ("cat", "dog")
    ]
    file.write_text("\n".join(lines * 4))
    file.with_name("dev.txt").write_text("\n".join(lines))
    return file


def save_child(folder: Path, plain: bool) -> Path:
    torch.manual_seed(0)
    operators = ["attention-4", "feed_forward-37"] if plain else ["attention-4", "convolution-3"]
    child = SearchedBertForMaskedLM(
        SearchedBertConfig(vocab_size=len(WORDS), hidden_size=32, operators=operators, max_position_embeddings=32)
    )
    (to_bert(child) if plain else child).save_pretrained(folder)
    vocab = {word: index for index, word in enumerate(WORDS)}
    BertTokenizer(vocab=vocab, model_max_length=32).save_pretrained(folder)
    return folder


def arguments(model: Path, text: Path, output: Path, *more: str) -> list[str]:
    return [
        *(
            "--model_name_or_path",
            str(model),
            "--train_file",
            str(text),
            "--validation_file",
            str(text.with_name("dev.txt")),
        ),
        *("--max_seq_length", "16", "--output_dir", str(output), "--use_cpu", "True", "--disable_tqdm", "True"),
        *("--max_steps", "4", "--save_steps", "2", "--per_device_train_batch_size", "4", "--report_to", "none"),
        *more,
    ]


@pytest.mark.parametrize("plain", [False, True])
def test_the_child_learns_and_stays_what_it_is(tmp_path, text, plain):
    model, output = save_child(tmp_path / "child", plain), tmp_path / "trained"
    metrics = run_child_mlm.main(arguments(model, text, output, "--do_train", "--do_eval", "--learning_rate", "1e-2"))
    trained, before = AutoModelForMaskedLM.from_pretrained(output), AutoModelForMaskedLM.from_pretrained(model)
    assert type(trained) is type(before)
    assert not torch.equal(trained.get_input_embeddings().weight, before.get_input_embeddings().weight)
    untrained = run_child_mlm.main(arguments(model, text, tmp_path / "eval", "--do_eval"))
    assert metrics["eval_loss"] < untrained["eval_loss"]


@pytest.mark.parametrize("plain", [False, True])
def test_the_card(tmp_path, text, plain, hub, monkeypatch):
    model, output = save_child(tmp_path / "child", plain), tmp_path / "trained"
    output.mkdir()
    (output / "README.md").write_text("---\nlicense: mit\n---\n\nA word of my own.\n")
    metrics = run_child_mlm.main(arguments(model, text, output, "--do_train", "--do_eval"))
    card = (output / "README.md").read_text()
    for part in (
        "license: mit",
        "A word of my own.",
        "Masked language model with",
        "trained on local files, starting from `child`.",
        f"| loss | {metrics['eval_loss']:.4f} |",
        "| tokens of a sequence | 16 |",
        "- It reads at most 32 tokens at a time",
    ):
        assert card.count(part) == 1, part
    assert ("`A4-C3`" in card) is (not plain) and str(tmp_path) not in card and "model-index" not in card
    monkeypatch.chdir(tmp_path)  # the card calls the model by the name of its folder
    names = {}
    exec(card.split("```python\n")[1].split("```")[0], names)
    assert {answer["token_str"] for answer in names["answer"]} <= set(WORDS)

    published = publish_child(output, "user/trained")
    assert "training_args.bin" not in {path.name for path in output.iterdir()}
    assert {"README.md", "model.safetensors", "tokenizer.json"} <= set(published.files)
    assert "A word of my own." in hub.read("user/trained", "README.md").decode()


def test_documents_of_their_own(tmp_path, text, monkeypatch):
    model, lengths = save_child(tmp_path / "child", False), {}
    text.write_text("\n\n".join(["the old cat", "the red dog sees"] * 8))  # blank lines separate documents
    for options in ((), ("--no_pack",)):
        taken = []
        monkeypatch.setattr(
            run_child_mlm, "MaskedLMTrainer", lambda *args, taken=taken, **kwargs: taken.append(kwargs)
        )
        with pytest.raises(AttributeError):  # there is no trainer: what it would have been given is looked at
            run_child_mlm.main(arguments(model, text, tmp_path / "out", "--do_train", *options))
        lengths[options] = {len(ids) for ids in taken[0]["train_dataset"]["input_ids"]}
    assert lengths == {(): {16}, ("--no_pack",): {5, 6}}


def test_a_run_that_dies_while_it_saves_leaves_no_half_model(tmp_path, text, monkeypatch):
    model = save_child(tmp_path / "child", plain=False)

    def die(*args, **kwargs):
        raise RuntimeError("killed")

    monkeypatch.setattr(BertTokenizer, "save_pretrained", die)
    with pytest.raises(RuntimeError, match="killed"):
        run_child_mlm.main(arguments(model, text, tmp_path / "out", "--do_train", "--save_strategy", "no"))
    assert not list((tmp_path / "out").rglob("*.safetensors")) and not list((tmp_path / "out").rglob("config.json"))


@pytest.mark.parametrize("plain", [False, True])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, text, plain):
    """With dropout and in a second epoch with masks of its own; from the newest checkpoint that is whole."""
    model, whole, resumed = save_child(tmp_path / "child", plain), tmp_path / "whole", tmp_path / "resumed"
    more = [
        "--do_train",
        "--do_eval",
        "--logging_steps",
        "3",
        "--max_steps",
        "6",
        "--per_device_train_batch_size",
        "8",
    ]
    run_child_mlm.main(arguments(model, text, whole, *more))
    leave_killed_run(whole, resumed, 2)
    run_child_mlm.main(arguments(model, text, resumed, *more, "--resume_from_checkpoint", "True"))
    assert went_on_from(resumed, whole, 2) and same_weights(whole, resumed)
    assert log_history(whole) == log_history(resumed)
    epochs = {entry["step"]: entry["epoch"] for entry in log_history(whole) if "loss" in entry}
    assert list(epochs) == [3, 6] and epochs[6] > 1


def test_damaged_weights(tmp_path, text):
    model = save_child(tmp_path / "child", plain=False)
    (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"child/model\.safetensors is damaged or not whole"):
        run_child_mlm.main(arguments(model, text, tmp_path / "out", "--do_train"))
    assert not (tmp_path / "out").exists()


def test_nothing_to_do(tmp_path, text):
    with pytest.raises(ValueError, match="nothing to do"):
        run_child_mlm.main(arguments(tmp_path, text, tmp_path / "out"))


def test_two_texts(tmp_path, text):
    with pytest.raises(ValueError, match="exactly one of `dataset_name`, `train_file` and `python_prose`"):
        run_child_mlm.main(arguments(tmp_path, text, tmp_path / "out", "--do_train", "--dataset_name", "x"))
