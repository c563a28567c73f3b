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
"""Plots of a training and of a search, as files, and as panels for a report."""

from .panels import Panel, render_panel, write_panels
from .search import pareto_panels, plot_pareto
from .search_history import history_panel, operator_panel, plot_search
from .training import anchor_panels, architecture_panels, loss_panels, plot_training_losses


__all__ = [
    "Panel",
    "anchor_panels",
    "architecture_panels",
    "history_panel",
    "loss_panels",
    "operator_panel",
    "pareto_panels",
    "plot_pareto",
    "plot_search",
    "plot_training_losses",
    "render_panel",
    "write_panels",
]
