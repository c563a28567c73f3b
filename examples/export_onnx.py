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
# /// script
# dependencies = [
#     "hf_supernet[onnx]",
#     "transformers>=5.23",
#     "datasets>=4.0",
#     "torch>=2.6",
# ]
# ///
"""
Export a child as an ONNX model, and report what that changes: latency, size, and the answers.

    python examples/export_onnx.py --model_name_or_path path/to/child --quantize --output_dir child-onnx

The ONNX model takes any batch size and any length; it is compared with PyTorch before it is left in the folder. With
`--quantize` a version in 8-bit integers stands beside it. Latency and agreement of all are printed, and written to
`report.json`.
With a validation file the scores of a classifier are reported too:

    python examples/export_onnx.py --model_name_or_path path/to/sst2-child --quantize --task_name sst2 \
        --validation_file glue/sst2/validation.parquet --output_dir sst2-onnx
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

import hf_supernet  # noqa: F401 (registers `searched-bert` with the Auto classes)
from hf_supernet.data.glue import load_glue_data
from hf_supernet.data.glue_arguments import GlueDataArguments
from hf_supernet.export.onnx import REPORT_NAME, export_onnx
from hf_supernet.export.onnx_report import onnx_report, report_table
from hf_supernet.files import write_json
from hf_supernet.loading import load_config, load_trained
from hf_supernet.scripts import check_one_process, parse_arguments
from hf_supernet.search import LatencySettings


logger = logging.getLogger(__name__)

AUTO_CLASSES = {
    "fill-mask": AutoModelForMaskedLM,
    "text-classification": AutoModelForSequenceClassification,
    "token-classification": AutoModelForTokenClassification,
    "question-answering": AutoModelForQuestionAnswering,
    "feature-extraction": AutoModel,
}
HEADS = {
    "ForMaskedLM": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "Model": "feature-extraction",
}


@dataclass
class ExportArguments:
    """What to export, and how it is measured."""

    model_name_or_path: str = field(metadata={"help": "A child or a plain BERT, on the Hub or in a folder."})
    output_dir: str = field(metadata={"help": "The folder for the ONNX model: new, empty, or of an earlier export."})
    task: str | None = field(
        default=None, metadata={"help": f"One of {', '.join(AUTO_CLASSES)}; by default that of the checkpoint's head."}
    )
    quantize: bool = field(default=False, metadata={"help": "Write a version in 8-bit integers too."})
    model_revision: str = field(default="main", metadata={"help": "Branch, tag or commit on the Hub."})
    token: str | None = field(default=None, metadata={"help": "Access token of the Hub."})
    task_name: str | None = field(default=None, metadata={"help": "The GLUE task that the validation file holds."})
    validation_file: str | None = field(
        default=None, metadata={"help": "Parquet, CSV, TSV or JSON (lines) file to score a classifier on."}
    )
    max_seq_length: int = field(default=128, metadata={"help": "Longer texts of the validation file are truncated."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Score a random subset of this size."})
    latency_batch_size: int = field(default=1, metadata={"help": "Sequences in a batch whose latency is measured."})
    latency_seq_length: int = field(default=128, metadata={"help": "Their length."})
    latency_num_threads: int | None = field(default=None, metadata={"help": "Threads; by default all of PyTorch's."})

    def __post_init__(self):
        if self.task is not None and self.task not in AUTO_CLASSES:
            raise ValueError(f"`task` must be one of {', '.join(AUTO_CLASSES)}; got {self.task!r}.")
        if self.task_name is not None and self.validation_file is None:
            raise ValueError(f"`task_name={self.task_name}` says what is in `validation_file`, which is missing.")


def task_of(args: ExportArguments, architectures: list[str] | None) -> str:
    """The task that was named, or that of the class the checkpoint was saved from."""
    if args.task is not None:
        return args.task
    saved = (architectures or ["a class that is not named"])[0]
    for ending, task in HEADS.items():
        if saved.endswith(ending):
            return task
    raise ValueError(f"The checkpoint is of {saved}: name the `task`, one of {', '.join(AUTO_CLASSES)}.")


def load_model(args: ExportArguments) -> tuple[str, PreTrainedModel, PreTrainedTokenizerBase]:
    hub = {"revision": args.model_revision, "token": args.token}
    config = load_config(args.model_name_or_path, **hub)
    task = task_of(args, config.architectures)
    if args.validation_file is not None and task != "text-classification":
        raise ValueError(f"`validation_file` is for text-classification; the task is {task}.")
    # A pooler is no part of what feature extraction returns.
    unneeded = "pooler" if task == "feature-extraction" else None
    model = load_trained(AUTO_CLASSES[task], args.model_name_or_path, task, unneeded, **hub)
    return task, model.eval(), AutoTokenizer.from_pretrained(args.model_name_or_path, **hub)


def validation_batches(
    args: ExportArguments, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    """The rows of the validation file and what scores the answers to them; nothing where there is no file."""
    if args.validation_file is None:
        return {}
    data_args = GlueDataArguments(
        task_name=args.task_name,
        validation_file=args.validation_file,
        max_seq_length=args.max_seq_length,
        max_eval_samples=args.max_eval_samples,
    )
    data = load_glue_data(data_args, ["validation"])
    model.config.update(data.label_config(model.config, trains=False))
    split = data_args.subsets("validation", data.splits_of("validation"))[""]
    rows = data.tokenize(split, tokenizer, model.config, data_args)
    labels = np.array(rows["labels"])
    return {
        "batches": DataLoader(rows, batch_size=32, collate_fn=DataCollatorWithPadding(tokenizer)),
        "score": lambda logits: data.score(logits, labels, model.config),
    }


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """
    Run the script.

    Args:
        argv (`list[str]`, *optional*):
            The options; by default those of the command line.

    Returns:
        `dict[str, Any]`: The report.
    """
    check_one_process("The export, which measures latency,")
    (args,) = parse_arguments((ExportArguments,), argv)
    task, model, tokenizer = load_model(args)
    validation = validation_batches(args, model, tokenizer)
    settings = LatencySettings(
        batch_size=args.latency_batch_size,
        sequence_length=min(args.latency_seq_length, model.config.max_position_embeddings),
        num_threads=args.latency_num_threads or torch.get_num_threads(),
    )
    folder = export_onnx(model, args.output_dir, tokenizer, args.quantize)
    report = {"task": task} | onnx_report(model, folder, settings, **validation)
    report["answers_to"] = "random text" if args.validation_file is None else args.task_name or "validation file"
    write_json(folder / REPORT_NAME, report)
    conditions = ", ".join(f"{name} {value}" for name, value in report["latency"].items())
    print(f"{task}, {report['machine']['name']}, {conditions}; answers to {report['answers_to']}\n")
    print(report_table(report))
    print(f"\nWritten to {folder}")
    return report


if __name__ == "__main__":
    main()
