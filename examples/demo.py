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
# dependencies = ["hf_supernet", "transformers>=5.23", "accelerate>=1.10", "datasets>=4.0", "torch>=2.6"]
# ///
"""
The whole way in a few minutes, on text that every Python installation brings along: nothing is downloaded.

    python examples/demo.py --output_dir demo_output

trains a tokenizer, trains a small supernet with MAGIC-AT, searches it under limits on size and latency, exports the best
child, loads it again with `AutoModel...from_pretrained`, fine-tunes it with Accelerate to tell intact sentences from
corrupted ones, and compares it with the same architecture from random weights. `--short` does all of it in miniature, to
see that it runs; its figures mean nothing.

Started again in the same folder, it takes a trained supernet as it is, goes on with one that was interrupted from its last
checkpoint, and does what follows anew. Everything is written under a temporary name and moved into place.
"""

import argparse
import dataclasses
import json
import logging
import platform
import random
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import run_glue_no_trainer
import torch
import transformers
from accelerate import Accelerator
from datasets import DatasetDict
from demo_report import LossBar, Stages, card_facts, describe_run, format_report, summary
from torch.utils.data import DataLoader
from transformers import AutoModelForMaskedLM, BertTokenizer, ProgressCallback, set_seed

from hf_supernet import Architecture, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.data import MaskingCollator, corruption_task, python_prose, tokenize_corpus, train_tokenizer
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.export import export_child
from hf_supernet.files import replacing, replacing_folder, write_json
from hf_supernet.plotting import plot_pareto, plot_training_losses
from hf_supernet.scripts import check_one_process
from hf_supernet.search import (
    Constraint,
    EvolutionarySearch,
    LatencyCost,
    LatencySettings,
    LatencyTable,
    MultiplyAddCost,
    ParameterCost,
    SearchResult,
    describe_device,
    dev_loss,
    run_search,
)
from hf_supernet.training import SupernetTrainer, SupernetTrainingArguments
from hf_supernet.training.checkpoints import last_complete_checkpoint


