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
"""The analysis of interference, run on tiny supernets as a user runs it."""

import random
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from matplotlib.image import imread
from transformers import BertTokenizer

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.evaluation.interference import gradient_similarities
from hf_supernet.evaluation.interference_statistics import mean_difference, mean_interval, similarity_trend


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import analyze_interference


WORDS = [f"{one}{two}" for one in "bdfgklmnprst" for two in "aeiou"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Three supernets of one space, one of another, a child, and some text."""
    folder = tmp_path_factory.mktemp("inputs")
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate([*SPECIAL, *WORDS])})
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "max_position_embeddings": 32}
    candidates = ["attention-4", "feed_forward-37", "convolution-3"]
    for seed, name in enumerate(("one", "two", "other-seed", "other-space")):
        torch.manual_seed(seed)
        layers = 3 if name == "other-space" else 4
        config = SupernetBertConfig(**sizes, candidate_operators=candidates, num_hidden_layers=layers)
        SupernetBertForMaskedLM(config).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    SearchedBertForMaskedLM(SearchedBertConfig(**sizes, operators=candidates)).save_pretrained(folder / "child")
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=25)) for _ in range(40)]
    pd.DataFrame({"text": texts}).to_csv(folder / "dev.csv", index=False)
    return folder


def arguments(inputs: Path, output_dir: Path, *more: str, supernets=("a=one", "b=two", "a=other-seed")) -> list[str]:
    named = [f"{text.partition('=')[0]}={inputs / text.partition('=')[2]}" for text in supernets]
    return [
        *("--supernets", *named, "--validation_file", str(inputs / "dev.csv"), "--output_dir", str(output_dir)),
        *("--max_seq_length", "16", "--num_pairs", "3", "--num_batches", "2", "--batch_size", "8"),
        *("--resamples", "50", *more),
    ]


@pytest.fixture(scope="module")
def analysed(inputs, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("analysed")
    return folder, analyze_interference.main(arguments(inputs, folder))


def test_rows(inputs, analysed):
    folder, rows = analysed
    assert {tuple(pair) for pair in rows[["method", "supernet"]].to_numpy()} == {("a", 0), ("a", 1), ("b", 0)}
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "interference.parquet"), rows)
    assert set(rows["distance"]) == {1, 2, 3} and set(rows["pair"]) == {0, 1, 2} and set(rows["batch"]) == {0, 1}
    pairs = [part["second"].unique().tolist() for _, part in rows.groupby(["method", "supernet"])]
    assert pairs[0] == pairs[1] == pairs[2]  # the same children in all


def test_rows_are_of_the_supernet_that_they_name(inputs, analysed):
    _, rows = analysed
    row = rows[(rows["method"] == "b") & (rows["batch"] == 1)].iloc[0]
    options, data = analyze_interference.parse_arguments(
        (analyze_interference.AnalysisArguments, analyze_interference.DataArguments), arguments(inputs, Path("none"))
    )
    batch = analyze_interference.load_batches(options, data)[1]
    model = SupernetBertForMaskedLM.from_pretrained(inputs / "two")
    shared = {found.layer: found for found in gradient_similarities(model, row["first"], row["second"], batch)}
    assert row["gradient_similarity"] == pytest.approx(shared[row["layer"]].gradient_similarity, abs=1e-4)
    assert row["input_similarity"] == pytest.approx(shared[row["layer"]].input_similarity, abs=1e-4)


def test_summary_and_figures(analysed):
    folder, rows = analysed
    text = (folder / "summary.md").read_text()
    one, other = (rows[rows["method"] == method] for method in ("a", "b"))
    trend = similarity_trend(other, "distance", resamples=50)
    assert f"| b | {trend.slope:+} | {trend.correlation:+} |" in text
    assert f"| a | 2 | {mean_interval(one, resamples=50)} |" in text
    assert f"| b | {mean_difference(other, one, resamples=50):+} |" in text
    sizes = {path.name: imread(path).shape[1::-1] for path in folder.glob("*.png")}
    assert sizes == {
        "similarity-by-distance.png": (720, 570),
        "similarity-by-layer.png": (2 * 720, 570),
        "similarity-by-states.png": (2 * 720, 570),
    }


def test_again_is_the_same(inputs, analysed, tmp_path):
    folder, _ = analysed
    analyze_interference.main(arguments(inputs, tmp_path))
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_from_rows_alone(analysed, tmp_path):
    folder, _ = analysed
    given = ["--rows", str(folder / "interference.parquet"), "--resamples", "50", "--output_dir", str(tmp_path)]
    analyze_interference.main(given)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_supernets_are_added_to_rows(inputs, analysed, tmp_path):
    _, rows = analysed
    rows[(rows["method"] == "b") | (rows["supernet"] == 0)].to_parquet(tmp_path / "first.parquet")
    more = ("--rows", str(tmp_path / "first.parquet"))
    found = analyze_interference.main(arguments(inputs, tmp_path / "all", *more, supernets=("a=other-seed",)))
    order = ["method", "supernet", "batch", "pair", "distance", "layer"]
    whole, added = (some.sort_values(order, ignore_index=True) for some in (rows, found))
    pd.testing.assert_frame_equal(whole, added)


@pytest.mark.parametrize(
    ("supernet", "more", "message"),
    [
        (
            "c=two",
            ("--seed", "5"),
            "The pairs of children of `rows` are not those of these options: pass the `num_pairs`",
        ),
        ("c=other-space", (), "The pairs of children of `rows` are not those of these options"),
        ("c=two", ("--mlm_probability", "0.3"), "The batches of `rows` are not those of these options"),
        ("a=one", (), "'one' is among the supernets of 'a' already: it would count twice"),
    ],
)
def test_what_cannot_be_added(inputs, analysed, tmp_path, supernet, more, message):
    given = ("--rows", str(analysed[0] / "interference.parquet"))
    with pytest.raises(ValueError, match=message):
        analyze_interference.main(arguments(inputs, tmp_path / "out", *given, *more, supernets=(supernet,)))
    assert not (tmp_path / "out").exists()


def test_rows_that_cannot_be(inputs, tmp_path):
    given = ["--output_dir", str(tmp_path / "out"), "--rows", str(tmp_path / "none.parquet")]
    with pytest.raises(FileNotFoundError, match=r"`rows` must be the `interference.parquet` .*; there is no '.*none"):
        analyze_interference.main(given)
    pd.DataFrame({"distance": [1]}).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"none\.parquet' has no column 'pair': it is not the `interference"):
        analyze_interference.main(given)
    with pytest.raises(ValueError, match="nothing to look at: pass `supernets`"):
        analyze_interference.main(given[:2])
    with pytest.raises(ValueError, match="Name the text with exactly one of"):
        analyze_interference.main([*given[:2], "--supernets", f"a={inputs / 'one'}"])
    assert not (tmp_path / "out").exists()


def test_a_supernet_that_is_not_there(inputs, tmp_path):
    with pytest.raises(OSError, match=r"There is no supernet '.*missing': neither a folder with a `config\.json`"):
        analyze_interference.main(arguments(inputs, tmp_path / "out", supernets=("a=missing",)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match=r"There is no supernet in the folder '.*empty': it has no `config\.json`"):
        analyze_interference.main(arguments(tmp_path, tmp_path / "out", supernets=("a=empty",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("supernets", "more", "message"),
    [
        (("one",), (), "`supernets` must be name=folder"),
        (("a=one", "b=other-space"), (), "has another search space or vocabulary than .*one'"),
        (("a=child",), (), "is a 'searched-bert' model, not a supernet"),
        (("a=one",), ("--num_batches", "50"), r"50 batches of 8 need 400 sequences, the text has \d+: lower"),
        (
            ("a=missing",),
            ("--num_pairs", "0"),
            "`num_pairs` must be at least 1, got 0",
        ),  # before models are looked for
        (("a=one",), ("--num_batches", "0"), "`num_batches` must be at least 1, got 0"),
        (
            ("a=one",),
            ("--distances", "5"),
            r"`distances` must be numbers from 1 to 4, the most in which two children .*; got \[5\]",
        ),
    ],
)
def test_what_cannot_be(inputs, tmp_path, supernets, more, message):
    argv = arguments(inputs, tmp_path / "out", *more, supernets=supernets)
    if supernets == ("one",):
        argv[1] = "one"
    with pytest.raises(ValueError, match=message):
        analyze_interference.main(argv)
    assert not (tmp_path / "out").exists()
