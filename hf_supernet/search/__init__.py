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
"""Searching a trained supernet: what proposes children, what they cost, and all that was evaluated."""

from .evolutionary import EvolutionarySearch
from .latency import LatencyTable
from .objectives import AdditiveCost, Constraint, FeasibleSpace, LatencyCost, MultiplyAddCost, ParameterCost
from .random_search import RandomSearch
from .result import SearchResult, fingerprint, package_versions
from .strategy import SearchStrategy, SupportsEvaluate, run_search
from .timing import LatencyMeasurement, LatencySettings, check_device, describe_device, measure_model


__all__ = [
    "AdditiveCost",
    "Constraint",
    "EvolutionarySearch",
    "FeasibleSpace",
    "LatencyCost",
    "LatencyMeasurement",
    "LatencySettings",
    "LatencyTable",
    "MultiplyAddCost",
    "ParameterCost",
    "RandomSearch",
    "SearchResult",
    "SearchStrategy",
    "SupportsEvaluate",
    "check_device",
    "describe_device",
    "fingerprint",
    "measure_model",
    "package_versions",
    "run_search",
]
