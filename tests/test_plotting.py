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
import pandas as pd
import pytest
from matplotlib.image import imread

from hf_supernet.plotting import (
    Panel,
    history_panel,
    operator_panel,
    plot_pareto,
    plot_search,
    plot_training_losses,
    write_panels,
)
from hf_supernet.search import SearchResult

from .search.test_result import make_result


LOG = [
    {"loss": 5.0, "task_loss": 4.9, "alignment_loss": 1.0, "learning_rate": 1e-3, "step": 10},
    {"eval_loss": 4.5, "eval_smallest_loss": 4.8, "eval_largest_loss": 4.2, "step": 10},
    {"loss": 4.0, "task_loss": 3.9, "alignment_loss": 0.8, "step": 20},
    {"eval_loss": 3.5, "eval_smallest_loss": 3.8, "eval_largest_loss": 3.2, "eval_anchor_loss": 3.3, "step": 20},
    {"train_runtime": 3.0, "train_loss": 4.4, "step": 20},
]


def panels(path) -> int:
    """The number of panels, each 4.8 inches wide at 150 dots."""
    height, width = imread(path).shape[:2]
    assert height == 570 and width % 720 == 0
    return width // 720


@pytest.mark.parametrize(
    "dropped, expected",
    [((), 3), (("alignment_loss", "task_loss"), 2), (("eval_",), 2), (("loss", "task_loss", "alignment_loss"), 1)],
)
def test_training_losses_have_a_panel_for_each_kind(tmp_path, dropped, expected):
    log = [{key: value for key, value in entry.items() if not key.startswith(dropped)} for entry in LOG]
    plot_training_losses(log, tmp_path / "plots" / "loss.png")
    assert panels(tmp_path / "plots" / "loss.png") == expected
    assert [file.name for file in (tmp_path / "plots").iterdir()] == ["loss.png"]


def test_a_log_without_losses(tmp_path):
    with pytest.raises(ValueError, match="no loss to plot"):
        plot_training_losses([{"learning_rate": 1.0, "step": 3}], tmp_path / "loss.png")
    assert not list(tmp_path.iterdir())


def test_pareto(tmp_path):
    result = make_result()
    plot_pareto(result, tmp_path / "both.png")
    plot_pareto(result, tmp_path / "chosen.png", "A4-I")
    assert panels(tmp_path / "both.png") == 2
    assert (imread(tmp_path / "both.png") != imread(tmp_path / "chosen.png")).any()
    del result.table["latency"]
    plot_pareto(result, tmp_path / "one.png")
    assert panels(tmp_path / "one.png") == 1


def test_pareto_of_what_is_not_there(tmp_path):
    result = make_result()
    with pytest.raises(ValueError, match="chosen child 'C3-I' is not among the 5"):
        plot_pareto(result, tmp_path / "plot.png", "C3-I")
    result.table = result.table.drop(columns=["latency", "parameters"])
    with pytest.raises(ValueError, match="needs one of the columns parameters, latency; this result has architecture"):
        plot_pareto(result, tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


# ---- How a search went ----


def made_up_search(objectives: dict[str, str]) -> SearchResult:
    table = pd.DataFrame(
        {
            "architecture": ["A4-I", "F37-I", "A4-F37", "C3-C3", "F37-F37", "A4-C3"],
            "loss": [3.0, float("nan"), 2.0, 2.5, 4.0, 1.0],
            "accuracy": [0.3, 0.5, 0.4, 0.2, 0.1, 0.6],
            "generation": [0, 0, 1, 1, 2, 2],
        }
    )
    described = {name: {"direction": direction} for name, direction in objectives.items()}
    return SearchResult(table, {"settings": {"objectives": objectives}, "objectives": described})


@pytest.mark.parametrize(
    ("objectives", "name", "values"),
    [
        ({"loss": "minimise"}, "best loss", [3.0, 2.0, 1.0]),
        ({"accuracy": "maximise"}, "best accuracy", [0.5, 0.5, 0.6]),
        # The reference is (3, 0.3), what the only child of the first generation with both values has.
        ({"loss": "minimise", "accuracy": "maximise"}, "hypervolume", [0.0, 0.1, 0.6]),
    ],
)
def test_history(objectives, name, values):
    panel = history_panel(made_up_search(objectives))
    assert list(panel.table) == ["children evaluated", name]
    assert panel.table["children evaluated"].tolist() == [2, 4, 6]
    assert panel.table[name].tolist() == pytest.approx(values)
    assert f"to {values[-1]:.4g} with 6." in panel.description


def test_map_of_operators():
    panel = operator_panel(made_up_search({"loss": "minimise"}))
    assert list(panel.table) == ["layer", "A4", "C3", "F37", "I"]
    # Of five children with a loss; the second row is the second layer.
    assert panel.table.iloc[0].tolist() == pytest.approx([0, 0.6, 0.2, 0.2, 0])
    assert panel.table.iloc[1].tolist() == pytest.approx([1, 0, 0.4, 0.4, 0.2])
    assert "A4 in 0 (60%)" in panel.description


def test_history_and_map_are_drawn(tmp_path):
    plot_search(made_up_search({"loss": "minimise"}), tmp_path / "search.png")
    assert panels(tmp_path / "search.png") == 2
    failed = made_up_search({"loss": "minimise"})
    failed.table["loss"] = float("nan")
    with pytest.raises(ValueError, match="None of the 6 children evaluated has a value"):
        operator_panel(failed)


def test_panels_in_rows_of_columns(tmp_path):
    panel = Panel("one", "a line", pd.DataFrame({"x": [0, 1]}), lambda axis: axis.plot([0, 1]))
    for columns, size in ((None, (3 * 720, 570)), (2, (2 * 720, 2 * 570)), (4, (3 * 720, 570))):
        write_panels([panel] * 3, tmp_path / "panels.png", columns=columns)
        assert imread(tmp_path / "panels.png").shape[1::-1] == size
