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
"""Reading, checking and tokenising classification data: every format alike, and every slip named before any work."""

from pathlib import Path

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from transformers import BertConfig, BertTokenizer

from hf_supernet.data.glue import GlueData, load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.evaluation.glue import GLUE_TASKS


FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "glue"
TRAIN, VALIDATION = str(FIXTURES / "pairs_train.csv"), str(FIXTURES / "pairs_validation.csv")


def load(tmp_path, kinds=("train", "validation"), **arguments) -> GlueData:
    return load_glue_data(GlueDataArguments(**arguments), kinds, cache_dir=str(tmp_path / "cache"))


def write(folder: Path, name: str, rows: list[dict], features: Features | None = None) -> str:
    """The rows in the format that the ending of `name` stands for."""
    path, dataset = folder / name, Dataset.from_list(rows, features=features)
    writers = {
        ".parquet": dataset.to_parquet,
        ".csv": dataset.to_csv,
        ".tsv": lambda target: dataset.to_csv(target, sep="\t"),
        ".json": dataset.to_json,
        ".jsonl": dataset.to_json,
    }
    writers[path.suffix](str(path))
    return str(path)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".json", ".jsonl"])
def test_every_format_gives_the_same_rows(ending, tmp_path):
    expected = load(tmp_path, task_name="mrpc", train_file=TRAIN, validation_file=VALIDATION)
    files = {}
    for name, source in (("train", TRAIN), ("validation", VALIDATION)):
        rows = pd.read_csv(source, keep_default_na=False).to_dict("records")
        files[f"{name}_file"] = write(tmp_path, name + ending, rows)
    data = load(tmp_path, task_name="mrpc", **files)
    assert data.label_names == ("not_equivalent", "equivalent")
    for name in ("train", "validation"):
        assert data.splits[name].to_list() == expected.splits[name].to_list()
    assert {"sentence1": "None", "sentence2": "N/A", "label": 0} in data.splits[
        "train"
    ].to_list()  # text, not "missing"
    assert len(data.splits["train"]) == 20


@pytest.mark.parametrize("kind", ["names", "ids", "class label"])
def test_labels_may_be_names_or_ids(kind, tmp_path):
    names = GLUE_TASKS["mnli"].label_names
    rows = [{"premise": f"a {i}", "hypothesis": f"b {i}", "label": i % 3} for i in range(5)]
    features = None
    if kind == "names":
        rows = [row | {"label": names[row["label"]]} for row in rows]
    elif kind == "class label":
        features = Features(premise=Value("string"), hypothesis=Value("string"), label=ClassLabel(names=list(names)))
    path = write(tmp_path, "rows.parquet", rows, features)
    data = load(tmp_path, task_name="mnli", train_file=path, validation_file=path, validation_mismatched_file=path)
    assert data.label_names == names
    assert data.splits["train"]["label"][:] == [0, 1, 2, 0, 1]
    assert list(data.splits_of("validation")) == ["", "_mm"]


def test_data_without_a_task(tmp_path):
    rows = [{"text": "good", "label": "pos"}, {"text": "bad", "label": "neg"}, {"text": "7", "label": "pos"}]
    data = load(tmp_path, kinds=["train"], train_file=write(tmp_path, "a.json", rows))
    assert (data.text_columns, data.label_names, data.metric_name) == (("text",), ("neg", "pos"), "sst2")
    assert data.splits["train"]["label"][:] == [1, 0, 1]

    rows = [{"first": "a", "second": "b", "number": i, "label": i / 3} for i in range(4)]
    data = load(tmp_path, kinds=["train"], train_file=write(tmp_path, "b.json", rows))
    assert (data.text_columns, data.is_regression, data.metric_name) == (("first", "second"), True, "stsb")

    numbers = write(tmp_path, "c.csv", [{"text": i, "kind": i % 2} for i in range(4)])
    data = load(tmp_path, kinds=["train"], train_file=numbers, label_column_name="kind")
    assert data.splits["train"]["text"][:] == ["0", "1", "2", "3"]
    assert data.label_names == ("0", "1")


