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
Search a trained supernet for the child of least dev loss within limits on parameters and latency, and export it.

    python examples/search_architecture.py --supernet supernet --validation_file "text/validation-*.parquet" \
        --max_parameters 2500000 --max_latency_ms 8 --population_size 32 --generations 15 --output_dir search

`search/` then holds every child that was evaluated (`result.parquet`, `search.json`), the measured latency of each
operator (`latency_table.json`), plots (`pareto.png`, `search.png`), the child that was chosen (`chosen.json`) and its
model (`child/`). A search that was killed goes on with `--resume`, and ends as it would have. With several processes
(`accelerate launch`), they share the evaluation, and find what one finds. With `--calibration_children`, losses are corrected by
those of some children that were trained alone.
The options can also come from one `.json` or `.yaml` file: `python examples/search_architecture.py options.yaml`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.logging import get_logger
from accelerate.utils import broadcast_object_list
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hf_supernet import SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.architecture import Architecture
from hf_supernet.cards.citations import methods_of
from hf_supernet.data import MaskingCollator, tokenize_corpus
from hf_supernet.data.text_arguments import TextArguments
from hf_supernet.evaluation.calibration import CalibratedEvaluator
from hf_supernet.evaluation.distributed import DistributedEvaluator, DividedEvaluator
from hf_supernet.evaluation.ray_evaluator import RayEvaluator, import_ray
from hf_supernet.export import CardFacts, export_child
from hf_supernet.files import write_json
from hf_supernet.loading import load_config, naming_damaged_weights
from hf_supernet.local_paths import public_name
from hf_supernet.plotting import plot_pareto, plot_search
from hf_supernet.scripts import parse_arguments, run_script, set_up_accelerate_logging
from hf_supernet.search import (
    EvaluationStore,
    LatencySettings,
    LatencyTables,
    SearchResult,
    check_device,
    check_same_settings,
    describe_device,
    fingerprint,
    run_search,
    search_settings,
)
from hf_supernet.search.arguments import SearchArguments
from hf_supernet.search.children_alone import ChildrenAlone, read_children
from hf_supernet.search.result import TABLE_NAME
from hf_supernet.search.store import STORE_NAME
from hf_supernet.search_space import SearchSpace
from hf_supernet.splitting import SplitSupernet
from hf_supernet.splitting.split_supernet import is_split_supernet
from hf_supernet.training.settings import find_settings


logger = get_logger(__name__)

LATENCY_TABLE_NAME = "latency_table.json"


@dataclass
class ModelArguments:
    """Which supernet."""

    supernet: str = field(
        metadata={"help": "A supernet, or a split one, with the masked-LM head: a folder, or a Hub id."}
    )
    tokenizer_name: str | None = field(default=None, metadata={"help": "Its tokenizer, where that is elsewhere."})
    revision: str = field(default="main", metadata={"help": "The revision of the supernet on the Hub."})
    token: str | None = field(default=None, metadata={"help": "The token for private repositories of the Hub."})

    def hub_options(self) -> dict[str, str | None]:
        return {"revision": self.revision, "token": self.token}


@dataclass
class DataArguments(TextArguments):
    """The dev text. What is named as for the training gives the dev split that the training did not see."""

    trains = False

    train_file: list[str] | None = field(
        default=None, metadata={"help": "The training files, where the dev split was held out of them."}
    )
    validation_file: list[str] | None = field(
        default=None, metadata={"help": "Local parquet, CSV, JSON or txt files, or patterns: the dev text."}
    )
    python_prose: bool = field(default=False, metadata={"help": "The dev split of the Python installation's prose."})
    data_seed: int = field(
        default=42,
        metadata={"help": "Seed of the held-out split and of the masks: the training's, for its dev split."},
    )
    max_eval_samples: int | None = field(default=512, metadata={"help": "Evaluate on this many sequences only."})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Sequences a batch and process."})

    def __post_init__(self):
        super().__post_init__()
        if self.per_device_eval_batch_size < 1:
            raise ValueError(
                f"`per_device_eval_batch_size` must be at least 1, got {self.per_device_eval_batch_size}."
            )


def check_output_dir(search_args: SearchArguments) -> None:
    if (Path(search_args.output_dir) / TABLE_NAME).exists() and not search_args.resume:
        raise ValueError(
            f"'{search_args.output_dir}' holds a search already; pass `--resume` to go on with it, or another"
            " `--output_dir`."
        )


