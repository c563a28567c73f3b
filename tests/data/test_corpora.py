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

import pytest
from datasets import Dataset, DatasetDict, IterableDatasetDict

from hf_supernet.data import hold_out, load_text_corpus


ROWS = [{"text": f"document number {number}", "number": number} for number in range(40)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(name: str, rows: list[dict]) -> str:
    if name.endswith(".parquet"):
        Dataset.from_list(rows).to_parquet(name)
    else:
        with open(name, "w", encoding="utf-8") as file:
            if name.endswith((".csv", ".tsv")):
                separator = "\t" if name.endswith(".tsv") else ","
                file.write(separator.join(rows[0]) + "\n")
                file.writelines(separator.join(map(str, row.values())) + "\n" for row in rows)
            elif name.endswith((".json", ".jsonl")):
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                file.write("\n\n".join(row["text"] for row in rows))
    return name


@pytest.mark.parametrize("streaming", [False, True], ids=["in memory", "streaming"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "tsv", "json", "jsonl", "txt"])
def test_formats(suffix, streaming):
    files = write(f"train.{suffix}", ROWS[:30]), write(f"validation[1].{suffix}", ROWS[30:])
    corpus = load_text_corpus(train_file=files[0], validation_file=[files[1]], streaming=streaming)
    assert isinstance(corpus, IterableDatasetDict if streaming else DatasetDict)
    texts = {name: [row["text"].strip() for row in split] for name, split in corpus.items()}
    assert texts == {
        name: [row["text"] for row in rows] for name, rows in (("train", ROWS[:30]), ("validation", ROWS[30:]))
    }


def test_dev_files_alone():
    corpus = load_text_corpus(validation_file=write("dev.csv", ROWS[:30]))
    assert list(corpus) == ["validation"] and len(corpus["validation"]) == 30


def test_patterns_give_each_file_once_in_order():
    for index in (2, 0, 1):
        write(f"part-{index}.csv", ROWS[10 * index : 10 * index + 10])
    corpus = load_text_corpus(train_file=["part-0.csv", "part-[01].csv"], validation_file="part-2*")
    assert corpus["train"]["number"][:] == list(range(20))
    assert corpus["validation"]["number"][:] == list(range(20, 30))


def test_folder_as_a_data_set():
    write("train.parquet", ROWS[:30])
    write("test.parquet", ROWS[30:])
    corpus = load_text_corpus(".", validation_split_percentage=20)
    assert sorted(corpus["train"]["number"][:] + corpus["validation"]["number"][:]) == list(range(30))
    with pytest.raises(ValueError, match=r"no column 'txt' in .*'text', 'number'. Did you mean 'text'"):
        load_text_corpus(".", text_column="txt")


def test_lines_are_documents_where_no_line_is_blank():
    write("sentences.txt", [{"text": "one\ntwo\nthree"}])
    corpus = load_text_corpus(train_file="sentences.txt", validation_split_percentage=30)
    assert sorted(corpus["train"]["text"][:] + corpus["validation"]["text"][:]) == ["one", "three", "two"]


def test_hold_out_is_exact_and_depends_on_the_documents_alone():
    train, validation = hold_out(Dataset.from_list(ROWS), 25)
    assert (len(train), len(validation)) == (30, 10)
    assert sorted(train["number"][:] + validation["number"][:]) == list(range(40))
    assert train["number"][:] == sorted(train["number"])
    _, again = hold_out(Dataset.from_list(ROWS[::-1]), 25)
    assert set(again["number"]) == set(validation["number"])
    _, other = hold_out(Dataset.from_list(ROWS), 25, seed=1)
    assert set(other["number"]) != set(validation["number"])


def test_hold_out_keeps_equal_documents_and_whole_books_together():
    train, validation = hold_out(Dataset.from_list(ROWS * 2), 25)
    assert not set(train["text"]) & set(validation["text"])
    rows = [{**row, "book": row["number"] // 10} for row in ROWS]
    write("books.jsonl", rows)
    corpus = load_text_corpus(train_file="books.jsonl", document_column="book")
    assert len(corpus["train"]) == 30 and len(set(corpus["validation"]["book"])) == 1
    with pytest.raises(ValueError, match=r"no column 'boks'.*Did you mean 'book'"):
        load_text_corpus(train_file="books.jsonl", document_column="boks")


def test_hold_out_of_a_stream():
    rows = [{"text": f"document {number}"} for number in range(500)]
    write("rows.jsonl", rows)
    corpus = load_text_corpus(train_file="rows.jsonl", streaming=True, validation_split_percentage=20)
    train, validation = ({row["text"] for row in corpus[name]} for name in ("train", "validation"))
    assert len(train) + len(validation) == 500 and not train & validation
    assert 60 < len(validation) < 140
    assert {row["text"] for row in corpus["validation"]} == validation


def test_a_small_corpus_still_gives_one_document():
    train, validation = hold_out(Dataset.from_list(ROWS[:2]), 1)
    assert (len(train), len(validation)) == (1, 1)
    train, validation = hold_out(Dataset.from_list(ROWS[:2]), 99)
    assert (len(train), len(validation)) == (1, 1)


SOURCE_ERRORS = [
    ({}, ValueError, "Give either `name_or_path`.*`python_prose"),
    ({"name_or_path": "x", "train_file": "rows.csv"}, ValueError, "Give either `name_or_path`"),
    ({"name_or_path": "x", "validation_file": "rows.csv"}, ValueError, "`validation_file` goes with `train_file`"),
    ({"train_file": "rows.csv", "config": "en"}, ValueError, "`config` goes with `name_or_path`.*'en'"),
    ({"name_or_path": "rows.csv"}, ValueError, "'rows.csv' is a file: pass it as `train_file`"),
    ({"name_or_path": "./nowhere"}, FileNotFoundError, "no folder './nowhere'"),
    ({"name_or_path": "row.csv"}, FileNotFoundError, "no folder 'row.csv'"),
    ({"train_file": "row.csv"}, FileNotFoundError, "'row.csv' of `train_file` does not exist"),
    ({"train_file": "row*.txt"}, FileNotFoundError, "No file matches the pattern 'row\\*.txt' of `train_file`"),
    ({"train_file": "."}, FileNotFoundError, "'.' of `train_file` is a folder"),
    ({"train_file": "rows.csv", "validation_file": "v.csv"}, FileNotFoundError, "'v.csv' of `validation_file`"),
    ({"train_file": "rows.xml"}, ValueError, "'rows.xml' is not known.*known are .csv, .tsv, .json"),
    ({"train_file": ["rows.csv", "rows.jsonl"]}, ValueError, "of one format, got .csv, .jsonl"),
    ({"train_file": []}, ValueError, "of one format, got none"),
    ({"train_file": "rows.csv", "validation_file": "../files/ro*.csv"}, ValueError, "In both .*: rows.csv"),
    (
        {"train_file": "rows.csv", "text_column": "txt"},
        ValueError,
        "no column 'txt' in 'rows.csv', it has 'text', 'n",
    ),
    (
        {"train_file": "rows.csv", "text_column": "number"},
        ValueError,
        "'number' of 'rows.csv' holds int, not text: 0",
    ),
    ({"train_file": "nothing.csv"}, ValueError, "empty file: 'nothing.csv' of `train_file`"),
    ({"train_file": "header.csv"}, ValueError, "The corpus is empty: 'header.csv' has no rows"),
    ({"train_file": "damaged.parquet"}, ValueError, "'damaged.parquet' can't be read as parquet: "),
    ({"train_file": "damaged.jsonl"}, ValueError, "'damaged.jsonl' can't be read as json: "),
    ({"train_file": "latin.txt"}, ValueError, "'latin.txt' can't be read as text: 'utf-8' codec"),
    ({"train_file": "one.txt"}, ValueError, "can't be held out of 1 distinct document"),
    ({"train_file": "rows.csv", "validation_split_percentage": 0}, ValueError, "no validation split.*\\(it is 0\\)"),
    ({"train_file": "one.txt", "streaming": True}, ValueError, "The corpus is empty: the (train|validation) split"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), SOURCE_ERRORS)
def test_errors_name_the_slip(folder, arguments, error, message):
    write("rows.csv", ROWS)
    write("rows.jsonl", ROWS)
    write("one.txt", [{"text": "A single document."}])
    for name, content in {
        "rows.xml": b"<rows/>",
        "nothing.csv": b"",
        "header.csv": b"text,number\n",
        "damaged.parquet": b"PAR1 and then nothing",
        "damaged.jsonl": b'{"text": "never closed',
        "latin.txt": "Ein Text aus früheren Tagen.".encode("latin-1"),
    }.items():
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=message):
        load_text_corpus(**arguments)


@pytest.mark.parametrize("streaming", [False, True], ids=["in memory", "streaming"])
def test_a_split_of_empty_rows_is_named(streaming):
    files = write("train.jsonl", ROWS), write("dev.jsonl", [{"text": text} for text in ("", None, " \n")])
    with pytest.raises(ValueError, match=r"The validation split has no text: all its rows are empty in column 'text'"):
        load_text_corpus(train_file=files[0], validation_file=files[1], streaming=streaming)
    with pytest.raises(ValueError, match=r"The train split has no text"):
        load_text_corpus(train_file=files[1], validation_file=files[0], streaming=streaming)


def test_all_files_are_looked_into_before_the_first_is_read(folder, monkeypatch):
    write("good.csv", ROWS)
    write("other.csv", [{"body": "no such column"}])

    def must_not_run(*args, **kwargs):
        raise AssertionError("The files were converted before all were checked.")

    monkeypatch.setattr("datasets.builder.DatasetBuilder.download_and_prepare", must_not_run)
    with pytest.raises(ValueError, match=r"no column 'text' in 'other.csv', it has 'body'"):
        load_text_corpus(train_file=["good.csv", "other.csv"])


@pytest.mark.parametrize("streaming", [False, True], ids=["in memory", "streaming"])
def test_of_parquet_files_only_the_columns_needed_are_read(streaming):
    files = [
        write("one.parquet", ROWS[:20]),
        write("two.parquet", [{"book": "b", "number": "x", "text": row["text"]} for row in ROWS[20:30]]),
        write("three.parquet", [{"text": row["text"]} for row in ROWS[30:]]),
    ]
    corpus = load_text_corpus(train_file=files, validation_split_percentage=20, streaming=streaming)
    rows = [row for split in corpus.values() for row in split]
    assert sorted(row["text"] for row in rows) == sorted(row["text"] for row in ROWS)
    assert all(set(row) == {"text"} for row in rows)


def test_document_column_of_parquet_files():
    rows = [{**row, "book": row["number"] // 10, "other": 0} for row in ROWS]
    write("one.parquet", rows[:20])
    write("two.parquet", [{name: row[name] for name in ("book", "text")} for row in rows[20:]])
    corpus = load_text_corpus(train_file="*.parquet", document_column="book")
    assert len(corpus["train"]) == 30 and set(corpus["train"].column_names) == {"text", "book"}
    with pytest.raises(ValueError, match=r"no column 'number' in 'two.parquet', it has 'book', 'text'"):
        load_text_corpus(train_file="*.parquet", document_column="number")
    with pytest.raises(ValueError, match=r"no column 'txt' in 'one.parquet'.*Did you mean 'text'"):
        load_text_corpus(train_file="*.parquet", text_column="txt")
    # Without documents to hold out the column is not needed.
    corpus = load_text_corpus(train_file="one.parquet", validation_file="two.parquet", document_column="boks")
    assert corpus["validation"].column_names == ["text"]


@pytest.mark.parametrize("streaming", [False, True], ids=["in memory", "streaming"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_csv_and_json_files_with_different_columns(suffix, streaming):
    write(f"one.{suffix}", ROWS[:20])
    write(f"two.{suffix}", [{"text": row["text"], "book": "b"} for row in ROWS[20:]])
    with pytest.raises(ValueError, match=rf"'two.{suffix}' has 'book', which 'one.{suffix}' has not.*parquet"):
        load_text_corpus(train_file=f"*.{suffix}", streaming=streaming)
    write(f"two.{suffix}", [{"text": row["text"]} for row in ROWS[20:]])  # one less is well
    corpus = load_text_corpus(train_file=f"*.{suffix}", streaming=streaming, validation_split_percentage=30)
    rows = [row for split in corpus.values() for row in split]
    assert sorted(row["text"] for row in rows) == sorted(row["text"] for row in ROWS)


def test_real_text(real_data):
    corpus = load_text_corpus(
        train_file=str(real_data / "text" / "wiki" / "validation-*.parquet"), document_column="source"
    )
    assert corpus["train"].column_names == ["text", "source"]
    assert not set(corpus["train"]["source"]) & set(corpus["validation"]["source"])
    assert len(corpus["train"]) + len(corpus["validation"]) == 850
