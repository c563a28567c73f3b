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
"""Reading and checking questions: every format alike, and every slip named before any work."""

import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

import hf_supernet.data.squad
from hf_supernet.data.squad import FEATURES, load_squad_data
from hf_supernet.data.squad_arguments import SquadDataArguments


CONTEXT = "The red box stands in the kitchen, the blue box in the garden."


def answers(*texts: str) -> dict[str, list]:
    return {"text": list(texts), "answer_start": [CONTEXT.index(text) for text in texts]}


def rows() -> list[dict]:
    given = [("Where is the red box?", answers("kitchen", "the kitchen")), ("What is blue?", answers("box"))]
    given.append(("Which box is in the garden?", answers("blue box")))
    return [{"id": f"{i}a", "question": q, "context": CONTEXT, "answers": a} for i, (q, a) in enumerate(given)]


def published(given: list[dict]) -> dict:
    """As SQuAD publishes its files; v2.0 adds the last two fields."""
    qas = [
        {
            "id": row["id"],
            "question": row["question"],
            "answers": [
                {"text": text, "answer_start": start}
                for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
            ],
            "plausible_answers": [{"text": "no such text", "answer_start": 999}],
            "is_impossible": not row["answers"]["text"],
        }
        for row in given
    ]
    paragraphs = [{"context": CONTEXT, "qas": qas[:1]}, {"context": CONTEXT, "qas": qas[1:]}]
    return {"version": "v2.0", "data": [{"title": "Boxes", "paragraphs": paragraphs}, {"title": "", "paragraphs": []}]}


def write(folder: Path, name: str, given: list[dict]) -> str:
    """The rows in the format that `name` stands for."""
    path = folder / name
    if path.suffix in (".csv", ".tsv"):
        given = [row | {"answers": json.dumps(row["answers"])} for row in given]
        Dataset.from_list(given).to_csv(str(path), sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        Dataset.from_list(given).to_parquet(str(path))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in given))
    else:
        forms = {"list": lambda: given, "data": lambda: {"data": given}, "published": lambda: published(given)}
        path.write_text(json.dumps(forms[path.stem]()))
    return str(path)


def load(tmp_path, kind="validation", **arguments) -> Dataset:
    return load_squad_data(SquadDataArguments(**arguments), [kind], cache_dir=str(tmp_path / "cache"))[kind]


@pytest.mark.parametrize(
    "name", ["rows.parquet", "rows.csv", "rows.tsv", "rows.jsonl", "list.json", "data.json", "published.json"]
)
def test_every_format_gives_the_same_rows(name, tmp_path):
    split = load(tmp_path, validation_file=write(tmp_path, name, rows()))
    assert split.to_list() == rows()
    assert split.features == FEATURES


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl", "published.json"])
def test_questions_without_an_answer(name, tmp_path):
    given = rows()
    given[1]["answers"] = {"text": [], "answer_start": []}
    path = write(tmp_path, name, given)
    assert load(tmp_path, validation_file=path, version_2_with_negative=True).to_list() == given
    with pytest.raises(ValueError, match=r"row 1: the question has no answer.*needs `version_2_with_negative`"):
        load(tmp_path, validation_file=path)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_forms_of_answers(listed, as_json, tmp_path):
    given = rows()
    for row in given:
        pairs = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
        mine = [{"answer_start": start, "text": text} for text, start in pairs] if listed else row["answers"]
        row["answers"] = json.dumps(mine) if as_json else mine
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    assert load(tmp_path, validation_file=str(path)).to_list() == rows()


def test_columns_of_other_names_and_numbers_as_ids(tmp_path):
    names = {"id": "nr", "question": "ask", "context": "text", "answers": "gold"}
    given = [{names[key]: value for key, value in row.items()} | {"more": 1} for row in rows()]
    for i, row in enumerate(given):
        row["nr"] = i
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    arguments = {f"{key.removesuffix('s')}_column_name": name for key, name in names.items()}
    split = load(tmp_path, kind="train", train_file=str(path), **arguments)
    assert split.to_list() == [row | {"id": str(i)} for i, row in enumerate(rows())]


def test_a_data_set_of_the_hub(tmp_path, monkeypatch):
    asked = []

    def load_dataset(name, config_name, **kwargs):
        asked.append((name, config_name))
        return DatasetDict(train=Dataset.from_list(rows()), validation=Dataset.from_list(rows()[:1]))

    monkeypatch.setattr(hf_supernet.data.squad, "load_dataset", load_dataset)
    args = SquadDataArguments(dataset_name="rajpurkar/squad")
    splits = load_squad_data(args, ["train", "validation"])
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "validation": 1}
    assert asked == [("rajpurkar/squad", None)]
    assert (args.hub_dataset, args.description) == ("rajpurkar/squad", "`rajpurkar/squad`")
    with pytest.raises(ValueError, match="The data has no test split, only train, validation"):
        load_squad_data(args, ["test"])


def test_a_folder_is_a_data_set(tmp_path):
    folder = tmp_path / "questions"
    folder.mkdir()
    write(folder, "train.parquet", rows())
    assert load(tmp_path, "train", dataset_name=str(folder)).to_list() == rows()
    assert SquadDataArguments(dataset_name=str(folder)).hub_dataset is None


