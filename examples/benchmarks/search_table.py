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
Judge every path of a small trained supernet on dev text, and write the table on which search strategies are compared.

    python examples/benchmarks/search_table.py --supernet supernet --validation_file "text/validation-*.parquet" \
        --latency_table search/latency_table.json --work_dir WORK --output examples/benchmarks/results/search_table.parquet

The table (see `hf_supernet.search.TabularBenchmark`) has the dev loss of each path with the supernet's weights, its
parameters, multiply-adds and, where a table of measured operators is given (`search_architecture.py` writes one), its
latency. Losses are remembered as they come in `--work_dir`: killed, it goes on where it was.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm
from transformers import AutoTokenizer


sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from search_architecture import (
    DataArguments,
    ModelArguments,
    load_dev_batches,
    load_supernet,
    load_supernet_config,
)

from hf_supernet import SearchSpace, SupernetBertConfig
from hf_supernet.evaluation.evaluator import Evaluator
from hf_supernet.local_paths import public_name
from hf_supernet.scripts import parse_arguments, run_script
from hf_supernet.search import (
    AdditiveCost,
    EvaluationStore,
    LatencyCost,
    LatencyTables,
    MultiplyAddCost,
    ParameterCost,
    TabularBenchmark,
    dev_loss,
    fingerprint,
    package_versions,
)
from hf_supernet.search.run import judge
from hf_supernet.search.store import STORE_NAME


MAX_PATHS = 20_000
PATHS_AT_ONCE = 256
"""Of consecutive paths nearly all common beginnings are computed once, and little is lost when the script is killed."""


@dataclass
class TableArguments:
    """Where the table goes, and what it has besides losses."""

    output: str = field(metadata={"help": "The parquet file to write."})
    work_dir: str = field(metadata={"help": "Where losses are remembered."})
    latency_table: str | None = field(
        default=None, metadata={"help": "The measured latency of each operator; without it there is no such column."}
    )


def known_costs(config: SupernetBertConfig, latency_table: str | None, sequence_length: int) -> list[AdditiveCost]:
    costs = [ParameterCost(config), MultiplyAddCost(config, sequence_length)]
    return costs if latency_table is None else [*costs, LatencyCost(config, LatencyTables.load(latency_table))]


def check_space(space: SearchSpace) -> None:
    if space.num_paths() > MAX_PATHS:
        raise ValueError(
            f"The supernet has {space.num_paths():,} paths; a table of all of them is for at most {MAX_PATHS:,}."
        )


def main(argv: list[str] | None = None) -> TabularBenchmark:
    model_args, data_args, table_args = parse_arguments((ModelArguments, DataArguments, TableArguments), argv)
    config = load_supernet_config(model_args)
    space = SearchSpace.from_config(config)
    check_space(space)
    costs = known_costs(config, table_args.latency_table, data_args.max_seq_length)
    tokenizer = AutoTokenizer.from_pretrained(
        model_args.tokenizer_name or model_args.supernet, **model_args.hub_options()
    )
    model = load_supernet(model_args)
    batches = load_dev_batches(data_args, tokenizer)
    depends_on = {
        "supernet": fingerprint(model.state_dict().values()),
        "dev_data": fingerprint(tensor for batch in batches for tensor in batch.values()),
    }
    loss = dev_loss(Evaluator(model, batches), depends_on)
    losses, every = {}, list(space)
    with EvaluationStore(Path(table_args.work_dir) / STORE_NAME) as store, tqdm(total=len(every)) as bar:
        for start in range(0, len(every), PATHS_AT_ONCE):
            paths = every[start : start + PATHS_AT_ONCE]
            judged, _ = judge(paths, [loss], store, is_first=not losses)
            losses.update({path: row[loss.name].value for path, row in judged.items()})
            bar.update(len(paths))
    info: dict[str, Any] = {
        "supernet": public_name(model_args.supernet),
        "fingerprints": depends_on,
        "sequences": sum(len(batch["input_ids"]) for batch in batches),
        "versions": package_versions(),
    }
    benchmark = TabularBenchmark.build(space, losses, costs, info)
    benchmark.save(table_args.output)
    best = benchmark.optimum()
    print(
        f"{len(benchmark):,} paths in {table_args.output}; the least loss, {best['loss']:.4f}: {best['architecture']}"
    )
    return benchmark


if __name__ == "__main__":
    run_script(main)
