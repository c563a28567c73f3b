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
"""Searching a trained supernet: what proposes children, what they are judged by, and all that was evaluated."""

from .coarse_to_fine import CoarseToFineSearch
from .constraints import Constraint, FeasibleSpace
from .cost_models import AdditiveCost, LatencyCost, MultiplyAddCost, ParameterCost
from .early_stopping import EarlyStopping
from .evolutionary import EvolutionarySearch
from .latency import LatencyTable
from .latency_overhead import LatencyOverhead
from .latency_tables import LatencyTables
from .linas import LINASSearch
from .nsga2 import NSGA2Search
from .objectives import LOSS, FunctionObjective, Judgement, Objective, PopulationObjective, SupportsEvaluate, dev_loss
from .peak_memory import PeakMemory
from .predictors import Predictor, fit_predictor
from .progressive import ProgressiveSearch
from .random_search import RandomSearch
from .result import SearchResult, check_same_settings, fingerprint, package_versions
from .run import run_search, search_settings
from .shrinking import ShrinkingSearch
from .store import EvaluationStore, StoredEvaluation
from .strategy import SearchStrategy
from .tabular import TabularBenchmark, TabulatedCost
from .timing import LatencyMeasurement, LatencySettings, check_device, describe_device, measure_model


__all__ = [
    "LOSS",
    "AdditiveCost",
    "CoarseToFineSearch",
    "Constraint",
    "EarlyStopping",
    "EvaluationStore",
    "EvolutionarySearch",
    "FeasibleSpace",
    "FunctionObjective",
    "Judgement",
    "LINASSearch",
    "LatencyCost",
    "LatencyMeasurement",
    "LatencyOverhead",
    "LatencySettings",
    "LatencyTable",
    "LatencyTables",
    "MultiplyAddCost",
    "NSGA2Search",
    "Objective",
    "ParameterCost",
    "PeakMemory",
    "PopulationObjective",
    "Predictor",
    "ProgressiveSearch",
    "RandomSearch",
    "SearchResult",
    "SearchStrategy",
    "ShrinkingSearch",
    "StoredEvaluation",
    "SupportsEvaluate",
    "TabularBenchmark",
    "TabulatedCost",
    "check_device",
    "check_same_settings",
    "describe_device",
    "dev_loss",
    "fingerprint",
    "fit_predictor",
    "measure_model",
    "package_versions",
    "run_search",
    "search_settings",
]
