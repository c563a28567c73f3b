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
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from hf_supernet import Operator, SearchedBertConfig, SearchSpace, SupernetBertConfig
from hf_supernet.files import write_json
from hf_supernet.report import find_records, write_report
from hf_supernet.report.__main__ import main
from hf_supernet.report.sections import build_sections, format_cell
from hf_supernet.samplers import make_sampler
from hf_supernet.search import LatencyMeasurement, LatencySettings, LatencyTable, LatencyTables, SearchResult
from hf_supernet.training.settings import supernet_settings

from .browser import Browser


MARKUP = '<script>alert("1")</script><img src=x onerror=alert(1)>'
CANDIDATES = ["attention-4", "feed_forward-37", "convolution-3", "identity"]
SIZES = {"vocab_size": 99, "hidden_size": 32, "max_position_embeddings": 41}
CONFIG = SupernetBertConfig(**SIZES, num_hidden_layers=3, candidate_operators=CANDIDATES)
SPACE = SearchSpace.from_config(CONFIG)
CHOSEN = "A4-F37-I"


def make_training(folder: Path, name: str = "gradual", seed: int = 3, recorded: bool = True) -> Path:
    """As run_supernet_mlm.py leaves it: a log of every tenth of 40 steps, and an evaluation."""
    sampler = make_sampler(name, SPACE, seed)
    log = []
    for step in range(10, 50, 10):
        architecture = " ".join(map(str, sampler.sample(step - 1)))
        anchor = {"anchor": "C3-C3-C3" if step < 30 else CHOSEN, "anchor_loss": 5 - step / 20}
        losses = {"loss": 6 - step / 30, "task_loss": 5.9 - step / 30, "alignment_loss": 0.1 + step / 1000}
        log.append({**losses, **anchor, "architecture": architecture, "step": step})
        log.append({"eval_loss": 5 - step / 40, "eval_smallest_loss": 5.2 - step / 40, "step": step})
    write_json(folder / "trainer_state.json", {"log_history": log})
    write_json(
        folder / "all_results.json", {"epoch": 1.5, "eval_loss": 4.0, "train_runtime": 12.3, "eval_runtime": 1.0}
    )
    write_json(folder / "config.json", CONFIG.to_dict())
    if recorded:
        write_json(folder / "supernet_settings.json", supernet_settings(SPACE, sampler))
    return folder


def make_search(folder: Path, chosen: dict | None = None) -> Path:
    table = pd.DataFrame(
        {
            "architecture": ["A4-A4-I", "C3-I-I", CHOSEN, "C3-C3-C3", "F37-F37-I"],
            "loss": [3.0, 2.5, 2.0, float("nan"), 2.75],
            "parameters": [9000, 8000, 9500, 7000, 9900],
            "latency": [0.003, 0.001, 0.002, 0.001, 0.004],
            "generation": 0,
        }
    )
    info = {"settings": {"seed": 5, "constraints": {"latency": {"minimum": None, "maximum": 0.005}}}}
    info |= {"versions": {"torch": "2.99"}, "supernet": "/data/someone/supernet"}
    SearchResult(table, info).save(folder)
    if chosen is not None:
        write_json(folder / "chosen.json", chosen)
    measured = {Operator.from_string(name): LatencyMeasurement(0.0005, 0.0001, 7) for name in CANDIDATES}
    sizes = {"embedding_size": 32, "attention_head_size": None, "hidden_act": "gelu", **SIZES}
    base = LatencyMeasurement(0.0002, 0.00003, 9)
    device = {"device": "cpu", "name": "A processor"}
    LatencyTable(measured, base, sizes, LatencySettings(sequence_length=16), None, device).save(
        folder / "latency_table.json"
    )
    return folder


@pytest.fixture
def run(tmp_path) -> Path:
    make_training(tmp_path / "run" / "supernet")
    measured = {"latency_predicted": 0.002, "latency_measured": 0.0025, "latency_measured_iqr": 0.0001}
    make_search(tmp_path / "run" / "search", {"architecture": CHOSEN, "latency_device": "A processor", **measured})
    make_training(tmp_path / "run" / "supernet" / "deeper")
    make_training(tmp_path / "run" / "checkpoint-40")
    return tmp_path / "run"


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