@pytest.mark.parametrize("kind", ["column", "none", "empty"])
def test_a_test_split_needs_no_answers(kind, tmp_path):
    given = rows()
    for row in given:
        if kind == "column":
            del row["answers"]
        else:
            row["answers"] = None if kind == "none" else {"text": [], "answer_start": []}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    assert load(tmp_path, "test", test_file=str(path)).column_names == ["id", "question", "context"]
    assert load(tmp_path, "test", test_file=write(tmp_path, "list.json", rows())).to_list() == rows()


def broken(**fields) -> list[dict]:
    given = rows()
    given[1] |= fields
    return given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [{"id": "1", "question": "a", "contxt": "b", "answers": answers("box")}],
            r'no column "context" .did you mean "contxt".*`context_column_name`',
        ),
        (
            [{"id": "1", "question": "a", "context": CONTEXT, "answer": answers("box")}],
            r'no column "answers" .did you mean "answer".*`answer_column_name`',
        ),
        (
            [{"question": "a", "context": CONTEXT, "answers": answers("box")}],
            'no column "id"; its columns are .*`id_column_name`',
        ),
        (broken(question=None), 'no text in column "question" of row 1'),
        (broken(context="  "), "row 1: the context is empty"),
        (broken(id="0a"), 'has 2 rows with the id "0a"'),
        (
            broken(answers={"text": ["box"], "answer_start": [7]}),
            r'row 1: the answer "box" does not stand at `answer_start=7`; it is found at 8',
        ),
        (broken(answers={"text": ["box"], "answer_start": [-1]}), "does not stand at `answer_start=-1`"),
        (broken(answers={"text": ["cellar"], "answer_start": [7]}), "it is nowhere in the context"),
        (
            broken(answers={"text": [""], "answer_start": [7]}),
            "row 1: an answer is empty; a question without an answer has",
        ),
        (broken(answers={"text": ["box", "red"], "answer_start": [8]}), "row 1: there are 2 answers, but 1 values of"),
        (
            broken(answers="box"),
            r"row 1: the answers are '\"box\"', expected \{\"text\": \[...\], \"answer_start\": \[...\]\} or",
        ),
        (broken(answers={"text": ["box"]}), 'row 1: the answers are \'{"text": .*expected'),
        (broken(answers=[{"text": "box"}]), "row 1: the answers are .*expected"),
    ],
)
def test_slips_in_the_rows(given, message, tmp_path):
    path = tmp_path / "data.json"
    path.write_text(
        json.dumps(
            {"data": [row | {"answers": json.dumps(row["answers"])} if "answers" in row else row for row in given]}
        )
    )
    with pytest.raises(ValueError, match=f"The train split.*{message}"):
        load(tmp_path, "train", train_file=str(path))


def test_slips_in_the_files(tmp_path):
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "1"}]}]}]}))
    with pytest.raises(ValueError, match=r"not in the form of SQuAD: articles with .*KeyError: 'question'"):
        load(tmp_path, validation_file=str(path))
    path.write_text(json.dumps({"data": []}))
    with pytest.raises(ValueError, match="The validation split is empty"):
        load(tmp_path, validation_file=str(path))
    path.write_text("no JSON")
    with pytest.raises(ValueError, match=r'`validation_file`: ".*dev.json" has no rows or is no json file'):
        load(tmp_path, validation_file=str(path))
    with pytest.raises(ValueError, match="The train split is needed: pass `train_file` beside validation_file"):
        load(tmp_path, "train", validation_file=str(path))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "No data is given: pass `dataset_name`"),
        ({"dataset_name": "a", "train_file": "b.json"}, ValueError, "give one of the two"),
        ({"train_file": "missing.json"}, FileNotFoundError, '`train_file`: there is no file "missing.json"'),
        ({"train_file": "data.txt"}, ValueError, 'ends in ".txt", supported are .parquet'),
        ({"max_seq_length": 0}, ValueError, "`max_seq_length` must be at least 1, got 0"),
        ({"n_best_size": 0}, ValueError, "`n_best_size` must be at least 1, got 0"),
        ({"max_eval_samples": 0}, ValueError, "`max_eval_samples` must be at least 1, got 0"),
        ({"doc_stride": -1}, ValueError, "`doc_stride` is a number of tokens, it can't be -1"),
        ({"null_score_diff_threshold": 1.0}, ValueError, "it needs `version_2_with_negative`"),
    ],
)
def test_slips_in_the_options(arguments, error, message):
    if arguments and not {"dataset_name", "train_file"} & set(arguments):
        arguments = arguments | {"dataset_name": "rajpurkar/squad"}
    with pytest.raises(error, match=message):
        SquadDataArguments(**arguments)


def test_the_real_data(real_data, tmp_path):
    for kind, count in (("train", 19986), ("validation", 10570)):
        split = load(tmp_path, kind, **{f"{kind}_file": str(real_data / "squad" / f"{kind}.parquet")})
        assert len(split) == len(set(split["id"])) == count
