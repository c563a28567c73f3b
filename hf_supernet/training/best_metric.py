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
"""Whether `metric_for_best_model` is one of the metrics that there will be."""

from collections.abc import Iterable

from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from ..spelling import did_you_mean


def check_best_metric(args: TrainingArguments, metrics: Iterable[str]) -> None:
    """
    Refuses a `metric_for_best_model` that no evaluation gives; the Trainer finds that at the first one.

    Args:
        args ([`~transformers.TrainingArguments`]):
            The arguments of the training.
        metrics (`Iterable[str]`):
            The metrics of an evaluation, without the prefix `eval_`.

    Raises:
        ValueError: where there are evaluations during the training and the metric is none of theirs.
    """
    if args.metric_for_best_model is None or args.eval_strategy == IntervalStrategy.NO:
        return
    name, known = args.metric_for_best_model.removeprefix("eval_"), sorted(metrics)
    if name not in known:
        raise ValueError(
            f'`metric_for_best_model` must be one of {", ".join(known)}; got "{args.metric_for_best_model}"'
            f"{did_you_mean(name, known)}."
        )


__all__ = ["check_best_metric"]
