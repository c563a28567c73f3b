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
import yaml
from huggingface_hub import ModelCard
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from hf_supernet import (
    SearchedBertConfig,
    SearchedBertForQuestionAnswering,
    SearchedBertForSequenceClassification,
    SupernetBertConfig,
    SupernetBertForSequenceClassification,
)
from hf_supernet.evaluation.glue_card import FineTuningCard
from hf_supernet.evaluation.squad_card import SquadCard


SIZES = {"vocab_size": 12, "hidden_size": 32, "max_position_embeddings": 41}
OPERATORS = ["attention-4", "convolution-3", "identity"]
NAMES = {0: "unacceptable", 1: "acceptable"}


@pytest.fixture
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "sentence", "to", "try", "it", "on", "."]
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)})


def make_card(task="cola", **fields) -> FineTuningCard:
    data = f"GLUE {task.upper()} (local files)"
    return FineTuningCard(
        **{
            "model_name": "user/tuned",
            "start": "user/child",
            "random_init": False,
            "data_name": data,
            "task_name": task,
        }
        | fields
    )


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def test_a_child(tokenizer):
    model = SearchedBertForSequenceClassification(SearchedBertConfig(operators=OPERATORS, id2label=NAMES, **SIZES))
    card = make_card(
        hyperparameters={"teacher": "user/teacher", "seed": 1}, metrics={"eval_matthews_correlation": 0.5}
    )
    card.describe(model, tokenizer)
    text = card.text()
    assert headings(text) == [
        *("# tuned", "## How to load it", "## Results on the validation set", "## Training", "## Architecture"),
        *("## Limits", "## Citation"),
    ]
    assert (
        f"Text classifier with {model.num_parameters():,} parameters, trained on GLUE COLA (local files), starting from `user/child`."
        in text
    )
    assert (
        "`A4-C3-I`: `A4` is attention with 4 heads, `C3` is a separable convolution over 3 tokens, `I` is nothing."
        in text
    )
    assert f"| **all** |  | {model.num_parameters():,} |" in text
    for limit in (
        "`unacceptable`, `acceptable`",
        "at most 41 tokens",
        "Language: `en` only.",
        "`US` and `us`",
        "no measurement",
    ):
        assert limit in text.partition("## Limits")[2], limit
    assert "xu2021nasbert" in text and "wang2019glue" in text and "\n\n\n" not in text


def test_a_supernet_that_was_fine_tuned_on_one_path_has_no_table(tokenizer):
    config = SupernetBertConfig(num_hidden_layers=2, candidate_operators=OPERATORS, **SIZES)
    card = make_card(task_name=None, data_name="local files")
    card.describe(SupernetBertForSequenceClassification(config), tokenizer)
    assert headings(card.text()) == ["# tuned", "## How to load it", "## Limits"]
    assert "import hf_supernet  # registers" in card.text() and "trust_remote_code" not in card.text()


def test_a_plain_bert_has_no_table(tokenizer):
    model = BertForSequenceClassification(BertConfig(num_hidden_layers=1, num_attention_heads=2, **SIZES))
    card = make_card(task_name=None, data_name="local files")
    card.describe(model, tokenizer)
    assert headings(card.text()) == ["# tuned", "## How to load it", "## Limits"]
    assert f"with {model.num_parameters():,} parameters" in card.text() and "hf_supernet" not in card.text()


def test_what_is_not_known_is_left_out():
    text = make_card(task_name=None, data_name="local files").text()
    assert headings(text) == ["# tuned", "## How to load it"]
    assert "None" not in text and "parameters" not in text


