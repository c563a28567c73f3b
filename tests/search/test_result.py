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

import numpy as np
import pandas as pd
import pytest
import torch

from hf_supernet.search import SearchResult, fingerprint, package_versions


def make_result(**columns) -> SearchResult:
    table = pd.DataFrame(
        {
            "architecture": ["A4-I", "F37-I", "A4-F37", "C3-C3", "F37-F37"],
            "loss": [3.0, 2.0, 1.0, float("nan"), 2.0],
            "parameters": [10, 20, 30, 5, 20],
            "latency": [0.003, 0.001, 0.002, 0.001, 0.001],
            "generation": [0, 0, 1, 1, 1],
        }
    )
    return SearchResult(table.assign(**columns), {"settings": {"seed": 3}, "versions": package_versions()})


def test_best_and_ranked():
    result = make_result()
    assert result.best()["architecture"] == "A4-F37"
    assert result.best({"parameters": 20})["architecture"] == "F37-I"  # the first of equals
    assert result.best({"parameters": 19, "latency": 0.003})["architecture"] == "A4-I"
    ranked = result.ranked()["architecture"].tolist()
    assert ranked == ["A4-F37", "F37-I", "F37-F37", "A4-I", "C3-C3"]  # no loss, last


def test_limits_that_nothing_keeps():
    with pytest.raises(
        ValueError, match=r"None of the 5 children evaluated is under {'parameters': 4}.*'parameters'.*5"
    ):
        make_result().best({"parameters": 4})
    with pytest.raises(ValueError, match="with a loss"):
        make_result().best({"parameters": 5})
    with pytest.raises(
        ValueError, match="No column 'paramters' in this result; it has architecture, loss, parameters"
    ):
        make_result().best({"paramters": 4})


def test_pareto_front():
    result = make_result()
    assert result.pareto_front()["architecture"].tolist() == ["A4-I", "F37-I", "A4-F37"]
    assert result.pareto_front(("loss", "latency"))["architecture"].tolist() == ["F37-I", "A4-F37"]
    with pytest.raises(ValueError, match="No column 'memory'"):
        result.pareto_front(("loss", "memory"))


def test_pareto_front_against_its_definition():
    generator = np.random.default_rng(0)
    values = generator.integers(0, 12, size=(60, 3))
    table = pd.DataFrame(values, columns=["loss", "parameters", "latency"]).assign(architecture="A4", generation=0)
    columns = ["loss", "parameters", "latency"]
    front = {tuple(row) for row in SearchResult(table, {}).pareto_front(columns)[columns].to_numpy().tolist()}
    rows = {tuple(row) for row in values.tolist()}
    beaten = {
        row for row in rows for other in rows if other != row and all(x <= y for x, y in zip(other, row, strict=True))
    }
    assert front == rows - beaten