def check_ray(search_args: SearchArguments, accelerator: Accelerator) -> None:
    if not search_args.ray_workers:
        return
    import_ray()
    if accelerator.num_processes > 1 or accelerator.mixed_precision != "no":
        raise ValueError(
            f"`ray_workers` are started by one process, and run in full precision; this is one of {accelerator.num_processes}"
            f" processes, with the mixed precision {accelerator.mixed_precision!r}. Leave out one or the other."
        )


def load_supernet_config(model_args: ModelArguments) -> SupernetBertConfig:
    config = load_config(model_args.supernet, "supernet", **model_args.hub_options())
    if config.model_type != SupernetBertConfig.model_type:
        raise ValueError(f"'{model_args.supernet}' is a {config.model_type!r} model, not a supernet.")
    return config


def load_supernet(model_args: ModelArguments) -> SupernetBertForMaskedLM | SplitSupernet:
    if is_split_supernet(model_args.supernet, **model_args.hub_options()):
        return SplitSupernet.from_pretrained(model_args.supernet, **model_args.hub_options())
    with naming_damaged_weights(model_args.supernet):
        model, info = SupernetBertForMaskedLM.from_pretrained(
            model_args.supernet, output_loading_info=True, **model_args.hub_options()
        )
    if info["missing_keys"]:
        raise ValueError(
            f"'{model_args.supernet}' lacks the weights {', '.join(sorted(info['missing_keys'])[:3])}, ...: a supernet"
            " that was trained with the masked-LM head is needed."
        )
    return model


def load_dev_batches(data_args: DataArguments, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, torch.Tensor]]:
    corpus = data_args.load(data_args.data_seed)
    dev = tokenize_corpus(
        corpus["validation"], tokenizer, data_args.max_seq_length, data_args.text_column, data_args.pack
    )
    if data_args.max_eval_samples is not None:
        dev = dev.take(data_args.max_eval_samples)
    collator = MaskingCollator(tokenizer, data_args.mlm_probability, seed=data_args.data_seed).frozen()
    return list(DataLoader(dev, data_args.per_device_eval_batch_size, collate_fn=collator))


def find_latency_tables(
    search_args: SearchArguments, config: SupernetBertConfig, accelerator: Accelerator
) -> LatencyTables | None:
    """The tables of the search that is resumed, or those that were named; `None` where latencies are to be measured."""
    own = Path(search_args.output_dir) / LATENCY_TABLE_NAME
    tables = None
    if accelerator.is_main_process:
        path = own if search_args.resume and own.exists() else search_args.latency_table
        if path is not None:
            tables = LatencyTables.load(path)
            tables.check_config(config)
            search_args.check_conditions(tables.settings)
    return from_main_process(tables)


def measure_latencies(
    settings: LatencySettings, config: SupernetBertConfig, num_children: int, accelerator: Accelerator
) -> LatencyTables:
    """New tables, one for each hidden size: measured by one process, the same for all."""
    tables = None
    if accelerator.is_main_process:
        tables = LatencyTables.measure(config, settings, progress=True)
        if num_children:
            tables = tables.with_overhead(config, num_children, progress=True)
        for size, table in tables.tables.items():
            if (fit := table.overhead) is not None:
                logger.info(
                    f"Fitted on {len(fit.children)} whole children of hidden size {size}: median error {fit.median_error:.1%}"
                )
    return from_main_process(tables)


def make_evaluator(
    model: SupernetBertForMaskedLM | SplitSupernet,
    batches: list[dict[str, torch.Tensor]],
    search_args: SearchArguments,
    accelerator: Accelerator,
) -> DividedEvaluator:
    if search_args.ray_workers:
        return RayEvaluator(model, batches, search_args.ray_workers)
    return DistributedEvaluator(model, batches, accelerator.autocast)


def measure_alone(
    children: dict[Architecture, str], batches: list[dict[str, torch.Tensor]], accelerator: Accelerator
) -> ChildrenAlone:
    """The losses of the children that were trained alone: measured by one process, the same for all."""
    alone = None
    if accelerator.is_main_process:
        alone = ChildrenAlone.measure(children, batches, accelerator.device, accelerator.autocast)
    return from_main_process(alone)


