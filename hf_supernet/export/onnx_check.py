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
"""Running an ONNX model as the model it came from, and comparing the two."""

import os
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedConfig, PreTrainedModel


try:
    import onnxruntime
except ImportError as error:
    raise ImportError('Running an ONNX model needs onnxruntime: pip install "hf_supernet[onnx]"') from error


ONNX_NAME = "model.onnx"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")

_CHECKED_SHAPES = ((1, 1), (2, 2), (3, 7), (5, 20), (2, 67))
_TOLERANCE = 1e-4


class OnnxModel:
    """
    An ONNX file that is called like the model it came from.

    Args:
        path (`str` or `os.PathLike`):
            The file, or the folder that [`export_onnx`] wrote.
        num_threads (`int`, *optional*, defaults to what ONNX Runtime takes):
            The number of threads an operation may use.

    Example:

    ```python
    >>> model = OnnxModel("child-onnx")  # doctest: +SKIP
    >>> model(**tokenizer("some text", return_tensors="np"))["logits"].argmax(-1)  # doctest: +SKIP
    ```
    """

    def __init__(self, path: str | os.PathLike, num_threads: int | None = None):
        path = Path(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or 0
        file = path / ONNX_NAME if path.is_dir() else path
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self.output_names = [output.name for output in self.session.get_outputs()]

    def __call__(self, input_ids, attention_mask=None, token_type_ids=None) -> dict[str, np.ndarray]:
        """
        Args:
            input_ids, attention_mask, token_type_ids (arrays or tensors of shape `(batch_size, sequence_length)`):
                As for the model; without a mask nothing is padding, without types all are 0.

        Returns:
            `dict[str, np.ndarray]`: The outputs by name.
        """
        input_ids = np.asarray(input_ids, dtype=np.int64)
        mask = np.ones_like(input_ids) if attention_mask is None else np.asarray(attention_mask, dtype=np.int64)
        types = np.zeros_like(input_ids) if token_type_ids is None else np.asarray(token_type_ids, dtype=np.int64)
        outputs = self.session.run(None, dict(zip(INPUT_NAMES, (input_ids, mask, types), strict=True)))
        return dict(zip(self.output_names, outputs, strict=True))


def random_batch(
    config: PreTrainedConfig, batch_size: int, sequence_length: int, padding_side: str | None = None, seed: int = 0
) -> dict[str, torch.Tensor]:
    """
    Random tokens.

    Args:
        config ([`~transformers.PreTrainedConfig`]):
            Says how many tokens and types there are.
        batch_size, sequence_length (`int`):
            The size of the batch.
        padding_side (`str`, *optional*):
            `"left"` or `"right"`: all rows but the first are padded, each by another length.
        seed (`int`, *optional*, defaults to 0):
            Seeds the draw.

    Returns:
        `dict[str, torch.Tensor]`: `input_ids`, `attention_mask` and `token_type_ids`.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, sequence_length)
    lengths = torch.randint(1, sequence_length + 1, (batch_size, 1), generator=generator)
    lengths[0] = sequence_length
    positions = torch.arange(sequence_length)
    mask = torch.ones(shape, dtype=torch.long)
    if padding_side is not None:
        mask = ((positions if padding_side == "right" else positions.flip(0)) < lengths).long()
    # Padding has tokens of its own, not the padding token: what reads them would be noticed.
    return {
        "input_ids": torch.randint(0, config.vocab_size, shape, generator=generator),
        "attention_mask": mask,
        "token_type_ids": torch.randint(0, config.type_vocab_size, shape, generator=generator),
    }


def real_positions(outputs: np.ndarray, attention_mask: torch.Tensor) -> np.ndarray:
    """The outputs at real tokens, of shape `(number of tokens, ...)`; unchanged where there is one for each row."""
    per_token = outputs.ndim > 1 and outputs.shape[:2] == tuple(attention_mask.shape)
    return outputs[attention_mask.numpy().astype(bool)] if per_token else outputs


def check_onnx(model: PreTrainedModel, path: str | os.PathLike) -> float:
    """
    Compares an ONNX model with the PyTorch model, on batches of several sizes and lengths, with and without padding.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The model in PyTorch, in evaluation mode, on the CPU, in float32.
        path (`str` or `os.PathLike`):
            The ONNX file.

    Returns:
        `float`: the largest difference, in units of the largest output (of 1 where that is smaller).

    Raises:
        RuntimeError: where it is more than rounding.
    """
    session = OnnxModel(path, num_threads=torch.get_num_threads())
    worst = 0.0
    for batch_size, length in _CHECKED_SHAPES:
        length = min(length, model.config.max_position_embeddings)
        for padding_side in (None, "right", "left"):
            batch = random_batch(model.config, batch_size, length, padding_side, seed=length)
            with torch.inference_mode():
                expected = model(**batch, return_dict=True)
            for name, outputs in session(**batch).items():
                reference = real_positions(expected[name].numpy(), batch["attention_mask"])
                difference = np.abs(real_positions(outputs, batch["attention_mask"]) - reference).max()
                difference = float(difference / max(1.0, np.abs(reference).max()))
                if not difference <= _TOLERANCE:
                    raise RuntimeError(
                        f"The ONNX model's `{name}` differs from PyTorch's by {difference:.2g} (at most"
                        f" {_TOLERANCE:.0e} is rounding) for {batch_size} rows of {length} tokens, padding:"
                        f" {padding_side}. The versions are"
                        f" torch {torch.__version__}, onnxruntime {onnxruntime.__version__}; try others."
                    )
                worst = max(worst, difference)
    return worst


__all__ = ["INPUT_NAMES", "ONNX_NAME", "OnnxModel", "check_onnx", "random_batch", "real_positions"]