def titles(folder: Path) -> list[str]:
    return [section.title for section in build_sections(find_records(folder))]


def test_how_well_predictors_ranked(run):
    info = json.loads((run / "search" / "search.json").read_text())
    kendall = {"ridge": 0.3125, "svr": 0.8125}
    row = {"generation": 1, "objective": "loss", "predictor": "svr", "samples": 50, "kendall": kendall}
    few = row | {"samples": 9, "predictor": "ridge", "kendall": {}}
    for quality, number in (([few, row], 2), ([], 0), (["svr", 3], 0), ({"svr": 3}, 0), ([{"kendall": 3}, row], 2)):
        write_json(run / "search" / "search.json", info | {"predictors": quality})
        tables = [table for section in build_sections(find_records(run)) for table in section.tables]
        found = [table.rows for table in tables if "Kendall's tau" in table.caption]
        assert [len(table) for table in found] == [number] * bool(number)
        if quality == [few, row]:
            assert list(found[0]) == ["generation", "objective", "predictor", "samples", "ridge", "svr"]
            assert found[0]["svr"].iloc[1] == 0.8125 and "0.8125" in Page(write_report(run)).text


def test_a_page_has_every_part(run):
    page = Page(write_report(run))
    assert [entry.name for entry in run.iterdir() if entry.is_file()] == ["report.html"]
    images = page.all("img")
    assert len(images) == 3 + 2 + 1 + 2 and len(page.all("details")) == len(images)
    assert all(image["src"].startswith("data:image/svg+xml;base64,") and len(image["alt"]) > 40 for image in images)
    assert len({image["alt"] for image in images}) == len(images)
    assert any("training loss (total) from 5.667 at step 10 to 4.667 at step 40" in image["alt"] for image in images)
    assert "2.500 ms, interquartile range 0.100 ms" in page.text and "2.000 ms" in page.text
    assert "A processor" in page.text and "2.99" in page.text and "12 s" in page.text
    links = [link["href"] for link in page.all("a") if not link["href"].startswith("#")]
    assert "./search/chosen.json" in links and "./supernet/supernet_settings.json" in links
    assert all((run / link).is_file() for link in links) and "someone" not in page.text
    assert not page.all("script") and not page.all("iframe")


def test_the_chosen_child_has_its_costs(run):
    (chosen,) = (section for section in build_sections(find_records(run)) if section.title == "Chosen child")
    layers = chosen.tables[0].rows
    assert layers["operator"].tolist() == ["attention-4", "feed_forward-37", "identity"]
    child = CONFIG.child_config(chosen.operators.operators)
    assert isinstance(child, SearchedBertConfig)
    assert layers["parameters"].tolist() == [4 * (32 * 32 + 32) + 64, 2 * 32 * 37 + 37 + 32 + 64, 0]
    assert layers["multiply-adds (16 tokens)"].tolist() == [4 * 16 * 32 * 32 + 2 * 16 * 16 * 32, 2 * 16 * 32 * 37, 0]
    assert layers["latency (ms)"].tolist() == [0.5, 0.5, 0.5]


def test_latencies_are_those_of_the_hidden_size_of_the_chosen_child(tmp_path):
    folder = make_search(tmp_path / "search", {"architecture": f"H16:{CHOSEN}"})
    result = SearchResult.load(folder)
    result.table["architecture"] = "H16:" + result.table["architecture"]
    result.save(folder)
    large, small = (LatencyTable.load(folder / "latency_table.json") for _ in range(2))
    small.sizes["hidden_size"] = 16
    small.operators = {operator: LatencyMeasurement(0.0003, 0.0001, 7) for operator in small.operators}
    LatencyTables([large, small]).save(folder / "latency_table.json")
    sections = {section.title: section for section in build_sections(find_records(folder))}
    assert sections["Chosen child"].tables[0].rows["latency (ms)"].tolist() == pytest.approx([0.3, 0.3, 0.3])
    measured = sections["Latency of the chosen child"].tables[0].rows
    assert set(measured["median (ms)"][1:].round(6)) == {0.3}