def test_save_and_load(tmp_path):
    result = make_result()
    result.save(tmp_path / "search")
    loaded = SearchResult.load(tmp_path / "search")
    pd.testing.assert_frame_equal(loaded.table, result.table, check_exact=True)
    assert loaded.info == result.info and "torch" in loaded.info["versions"]
    assert sorted(file.name for file in (tmp_path / "search").iterdir()) == ["result.parquet", "search.json"]
    assert json.loads((tmp_path / "search" / "search.json").read_text())["settings"] == {"seed": 3}


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no search result in .*'search\.json' is missing"):
        SearchResult.load(tmp_path)
    make_result().save(tmp_path)
    whole = (tmp_path / "result.parquet").read_bytes()
    (tmp_path / "result.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        SearchResult.load(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_fingerprint(dtype):
    tensors = [torch.arange(12).to(dtype).view(3, 4), torch.tensor(5, dtype=dtype)]
    same = [tensor.clone() for tensor in tensors]
    assert fingerprint(tensors) == fingerprint(same)
    same[0][1, 2] += 1
    assert fingerprint(tensors) != fingerprint(same)


# ---- Several objectives, each in its direction ----


def make_front(**info) -> SearchResult:
    table = pd.DataFrame(
        {
            "architecture": ["A4-A4", "A4-I", "F37-I", "C3-I", "I-I", "C3-C3"],
            "accuracy": [0.9, 0.85, 0.5, 0.1, 0.8, float("nan")],
            "parameters": [100, 30, 20, 10, 60, 5],
            "generation": [0, 0, 1, 1, 2, 2],
        }
    )
    objectives = {"accuracy": "maximise", "parameters": "minimise"}
    described = {name: {"direction": direction} for name, direction in objectives.items()}
    return SearchResult(table, {"settings": {"objectives": objectives}, "objectives": described, **info})


def test_what_is_maximised():
    result = make_front()
    assert result.searched == ["accuracy", "parameters"]
    assert result.best()["architecture"] == "A4-A4" and result.best(by="parameters")["architecture"] == "C3-C3"
    assert result.best({"parameters": 50})["architecture"] == "A4-I"
    assert result.ranked()["accuracy"].tolist()[:2] == [0.9, 0.85] and result.ranked()["accuracy"].isna().iloc[-1]
    assert result.pareto_front()["architecture"].tolist() == ["C3-I", "F37-I", "A4-I", "A4-A4"]
    assert result.pareto_front(["parameters", "accuracy"])["architecture"].tolist() == [
        "A4-A4",
        "A4-I",
        "F37-I",
        "C3-I",
    ]


def test_one_objective_that_is_no_loss():
    result = make_front(settings={"objectives": {"accuracy": "maximise"}})
    assert result.searched == ["accuracy"]
    assert result.pareto_front()["architecture"].tolist() == make_front().pareto_front()["architecture"].tolist()
    assert result.knee()["architecture"] == "A4-I" and result.hypervolume().is_monotonic_increasing
    assert list(make_result(accuracy=[0.1] * 5).pareto_front()["parameters"]) == [10, 20, 30]  # loss and parameters


def test_knee():
    # From the line between (0.1, 10) and (0.9, 100), A4-I is the farthest.
    assert make_front().knee()["architecture"] == "A4-I"
    straight = make_result(loss=[1.0, 2.0, 3.0, 4.0, 5.0], parameters=[50, 40, 30, 20, 10])
    assert straight.knee()["architecture"] == "F37-F37"  # the first of a front in the order of parameters
    one = SearchResult(make_front().table.head(1), make_front().info)
    assert one.knee()["architecture"] == "A4-A4"
    none = SearchResult(make_front().table.tail(1), make_front().info)
    with pytest.raises(ValueError, match="None of the 1 children evaluated has accuracy, parameters"):
        none.knee()


def test_hypervolume_along_the_search():
    result = make_front()
    # None is better in both than the worst of the first generation, (0.85, 100).
    assert result.hypervolume().tolist() == pytest.approx([0.0, 0.0, 0.0])
    volumes = result.hypervolume(reference={"accuracy": 0.0, "parameters": 110})
    # In the order of parameters, each up to the next.
    first = 0.85 * 70 + 0.9 * 10
    second = 0.1 * 10 + 0.5 * 10 + first
    assert volumes.index.tolist() == [0, 1, 2] and volumes.tolist() == pytest.approx([first, second, second])
    with pytest.raises(ValueError, match="`reference` needs a value for parameters"):
        result.hypervolume(reference={"accuracy": 0.0})
    failed = SearchResult(result.table.tail(1), result.info)
    assert failed.hypervolume().tolist() == [0]


def test_hypervolume_against_random_points():
    """The share of points in the box that are beaten by one that was found."""
    generator = np.random.default_rng(0)
    values = generator.random((40, 3))
    columns = ["loss", "parameters", "latency"]
    table = pd.DataFrame(values, columns=columns).assign(architecture="A4", generation=np.arange(40) // 10)
    history = SearchResult(table, {}).hypervolume(columns, dict.fromkeys(columns, 1.0))
    points = generator.random((20_000, 3))
    for generation, volume in history.items():
        found = values[: 10 * (generation + 1)]
        beaten = (points[:, None, :] >= found[None]).all(axis=2).any(axis=1)
        assert volume == pytest.approx(beaten.mean(), abs=0.015)


def test_any_row():
    assert make_result().row("F37-I")["parameters"] == 20
    with pytest.raises(ValueError, match="'C3-I' is not among the 5 children that this search evaluated"):
        make_result().row("C3-I")


def test_failures():
    failure = {"architecture": "C3-C3", "objective": "accuracy", "error": "MemoryError: no room"}
    assert make_front(failures=[failure]).failures.to_dict("records") == [failure]
    assert make_result().failures.empty and list(make_result().failures) == ["architecture", "objective", "error"]
