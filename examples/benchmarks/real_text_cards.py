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
"""The cards of what `real_text.py` made: the child, the supernet and the search, as they would be published."""

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult
from transformers import AutoModelForMaskedLM, AutoTokenizer, HfArgumentParser

from hf_supernet import SearchSpace, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.cards.sections import join_card
from hf_supernet.evaluation.glue import GLUE_TASKS
from hf_supernet.export import CardFacts, build_card
from hf_supernet.export.repository_files import CHOSEN_NAME, LATENCY_TABLE_NAME
from hf_supernet.export.search_card import search_card
from hf_supernet.files import replacing
from hf_supernet.search import SearchResult
from hf_supernet.training import SupernetTrainingArguments
from hf_supernet.training.card import SupernetFacts, last_dev_losses, supernet_card_data, supernet_card_text
from hf_supernet.training.settings import supernet_settings


FOLDER = Path(__file__).resolve().parents[2] / "model_cards"
NAME = "searched-bert-12x128-magic-at"
LENGTH = 128
"""Tokens of a sequence, in all of the trainings."""
TOKENS_OF_BERT = 10**6 * 256 * 512  # steps, sequences, tokens: as its paper has it


def write_cards(data: Path, work: Path, results: dict[str, Any], supernet_options: list[str]) -> list[Path]:
    """
    Writes the three cards to `model_cards/`, from the records of a run.

    Args:
        data (`Path`):
            The folder with the text.
        work (`Path`):
            The folder of the run.
        results (`dict[str, Any]`):
            What goes to `results/real_text.json`.
        supernet_options (`list[str]`):
            The command line that trained the supernet, without the script.

    Returns:
        `list[Path]`: the files.
    """
    texts = text_sizes(data, work)
    cards = {
        NAME: child_card(work, results, texts),
        f"{NAME}-supernet": supernet_card(work, texts, supernet_options),
        f"{NAME}-search": card_of_the_search(work, supernet_options),
    }
    for name, card in cards.items():
        with replacing(FOLDER / f"{name}.md") as temporary:
            temporary.write_text(card, encoding="utf-8")
    return [FOLDER / f"{name}.md" for name in cards]


def text_sizes(data: Path, work: Path) -> dict[str, int]:
    """The bytes of each kind of text that was trained on."""
    files = {
        "English Wikipedia paragraphs": sorted((data / "text" / "wiki").glob("train-*.parquet")),
        "public-domain novels": sorted((data / "text" / "novels").glob("train-*.parquet")),
        "sentences of the tasks": [work / "task_text.parquet"],
    }
    return {
        name: sum(len(text.encode()) for path in paths for text in pd.read_parquet(path, columns=["text"])["text"])
        for name, paths in files.items()
    }


def sequences_read(folder: Path) -> int:
    """Of a training, in any number of processes."""
    results = read(folder / "train_results.json")
    return round(results["train_samples_per_second"] * results["train_runtime"])


