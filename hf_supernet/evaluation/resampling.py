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
The statistics of [`~hf_supernet.evaluation.ranking`] for many draws of the same children at once.

An interval draws the children hundreds of times for each seed of each method: one by one this takes minutes, in arrays
seconds. A draw is a row of indices, in which a child can come several times.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats


def _drawn_tau(truth: np.ndarray, predicted: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Tau-b, where `times`, of shape `(draws, children)`, says how often each draw has each child."""
    ours, theirs = (np.sign(values[:, None] - values) for values in (truth, predicted))

    def count(pairs: np.ndarray) -> np.ndarray:
        return ((times @ pairs) * times).sum(axis=1)

    untied = np.sqrt(count(np.abs(ours)) * count(np.abs(theirs)))
    return np.divide(count(ours * theirs), untied, out=np.zeros(len(times)), where=untied > 0)


def _times(draws: np.ndarray) -> np.ndarray:
    times = np.zeros((len(draws), draws.shape[1]))
    np.add.at(times, (np.arange(len(draws))[:, None], draws), 1.0)
    return times


def drawn_kendall_tau(truth: np.ndarray, predicted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """[`kendall_tau`] of each draw; see `DrawnStatistic`."""
    return _drawn_tau(truth, predicted, _times(draws))


def drawn_kendall_tau_of_better_half(
    truth: np.ndarray, predicted: np.ndarray, draws: np.ndarray, better_by: np.ndarray | None = None
) -> np.ndarray:
    """[`kendall_tau_of_better_half`] of each draw. The half is the better one by `better_by`, of shape `(children,)`; by default by the truth."""
    better_by = truth if better_by is None else better_by
    medians = np.median(better_by[draws], axis=1)
    return _drawn_tau(truth, predicted, np.where(better_by <= medians[:, None], _times(draws), 0.0))


def drawn_spearman_rho(truth: np.ndarray, predicted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """[`spearman_rho`] of each draw; see `DrawnStatistic`."""
    ours, theirs = (stats.rankdata(values[draws], axis=1) for values in (truth, predicted))
    ours, theirs = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (ours, theirs))
    spread = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
    return np.divide((ours * theirs).sum(axis=1), spread, out=np.zeros(len(draws)), where=spread > 0)


def drawn_recall_of_top(truth: np.ndarray, predicted: np.ndarray, draws: np.ndarray, top: float) -> np.ndarray:
    """[`recall_of_top`] of each draw; see `DrawnStatistic`."""
    count = max(1, round(top * draws.shape[1]))
    among = []
    for values in (truth, predicted):
        first = np.argsort(values[draws], axis=1, kind="stable")[:, :count]
        among.append(np.zeros(draws.shape, dtype=bool))
        np.put_along_axis(among[-1], first, True, axis=1)
    return (among[0] & among[1]).sum(axis=1) / count


def drawn_regret(truth: np.ndarray, predicted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """[`regret`] of each draw; see `DrawnStatistic`."""
    truths, scores = truth[draws], predicted[draws]
    chosen = scores == scores.min(axis=1, keepdims=True)
    return (truths * chosen).sum(axis=1) / chosen.sum(axis=1) - truths.min(axis=1)


DrawnStatistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Of the truth and the predictions, of shape `(children,)`, and draws, of shape `(draws, children)`: one value a draw."""
