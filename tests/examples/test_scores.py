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
The scores that the scripts report for models that they trained on real rows, against scikit-learn, scipy and the published
rules of SQuAD v1.1, by the predictions that they wrote.
"""

import importlib
import json
import re
import string
import sys
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hf_supernet.evaluation.glue import GLUE_TASKS

from .tiny_inputs import MRPC, SQUAD, TRAINS, make_inputs, words


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

pytestmark = pytest.mark.usefixtures("states_of_their_own")


@pytest.fixture(scope="module")
def inputs(real_data, tmp_path_factory) -> Path:
    """The folder with rows and models."""
    folder = tmp_path_factory.mktemp("scores")
    make_inputs(folder, real_data)
    return folder


@pytest.fixture(autouse=True)
def _there(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(inputs)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def run(script: str, output: Path, **options) -> dict[str, float]:
    return importlib.import_module(script).main(words(options | {"output_dir": str(output)}))


def expected_scores(task: str, golds: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """As the benchmark defines them: https://huggingface.co/papers/1804.07461, section 4."""
    if task == "stsb":
        scores = {"pearson": stats.pearsonr(golds, answers)[0], "spearmanr": stats.spearmanr(golds, answers)[0]}
    elif task == "cola":
        return {"matthews_correlation": metrics.matthews_corrcoef(golds, answers)}
    elif task in ("mrpc", "qqp"):
        scores = {"accuracy": metrics.accuracy_score(golds, answers), "f1": metrics.f1_score(golds, answers)}
    else:
        return {"accuracy": metrics.accuracy_score(golds, answers)}
    return scores | {"combined_score": sum(scores.values()) / 2}


def answers_by_hand(folder: Path, task: str, rows: pd.DataFrame) -> np.ndarray:
    """The first output of each row, one row at a time."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    outputs = []
    for texts in rows[list(GLUE_TASKS[task].text_columns)].itertuples(index=False):
        batch = tokenizer(*texts, truncation=True, max_length=MRPC["max_seq_length"], return_tensors="pt")
        with torch.no_grad():
            outputs.append(model(**batch).logits[0])
    logits = torch.stack(outputs)
    return (logits[:, 0] if task == "stsb" else logits.argmax(-1)).numpy()


LOOP = {"per_device_train_batch_size": 8, "learning_rate": 2e-3, "num_train_epochs": 20}
SCRIPTS = {"run_glue": TRAINS | {"max_steps": None} | LOOP, "run_glue_no_trainer": LOOP}
LIKE_OTHERS = ("cola", "mrpc", "stsb", "mnli")  # each kind of metric, and of labels


@pytest.mark.parametrize(
    ("script", "task"),
    [("run_glue", task) for task in GLUE_TASKS] + [("run_glue_no_trainer", task) for task in LIKE_OTHERS],
)
def test_glue_scores_of_real_predictions(script, task, tmp_path):
    matched = "_matched" if task == "mnli" else ""
    files = {split: f"glue/{task}/{split}.parquet" for split in ("train", f"validation{matched}")}
    dev = files[f"validation{matched}"]
    given = MRPC | {"task_name": task, "train_file": files["train"], "validation_file": dev, "test_file": dev}
    gently = {"learning_rate": 5e-4, "num_train_epochs": 3} if task == "stsb" else {}  # or all scores become one
    results = run(script, tmp_path / "out", **given | SCRIPTS[script] | gently, do_predict=True)

    rows, names = pd.read_parquet(dev), GLUE_TASKS[task].label_names
    table = pd.read_csv(tmp_path / "out" / f"predict_results_{task}.txt", sep="\t", keep_default_na=False)
    by_hand = answers_by_hand(tmp_path / "out", task, rows)
    if task == "stsb":
        assert np.abs(table.prediction - by_hand).max() < 1e-3  # written with three digits
        answers = by_hand
    else:
        answers = table.prediction.map(names.index).to_numpy()
        assert (answers == by_hand).all()
    assert np.std(answers) > 0.01  # a model that answers the same everywhere would show little
    for name, value in expected_scores(task, rows.label.to_numpy(), answers).items():
        assert results[f"eval_{name}"] == pytest.approx(value, abs=1e-4 if task == "stsb" else 1e-9), name
        if script == "run_glue":
            predicted = json.loads((tmp_path / "out" / "predict_results.json").read_text())
            assert predicted[f"predict_{name}"] == pytest.approx(results[f"eval_{name}"], abs=1e-6)


# ---- The rules of SQuAD v1.1, https://huggingface.co/papers/1606.05250, section 6.1 ----


def normal_words(text: str) -> list[str]:
    """Without case, punctuation and articles."""
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", kept).split()


def overlap(answer: str, gold: str) -> float:
    """F1 of the words, as bags."""
    answered, wanted = normal_words(answer), normal_words(gold)
    common = sum((Counter(answered) & Counter(wanted)).values())
    return 2 * common / (len(answered) + len(wanted)) if common else 0.0


def test_squad_scores_of_real_predictions(inputs, tmp_path):
    """On questions that it learns by heart, and on others."""
    learnt, others = (datasets.Dataset.from_parquet(f"squad/{name}.parquet") for name in ("train", "validation"))
    both = datasets.concatenate_datasets([learnt, others])
    both.to_parquet(tmp_path / "both.parquet")
    given = SQUAD | TRAINS | {"validation_file": str(tmp_path / "both.parquet"), "max_steps": 120}
    given |= {"learning_rate": 5e-3, "per_device_train_batch_size": 8}
    results = run("run_squad", tmp_path / "out", **given)
    predictions = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(predictions) == len(both) == results["eval_samples"]
    exact, f1 = [], []
    for row in both:
        answer, golds = predictions[row["id"]], row["answers"]["text"]
        exact.append(max(normal_words(answer) == normal_words(gold) for gold in golds))
        f1.append(max(overlap(answer, gold) for gold in golds))
    assert results["eval_exact_match"] == pytest.approx(100 * np.mean(exact))
    assert results["eval_f1"] == pytest.approx(100 * np.mean(f1))
    assert {True, False} <= set(exact) and any(0 < score < 1 for score in f1)  # all three kinds of answers