def sentences_of_the_tasks(work: Path) -> tuple[int, int]:
    """The epochs of the last training before the tasks, and how many sentences each of them has."""
    epochs = read(work / "adapted" / "trainer_state.json")["num_train_epochs"]
    return epochs, sequences_read(work / "adapted") // epochs


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def in_words(texts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({size / 1e6:.0f} MB)" for name, size in texts.items())


def child_card(work: Path, results: dict[str, Any], texts: dict[str, int]) -> str:
    child = AutoModelForMaskedLM.from_pretrained(work / "adapted")
    tokenizer = AutoTokenizer.from_pretrained(work / "adapted")
    chosen, found = results["chosen"], SearchResult.load(work / "search")
    facts = CardFacts(
        name=f"user/{NAME}",
        description=_description(results["glue"]["mean of tasks"]["difference"], texts),
        metadata={"language": "en"},
        training=_training(work, results, texts),
        search={
            "supernet": f"`user/{NAME}-supernet`",
            "strategy": "evolutionary search for the least dev loss through the supernet",
            "limits": "parameters without the head at most {:,}, latency at most {:g} ms".format(
                found.info["settings"]["constraints"]["parameters"]["maximum"],
                1e3 * found.info["settings"]["constraints"]["latency"]["maximum"],
            ),
            "children evaluated": len(found),
            "dev loss with the supernet's weights": f"{chosen['loss']:.4f}",
        },
        latency={
            "device": f"{chosen['latency_device']}, {chosen['latency_conditions']}",
            "without the head, measured as a whole": f"{1e3 * chosen['latency_measured']:.2f} ms",
            "without the head, predicted from its operators": f"{1e3 * chosen['latency_predicted']:.2f} ms",
        },
        results=_results(work, results),
        limits=_limits(work, texts),
        bias="Nobody measured what prejudices it has. Most of its text are novels of 1839 to 1923, with the views of their"
        " time on women, classes and peoples.",
        methods=("gradual", "alignment", "glue"),
        trained_length=LENGTH,
    )
    return str(build_card(child, NAME, facts, tokenizer=tokenizer))


def _description(difference: dict[str, float], texts: dict[str, int]) -> str:
    return (
        "A small English encoder for trying things out, found by weight-sharing architecture search and then trained on"
        f" alone, starting from the supernet's weights, on {sum(texts.values()) / 1e6:.0f} MB of text. Fine-tuned, it is"
        f" better on average than the same network from random weights: by {difference['mean']:.2f} points over four"
        f" tasks of GLUE, 95 % interval {difference['low']:.2f} to {difference['high']:.2f}; but not on MRPC and RTE,"
        " where both are near what the commoner label alone would give."
    )


def _training(work: Path, results: dict[str, Any], texts: dict[str, int]) -> dict[str, Any]:
    steps = {name: read(work / name / "trainer_state.json")["max_steps"] for name in ("supernet", "child")}
    tokens = {name: LENGTH * sequences_read(work / name) for name in steps}
    epochs, sentences = sentences_of_the_tasks(work)
    rates = ", ".join(f"{rate:g} ({task})" for task, rate in results["learning_rates"]["searched"].items())
    return {
        "method": "MAGIC-AT: gradual modification, alignment weight 0.1",
        "text": in_words(texts),
        "supernet": f"{steps['supernet']:,} steps, {tokens['supernet']:,} tokens",
        "child alone": f"{steps['child']:,} steps, {tokens['child']:,} tokens",
        "dev loss": f"{read(work / 'child' / 'all_results.json')['eval_loss']:.4f} (Wikipedia and novels, held out)",
        "then": f"{epochs} epochs over the {sentences:,} sentences of the tasks alone",
        "device": "CPU",
        "fine-tuning for the results": f"learning rates {rates}; {results['epochs']['sst2']} epochs over"
        f" {results['max_train_samples']:,} sentences of SST-2, {results['epochs']['rte']} over all of the others;"
        " batches of 32",
    }


def _results(work: Path, results: dict[str, Any]) -> list[EvalResult]:
    """An entry for each metric of each task."""
    entries = []
    for task in results["epochs"]:
        runs = [
            read(work / "glue" / "searched" / task / str(seed) / "all_results.json")
            for seed in results["seeds"] + results["fresh_seeds"]
        ]
        for metric in GLUE_TASKS[task].metrics:
            values = [run[f"eval_{metric}"] for run in runs]
            entries.append(
                EvalResult(
                    task_type="text-classification",
                    dataset_type="nyu-mll/glue",
                    dataset_name=f"GLUE {task.upper()}",
                    dataset_config=task,
                    dataset_split="validation",
                    metric_type=metric,
                    metric_name=f"{metric}, mean of {len(values)} fine-tunings (standard deviation"
                    f" {statistics.stdev(values):.4f})",
                    metric_value=round(statistics.fmean(values), 4),
                )
            )
    return entries


def _limits(work: Path, texts: dict[str, int]) -> list[str]:
    tokens = LENGTH * sum(sequences_read(work / name) for name in ("supernet", "child"))
    epochs, sentences = sentences_of_the_tasks(work)
    novels = texts["public-domain novels"] / sum(texts.values())
    return [
        f"It is small and has read little: {tokens / 1e6:.0f} million tokens with the supernet and alone, then {epochs}"
        f" times the {sentences:,} sentences of the tasks, where BERT read {TOKENS_OF_BERT / 1e9:.0f} billion tokens. It is"
        " no match for that.",
        f"Its English is partly old: {novels:.0%} of its text are novels of 1839 to 1923. Of the present it knows what"
        " some Wikipedia articles say.",
        "It has read the sentences of the training sets of SST-2, MRPC, RTE and CoLA, without their labels, and the"
        " paragraphs of SQuAD: its results on these are not those of a model that meets them in fine-tuning.",
        "Its texts have several licences (Wikipedia: CC BY-SA 4.0, the novels: public domain, the tasks: research use or"
        " none stated).",
    ]


def supernet_settings_of(
    config: SupernetBertConfig, options: list[str]
) -> tuple[dict[str, Any], SupernetTrainingArguments]:
    """What the command line says of the training, with the defaults of what it does not name."""
    parser = HfArgumentParser(SupernetTrainingArguments)
    args, *_ = parser.parse_args_into_dataclasses(options, return_remaining_strings=True)
    space = SearchSpace.from_config(config)
    return supernet_settings(space, args.build_sampler(space), args), args


def supernet_card(work: Path, texts: dict[str, int], options: list[str]) -> str:
    supernet = SupernetBertForMaskedLM.from_pretrained(work / "supernet")
    tokenizer = AutoTokenizer.from_pretrained(work / "supernet")
    settings, args = supernet_settings_of(supernet.config, options)
    state = read(work / "supernet" / "trainer_state.json")
    anchor = [entry["anchor"] for entry in state["log_history"] if "anchor" in entry][-1]
    sequences = sequences_read(work / "supernet")
    known = SupernetFacts.of_settings(settings)
    training = {
        "anchor": f"`{anchor}`, challenged every {args.anchor_interval} steps",
        "steps": f"{state['global_step']:,}",
        "sequences a step": round(sequences / state["global_step"]),
        "tokens read": f"{LENGTH * sequences:,}",
        "learning rate": f"{args.learning_rate:g}, {args.lr_scheduler_type.value}, {args.warmup_steps:g} warm-up steps",
        "weight decay": args.weight_decay,
        "dropout": supernet.config.hidden_dropout_prob,
        "device": "CPU",
        "seed": args.seed,
    }
    facts = replace(
        known,
        steps=state["global_step"],
        training={"text": in_words(texts), **known.training, **training},
        dev_losses=last_dev_losses(state["log_history"]),
        limits=[f"It was trained on sequences of {LENGTH} tokens; later positions are untrained."],
    )
    text = supernet_card_text(supernet, f"user/{NAME}-supernet", facts, tokenizer, "en")
    return join_card(supernet_card_data(supernet, language="en").to_dict(), text)


def card_of_the_search(work: Path, options: list[str]) -> str:
    """Without its plot, which would lie beside it on the Hub."""
    folder = work / "search"
    result = SearchResult.load(folder)
    if "supernet_settings" not in result.info:  # a run of before searches kept them
        config = SupernetBertConfig.from_pretrained(work / "supernet")
        result.info["supernet_settings"] = supernet_settings_of(config, options)[0]
    records = {"chosen": read(folder / CHOSEN_NAME), "latency_table": read(folder / LATENCY_TABLE_NAME)}
    return str(search_card(result, f"user/{NAME}-search", supernet=f"user/{NAME}-supernet", **records))