def calibrated(alone: ChildrenAlone, evaluator: DividedEvaluator) -> tuple[CalibratedEvaluator, dict[str, Any]]:
    """The evaluator of calibrated losses, and what the record of the search says of them."""
    calibration = alone.calibrate(evaluator)
    worths = ", ".join(f"{code} {worth:+.4f}" for code, worth in calibration.worths.items())
    logger.info(
        f"Losses are calibrated by {len(alone.losses)} children trained alone; one operator more adds, in nats per label,"
        f" besides what the supernet says: {worths or 'nothing'}"
    )
    losses = {str(architecture): loss for architecture, loss in alone.losses.items()}
    return CalibratedEvaluator(evaluator, calibration), {"losses_alone": losses, "worths": calibration.worths}


def from_main_process(value: Any) -> Any:
    return broadcast_object_list([value])[0]


def open_store(search_args: SearchArguments, settings: dict[str, Any], accelerator: Accelerator) -> EvaluationStore:
    """What is known of children already: the main process has the file, the others a copy of what is in it."""
    output_dir, rows = Path(search_args.output_dir), None
    if accelerator.is_main_process:
        if (output_dir / TABLE_NAME).exists():
            check_same_settings(SearchResult.load(output_dir), settings)
        store = EvaluationStore(output_dir / STORE_NAME)
        rows = store.rows()
        logger.info(f"{len(rows)} children are in '{store.path}' already" if rows else "Starting a search")
    rows = from_main_process(rows)
    return store if accelerator.is_main_process else EvaluationStore.in_memory(rows)


def format_children(table: pd.DataFrame) -> str:
    """The best children, in the units that people read."""
    shown = pd.DataFrame(
        {
            "dev loss": table["loss"].map("{:.4f}".format),
            "parameters": table["parameters"].map("{:,}".format),
            "multiply-adds (M)": (table["multiply_adds"] / 1e6).map("{:,.1f}".format),
            "latency (ms)": (table["latency"] * 1e3).map("{:.2f}".format),
            "architecture": table["architecture"],
        }
    )
    return shown.to_string(index=False)


def choose(result: SearchResult, choice: str) -> pd.Series:
    """The row of the child to export."""
    if choice == "best":
        return result.best()
    return result.knee() if choice == "knee" else result.row(choice)


def num_calibration_children(result: SearchResult) -> int | None:
    """How many children trained alone the losses are calibrated by; `None` where they are the supernet's."""
    calibration = result.info.get("calibration")
    return calibration and len(calibration["losses_alone"])


def describe_chosen(
    result: SearchResult, best: pd.Series, tables: LatencyTables, config: SupernetBertConfig
) -> dict[str, Any]:
    """The chosen child's figures; its latency is measured again, as a whole, beside what was predicted."""
    settings = tables.settings
    chosen = {
        "architecture": best["architecture"],
        "loss": float(best["loss"]),
        "calibration_children": num_calibration_children(result),
        "parameters": int(best["parameters"]),
        "multiply_adds": int(best["multiply_adds"]),
        "latency_predicted": float(best["latency"]),
        "latency_measured": None,
        "latency_measured_iqr": None,
        "latency_device": tables.device["name"],
        "latency_conditions": f"batch {settings.batch_size} x {settings.sequence_length} tokens, {settings.dtype},"
        f" {settings.num_threads} CPU thread(s), {settings.runtime}",
    }
    if is_here(tables.device["name"], settings.device):
        measured = tables.measure_child(config, best["architecture"])
        chosen |= {"latency_measured": measured.median, "latency_measured_iqr": measured.iqr}
        logger.info(f"Latency of the chosen child: predicted {1e3 * best['latency']:.3f} ms, measured {measured}")
    else:
        logger.info(f"The latencies are of '{tables.device['name']}', which is not here: not measured again")
    return chosen


def is_here(name: str, device: str) -> bool:
    """Whether this machine has `device`, and it is the one of that name."""
    try:
        check_device(device)
    except ValueError:
        return False
    return describe_device(device)["name"] == name


def card_facts(
    result: SearchResult, chosen: dict[str, Any], tables: LatencyTables, args: SearchArguments
) -> CardFacts:
    """What the child's card says of the search and of its supernet."""
    measured, number = chosen["latency_measured"], chosen["calibration_children"]
    correction = "" if number is None else f", calibrated by {number} children trained alone"
    return CardFacts(
        search={
            "supernet": f"`{public_name(result.info['supernet'])}`",
            "strategy": f"{args.strategy}, {len(result)} children evaluated",
            "limits": args.describe_limits(),
            f"dev loss with the supernet's weights{correction}": f"{chosen['loss']:.4f}",
        },
        latency={
            "device": f"{chosen['latency_device']}, {chosen['latency_conditions']}",
            "without the head, measured as a whole": None if measured is None else f"{1e3 * measured:.3f} ms",
            "without the head, predicted from its operators": f"{1e3 * chosen['latency_predicted']:.3f} ms",
        },
        methods=methods_of(result.info["supernet_settings"]),
        sequence_length=tables.settings.sequence_length,
    )


