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
Look at the interference in trained supernets: how alike are the gradients that two children send to an operator they share?

    python examples/analyze_interference.py --supernets uniform=supernet-uniform magic-at=supernet-magic-at \
        --validation_file "text/validation-*.parquet" --output_dir interference

"Analyzing and Mitigating Interference in Neural Architecture Search" (Xu et al., ICML 2022,
https://huggingface.co/papers/2108.12821) made two observations: interference grows with the number of operators in which
the two children differ, and it is smaller the more alike the operator's inputs and outputs are in both. `summary.md` says
in numbers whether they hold for each supernet; `interference.parquet` has every comparison, and three figures show them:
by distance, by the similarity of inputs and of outputs, and by layer and kind of operator. Differences are to the method
that is named first.

A name that comes several times stands for supernets that were trained alike with several seeds; intervals are then for
other seeds, too, and methods are compared seed by seed: name the seeds of all methods in one order. All supernets have one
search space and one tokenizer: the same pairs of children meet the same batches.

Supernets can be added to the rows of an earlier analysis, with the options that these were made with, `--supernets` apart;
without any, summary and figures are written anew from the rows:

    python examples/analyze_interference.py --rows interference/interference.parquet --supernets fair=supernet-fair \
        --validation_file "text/validation-*.parquet" --output_dir interference
    python examples/analyze_interference.py --rows interference/interference.parquet --output_dir interference

The options can also come from one `.json` or `.yaml` file: `python examples/analyze_interference.py options.yaml`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

from hf_supernet import SearchSpace, SupernetBertConfig, SupernetBertForMaskedLM
from hf_supernet.data import MaskingCollator, tokenize_corpus
from hf_supernet.data.text_arguments import TextArguments
from hf_supernet.evaluation.interference import analyze_interference
from hf_supernet.evaluation.interference_statistics import SIMILARITY
from hf_supernet.evaluation.interference_summary import summarize_interference
from hf_supernet.files import replacing
from hf_supernet.loading import load_config, naming_damaged_weights
from hf_supernet.local_paths import public_name
from hf_supernet.plotting import write_panels
from hf_supernet.plotting.interference import distance_panel, layer_panel, states_panel
from hf_supernet.scripts import check_one_process, parse_arguments


PAIRS = ["distance", "pair", "first", "second"]
BATCHES = ["batch", "batches"]
"""Columns in which the rows of all supernets are alike."""


@dataclass
class AnalysisArguments:
    """Which supernets, and how much is compared."""

    output_dir: str = field(metadata={"help": "Where rows, figures and the summary go."})
    supernets: list[str] = field(
        default_factory=list,
        metadata={"help": "name=folder of each supernet with the masked-LM head; one name several times for seeds."},
    )
    rows: str | None = field(
        default=None,
        metadata={"help": "The `interference.parquet` of an earlier analysis, to which supernets are added."},
    )
    tokenizer_name: str | None = field(default=None, metadata={"help": "The tokenizer, where it is elsewhere."})
    num_pairs: int = field(default=16, metadata={"help": "Pairs of children at each distance."})
    num_batches: int = field(default=8, metadata={"help": "Batches that each pair meets."})
    batch_size: int = field(default=32, metadata={"help": "Sequences a batch."})
    distances: list[int] | None = field(
        default=None, metadata={"help": "Numbers of operators in which a pair differs; by default 1 to all but one."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of the pairs, of the masks and of a held-out dev split."})
    resamples: int = field(default=1000, metadata={"help": "Draws for the intervals."})

    def __post_init__(self):
        if not self.supernets and self.rows is None:
            raise ValueError("There is nothing to look at: pass `supernets` (name=folder ...), `rows`, or both.")
        for text in self.supernets:
            name, equals, folder = text.partition("=")
            if not (name and equals and folder):
                raise ValueError(f"`supernets` must be name=folder, such as uniform=runs/uniform; got {text!r}.")
        for option in ("num_pairs", "num_batches", "batch_size", "resamples"):
            if getattr(self, option) < 1:
                raise ValueError(f"`{option}` must be at least 1, got {getattr(self, option)}.")

    @property
    def named_supernets(self) -> list[tuple[str, str]]:
        return [(name, folder) for name, _, folder in (text.partition("=") for text in self.supernets)]


@dataclass
class DataArguments(TextArguments):
    """The text: best one that the supernets were not trained on. None is needed where there are only rows."""

    trains = False

    def __post_init__(self):
        if self.is_named:
            super().__post_init__()

    @property
    def is_named(self) -> bool:
        return bool(self.dataset_name or self.train_file or self.validation_file or self.python_prose)

    def check_named(self) -> None:
        """
        Raises:
            ValueError: for no text.
        """
        super().__post_init__()


def check_supernets(supernets: Sequence[tuple[str, str]]) -> None:
    """
    Before anything is computed: that all are supernets, of one space and one vocabulary.

    Raises:
        ValueError: where they are not.
    """
    first: SupernetBertConfig | None = None
    for _, folder in supernets:
        config = load_config(folder, "supernet")
        if config.model_type != SupernetBertConfig.model_type:
            raise ValueError(f"'{folder}' is a {config.model_type!r} model, not a supernet.")
        first = first or config
        if SearchSpace.from_config(config) != SearchSpace.from_config(first) or config.vocab_size != first.vocab_size:
            raise ValueError(
                f"'{folder}' has another search space or vocabulary than '{supernets[0][1]}': their children can't be"
                " compared. Analyse them one by one."
            )


def load_batches(arguments: AnalysisArguments, data_args: DataArguments) -> list[dict[str, torch.Tensor]]:
    """
    Masked batches from all over the text.

    Raises:
        ValueError: where the text is too short.
    """
    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer_name or arguments.named_supernets[0][1])
    text = data_args.load(arguments.seed)["validation"]
    sequences = tokenize_corpus(
        text, tokenizer, data_args.max_seq_length, data_args.text_column, data_args.pack
    ).shuffle(seed=arguments.seed)
    if data_args.max_eval_samples is not None:
        sequences = sequences.take(data_args.max_eval_samples)
    wanted = arguments.num_batches * arguments.batch_size
    if len(sequences) < wanted:
        raise ValueError(
            f"{arguments.num_batches} batches of {arguments.batch_size} need {wanted} sequences, the text has"
            f" {len(sequences)}: lower `num_batches` or `batch_size`."
        )
    collator = MaskingCollator(tokenizer, data_args.mlm_probability, seed=arguments.seed).frozen()
    return list(DataLoader(sequences.take(wanted), arguments.batch_size, collate_fn=collator))


def batches_digest(batches: list[dict[str, torch.Tensor]]) -> str:
    """Tells other texts, masks and sizes of batches from these."""
    digest = hashlib.sha256()
    for name in ("input_ids", "labels"):
        for batch in batches:
            digest.update(repr(tuple(batch[name].shape)).encode("utf-8"))
            digest.update(batch[name].numpy().tobytes())
    return digest.hexdigest()[:16]


def read_rows(path: str) -> pd.DataFrame:
    """
    The rows of an earlier analysis.

    Raises:
        FileNotFoundError, ValueError: where they are not there, or are other rows.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"`rows` must be the `interference.parquet` of an earlier analysis; there is no '{path}'."
        )
    rows = pd.read_parquet(path)
    if missing := [
        column for column in (*PAIRS, *BATCHES, SIMILARITY, "method", "supernet", "folder") if column not in rows
    ]:
        raise ValueError(
            f"'{path}' has no column {missing[0]!r}: it is not the `interference.parquet` of an analysis."
        )
    return rows


def check_alike(rows: pd.DataFrame, added: pd.DataFrame) -> None:
    """
    That a supernet met the same pairs on the same batches as those before it, and is none of them.

    Raises:
        ValueError: where it did not, or is one.
    """
    for columns, what in ((PAIRS, "pairs of children"), (BATCHES, "batches")):
        first, second = (set(map(tuple, some[columns].drop_duplicates().to_numpy())) for some in (rows, added))
        if first != second:
            raise ValueError(
                f"The {what} of `rows` are not those of these options: pass the `num_pairs`, `distances`, `num_batches`,"
                " `batch_size`, `seed` and text that the rows were made with, for supernets of the same search space."
            )
    method, folder = added[["method", "folder"]].iloc[0]
    for _, other in rows[rows["method"] == method].groupby("supernet"):
        if np.allclose(other[SIMILARITY], added[SIMILARITY], rtol=1e-6):
            raise ValueError(f"'{folder}' is among the supernets of {method!r} already: it would count twice.")


def compare(
    arguments: AnalysisArguments, batches: list[dict[str, torch.Tensor]], before: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The rows of all supernets, with their `method` and `supernet` (a number among those of one method)."""
    parts = [] if before is None else [before]
    numbers = {} if before is None else before.groupby("method")["supernet"].max().to_dict()
    for method, folder in arguments.named_supernets:
        with naming_damaged_weights(folder):
            model = SupernetBertForMaskedLM.from_pretrained(folder)
        if torch.cuda.is_available():
            model = model.to("cuda")
        rows = analyze_interference(model, batches, arguments.distances, arguments.num_pairs, arguments.seed, True)
        numbers[method] = numbers.get(method, -1) + 1
        names = {"method": method, "supernet": numbers[method], "folder": public_name(folder)}
        added = rows.assign(**names, batches=batches_digest(batches))
        if parts:
            check_alike(pd.concat(parts), added)
        parts.append(added)
    return pd.concat(parts, ignore_index=True)


def write_figures(rows: pd.DataFrame, folder: Path, resamples: int) -> None:
    write_panels([distance_panel(rows, resamples)], folder / "similarity-by-distance.png")
    states = [states_panel(rows, of, resamples=resamples) for of in ("input_similarity", "output_similarity")]
    write_panels(states, folder / "similarity-by-states.png")
    layers = [layer_panel(rows, method, resamples) for method in rows["method"].unique()]
    write_panels(layers, folder / "similarity-by-layer.png", columns=2)


def main(argv: list[str] | None = None) -> pd.DataFrame:
    check_one_process("The analysis")
    arguments, data_args = parse_arguments((AnalysisArguments, DataArguments), argv)
    rows = None if arguments.rows is None else read_rows(arguments.rows)
    if arguments.supernets:
        data_args.check_named()
        check_supernets(arguments.named_supernets)
        rows = compare(arguments, load_batches(arguments, data_args), rows)
    folder = Path(arguments.output_dir)
    with replacing(folder / "interference.parquet") as temporary:
        rows.to_parquet(temporary, index=False)
    write_figures(rows, folder, arguments.resamples)
    summary = summarize_interference(rows, arguments.resamples)
    with replacing(folder / "summary.md") as temporary:
        temporary.write_text(summary, encoding="utf-8")
    print(summary)
    return rows


if __name__ == "__main__":
    main()