def test_a_folder_is_a_data_set(tmp_path):
    folder = tmp_path / "mrpc"
    folder.mkdir()
    for name, source in (("train", TRAIN), ("validation", VALIDATION)):
        Dataset.from_csv(source, keep_default_na=False, cache_dir=str(tmp_path)).to_parquet(folder / f"{name}.parquet")
    arguments = GlueDataArguments(dataset_name=str(folder), task_name="mrpc")
    data = load_glue_data(arguments, ["train", "validation"], cache_dir=str(tmp_path))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20, "validation": 7}
    assert arguments.hub_dataset is None
    assert GlueDataArguments(task_name="mrpc").hub_dataset == "nyu-mll/glue"


@pytest.mark.parametrize("labels", [None, [-1, -1]])
def test_a_test_split_needs_no_labels(labels, tmp_path):
    rows = [{"sentence": f"row {i}"} | ({} if labels is None else {"label": labels[i]}) for i in range(2)]
    data = load(tmp_path, kinds=["test"], task_name="cola", test_file=write(tmp_path, "test.json", rows))
    assert data.splits["test"].column_names == ["sentence"]
    assert data.label_names == ("unacceptable", "acceptable")


PAIRS = {"train_file": TRAIN, "validation_file": VALIDATION}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "No data is given: pass `task_name`"),
        ({"dataset_name": "x", **PAIRS}, ValueError, "Both a data set .*and local files"),
        ({"task_name": "mrcp"}, ValueError, 'Unknown GLUE task "mrcp" .did you mean "mrpc"'),
        ({"train_file": "rows.txt"}, ValueError, '`train_file`: "rows.txt" ends in ".txt", supported are .parquet'),
        ({"train_file": "no/such.csv"}, FileNotFoundError, '`train_file`: there is no file "no/such.csv"'),
        ({"task_name": "rte", "validation_mismatched_file": TRAIN}, ValueError, "is a part of MNLI"),
        ({"task_name": "rte", "max_train_samples": 0}, ValueError, "`max_train_samples` must be at least 1, got 0"),
        ({"text_column_names": ["a", "b", "c"], **PAIRS}, ValueError, "one or two columns, got"),
        ({"task_name": "mrpc", "train_file": TRAIN}, ValueError, "pass `validation_file` beside train_file"),
        ({"task_name": "qqp", **PAIRS}, ValueError, 'train split has no column "question1".*sentence1, sentence2'),
        (
            {"task_name": "mrpc", "text_column_names": ["sentense1"], **PAIRS},
            ValueError,
            'no column "sentense1" .did you mean "sentence1".*`text_column_names`',
        ),
        (
            {"task_name": "mrpc", "label_column_name": "lable", **PAIRS},
            ValueError,
            'no column "lable" .did you mean "label".*`label_column_name`',
        ),
        (
            {"task_name": "mrpc", "label_column_name": "score", **PAIRS},
            ValueError,
            "train split has 19 unexpected labels in column `score`, the first is 4.8 in row 0; labels are 'not_equi",
        ),
        ({"task_name": "stsb", "label_column_name": "sentence2", **PAIRS}, ValueError, "labels are numbers, as"),
    ],
)
def test_slips_are_named(arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        load(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        (
            [("a", "x"), ("b", "y")],
            [("a", "x"), ("b", "z")],
            "validation split has 1 unexpected .*'z' in row 1.*'x', 'y'",
        ),
        ([("a", "x"), ("b", "y")], [], '`validation_file`: ".*validation.parquet" has no rows'),
        ([("a", "x"), ("b", "x")], [("a", "x")], "at least two labels"),
        ([("a", "x"), (None, "y")], [("a", "x")], 'train split has no text in column "text" of row 1'),
        ([("a", 0.5), ("b", None)], [("a", 1.0)], "train split has 1 unexpected labels.*labels are numbers"),
        ([("a", ["x"]), ("b", ["y"])], [("a", ["x"])], "one label a row is needed"),
    ],
)
def test_rows_are_checked(train, validation, message, tmp_path):
    label = Value("string")
    if isinstance(train[0][1], (float, list)):
        label = Value("float64") if isinstance(train[0][1], float) else [Value("string")]
    features = Features({"text": Value("string"), "label": label})
    files = {}
    for name, rows in (("train", train), ("validation", validation)):
        dataset = Dataset.from_dict({"text": [r[0] for r in rows], "label": [r[1] for r in rows]}, features=features)
        files[f"{name}_file"] = str(tmp_path / f"{name}.parquet")
        dataset.to_parquet(files[f"{name}_file"])
    with pytest.raises(ValueError, match=message):
        load(tmp_path, **files)


