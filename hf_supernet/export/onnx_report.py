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
"""What an ONNX export is worth: latency, agreement and scores of PyTorch, float and quantised model, side by side."""

import copy
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from transformers import PreTrainedModel

from ..search.timing import LatencyMeasurement, LatencySettings, describe_device, time_samples
from .onnx import QUANTIZED_NAME, output_names
from .onnx_check import INPUT_NAMES, ONNX_NAME, OnnxModel, random_batch, real_positions


Outputs = dict[str, np.ndarray]


def onnx_report(
    model: PreTrainedModel,
    directory: str | os.PathLike,
    settings: LatencySettings | None = None,
    batches: Iterable[dict[str, torch.Tensor]] | None = None,
    score: Callable[[np.ndarray], dict[str, float]] | None = None,
) -> dict[str, Any]:
    """
    Measures what [`export_onnx`] wrote beside the PyTorch model, in one run and in turns.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The model that was exported. It is measured on the CPU, in float32, and stays as it is.
        directory (`str` or `os.PathLike`):
            The folder of the export.
        settings ([`LatencySettings`], *optional*):
            Batch size, length and threads of the latency; the same for all.
        batches (iterable of `dict[str, torch.Tensor]`, *optional*, defaults to random text):
            What the models answer to for the agreement; keys that are no inputs are not looked at.
        score (`Callable[[np.ndarray], dict[str, float]]`, *optional*):
            Turns the logits of all `batches` into scores, for a model with one row of logits for each text.

    Returns:
        `dict`: machine, versions, conditions, and under `models` for `pytorch`, `onnx` and `onnx_int8` (where it was
        written):

        - `size_mb`, `latency_ms` with `latency_iqr_ms`, and `speedup`, how many times as fast as PyTorch it is;
        - `largest_difference` of an output from PyTorch's; `same_prediction`, the share of equal answers, for
          classifiers (of tokens or texts); `cosine_similarity` with PyTorch's states, for models without a head;
        - `scores`, with `score`.

    Raises:
        ValueError: for a latency that is not measured on the CPU in float32, or longer than the model's positions.
    """
    settings = settings or LatencySettings()
    if (settings.device, settings.dtype) != ("cpu", "float32"):
        raise ValueError(f"The latency is that of the CPU in float32, got {settings.device} in {settings.dtype}.")
    limit = model.config.max_position_embeddings
    if settings.sequence_length > limit:
        raise ValueError(f"`sequence_length` is {settings.sequence_length}, and the model has {limit} positions.")
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    directory = Path(directory)
    files = {"onnx": directory / ONNX_NAME, "onnx_int8": directory / QUANTIZED_NAME}
    models: dict[str, Callable[..., Outputs]] = {"pytorch": _torch_caller(model)}
    models |= {name: OnnxModel(path, settings.num_threads) for name, path in files.items() if path.exists()}
    if batches is None:
        batches = (random_batch(model.config, 16, min(64, limit), "right", seed) for seed in range(4))
    rows = _compare(models, batches, score)
    batch = random_batch(model.config, settings.batch_size, settings.sequence_length)
    for name, latency in _latencies(models, batch, settings).items():
        rows[name] |= {"latency_ms": 1e3 * latency.median, "latency_iqr_ms": 1e3 * latency.iqr}
        rows[name]["speedup"] = rows["pytorch"]["latency_ms"] / rows[name]["latency_ms"]
    for name, row in rows.items():
        weights = sum(parameter.nbytes for parameter in model.parameters())
        row["size_mb"] = (files[name].stat().st_size if name in files else weights) / 1e6
    return {
        "machine": describe_device() | {"onnxruntime": onnxruntime.__version__},
        "latency": {
            "batch_size": settings.batch_size,
            "sequence_length": settings.sequence_length,
            "num_threads": settings.num_threads,
        },
        "models": rows,
    }


def _torch_caller(model: PreTrainedModel) -> Callable[..., Outputs]:
    names = output_names(model)

    def call(**batch) -> Outputs:
        with torch.inference_mode():
            outputs = model(**batch, return_dict=True)
        return {name: outputs[name].numpy() for name in names}

    return call


def _latencies(
    models: dict[str, Callable[..., Outputs]], batch: dict[str, torch.Tensor], settings: LatencySettings
) -> dict[str, LatencyMeasurement]:
    samples: dict[str, list[float]] = {name: [] for name in models}
    # In turns, so that a spell in which the machine is busy is no model's alone.
    for _ in range(settings.repeats):
        for name, model in models.items():
            samples[name] += time_samples(lambda model=model: model(**batch), settings)
    return {name: LatencyMeasurement.from_samples(times) for name, times in samples.items()}


def _compare(
    models: dict[str, Callable[..., Outputs]],
    batches: Iterable[dict[str, torch.Tensor]],
    score: Callable[[np.ndarray], dict[str, float]] | None,
) -> dict[str, dict[str, Any]]:
    agreements = {name: _Agreement() for name in models}
    logits: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for batch in batches:
        inputs = {name: batch[name] for name in INPUT_NAMES if name in batch}
        expected = None
        for name, model in models.items():
            outputs = model(**inputs)
            expected = expected or outputs  # the first is PyTorch
            mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))
            agreements[name].add(expected, outputs, mask)
            if score is not None:
                logits[name].append(outputs["logits"])
    rows = {name: agreement.summary() for name, agreement in agreements.items()}
    if score is not None:
        for name, parts in logits.items():
            rows[name]["scores"] = score(np.concatenate(parts))
    return rows


class _Agreement:
    """How far the outputs of one model are those of another, over batches."""

    def __init__(self):
        self.largest_difference = 0.0
        self.same: list[np.ndarray] = []
        self.cosines: list[np.ndarray] = []

    def add(self, expected: Outputs, outputs: Outputs, attention_mask: torch.Tensor) -> None:
        for name, values in outputs.items():
            if name in ("start_logits", "end_logits"):  # one answer for each text: the position of the largest logit
                padding = attention_mask.numpy() == 0
                one, two = (np.where(padding, -np.inf, array) for array in (expected[name], values))
                self.same.append(one.argmax(-1) == two.argmax(-1))
            one, two = (real_positions(array, attention_mask) for array in (expected[name], values))
            self.largest_difference = max(self.largest_difference, float(np.abs(one - two).max()))
            if name == "logits" and one.shape[-1] > 1:  # with one label it is a regression
                self.same.append(one.argmax(-1) == two.argmax(-1))
            elif name == "last_hidden_state":
                norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
                self.cosines.append((one * two).sum(-1) / norms)

    def summary(self) -> dict[str, float]:
        row = {"largest_difference": self.largest_difference}
        if self.same:
            row["same_prediction"] = float(np.concatenate(self.same).mean())
        if self.cosines:
            row["cosine_similarity"] = float(np.concatenate(self.cosines).mean())
        return row


def report_table(report: dict[str, Any]) -> str:
    """The models of a report as a Markdown table, one a row."""
    titles = {"size_mb": "size, MB", "latency_ms": "latency, ms", "speedup": "times as fast"}
    titles |= {"largest_difference": "largest difference", "same_prediction": "same prediction"}
    titles |= {"cosine_similarity": "cosine similarity"}
    rows = {name: row | row.get("scores", {}) for name, row in report["models"].items()}
    columns = [name for name in titles if name in rows["pytorch"]]
    columns += list(rows["pytorch"].get("scores", {}))
    lines = [["model", *(titles.get(name, name) for name in columns)], ["---"] * (len(columns) + 1)]
    lines += [[name, *(f"{row[column]:.4g}" for column in columns)] for name, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


__all__ = ["onnx_report", "report_table"]