def test_all_architectures_are_drawn_anew_where_that_gives_what_was_logged(tmp_path):
    record = find_records(make_training(tmp_path / "own", "fair")).trainings[0]
    every_step = record.trained_architectures()
    assert [step for step, _ in every_step] == [step for step in range(1, 41) for _ in CANDIDATES]
    assert set(record.logged_architectures()) < set(every_step)
    foreign = find_records(make_training(tmp_path / "foreign")).trainings[0]
    foreign.settings["sampler"]["seed"] += 1
    assert foreign.trained_architectures() is None
    assert find_records(make_training(tmp_path / "old", recorded=False)).trainings[0].trained_architectures() is None
    foreign.settings["sampler"] = {"name": "of somebody's own"}
    assert foreign.trained_architectures() is None
    visits = next(section for section in build_sections(find_records(tmp_path / "old")) if "visited" in section.title)
    assert "4 of 40 steps" in visits.text and len(visits.panels) == 2


def test_parts_without_a_record_are_left_out(run):
    assert titles(run / "supernet") == [
        "Training: supernet",
        "Architectures visited by supernet",
        "Anchor of supernet",
    ] + [
        title.replace("supernet", "deeper")
        for title in ("Training: supernet", "Architectures visited by supernet", "Anchor of supernet")
    ]
    assert titles(run / "search") == [
        "Search: search",
        "Chosen child",
        "Latency of the chosen child",
        "Made with: search",
    ]
    for name in ("chosen.json", "latency_table.json"):
        (run / "search" / name).unlink()
    assert titles(run / "search") == ["Search: search", "Chosen child", "Made with: search"]
    (chosen,) = (section for section in build_sections(find_records(run / "search")) if section.operators)
    assert str(chosen.operators) == CHOSEN and list(chosen.tables[0].rows) == ["layer", "operator"]
    write_json(run / "child" / "trainer_state.json", {"log_history": [{"loss": 1.5, "step": 3}]})
    assert titles(run / "child") == ["Training: child"]


def test_the_folder_of_the_demo(run):
    (run / "search" / "chosen.json").unlink()
    chosen = {"architecture": "C3-I-I", "loss": 9.0, "search_loss": 2.5, "latency": 0.001, "latency_measured": 0.0033}
    write_json(run / "numbers.json", {"search": {"chosen": chosen}})
    page = Page(write_report(run))
    assert "3.300 ms" in page.text and "numbers.json" in page.text
    assert find_records(run).searches[0].chosen["loss"] == 2.5


def test_names_are_data(tmp_path):
    run = tmp_path / "<b onclick=alert(1)>&"
    make_training(run / "s<i>")
    make_search(run / "search", {"architecture": CHOSEN, "latency_device": MARKUP, "latency_conditions": MARKUP})
    config = CONFIG.to_dict() | {"architectures": [MARKUP], "transformers_version": MARKUP, "hidden_size": MARKUP}
    write_json(run / "s<i>" / "config.json", config)
    write_json(run / "s<i>" / "all_results.json", {f"eval_{MARKUP}": 1.0, "epoch": MARKUP})
    info = {"settings": {MARKUP: MARKUP, "list": [MARKUP]}, "versions": {"torch": MARKUP}, "device": {MARKUP: MARKUP}}
    write_json(run / "search" / "search.json", info)
    plain = Page(write_report(run, tmp_path / "page.html"))
    assert plain.text.count("<script>") >= 8
    assert not {"script", "b", "i"} & {tag for tag, _ in plain.elements}
    assert len(plain.all("img")) == 8
    assert not [name for _, attributes in plain.elements for name in attributes if name.startswith("on")]
    links = [link["href"] for link in plain.all("a") if not link["href"].startswith("#")]
    assert all(link.startswith("./%3Cb%20onclick") for link in links)


