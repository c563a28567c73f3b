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
import numpy as np
import pytest
import torch
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from torch.utils.flop_counter import FlopCounterMode

from hf_supernet import (
    SearchedBertForMaskedLM,
    SearchedBertForMultipleChoice,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SearchedBertForTokenClassification,
    SearchedBertModel,
)
from hf_supernet.export import CardFacts, build_card, export_child

from .conftest import MIXED, PLAIN


def table(text: str, first_cell: str) -> list[list[str]]:
    """The rows below the table heading that starts with `first_cell`."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {first_cell} |")) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


@pytest.mark.parametrize("embedding_size", [None, 17])
@pytest.mark.parametrize(
    ("model_class", "kwargs", "pipeline_tag"),
    [
        (SearchedBertModel, {}, "feature-extraction"),
        (SearchedBertModel, {"add_pooling_layer": False}, "feature-extraction"),
        (SearchedBertForMaskedLM, {}, "fill-mask"),
        (SearchedBertForMultipleChoice, {}, "multiple-choice"),
        (SearchedBertForQuestionAnswering, {}, "question-answering"),
        (SearchedBertForSequenceClassification, {}, "text-classification"),
        (SearchedBertForTokenClassification, {}, "token-classification"),
    ],
)
def test_the_architecture_table_counts_the_real_module(model_class, kwargs, pipeline_tag, embedding_size, make_child):
    child = make_child(MIXED, model_class, embedding_size=embedding_size, attn_implementation="eager", **kwargs)
    card = build_card(child, "child", CardFacts(sequence_length=13))
    assert card.data.pipeline_tag == pipeline_tag
    rows = table(card.text, "layer")
    assert [row[0] for row in rows] == ["embeddings", *map(str, range(len(MIXED))), "head", "**all**"]
    assert [row[1].strip("`") for row in rows[1:-2]] == MIXED
    counts = np.array([[int(cell.replace(",", "")) for cell in row[2:]] for row in rows])
    assert (counts[:-1].sum(0) == counts[-1]).all()
    assert (counts >= 0).all()
    assert counts[-1, 0] == child.num_parameters()
    shape = (1, 1, 13) if model_class is SearchedBertForMultipleChoice else (1, 13)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        child(input_ids=torch.ones(shape, dtype=torch.long))
    assert counts[-1, 1] == counter.get_total_flops() // 2
    assert "13 tokens" in card.text


def test_metadata_and_facts(make_child, tmp_path):
    facts = CardFacts(
        name="user/my-child",
        description="Made of *documentation*.",
        metadata={"language": "en", "license": "apache-2.0", "datasets": ["glue"], "tags": ["bert", "hf_supernet"]},
        training={"sampler": "gradual", "learning rate": 0.00012345678, "teacher": None, "note": "a | b\nc"},
        results=[
            EvalResult(
                task_type="text-classification",
                dataset_type="glue",
                dataset_name="GLUE SST-2",
                dataset_config="sst2",
                dataset_split="validation",
                metric_type="accuracy",
                metric_value=np.float64(0.8125),
            )
        ],
    )
    folder = export_child(make_child(MIXED), None, tmp_path / "child", facts=facts)
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.library_name, data.language, data.license) == ("transformers", "en", "apache-2.0")
    assert data.tags == ["hf_supernet", "neural-architecture-search", "bert"]
    assert (data.datasets, data.metrics, data.model_name) == (["glue"], ["accuracy"], "my-child")
    assert [result.metric_value for result in data.eval_results] == [0.8125]
    assert data.eval_results[0].dataset_config == "sst2"
    assert "model-index" in data.to_dict()
    assert "\n# my-child\n" in card.text
    assert "\nMade of *documentation*.\n" in card.text
    assert 'from_pretrained("user/my-child", trust_remote_code=True)' in card.text
    assert table(card.text, "data") == [["GLUE SST-2 (validation)", "accuracy", "0.8125"]]
    training = card.text.partition("## Training")[2].partition("##")[0]
    assert training.split("| --- | --- |\n")[1].strip().splitlines() == [
        "| sampler | gradual |",
        "| learning rate | 0.000123457 |",
        "| note | a \\| b c |",
    ]


def test_what_is_not_known_is_left_out(make_child):
    card = build_card(make_child(MIXED), "child")
    headings = [line for line in card.text.splitlines() if line.startswith("#")]
    assert headings == ["# child", "## How to load it", "## Architecture", "## Limits"]
    assert set(card.data.to_dict()) == {"library_name", "pipeline_tag", "tags"}
    for word in ("None", "nknown", "More information", "{{", "okenizer", "trained on sequences", "shared", "\n\n\n"):
        assert word not in str(card), word


def test_what_is_known_is_said(make_child, tokenizer):
    facts = CardFacts(
        latency={"device": "a toaster, 1 thread", "measured": "5.10 ms", "predicted": None},
        limits=["Nobody tried it on *poems*."],
        bias="It was measured on WinoBias.",
        methods=("gradual", "alignment"),
        metadata={"language": "en"},
        trained_length=16,
    )
    card = build_card(make_child(MIXED), "child", facts, tokenizer=tokenizer, shared_weights=True)
    headings = [line for line in card.text.splitlines() if line.startswith("#")]
    assert headings == ["# child", "## How to load it", "## Architecture", "## Latency", "## Limits", "## Citation"]
    assert "| device | a toaster, 1 thread |\n| measured | 5.10 ms |\n\n" in card.text
    limits = card.text.partition("## Limits\n\n")[2].partition("\n\n")[0].splitlines()
    assert limits[1:] == [
        "- It reads at most 41 tokens at a time, special tokens included.",
        "- Language: `en` only.",
        "- Its tokenizer lower-cases all text and drops accents: `US` and `us` are the same to it.",
        "- It was trained on sequences of at most 16 tokens; later positions are untrained.",
        "- Its weights are those that it shared with the other architectures of its supernet: some training of its own"
        " makes them better.",
        "- Nobody tried it on *poems*.",
        "- It was measured on WinoBias.",
    ]
    assert card.text.count("@inproceedings{xu2022analyzing,") == 1  # of both methods
    longer = CardFacts(trained_length=41)
    assert "trained on sequences" not in build_card(make_child(MIXED), "child", longer).text


def test_two_metrics_of_a_task_are_two_results(make_child):
    task = {"task_type": "text-classification", "dataset_type": "nyu-mll/glue", "dataset_name": "GLUE MRPC"}
    results = [
        EvalResult(**task, dataset_config="mrpc", dataset_split="validation", metric_type=name, metric_value=value)
        for name, value in (("accuracy", 0.75), ("f1", 0.5))
    ]
    data = ModelCard(str(build_card(make_child(MIXED), "child", CardFacts(results=results)))).data
    assert data.metrics == ["accuracy", "f1"] and data.eval_results == results
    (entry,) = data.to_dict()["model-index"]
    assert entry["name"] == "child" and len(entry["results"]) == 1 and len(entry["results"][0]["metrics"]) == 2
    assert model_index_to_eval_results(eval_results_to_model_index("child", results)) == ("child", results)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"metadata": {"eval_results": []}}, r"`metadata` has eval_results.*use `name` and `results`"),
        ({"latency": {"measured": "5 ms"}}, r"`latency` has measured: say in `device` what it was measured on"),
        ({"methods": ("magic",)}, r"No paper is known for 'magic'; `methods` are of uniform, fair, gradual"),
    ],
)
def test_facts_that_no_card_can_have(facts, message):
    with pytest.raises(ValueError, match=message):
        CardFacts(**facts)


@pytest.mark.parametrize("operators", [PLAIN, MIXED])
@pytest.mark.parametrize(
    "model_class", [SearchedBertForMaskedLM, SearchedBertForSequenceClassification, SearchedBertForMultipleChoice]
)
@pytest.mark.parametrize("with_tokenizer", [False, True])
def test_the_snippet_runs_as_it_stands(
    operators, model_class, with_tokenizer, make_child, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    child = make_child(operators, model_class)
    folder = export_child(child, None, "my child", tokenizer=tokenizer if with_tokenizer else None)
    text = (folder / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    assert ("trust_remote_code" in text) is (operators is MIXED)
    names = {}
    exec(code, names)
    assert type(names["model"]).__name__ == model_class.__name__.replace(
        "Searched", "" if operators is PLAIN else "Searched"
    )
    assert ("tokenizer" in names) is with_tokenizer
    runs = with_tokenizer and model_class is not SearchedBertForMultipleChoice
    assert ("outputs" in names) is runs
    if runs:
        with torch.no_grad():
            expected = child(**names["tokenizer"]("A sentence to try it on.", return_tensors="pt")).logits
        torch.testing.assert_close(names["outputs"].logits, expected, rtol=0, atol=1e-5)
