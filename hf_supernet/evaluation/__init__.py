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
"""
Scoring children through their supernet, and fine-tuned models on their tasks.

The metrics of GLUE and SQuAD have files of their own (`glue`, `squad`): who trains or searches does not wait for the
libraries that they import.
"""

from .distributed import DistributedEvaluator, EvaluationStopped
from .evaluator import Evaluator
from .ray_evaluator import RayEvaluator
from .trie import CallCount, count_calls, in_trie_order, plan_visits


__all__ = [
    "CallCount",
    "DistributedEvaluator",
    "EvaluationStopped",
    "Evaluator",
    "RayEvaluator",
    "count_calls",
    "in_trie_order",
    "plan_visits",
]