def test_errors(tmp_path, run, capsys):
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere'"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    message = r"nothing to report on in '.*empty'.*trainer_state.json with a log.*result.parquet with search.json"
    with pytest.raises(FileNotFoundError, match=message):
        write_report(tmp_path / "empty")
    with pytest.raises(SystemExit, match="error: There is nothing to report on"):
        main([str(tmp_path / "empty")])
    main([str(run), "--output", str(tmp_path / "pages" / "page.html")])
    assert capsys.readouterr().out == f"{tmp_path / 'pages' / 'page.html'}\n"
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("supernet/trainer_state.json", "{", "trainer_state.json' is no JSON, or damaged"),
        ("supernet/trainer_state.json", "[]", "trainer_state.json' holds a list, expected is an object"),
        ("supernet/trainer_state.json", '{"log_history": [{"loss": 1}]}', "no list of entries with a `step`"),
        (
            "supernet/trainer_state.json",
            '{"log_history": [{"step": 1, "architecture": "A4-X"}]}',
            "trainer_state.json' is damaged: Cannot read the architecture 'A4-X': layer 1",
        ),
        ("search/chosen.json", '{"architecture": "I-I-I"}', "'I-I-I' is not among the 5 .*the files are of two runs"),
        ("search/latency_table.json", "{}", "is not a latency table"),
        ("search/result.parquet", "PAR", "The search result in '.*search' is damaged"),
    ],
)
def test_damaged_records(run, name, content, message):
    (run / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        write_report(run)
    assert not (run / "report.html").exists()


def test_tables_that_are_no_result(run):
    table = pd.read_parquet(run / "search" / "result.parquet")
    table.assign(loss="low").to_parquet(run / "search" / "result.parquet")
    with pytest.raises(ValueError, match=r"result.parquet' has a column loss of .*, not numbers"):
        write_report(run)
    table.drop(columns="architecture").to_parquet(run / "search" / "result.parquet")
    with pytest.raises(ValueError, match=r"result.parquet' has no column architecture"):
        write_report(run)


def test_long_tables_are_thinned(tmp_path):
    log = [{"loss": float(step), "step": step} for step in range(1, 1001)]
    write_json(tmp_path / "trainer_state.json", {"log_history": log})
    page = Page(write_report(tmp_path))
    assert "200 of 1,000 rows, evenly spaced" in page.text and len(page.all("tr")) == 201
    assert re.search(r"1,000\s*1000.0000", page.text)


def test_the_same_run_gives_the_same_page(run):
    assert write_report(run, run / "a.html").read_bytes() == write_report(run, run / "b.html").read_bytes()


@pytest.mark.parametrize(
    "value, text",
    [
        (1234567, "1,234,567"),
        (4.35187, "4.3519"),
        (0.00123456, "0.001235"),
        (float("nan"), ""),
        (True, "yes"),
        ("x", "x"),
    ],
)
def test_cells(value, text):
    assert format_cell(value) == text


def test_a_browser_shows_it(run, tmp_path):
    page = write_report(run)
    with Browser(tmp_path) as browser:
        browser.open(page)
        shown = {}
        for scheme in ("light", "dark"):
            for width in (1200, 360):
                browser.show(width, 800, scheme)
                browser.evaluate("Promise.all([...document.images].map(image => image.decode()))")
                sizes = browser.evaluate("[...document.images].map(image => [image.naturalWidth, image.clientWidth])")
                assert len(sizes) == 8 and all(natural > 0 and 200 < shown <= 640 for natural, shown in sizes)
                assert browser.evaluate("document.documentElement.scrollWidth") <= width
            shown[scheme] = browser.evaluate(
                "[getComputedStyle(document.body).backgroundColor, document.images[0].currentSrc]"
            )
        assert all(light != dark for light, dark in zip(shown["light"], shown["dark"], strict=True))
        assert browser.evaluate("document.title") == "run – hf_supernet report"
        assert browser.console() == []
        asked = [address for address in browser.requests() if not address.startswith("data:")]
        assert asked == [page.resolve().as_uri()]