def write_outputs(
    model: SupernetBertForMaskedLM | SplitSupernet,
    tokenizer: PreTrainedTokenizerBase,
    result: SearchResult,
    tables: LatencyTables,
    search_args: SearchArguments,
) -> dict[str, Any]:
    output_dir = Path(search_args.output_dir)
    chosen = describe_chosen(result, choose(result, search_args.choose), tables, model.config)
    plot_pareto(result, output_dir / "pareto.png", chosen["architecture"])
    plot_search(result, output_dir / "search.png")
    facts = card_facts(result, chosen, tables, search_args)
    export_child(model, chosen["architecture"], output_dir / "child", tokenizer=tokenizer, facts=facts)
    write_json(output_dir / "chosen.json", chosen)
    print(f"\nThe best of {len(result)} children:\n{format_children(result.ranked().head(10))}\n")
    print(f"Chosen: {chosen['architecture']}, exported to {output_dir / 'child'}")
    return chosen


def main(argv: list[str] | None = None) -> dict[str, Any]:
    model_args, data_args, search_args = parse_arguments((ModelArguments, DataArguments, SearchArguments), argv)
    accelerator = Accelerator()
    set_up_accelerate_logging(accelerator)
    check_output_dir(search_args)
    check_ray(search_args, accelerator)

    # What can be wrong is checked in the order of what it takes to check it, and nothing is written before.
    whole_config = load_supernet_config(model_args)
    children = search_args.calibration_children and read_children(search_args.calibration_children, whole_config)
    config = search_args.restricted(whole_config)
    search_args.check_choice(SearchSpace.from_config(config))
    settings = search_args.latency_settings(data_args.max_seq_length, str(accelerator.device))
    tables = find_latency_tables(search_args, config, accelerator)
    if tables is None:
        check_device(settings.device)
    # The costs that are known by now show what cannot be.
    search_args.make_strategy(config, search_args.known_costs(config, data_args.max_seq_length, tables))
    tokenizer = AutoTokenizer.from_pretrained(
        model_args.tokenizer_name or model_args.supernet, **model_args.hub_options()
    )
    model = load_supernet(model_args).to(accelerator.device)
    with accelerator.main_process_first():
        batches = load_dev_batches(data_args, tokenizer)
    alone = measure_alone(children, batches, accelerator) if children else None
    if tables is None:
        tables = measure_latencies(settings, config, search_args.latency_num_children, accelerator)
    costs = search_args.known_costs(config, data_args.max_seq_length, tables)
    strategy = search_args.make_strategy(config, costs)
    fingerprints = {
        "supernet": fingerprint(model.state_dict().values()),
        "dev_data": fingerprint(tensor for batch in batches for tensor in batch.values()),
    }
    if accelerator.mixed_precision != "no":
        fingerprints["mixed_precision"] = accelerator.mixed_precision
    evaluator = make_evaluator(model, batches, search_args, accelerator)
    info = {}
    if alone is not None:
        evaluator, info["calibration"] = calibrated(alone, evaluator)
        fingerprints["calibration"] = alone.fingerprint
    objectives = [search_args.make_loss(evaluator, fingerprints, costs), *costs.values()]
    store = open_store(search_args, search_settings(strategy, objectives), accelerator)
    if accelerator.is_main_process:
        tables.save(Path(search_args.output_dir) / LATENCY_TABLE_NAME)

    logger.info(f"The search space: {strategy.search_space}")
    supernet_settings = find_settings(model_args.supernet, strategy.search_space, **model_args.hub_options())
    supernet_settings.pop("search_space", None)  # the strategy's settings have its fingerprint
    info |= {
        "supernet": model_args.supernet,
        "supernet_settings": supernet_settings,
        "num_processes": accelerator.num_processes,
        "device": describe_device(str(accelerator.device)),
    }
    result = run_search(
        strategy,
        objectives,
        search_args.generations,
        store,
        output_dir=search_args.output_dir if accelerator.is_main_process else None,
        info=info,
        progress=accelerator.is_main_process,
    )
    chosen = None
    if accelerator.is_main_process:
        chosen = write_outputs(model, tokenizer, result, tables, search_args)
    return from_main_process(chosen)


if __name__ == "__main__":
    run_script(main)
