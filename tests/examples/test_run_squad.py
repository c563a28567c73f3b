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
"""run_squad.py, run as a user runs it; what needs no process of its own calls its `main`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import (
    AutoModelForQuestionAnswering,
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertTokenizer,
)

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM
from hf_supernet.evaluation.squad import exact_match, word_f1


ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(0, str(ROOT / "examples"))
import run_squad  # noqa: E402 (a script, found beside the package)

from .glue_runs import leave_killed_run, log_history, same_weights, went_on_from  # noqa: E402


pytestmark = pytest.mark.usefixtures("states_of_their_own")


THINGS = ["box", "cup", "hat", "pen", "bag", "key"]
PLACES = ["kitchen", "garden", "dark cellar", "hall", "old barn", "room"]


def published(unanswerable: bool) -> dict:
    """Six contexts of about 30 to 40 tokens, two or three questions each, in the form in which SQuAD is published."""
    articles = []
    for i in range(6):
        things, places = THINGS[i:] + THINGS[:i], PLACES[i:] + PLACES[:i]
        pairs = list(zip(things, places, strict=True))[: 4 + i % 3]
        context = " ".join(f"the {thing} is in the {place} ." for thing, place in pairs)
        qas = []
        for thing, place in (pairs[0], pairs[-1]):
            answers = [{"text": place, "answer_start": context.index(place)}]
            answers += [{"text": f"the {place}", "answer_start": context.index(f"the {place}")}]
            qas.append({"id": f"{thing} {i}", "question": f"where is the {thing} ?", "answers": answers})
        if unanswerable:
            qas.append({"id": f"dog {i}", "question": "where is the dog ?", "answers": [], "is_impossible": True})
        articles.append({"title": f"{i}", "paragraphs": [{"context": context, "qas": qas}]})
    return {"version": "1.1", "data": articles}


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("squad")
    for name in ("v1", "v2"):
        (folder / f"{name}.json").write_text(json.dumps(published(unanswerable=name == "v2")))
    return {name: str(folder / f"{name}.json") for name in ("v1", "v2")}


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, str]:
    """Folders of tiny models, with the tokenizer of a small vocabulary."""
    words = sorted({word for text in (*THINGS, *PLACES, "the is in where dog") for word in text.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *words]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(vocabulary)})
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "max_position_embeddings": 40}
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}
    without_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    child = ["attention-4", "convolution-3", "feed_forward-37", "identity", "attention-2"]
    torch.manual_seed(0)
    built = {
        "bert": BertForMaskedLM(BertConfig(**shape, **sizes)),
        "searched": SearchedBertForMaskedLM(SearchedBertConfig(operators=child, **sizes)),
        "three_labels": BertForSequenceClassification(BertConfig(num_labels=3, **shape, **sizes)),
        "with_head": BertForQuestionAnswering(BertConfig(**shape, **sizes, **without_dropout)),
    }
    torch.nn.init.normal_(built["with_head"].qa_outputs.weight, std=3.0)  # so that its answers differ
    built["left"] = built["with_head"]
    folders = {}
    for name, model in built.items():
        folders[name] = str(tmp_path_factory.mktemp(name))
        model.save_pretrained(folders[name])
        tokenizer.padding_side = "left" if name == "left" else "right"
        tokenizer.save_pretrained(folders[name])
    return folders


def options(model: str, file: str, output: Path, **more) -> list[str]:
    """A command line; `None` leaves an option out."""
    given = {
        "model_name_or_path": model,
        "output_dir": str(output),
        "train_file": file,
        "validation_file": file,
        "max_seq_length": 30,
        "doc_stride": 8,
        "max_query_length": 8,
        "max_answer_length": 4,
        "n_best_size": 3,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "cache_dir": str(output.parent / "cache"),
        "do_train": True,
        "do_eval": True,
        "save_strategy": "no",
        "log_level": "error",
        **more,
    }
    line = []
    for name, value in given.items():
        if value is not None:
            line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return line


def run(model: str, file: str, output: Path, **more) -> dict[str, float]:
    return run_squad.main(options(model, file, output, **more))


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


def golds(file: str) -> dict[str, list[str]]:
    qas = [qa for a in json.loads(Path(file).read_text())["data"] for p in a["paragraphs"] for qa in p["qas"]]
    return {qa["id"]: [answer["text"] for answer in qa["answers"]] for qa in qas}


def test_fine_tunes_a_searched_child(models, files, tmp_path, monkeypatch):
    more = {"max_steps": 3, "test_file": files["v1"], "do_predict": True}
    results = run(models["searched"], files["v1"], tmp_path / "out", **more)
    expected = golds(files["v1"])
    assert (results["eval_samples"], results["eval_windows"]) == (12, 32)
    assert read(tmp_path / "out", "all_results.json").items() >= results.items()

    predictions = read(tmp_path / "out", "predictions.json")
    assert list(predictions) == list(expected)
    exact = [max(exact_match(predictions[key], gold) for gold in texts) for key, texts in expected.items()]
    f1 = [max(word_f1(predictions[key], gold) for gold in texts) for key, texts in expected.items()]
    assert results["eval_exact_match"] == pytest.approx(100 * sum(exact) / 12)
    assert results["eval_f1"] == pytest.approx(100 * sum(f1) / 12)
    nbest = read(tmp_path / "out", "nbest_predictions.json")
    assert {key: entries[0]["text"] for key, entries in nbest.items()} == predictions
    assert {len(entries) for entries in nbest.values()} == {3}
    for name in ("predictions.json", "nbest_predictions.json"):  # the same file as a test split: the same answers
        assert read(tmp_path / "out", f"predict_{name}") == read(tmp_path / "out", name)
    assert read(tmp_path / "out", "predict_results.json")["predict_f1"] == results["eval_f1"]
    assert not (tmp_path / "out" / "null_odds.json").exists()
    assert not [path for path in (tmp_path / "out").iterdir() if "tmp" in path.name]

    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out")
    assert model.config.model_type == "searched-bert"
    before, after = (
        load_file(Path(folder) / "model.safetensors") for folder in (models["searched"], tmp_path / "out")
    )
    assert sum(not torch.equal(before[name], after[name]) for name in before.keys() & after.keys()) > 10

    card = ModelCard.load(tmp_path / "out" / "README.md")
    measured = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert measured == {name: round(results[f"eval_{name}"], 4) for name in ("exact_match", "f1")}
    assert "Question answering model with" in card.text and "trained on questions from local files" in card.text
    assert "(12 rows)" in card.text and "windows" not in card.text
    snippet = card.text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)  # the card calls the model by the name of its folder
    names = {}
    exec(snippet, names)
    assert isinstance(names["answer"], str) and names["answer"]


def test_learns_the_questions_by_heart(models, files, tmp_path):
    more = {"max_steps": 300, "per_device_train_batch_size": 8, "learning_rate": 5e-3, "max_seq_length": 40}
    results = run(models["bert"], files["v2"], tmp_path, version_2_with_negative=True, **more)
    assert results["eval_HasAns_exact"] > 80 and results["eval_NoAns_exact"] > 80
    assert results["eval_exact"] <= results["eval_best_exact"]
    assert results["eval_windows"] > results["eval_samples"] == 18
    card = ModelCard.load(tmp_path / "README.md")
    assert "| HasAns_f1 |" in card.text and "total" not in card.text and "best_" not in card.text
    assert [result.metric_type for result in card.data.eval_results] == ["exact_match", "f1"]


def test_questions_without_an_answer(models, files, tmp_path):
    none = {"do_train": None, "version_2_with_negative": True}
    expected = golds(files["v2"])
    threshold = 1000.0
    for empty in (0, 9, 18):
        output = tmp_path / f"{empty}"
        results = run(models["with_head"], files["v2"], output, null_score_diff_threshold=threshold, **none)
        predictions, odds = read(output, "predictions.json"), read(output, "null_odds.json")
        assert list(odds) == list(expected)
        assert {key for key in odds if odds[key] > threshold} == {key for key in odds if not predictions[key]}
        assert sum(not text for text in predictions.values()) == empty
        threshold = sorted(odds.values())[8] if empty == 0 else -1000.0
        right = {
            key: max((exact_match(predictions[key], gold) for gold in texts), default=float(not predictions[key]))
            for key, texts in expected.items()
        }
        assert results["eval_exact"] == pytest.approx(100 * sum(right.values()) / 18)
        without = [right[key] for key, texts in expected.items() if not texts]
        assert results["eval_NoAns_exact"] == pytest.approx(100 * sum(without) / 6)
        nbest = read(output, "nbest_predictions.json")
        assert all("" in [entry["text"] for entry in entries] for entries in nbest.values())


@pytest.mark.parametrize("model", ["with_head", "left"])
def test_answers_do_not_depend_on_the_batches(model, models, files, tmp_path):
    """Nor on their padding: the windows have several lengths."""
    for name, more in (
        ("1", {"per_device_eval_batch_size": 1}),
        ("5", {"per_device_eval_batch_size": 5}),
        ("max", {"per_device_eval_batch_size": 5, "pad_to_max_length": True}),
    ):
        run(models[model], files["v1"], tmp_path / name, do_train=None, **more)
    single = read(tmp_path / "1", "nbest_predictions.json")
    for name in ("5", "max"):
        for key, entries in read(tmp_path / name, "nbest_predictions.json").items():
            assert [entry["text"] for entry in entries] == [entry["text"] for entry in single[key]]
            assert entries[0]["start_logit"] == pytest.approx(single[key][0]["start_logit"], abs=1e-4)
    assert len(set(read(tmp_path / "1", "predictions.json").values())) > 2


def test_a_classifier_of_three_labels_is_a_start(models, files, tmp_path):
    run(models["three_labels"], files["v1"], tmp_path, max_steps=1, do_eval=None)
    assert AutoModelForQuestionAnswering.from_pretrained(tmp_path).qa_outputs.out_features == 2


def test_damaged_weights_are_named(models, files, tmp_path):
    damaged = Path(shutil.copytree(models["with_head"], tmp_path / "damaged"))
    weights = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match=r"damaged/model\.safetensors is damaged or not whole"):
        run(str(damaged), files["v1"], tmp_path / "out", do_train=None)


def test_subsets_and_a_test_split_without_answers(models, files, tmp_path):
    content = published(unanswerable=False)
    for article in content["data"]:
        for qa in article["paragraphs"][0]["qas"]:
            del qa["answers"]
    (tmp_path / "test.json").write_text(json.dumps(content))
    more = {"test_file": str(tmp_path / "test.json"), "do_predict": True, "max_predict_samples": 2, "do_train": None}
    results = run(models["with_head"], files["v1"], tmp_path / "out", max_eval_samples=5, **more)
    assert results["eval_samples"] == len(read(tmp_path / "out", "predictions.json")) == 5
    assert list(read(tmp_path / "out", "predict_predictions.json")) == ["box 0", "pen 0"]
    assert not {"predict_f1", "predict_loss"} & set(read(tmp_path / "out", "predict_results.json"))


def test_accumulated_batches_train_like_one_large_batch(models, files, tmp_path):
    for name, size, accumulated in (("8x1", 8, 1), ("4x2", 4, 2)):
        more = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated, "max_grad_norm": 1e9}
        run(models["with_head"], files["v1"], tmp_path / name, max_steps=2, optim="sgd", do_eval=None, **more)
    assert same_weights(tmp_path / "8x1", tmp_path / "4x2", atol=1e-6)
    assert not same_weights(tmp_path / "8x1", Path(models["with_head"]), atol=1e-4)


def test_a_resumed_run_ends_with_the_same_weights(models, files, tmp_path):
    """With dropout; and an evaluation in between, which moves nothing. The newest checkpoint is not whole."""
    setting = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    setting["logging_steps"] = 3
    whole = run(models["bert"], files["v1"], tmp_path / "whole", **setting)
    leave_killed_run(tmp_path / "whole", tmp_path / "resumed", 2)
    resumed = run(models["bert"], files["v1"], tmp_path / "resumed", resume_from_checkpoint="True", **setting)
    assert went_on_from(tmp_path / "resumed", tmp_path / "whole", 2)
    assert same_weights(tmp_path / "whole", tmp_path / "resumed")
    for name in ("eval_f1", "eval_loss", "eval_exact_match"):
        assert resumed[name] == whole[name]
    history = log_history(tmp_path / "whole")
    assert history == log_history(tmp_path / "resumed")
    assert [entry["step"] for entry in history if "eval_f1" in entry and "step" in entry][:3] == [2, 4, 6]


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"train_file": "missing.json"}, FileNotFoundError, 'there is no file "missing.json"'),
        ({"validation_file": None}, ValueError, "pass `validation_file`"),
        ({"train_file": None, "validation_file": None}, ValueError, "No data is given"),
        (
            {"answer_column_name": "answer", "train_file": "rows"},
            ValueError,
            'no column "answer" .did you mean "answers"',
        ),
        ({"validation_file": "v2"}, ValueError, "needs `version_2_with_negative`"),
        ({"doc_stride": 20}, ValueError, "must be more than `doc_stride=20`"),
        ({"resume_from_checkpoint": "nowhere"}, FileNotFoundError, 'there is no folder "nowhere"'),
        ({"do_train": None, "do_eval": None}, ValueError, "nothing to do: pass at least one of `do_train`"),
        ({"do_train": None}, ValueError, "was not trained to answer questions, it lacks the weights qa_outputs.bias"),
        ({"train_sampling_strategy": "group_by_length"}, ValueError, "sorts the questions of an evaluation too"),
    ],
)
def test_slips_end_the_run_before_it_starts(more, error, message, models, files, tmp_path):
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"id": "1", "question": "a", "context": "b", "answers": {"text": ["b"], "answer_start": [0]}})
        + "\n"
    )
    names = files | {"rows": str(tmp_path / "rows.jsonl")}
    more = {key: names.get(value, value) for key, value in more.items()}
    with pytest.raises(error, match=message):
        run(models["bert"], files["v1"], tmp_path / "out", **more)
    assert not list((tmp_path / "out").glob("*"))


def test_as_commands(models, files, tmp_path):
    """With `accelerate launch`, and by two processes, whose answers are put together in the right order."""
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    more = {
        "max_steps": 1,
        "learning_rate": 0.1,
        "optim": "sgd",
        "max_grad_norm": 1e9,
        "per_device_eval_batch_size": 3,
    }
    commands = []
    for name, prefix, size in (("launched", launch, 8), ("two", torchrun, 4)):
        line = options(models["with_head"], files["v1"], tmp_path / name, per_device_train_batch_size=size, **more)
        commands.append([*prefix, "examples/run_squad.py", *line])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": ROOT, "env": environment}
    started = [subprocess.Popen(command, **pipes) for command in commands]
    try:
        for process in started:  # at once: most of what they do is to import
            output, _ = process.communicate(timeout=900)
            assert process.returncode == 0, output[-3000:]
            assert "find_unused_parameters=True was specified" not in output
    finally:
        for process in started:
            process.kill()  # of no effect on one that is over
    assert "| batch size | 8 |" in (tmp_path / "two" / "README.md").read_text()  # there were two
    assert same_weights(tmp_path / "launched", tmp_path / "two", atol=1e-6)
    assert read(tmp_path / "launched", "predictions.json") == read(tmp_path / "two", "predictions.json")
    one, two = (read(tmp_path / name, "all_results.json") for name in ("launched", "two"))
    for name in ("eval_f1", "eval_exact_match", "eval_windows"):
        assert one[name] == two[name]
    assert one["eval_loss"] == pytest.approx(two["eval_loss"], rel=1e-5)
