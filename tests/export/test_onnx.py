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
"""ONNX: equal to PyTorch at any size and padding, quantised throughout, and nothing left behind by a failure."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, BertTokenizer

import hf_supernet.export.onnx
from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForSequenceClassification,
    SearchedBertModel,
    SupernetBertForMaskedLM,
)
from hf_supernet.export import to_bert
from hf_supernet.export.onnx import OnnxModel, export_onnx
from hf_supernet.export.onnx_check import check_onnx
from hf_supernet.export.onnx_report import onnx_report, report_table
from hf_supernet.search import LatencySettings

from ..models.conftest import child_config, randomise, supernet_config


ROOT = Path(__file__).resolve().parents[2]
VALIDATION = ROOT / "tests" / "fixtures" / "glue" / "pairs_validation.csv"
sys.path.insert(0, str(ROOT / "examples"))
import export_onnx as script  # noqa: E402 (a script, found beside the package)


OPERATORS = ["attention-4", "convolution-7", "feed_forward-37", "convolution-3"]
QUICK = LatencySettings(sequence_length=8, num_threads=1, min_run_time=0.01, repeats=2)


def make_child(model_class=SearchedBertForMaskedLM, operators=OPERATORS, **fields):
    return randomise(model_class(child_config(operators=operators, **fields)))


@pytest.fixture(scope="module")
def child():
    return make_child(
        vocab_size=990
    )  # too large for PyTorch's exporter to write a transposed copy of the tied decoder


@pytest.fixture(scope="module")
def exported(child, tmp_path_factory) -> Path:
    return export_onnx(child, tmp_path_factory.mktemp("onnx") / "child", quantize=True)


def ragged_batch(lengths: list[int], side: str) -> dict[str, torch.Tensor]:
    """Rows of these lengths; padding has tokens of its own, which an operator that reads them would betray."""
    generator = torch.Generator().manual_seed(sum(lengths))
    longest, shape = max(lengths), (len(lengths), max(lengths))
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    return {
        "input_ids": torch.randint(0, 99, shape, generator=generator),
        "attention_mask": mask if side == "right" else mask.flip(1),
        "token_type_ids": torch.randint(0, 2, shape, generator=generator),
    }


def differences(model, path: Path, name: str, side: str = "right") -> float:
    """The largest difference at real tokens, over batches of which the first has one row of one token."""
    onnx_model, worst = OnnxModel(path), 0.0
    for lengths in ([1], [40], [2, 1], [9, 3, 1, 8], [17, 16, 1], [5] * 6):
        batch = ragged_batch(lengths, side)
        with torch.no_grad():
            expected = model(**batch)[name]
        given, wanted = torch.tensor(onnx_model(**batch)[name]), expected
        assert given.shape == wanted.shape
        if given.ndim == 3:
            kept = batch["attention_mask"].bool()
            given, wanted = given[kept], wanted[kept]
        worst = max(worst, (given - wanted).abs().max().item())
    return worst


# ---- Equal to PyTorch ----


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_masked_lm_at_every_size_and_padding(side, child, exported):
    assert differences(child, exported, "logits", side) < 1e-5


def test_sizes_are_open_and_nothing_of_this_machine_is_inside(exported):
    graph = onnx.load(exported / "model.onnx").graph
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    names = ["input_ids", "attention_mask", "token_type_ids"]
    assert shapes == {name: ["batch_size", "sequence_length"] for name in names} | {
        "logits": ["batch_size", "sequence_length", 990]
    }
    for file in exported.iterdir():
        assert str(ROOT).encode() not in file.read_bytes()
    config = AutoConfig.from_pretrained(exported)
    assert (config.operators, config.architectures) == (OPERATORS, ["SearchedBertForMaskedLM"])
    assert config.auto_map == {"AutoConfig": "configuration_searched_bert.SearchedBertConfig"}


def test_a_plain_bert_without_a_head_gives_sentence_vectors(tmp_path):
    child = make_child(SearchedBertModel, ["attention-4", "feed_forward-37"])
    bert = to_bert(child).to(torch.bfloat16)
    folder = export_onnx(bert, tmp_path / "bert")
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "config.json"}
    assert bert.dtype == torch.bfloat16 and bert.config._attn_implementation == "sdpa"  # left as it was
    assert differences(bert.float(), folder, "last_hidden_state") < 1e-5

    batch = ragged_batch([9, 4], "right")
    model, mask = OnnxModel(folder), batch["attention_mask"].numpy()[..., None]
    pooled = (model(**batch)["last_hidden_state"] * mask).sum(1) / mask.sum(1)
    alone = model(batch["input_ids"][1:, :4], token_type_ids=batch["token_type_ids"][1:, :4])["last_hidden_state"]
    np.testing.assert_allclose(alone[0].mean(0), pooled[1], atol=1e-5)

    report = onnx_report(bert, folder, QUICK)
    assert set(report["models"]) == {"pytorch", "onnx"}
    assert report["models"]["onnx"]["cosine_similarity"] == pytest.approx(1, abs=1e-5)


# ---- Quantised ----


def test_all_linear_layers_and_embeddings_are_quantised(exported):
    graph = onnx.load(exported / "model_quantized.onnx").graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    floats = {
        tensor.name
        for tensor in weights.values()
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= 32 * 32
    }
    assert floats == set()
    # 4 of the attention, 2 of the feed-forward, one of each convolution, and 2 of the head, the tied decoder included
    assert [node.op_type for node in graph.node].count("MatMulInteger") == 10
    assert sum(node.op_type == "Conv" for node in graph.node) == 2


def test_the_report_puts_them_side_by_side(child, exported):
    report = onnx_report(child, exported, QUICK)
    rows = report["models"]
    assert list(rows) == ["pytorch", "onnx", "onnx_int8"]
    assert rows["pytorch"]["speedup"] == 1 and rows["pytorch"]["largest_difference"] == 0
    assert rows["onnx"]["same_prediction"] == 1 and rows["onnx"]["largest_difference"] < 1e-5
    assert 0.8 < rows["onnx_int8"]["same_prediction"] < 1
    assert rows["onnx_int8"]["largest_difference"] > 1e-4
    for name, file in (("onnx", "model.onnx"), ("onnx_int8", "model_quantized.onnx")):
        assert rows[name]["size_mb"] == (exported / file).stat().st_size / 1e6
        assert rows[name]["speedup"] == rows["pytorch"]["latency_ms"] / rows[name]["latency_ms"]
    assert report["latency"] == {"batch_size": 1, "sequence_length": 8, "num_threads": 1}
    table = report_table(report).splitlines()
    assert table[0].startswith(
        "| model | size, MB | latency, ms | times as fast | largest difference | same prediction"
    )
    assert [line.split(" | ")[0] for line in table[2:]] == ["| pytorch", "| onnx", "| onnx_int8"]
    with pytest.raises(ValueError, match="`sequence_length` is 41, and the model has 40 positions"):
        onnx_report(child, exported, LatencySettings(sequence_length=41))
    with pytest.raises(ValueError, match="in float32, got cpu in bfloat16"):
        onnx_report(child, exported, LatencySettings(dtype="bfloat16"))


# ---- The command ----


def test_the_command_scores_a_classifier(tmp_path, capsys):
    words = sorted(set(VALIDATION.read_text().lower().replace(",", " ").replace(".", " ").split()))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(vocabulary)}, model_max_length=40)
    labels = {"id2label": {0: "equivalent", 1: "not_equivalent"}}  # not in the order of the task
    child = make_child(SearchedBertForSequenceClassification, **labels)
    for part in (child, tokenizer):
        part.save_pretrained(tmp_path / "child")
    options = ["--model_name_or_path", str(tmp_path / "child"), "--output_dir", str(tmp_path / "onnx"), "--quantize"]
    options += ["--task_name", "mrpc", "--validation_file", str(VALIDATION), "--latency_seq_length", "8"]
    report = script.main([*options, "--latency_num_threads", "1"])

    assert json.loads((tmp_path / "onnx" / "report.json").read_text()) == report
    assert report["task"] == "text-classification" and report["answers_to"] == "mrpc"
    scores = {name: row["scores"] for name, row in report["models"].items()}
    assert scores["pytorch"] == scores["onnx"] and set(scores["onnx_int8"]) == {"accuracy", "f1", "combined_score"}
    printed = capsys.readouterr().out
    assert "| onnx_int8 |" in printed and "accuracy | f1" in printed

    # by hand, row by row, from the folder alone
    model, tokenizer = OnnxModel(tmp_path / "onnx"), AutoTokenizer.from_pretrained(tmp_path / "onnx")
    rows = [line.split(",") for line in VALIDATION.read_text().splitlines()[1:]]
    answers = [model(**tokenizer(a, b, return_tensors="np"))["logits"].argmax() for a, b, *_ in rows]
    right = [answer == 1 - int(label) for answer, (_, _, label, _) in zip(answers, rows, strict=True)]
    assert scores["onnx"]["accuracy"] == pytest.approx(sum(right) / len(right))
    assert differences(child, tmp_path / "onnx", "logits") < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "translation"], "`task` must be one of fill-mask, .*; got 'translation'"),
        (["--task_name", "sst2"], "`task_name=sst2` says what is in `validation_file`, which is missing"),
        (
            ["--validation_file", str(VALIDATION)],
            "`validation_file` is for text-classification; the task is fill-mask",
        ),
        (["--task", "text-classification"], "no weights for text-classification: classifier.bias, .* would be random"),
    ],
)
def test_slips_end_the_command_before_the_export(options, message, child, tmp_path):
    child.save_pretrained(tmp_path / "child")
    command = ["--model_name_or_path", str(tmp_path / "child"), "--output_dir", str(tmp_path / "onnx"), *options]
    with pytest.raises(ValueError, match=message):
        script.main(command)
    assert not (tmp_path / "onnx").exists()


# ---- What is refused ----


def test_what_has_no_export(tmp_path):
    cases = (
        (
            SupernetBertForMaskedLM(supernet_config()),
            "got SupernetBertForMaskedLM. For a supernet, call `extract_child`",
        ),
        (make_child(SearchedBertForMultipleChoice), "no ONNX export of SearchedBertForMultipleChoice"),
        (torch.nn.Linear(2, 2), "takes a child or a plain BERT, got Linear"),
    )
    for model, message in cases:
        with pytest.raises(TypeError, match=message):
            export_onnx(model, tmp_path / "onnx")
    assert not any(tmp_path.iterdir())


def test_an_export_that_differs_leaves_what_was_there(child, exported, tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match=r"`logits` differs from PyTorch's by .* for 1 rows of 1 tokens"):
        check_onnx(make_child(hidden_act="relu", vocab_size=990), exported / "model.onnx")

    other = onnx.load(exported / "model.onnx")
    monkeypatch.setattr(hf_supernet.export.onnx, "_to_onnx", lambda model, names: other)
    target = export_onnx(child, tmp_path / "onnx")  # what stands for PyTorch's exporter
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(RuntimeError, match="differs from PyTorch's"):
        export_onnx(make_child(hidden_act="relu", vocab_size=990), target, quantize=True)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert list(tmp_path.iterdir()) == [target]
    (target / "notes.txt").touch()
    with pytest.raises(FileExistsError, match=r"holds other files \(notes.txt\)"):
        export_onnx(child, target)