Batches = list[dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Settings:
    """The sizes of everything: chosen so that all of it fits into five minutes on two cores."""

    max_documents: int | None = None  # of a split; all of them where not given
    vocab_size: int = 4096
    sequence_length: int = 64
    hidden_size: int = 128
    num_hidden_layers: int = 8
    candidate_operators: tuple[str, ...] = ("attention-4", "feed_forward-512", "convolution-5", "identity")
    train_steps: int = 1300
    train_batch_size: int = 16
    learning_rate: float = 2e-3
    alignment_weight: float = 0.1
    mlm_probability: float = 0.2
    dev_sequences: int = 128  # for the search, and as many others for the report
    random_children: int = 24  # their medians are the limits of the search
    population_size: int = 20
    generations: int = 8
    latency_run_time: float = 0.5
    task_sentences: int = 3000
    task_epochs: int = 3
    task_batch_size: int = 32
    task_learning_rate: float = 1e-3
    task_seeds: int = 3


SHORT = Settings(
    max_documents=300,
    vocab_size=500,
    sequence_length=32,
    hidden_size=32,
    num_hidden_layers=4,
    candidate_operators=("attention-2", "feed_forward-64", "convolution-3", "identity"),
    train_steps=24,
    train_batch_size=8,
    dev_sequences=16,
    random_children=8,
    population_size=4,
    generations=2,
    latency_run_time=0.01,
    task_sentences=64,
    task_epochs=1,
    task_seeds=2,
)


class Data(NamedTuple):
    """The text in every form that the demo needs it in."""

    corpus: DatasetDict
    tokenizer: BertTokenizer
    tokenized: DatasetDict
    collator: MaskingCollator
    search_batches: Batches
    report_batches: Batches


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train, search, export and fine-tune in a few minutes.")
    parser.add_argument("--output_dir", type=Path, default=Path("demo_output"), help="Where everything goes.")
    parser.add_argument("--short", action="store_true", help="All of it in miniature, to see that it runs.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of everything that is drawn.")
    return parser.parse_args(argv)


def claim_output_dir(output_dir: Path, settings: Settings, seed: int) -> None:
    """Notes the settings in the folder; raises where it holds a run with others, whose supernet would not fit."""
    path = output_dir / "settings.json"
    # The text is this Python's documentation.
    wanted = json.loads(json.dumps(dataclasses.asdict(settings) | {"seed": seed, "python": platform.python_version()}))
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else wanted
    other = [name for name in wanted if wanted[name] != found.get(name)]
    if other:
        raise ValueError(
            f"'{output_dir}' holds a demo with another {', '.join(other)}: delete it, or name another `--output_dir`."
        )
    write_json(path, wanted)


# ---- 1. Text and tokenizer ----


def prepare_data(settings: Settings, seed: int) -> Data:
    corpus = python_prose(seed=seed)
    if settings.max_documents is not None:
        corpus = DatasetDict({name: split.take(settings.max_documents) for name, split in corpus.items()})
    tokenizer = train_tokenizer(
        corpus["train"]["text"], settings.vocab_size, model_max_length=settings.sequence_length
    )
    tokenized = tokenize_corpus(corpus, tokenizer, settings.sequence_length)
    collator = MaskingCollator(tokenizer, settings.mlm_probability, seed=seed)
    # What the search looks at is its choice's own best case, so the report is on other text: the end of the dev split.
    dev, number = tokenized["validation"], settings.dev_sequences
    parts = (dev.take(number), dev.select(range(max(number, len(dev) - number), len(dev))))
    search, report = (list(DataLoader(part, batch_size=64, collate_fn=collator.frozen())) for part in parts)
    return Data(corpus, tokenizer, tokenized, collator, search, report)


# ---- 2. Supernet ----


def train_supernet(
    settings: Settings, data: Data, output_dir: Path, seed: int
) -> tuple[SupernetBertForMaskedLM, list]:
    """The supernet and the log of its training; of an earlier run, where there is one."""
    finished, checkpoints = output_dir / "supernet", output_dir / "supernet-checkpoints"
    if not finished.exists():
        trainer = make_trainer(settings, data, checkpoints, seed)
        trainer.train(resume_from_checkpoint=find_checkpoint(checkpoints))
        with replacing_folder(finished) as folder:
            trainer.save_model(folder)
            trainer.state.save_to_json(folder / "trainer_state.json")
        shutil.rmtree(checkpoints)
    else:
        print(f"The supernet in '{finished}' is trained already.")
    log = json.loads((finished / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    return SupernetBertForMaskedLM.from_pretrained(finished), log


def find_checkpoint(folder: Path) -> str | None:
    """What an interrupted training left."""
    try:
        checkpoint = last_complete_checkpoint(folder)
    except ValueError:  # none was begun, or the run was interrupted while it wrote the first
        return None
    print(f"Going on from '{checkpoint}'.")
    return checkpoint


def candidates_by_layer(settings: Settings) -> list[list[str]]:
    """All candidates in each layer but the last, which is an attention: through it the first token, by which the exported child is
    to judge whole sentences, sees what the layers before it found in any place."""
    searched, last = list(settings.candidate_operators), settings.candidate_operators[0]
    return [searched] * (settings.num_hidden_layers - 1) + [[last]]


def make_trainer(settings: Settings, data: Data, output_dir: Path, seed: int) -> SupernetTrainer:
    set_seed(seed)
    config = SupernetBertConfig(
        vocab_size=len(data.tokenizer),
        pad_token_id=data.tokenizer.pad_token_id,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.num_hidden_layers,
        candidate_operators=candidates_by_layer(settings),
        max_position_embeddings=settings.sequence_length,
    )
    interval = max(1, settings.train_steps // 4)
    arguments = SupernetTrainingArguments(
        str(output_dir),
        sampler="gradual",
        alignment_weight=settings.alignment_weight,
        anchor_interval=max(1, settings.train_steps // 16),
        anchor_eval_samples=64,
        max_steps=settings.train_steps,
        per_device_train_batch_size=settings.train_batch_size,
        per_device_eval_batch_size=64,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.train_steps // 10,
        weight_decay=0.01,
        eval_strategy="steps",
        eval_on_start=True,
        eval_steps=interval,
        logging_steps=max(1, settings.train_steps // 40),
        save_steps=interval,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        seed=seed,
    )
    trainer = SupernetTrainer(
        SupernetBertForMaskedLM(config),
        arguments,
        train_dataset=data.tokenized["train"],
        eval_dataset=data.tokenized["validation"].take(settings.dev_sequences),
        data_collator=data.collator,
        processing_class=data.tokenizer,
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(LossBar)
    return trainer


# ---- 3. Search ----


def search(
    settings: Settings, model: SupernetBertForMaskedLM, data: Data, output_dir: Path, seed: int
) -> tuple[SearchResult, dict[str, Any]]:
    """All that was evaluated, and in short: the limits, what random children are like, the chosen one."""
    config, space, device = model.config, model.search_space, str(model.device)
    conditions = LatencySettings(
        sequence_length=settings.sequence_length, device=device, min_run_time=settings.latency_run_time
    )
    table = LatencyTable.measure(config, conditions, progress=True)
    table.save(output_dir / "search" / "latency_table.json")
    parameters, latency = ParameterCost(config), LatencyCost(config, table)
    costs = [parameters, MultiplyAddCost(config, settings.sequence_length), latency]
    generator = random.Random(seed)
    drawn = [space.sample(generator) for _ in range(settings.random_children)]
    limits = {cost.name: statistics.median_high(map(cost, drawn)) for cost in (parameters, latency)}
    result = run_search(
        EvolutionarySearch(
            space,
            [Constraint(cost, maximum=limits[cost.name]) for cost in (parameters, latency)],
            settings.population_size,
            seed,
        ),
        [dev_loss(Evaluator(model, data.search_batches)), *costs],
        settings.generations,
        output_dir=output_dir / "search",
        info={"device": describe_device(device)},
        progress=True,
    )
    best = Architecture.from_string(result.best()["architecture"])
    losses = Evaluator(model, data.report_batches).evaluate([*drawn, best])
    figures = {a: {"loss": losses[a], **{cost.name: cost(a) for cost in costs}} for a in losses}
    measured = table.measure_child(config, best)
    return result, {
        "children_evaluated": len(result),
        "paths_in_space": space.num_paths(),
        "limits": limits,
        "random_children": {name: statistics.median(figures[a][name] for a in drawn) for name in figures[best]},
        "chosen": {
            "architecture": str(best),
            **figures[best],
            "latency_measured": measured.median,
            "latency_measured_iqr": measured.iqr,
            "search_loss": float(result.best()["loss"]),
        },
    }


# ---- 4. Export ----


@torch.no_grad()
def reloaded_loss(folder: Path, batches: Batches, device: torch.device) -> float:
    """The loss per label of the child as anyone would load it."""
    model = AutoModelForMaskedLM.from_pretrained(folder).to(device).eval()
    total = labels = 0
    for batch in batches:
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        number = (batch["labels"] != -100).sum().item()
        total += number * model(**batch).loss.item()
        labels += number
    return total / labels


# ---- 5. Fine-tuning ----


def fine_tune(settings: Settings, data: Data, output_dir: Path, seed: int) -> dict[str, Any]:
    """Fine-tunes the exported child, and the same architecture from random weights, with `run_glue_no_trainer.py`."""
    task, files = corruption_task(data.corpus, seed=seed), {}
    for name, split in task.items():
        files[name] = output_dir / "task" / f"{name}.parquet"
        with replacing(files[name]) as temporary:
            split.to_parquet(temporary)
    options = {
        "model_name_or_path": output_dir / "child",
        "train_file": files["train"],
        "validation_file": files["validation"],
        "cache_dir": output_dir / "task" / "cache",
        "max_train_samples": settings.task_sentences,
        "max_seq_length": settings.sequence_length,
        "per_device_train_batch_size": settings.task_batch_size,
        "per_device_eval_batch_size": 64,
        "learning_rate": settings.task_learning_rate,
        "num_train_epochs": settings.task_epochs,
    }
    accuracies: dict[str, list[float]] = {"pretrained": [], "random": []}
    for task_seed in range(seed, seed + settings.task_seeds):
        for start, scores in accuracies.items():
            own = {"seed": task_seed, "output_dir": output_dir / "fine-tuned" / f"{start}-{task_seed}"}
            line = [f"--{name}={value}" for name, value in (options | own).items()]
            line += ["--random_init"] if start == "random" else []
            results = run_glue_no_trainer.main(line)
            scores.append(results["eval_accuracy"])
            print(f"{start} weights, seed {task_seed}: accuracy {scores[-1]:.3f}")
    sizes = {"train_sentences": results["train_samples"], "validation_sentences": results["eval_samples"]}
    return sizes | {start: summary(scores) for start, scores in accuracies.items()}


def main(argv: list[str] | None = None) -> dict[str, Any]:
    check_one_process("The demo")
    args = parse_args(argv)
    settings = SHORT if args.short else Settings()
    output_dir, stages = args.output_dir, Stages()
    claim_output_dir(output_dir, settings, args.seed)
    logging.basicConfig(level=logging.WARNING)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    # As a warning, each of the fine-tunings would list the weights of its new head.
    transformers.utils.logging.set_verbosity_error()

    with stages("data", "Text: the prose of the Python documentation, and a tokenizer for it"):
        data = prepare_data(settings, args.seed)
    with stages("training", "Training: a supernet, with MAGIC-AT"):
        supernet, log_history = train_supernet(settings, data, output_dir, args.seed)
        supernet.to(Accelerator().device)
        plot_training_losses(log_history, output_dir / "losses.png")
    with stages("search", "Search: the best child under limits on parameters and latency"):
        result, found = search(settings, supernet, data, output_dir, args.seed)
        chosen = found["chosen"]
        plot_pareto(result, output_dir / "pareto.png", chosen["architecture"])
    dev_losses = [entry["eval_loss"] for entry in log_history if "eval_loss" in entry]
    run = describe_run(argv, args.seed, dataclasses.asdict(settings), supernet.device)
    numbers = {**run, "training": {"dev_losses": dev_losses}, "search": found}

    def export() -> Path:
        facts = card_facts(str(output_dir / "child"), numbers)
        return export_child(supernet, chosen["architecture"], output_dir / "child", "auto", data.tokenizer, facts)

    with stages("export", "Export: the child as a model repository, and loaded again"):
        chosen["reloaded_loss"] = reloaded_loss(export(), data.report_batches, supernet.device)
        print(f"Its dev loss in the supernet: {chosen['loss']:.4f}, loaded again: {chosen['reloaded_loss']:.4f}")
    with stages("fine_tuning", "Fine-tuning, with Accelerate: is this sentence intact or corrupted?"):
        numbers["fine_tuning"] = fine_tune(settings, data, output_dir, args.seed)
    export()  # once more, with a card that says what came out
    numbers["seconds"] = stages.seconds
    write_json(output_dir / "numbers.json", numbers)
    print(
        f"\n{format_report(numbers)}\n\nAll of it is in '{output_dir}'; it took {sum(stages.seconds.values()):.0f} s."
    )
    return numbers


if __name__ == "__main__":
    main()