@pytest.mark.parametrize(
    ("task", "scores", "expected"),
    [
        ("mrpc", {"accuracy": 0.75, "f1": 0.5}, {("accuracy", "validation", 0.75), ("f1", "validation", 0.5)}),
        ("qqp", {"accuracy": 0.75, "f1": 0.5}, {("accuracy", "validation", 0.75), ("f1", "validation", 0.5)}),
        (
            "stsb",
            {"pearson": 0.25, "spearmanr": 0.125},
            {("pearsonr", "validation", 0.25), ("spearmanr", "validation", 0.125)},
        ),
        ("cola", {"matthews_correlation": 0.5}, {("matthews_correlation", "validation", 0.5)}),
        (
            "mnli",
            {"accuracy": 0.5, "accuracy_mm": 0.25},
            {("accuracy", "validation_matched", 0.5), ("accuracy", "validation_mismatched", 0.25)},
        ),
    ],
)
def test_results_have_the_names_of_the_hub(task, scores, expected, tmp_path):
    metrics = {f"eval_{name}": value for name, value in scores.items()} | {"eval_loss": 0.3, "eval_samples": 5}
    data = ModelCard.load(make_card(task, metrics=metrics).write(tmp_path)).data
    assert {(it.metric_type, it.dataset_split, it.metric_value) for it in data.eval_results} == expected
    assert {(it.dataset_type, it.dataset_config) for it in data.eval_results} == {("nyu-mll/glue", task)}
    assert data.metrics == sorted({name for name, _, _ in expected}) and data.model_name == "tuned"


def test_exact_match_has_the_name_of_the_hub():
    card = SquadCard(
        "user/tuned",
        "user/child",
        False,
        "`rajpurkar/squad_v2`",
        metrics={"eval_exact": 50.0, "eval_f1": 60.0, "eval_total": 3},
    )
    card.describe(SearchedBertForQuestionAnswering(SearchedBertConfig(operators=OPERATORS, **SIZES)), None)
    assert [(it.metric_type, it.metric_name) for it in card.results] == [("exact_match", "exact"), ("f1", "f1")]
    assert "Question answering model with" in card.text() and "passages of the text" in card.text()


@pytest.mark.parametrize("is_child", [True, False])
@pytest.mark.parametrize("task", ["sst2", "mrpc"])
def test_the_snippet_runs_as_it_stands(task, is_child, tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if is_child:
        model = SearchedBertForSequenceClassification(SearchedBertConfig(operators=OPERATORS, **SIZES))
    else:
        model = BertForSequenceClassification(BertConfig(num_hidden_layers=1, num_attention_heads=2, **SIZES))
    model.save_pretrained("tuned")
    tokenizer.save_pretrained("tuned")
    card = make_card(task, model_name="tuned")
    card.describe(model, tokenizer)
    names = {}
    exec(card.text().split("```python\n")[1].split("```")[0], names)
    answer = names["answer"][0] if isinstance(names["answer"], list) else names["answer"]
    assert answer["label"] in ("LABEL_0", "LABEL_1")


def test_what_was_written_by_hand_stays(tokenizer, tmp_path):
    model = BertForSequenceClassification(BertConfig(num_hidden_layers=1, num_attention_heads=2, **SIZES))
    path = tmp_path / "README.md"
    path.write_text(
        "---\nlicense: mit\ntags:\n- mine\nmodel-index:\n- name: old\n  results: []\n---\n\n# By hand\n\nAbove.\n"
    )
    for value in (0.5, 0.75):
        card = make_card("sst2", metrics={"eval_accuracy": value})
        card.describe(model, tokenizer)
        card.write(tmp_path)
        if value == 0.5:
            text = path.read_text().replace("Text classifier with", "A sentence inside. Text classifier with")
            path.write_text(text + "\n## Below\n\nBelow.\n")
    metadata, text = path.read_text().split("---\n", 2)[1:]
    metadata = yaml.safe_load(metadata)
    assert metadata["license"] == "mit" and metadata["tags"] == ["mine"] and metadata["language"] == "en"
    (entry,) = metadata["model-index"]
    assert entry["name"] == "tuned" and entry["results"][0]["metrics"][0]["value"] == 0.75
    order = [
        "# By hand",
        "Above.",
        "fine-tuning: begin -->",
        "# tuned",
        "0.7500",
        "## Limits",
        "fine-tuning: end -->",
        "## Below",
        "Below.",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "0.5000" not in text and "A sentence inside." not in text  # the section between the two comments is ours
    assert all(text.count(part) == 1 for part in ("## Limits", "# tuned\n", "Above.", "Below."))