@pytest.mark.parametrize("name", ["a.parquet", "a.json", "a.csv"])
@pytest.mark.parametrize("content", ["", "{]"])
def test_a_file_of_another_kind(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=r"`train_file`: .* has no rows or is no"):
        load(tmp_path, kinds=["train"], train_file=str(tmp_path / name))


def test_subsets_are_random_and_do_not_depend_on_the_run(tmp_path):
    data = load(tmp_path, task_name="mrpc", **PAIRS)

    def rows(kind: str, **arguments) -> list:
        return GlueDataArguments(task_name="mrpc", **arguments).subsets(kind, data.splits_of(kind))[""].to_list()

    every = data.splits["train"].to_list()
    drawn = rows("train", max_train_samples=6)
    assert len(drawn) == 6 and drawn != every[:6]
    assert [row for row in every if row in drawn] == drawn  # in their order
    assert drawn == rows("train", max_train_samples=6) != rows("train", max_train_samples=6, subset_seed=1)
    assert rows("train", max_train_samples=999) == every
    assert len(rows("validation", max_eval_samples=2)) == 2
    first = GlueDataArguments(task_name="mrpc", max_predict_samples=3).subsets("test", {"": data.splits["validation"]})
    assert first[""].to_list() == data.splits["validation"].to_list()[:3]


@pytest.fixture
def tokenizer() -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "dog", "runs", "park", "is"]
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)})


def test_a_model_keeps_its_own_numbers_for_the_labels(tokenizer, tmp_path):
    arguments = GlueDataArguments(task_name="mrpc", **PAIRS)
    data = load_glue_data(arguments, ["train", "validation"], cache_dir=str(tmp_path))
    plain, reversed_ = BertConfig(), BertConfig(id2label={0: "EQUIVALENT", 1: "NOT_EQUIVALENT"})
    scores = []
    for config, names in ((plain, ["not_equivalent", "equivalent"]), (reversed_, ["equivalent", "not_equivalent"])):
        config.update(data.label_config(config, trains=False))
        assert list(config.id2label.values()) == names
        tokenized = data.tokenize(data.splits["validation"], tokenizer, config, arguments)
        assert [names[label] for label in tokenized["labels"]] == [
            data.label_names[label] for label in data.splits["validation"]["label"]
        ]
        logits = pd.get_dummies([names.index("equivalent")] * 6 + [names.index("not_equivalent")]).to_numpy(float)
        scores.append(data.score(logits, tokenized.with_format("numpy")["labels"][:], config))
        assert data.prediction_table(logits, config).splitlines()[1] == "0\tequivalent"
    assert scores[0] == scores[1]  # F1 stays that of "equivalent"
    assert scores[0]["combined_score"] == pytest.approx((scores[0]["accuracy"] + scores[0]["f1"]) / 2)


def test_labels_of_another_task_are_replaced_by_training_only(tmp_path):
    data = load(tmp_path, task_name="mrpc", **PAIRS)
    config = BertConfig(id2label={0: "entailment", 1: "neutral", 2: "contradiction"})
    assert data.label_config(config, trains=True)["num_labels"] == 2
    with pytest.raises(ValueError, match=r"answers with the labels \['entailment'.*data has \['not_equivalent'"):
        data.label_config(config, trains=False)
    regression = load(tmp_path, task_name="stsb", label_column_name="score", **PAIRS)
    assert regression.label_config(config, trains=True) == {"num_labels": 1, "problem_type": "regression"}


def test_tokenized_rows_are_what_a_model_reads(tokenizer, tmp_path):
    arguments = GlueDataArguments(task_name="mrpc", max_seq_length=9, pad_to_max_length=True, **PAIRS)
    data = load_glue_data(arguments, ["train", "validation"], cache_dir=str(tmp_path))
    config = BertConfig()
    config.update(data.label_config(config, trains=True))
    row = data.tokenize(data.splits["train"], tokenizer, config, arguments)[0]
    assert set(row) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert len(row["input_ids"]) == 9 and row["labels"] == 1
    config.max_position_embeddings = 5  # never longer than the model can take
    assert len(data.tokenize(data.splits["train"], tokenizer, config, arguments)[0]["input_ids"]) == 5
