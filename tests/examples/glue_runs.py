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
"""Tiny models and command lines for the tests of the scripts that fine-tune on GLUE."""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertTokenizer

from hf_supernet import SearchedBertConfig, SearchedBertForMaskedLM


ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "glue"
TRAIN, VALIDATION = str(FIXTURES / "pairs_train.csv"), str(FIXTURES / "pairs_validation.csv")

sys.path.insert(0, str(ROOT / "examples"))
import run_glue  # noqa: E402 (a script, found beside the package)
import run_glue_no_trainer  # noqa: E402


SCRIPTS = {"trainer": run_glue, "no_trainer": run_glue_no_trainer}


def make_models(parent: Path) -> dict[str, str]:
    """Folders of tiny pretrained models, with the tokenizer of a small vocabulary."""
    words = sorted({word for path in (TRAIN, VALIDATION) for word in Path(path).read_text().lower().split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,", *words]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(dict.fromkeys(vocabulary))})
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "max_position_embeddings": 40}
    bert = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37, **sizes}
    child = ["attention-4", "convolution-3", "feed_forward-37", "identity", "attention-2"]
    torch.manual_seed(0)
    built = {
        "bert": BertForMaskedLM(BertConfig(**bert)),
        "without_dropout": BertForMaskedLM(
            BertConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **bert)
        ),
        "searched": SearchedBertForMaskedLM(SearchedBertConfig(operators=child, **sizes)),
    }
    # a head with weights of its own, so that nothing that is trained is drawn when a script loads it
    built["with_head"] = BertForSequenceClassification(built["without_dropout"].config)
    folders = {}
    for name, model in built.items():
        folders[name] = str(parent / name)
        model.save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


def options(model: str, output: Path, **more) -> list[str]:
    """A command line: `mrpc` from the fixtures unless `more` says otherwise; `None` leaves an option out."""
    given = {
        "model_name_or_path": model,
        "output_dir": str(output),
        "task_name": "mrpc",
        "train_file": TRAIN,
        "validation_file": VALIDATION,
        "max_seq_length": 24,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-3,
        "cache_dir": str(output.parent / "cache"),
        **more,
    }
    line = []
    for name, value in given.items():
        if value is not None:
            line += (
                [f"--{name}"] if value is True else [f"--{name}", *map(str, value if type(value) is list else [value])]
            )
    return line


def run(script: str, model: str, output: Path, **more) -> dict[str, float]:
    if script == "trainer":
        more = {"do_train": True, "do_eval": True, "save_strategy": "no", "log_level": "error"} | more
        if "max_train_steps" in more:
            more["max_steps"] = more.pop("max_train_steps")
    return SCRIPTS[script].main(options(model, output, **more))


def same_weights(first: Path, second: Path, **tolerance) -> bool:
    a, b = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert a.keys() == b.keys()
    if tolerance:
        return all(torch.allclose(a[name], b[name], **tolerance) for name in a)
    return all(torch.equal(a[name], b[name]) for name in a)


def log_history(folder: Path) -> list[dict[str, float]]:
    """What the Trainer logged, and the results of the training as they were written, without the times."""
    entries = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    results = json.loads((folder / "all_results.json").read_text())
    results.pop("total_flos", None)  # it is in the history; without a progress bar, transformers drops it here
    entries.append(results)
    times = ("_runtime", "_per_second")
    return [{name: value for name, value in entry.items() if not name.endswith(times)} for entry in entries]


def leave_killed_run(whole: Path, killed: Path, step: int) -> None:
    """Makes, of a run that ended, one that was killed while it saved the checkpoint behind that of `step`."""
    killed.mkdir()
    shutil.copytree(whole / f"checkpoint-{step}", killed / f"checkpoint-{step}")
    half = shutil.copytree(whole / f"checkpoint-{2 * step}", killed / f"checkpoint-{2 * step}")
    (half / "trainer_state.json").unlink()


def went_on_from(killed: Path, whole: Path, step: int) -> bool:
    """Whether a run did not train up to this step once more, which would end alike: it would have written the checkpoint anew."""
    times = {(folder / f"checkpoint-{step}" / "trainer_state.json").stat().st_mtime_ns for folder in (killed, whole)}
    return len(times) == 1
