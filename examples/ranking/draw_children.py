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
# dependencies = ["hf_supernet", "transformers>=5.23", "torch>=2.6", "pyyaml"]
# ///
"""
Draw the children of a ranking benchmark, and write them into its plan.

    python examples/ranking/draw_children.py --plan examples/ranking/plan.yaml --seed 0

Two sets without a network in common, each of four strata. `random`: networks that mix tokens, that is have an attention
or a convolution, of every depth alike: the depth is drawn first, so that the best and the worst are far apart. `neighbour`: one operator of a `random` child of the same set changed. `extreme`: most
and fewest parameters among those that mix, networks of one mixing operator alone, and of all but one feed-forward.
`no_mixing`: networks without any mixing, a trivial stratum. A network with identities has several paths through a
supernet: one of them is drawn, uniformly. Children that are in the plan are never replaced; to draw others, delete
what stands below the marker.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from plan import SETS, STRATA, RankingPlan, mixes_tokens, read_plan

from hf_supernet import Architecture, Operator, SearchSpace
from hf_supernet.costs import operator_parameters
from hf_supernet.files import replacing
from hf_supernet.path_counting import IDENTITY
from hf_supernet.scripts import parse_arguments, run_script


PLAN = Path(__file__).resolve().parent / "plan.yaml"
MARKER = "# ---- Children: written by draw_children.py, not by hand ----"
TRIALS = 10_000
"""Draws in a row that bring nothing new, after which there is nothing left to find."""

Draw = Callable[[], Architecture]


@dataclass
class DrawArguments:
    """How many children of which stratum."""

    plan: str = field(default=str(PLAN), metadata={"help": "The plan, a YAML file with the marker as its last line."})
    seed: int = field(default=0, metadata={"help": "Seed of the draws."})
    test: list[int] = field(
        default_factory=lambda: [60, 28, 12, 0],
        metadata={"help": f"Test children of each stratum, in the order {', '.join(STRATA)}."},
    )
    tuning: list[int] = field(
        default_factory=lambda: [20, 6, 4, 0], metadata={"help": "Tuning children of each stratum, likewise."}
    )

    def __post_init__(self):
        check_plan_file(self.plan)
        for name in SETS:
            counts = getattr(self, name)
            if len(counts) != len(STRATA) or min(counts) < 0:
                raise ValueError(
                    f"`{name}` must be {len(STRATA)} numbers from 0 on ({', '.join(STRATA)}), got {counts}."
                )


def check_plan_file(path: str) -> None:
    """Raises a `FileNotFoundError` where there is no such plan."""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"`plan`: {path} is not there. Pass the YAML file of a benchmark's plan, as a path from here; left out, it is {PLAN}."
        )


class Drawing:
    """
    Draws children of a plan's space, no network twice.

    Args:
        plan (`RankingPlan`): Whose space.
        seed (`int`): Of all draws.
    """

    def __init__(self, plan: RankingPlan, seed: int):
        self.space = plan.search_space()
        self.stem, self.candidates = _stem_and_candidates(self.space)
        self.generator = random.Random(seed)
        self.taken: set[Architecture] = set()
        config = plan.config()
        self.size = {operator: operator_parameters(operator, config) for operator in self.candidates}
        self.extremes = self._extremes()

    def sets(self, counts: dict[str, list[int]]) -> dict[str, dict[str, list[Architecture]]]:
        """
        Both sets by stratum.

        Raises:
            ValueError: where the space has not that many children of a stratum.
        """
        drawn: dict[str, dict[str, list[Architecture]]] = {which: {} for which in SETS}
        # What is rare comes first, for all sets, or it would be gone as a draw of a common stratum.
        for stratum in ("no_mixing", "extreme", "random", "neighbour"):
            # The ends of the space are for the test children; of all else there is little of, the small set gets some too.
            for which in SETS if stratum == "extreme" else SETS[::-1]:
                number = dict(zip(STRATA, counts[which], strict=True))[stratum]
                draw = {
                    "random": self._of_any_depth,
                    "neighbour": lambda part=drawn[which]: self._neighbour(part["random"]),
                    "extreme": self._extreme,
                    "no_mixing": self._without_mixing,
                }[stratum]
                drawn[which][stratum] = self._collect(draw, stratum, number)
        return {which: {stratum: drawn[which][stratum] for stratum in STRATA} for which in SETS}

    def _collect(self, draw: Draw, stratum: str, number: int) -> list[Architecture]:
        found: list[Architecture] = []
        trials = 0
        while len(found) < number:
            path = draw()
            network = path.canonical()
            trials += 1
            if network not in self.taken and mixes_tokens(path) != (stratum == "no_mixing"):
                self.taken.add(network)
                # A neighbour's path is next to that of its look-alike.
                found.append(path if stratum == "neighbour" else self._some_path(network))
                trials = 0
            elif trials >= TRIALS:
                raise ValueError(
                    f"Of the stratum {stratum!r} the space has only {len(found)} more networks, not {number}: ask for fewer."
                )
        return found

    def _of_any_depth(self) -> Architecture:
        searched = len(self.space) - len(self.stem)
        others = [operator for operator in self.candidates if operator != IDENTITY]
        depth = self.generator.randint(0, searched) if IDENTITY in self.candidates else searched
        drawn = self.generator.choices(others, k=depth)
        return self._behind_stem([*drawn, *[IDENTITY] * (searched - depth)])

    def _some_path(self, network: Architecture) -> Architecture:
        """One of the network's paths, uniformly."""
        if self.space.identity_placement == "end":
            return network
        searched = network.operators[len(self.stem) :]
        kept = [operator for operator in searched if operator != IDENTITY]
        places = sorted(self.generator.sample(range(len(searched)), len(kept)))
        operators = [IDENTITY] * len(searched)
        for place, operator in zip(places, kept, strict=True):
            operators[place] = operator
        return self._behind_stem(operators)

    def _behind_stem(self, operators: Iterable[Operator]) -> Architecture:
        return Architecture((*self.stem, *operators))

    def _neighbour(self, others: list[Architecture]) -> Architecture:
        if not others:
            raise ValueError("Neighbours are drawn next to `random` children: ask for at least one of these.")
        return self.space.mutate(self.generator.choice(others), 1, self.generator)

    def _extreme(self) -> Architecture:
        """The largest and the smallest come first, then the other extremes at random; at their end, the last again."""
        return self.extremes.pop(0) if len(self.extremes) > 1 else self.extremes[0]

    def _without_mixing(self) -> Architecture:
        still = [operator for operator in self.candidates if not mixes_tokens(Architecture((operator,)))]
        if not still or (self.stem and mixes_tokens(Architecture(self.stem))):
            raise ValueError("Every network of this space mixes tokens: ask for no children of 'no_mixing'.")
        drawn = SearchSpace([still] * (len(self.space) - len(self.stem)), "end").sample(self.generator)
        return self._behind_stem(drawn)

    def _extremes(self) -> list[Architecture]:
        mixing = sorted((o for o in self.candidates if mixes_tokens(Architecture((o,)))), key=self.size.get)
        if not mixing:
            raise ValueError("No candidate operator mixes tokens: there is nothing to rank.")
        depth = len(self.space) - len(self.stem)
        ends = [self._filled(mixing[-1], 0, max), self._filled(mixing[0], depth - 1, min)]
        alone = [network for operator in mixing for network in self._alone(operator)]
        crowded = [self._filled(operator, place, max) for operator in mixing for place in range(depth)]
        full = [network for network in alone if IDENTITY not in network.operators]
        rest = [network for network in (*alone, *crowded) if network not in full]
        self.generator.shuffle(rest)
        return [*ends, *full, *rest]

    def _filled(self, operator: Operator, place: int, choose: Callable) -> Architecture:
        """The operator at one place, and the largest (or the smallest) candidate at all others."""
        other = choose(self.candidates, key=self.size.get)
        operators = [other] * (len(self.space) - len(self.stem))
        operators[place] = operator
        return self._behind_stem(operators).canonical()

    def _alone(self, operator: Operator) -> Iterator[Architecture]:
        """The operator at every depth that the space allows."""
        depth = len(self.space) - len(self.stem)
        for number in range(1 if IDENTITY in self.candidates else depth, depth + 1):
            yield self._behind_stem((operator,) * number + (IDENTITY,) * (depth - number))


def _stem_and_candidates(space: SearchSpace) -> tuple[tuple[Operator, ...], tuple[Operator, ...]]:
    """
    The operators of the first layers that have but one candidate, and the candidates of all other layers.

    Raises:
        ValueError: where these have different ones.
    """
    number = next((index for index, candidates in enumerate(space.candidates) if len(candidates) > 1), len(space))
    searched = set(space.candidates[number:])
    if len(searched) != 1:
        raise ValueError(
            "Children are drawn in spaces whose layers all have the same candidates, but for a stem of layers with one"
            f" candidate; `candidate_operators` gives {len(searched)} different lists behind the stem."
        )
    return tuple(candidates[0] for candidates in space.candidates[:number]), searched.pop()


def text_up_to_marker(path: Path) -> str:
    """
    What of a plan is written by hand.

    Raises:
        ValueError: where there is no marker, and where there are children already.
    """
    before, marker, after = path.read_text(encoding="utf-8").partition(MARKER)
    if not marker:
        raise ValueError(f"{path} has to have the line {MARKER!r}, behind which the children are written.")
    if after.strip():
        raise ValueError(
            f"{path} has children already, and results may depend on them: delete what stands below the marker to draw"
            " others."
        )
    return before + marker


def write_children(path: Path, sets: dict[str, dict[str, list[Architecture]]], seed: int) -> None:
    """Puts the children behind the marker of a plan."""
    lines = [text_up_to_marker(path), f"# seed {seed}"]
    for which, strata in sets.items():
        lines.append(f"{which}_children:")
        for stratum, children in strata.items():
            lines.append(f"  {stratum}:" + ("" if children else " []"))
            lines += [f"    - {child}" for child in children]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    (arguments,) = parse_arguments((DrawArguments,), argv)
    path = Path(arguments.plan)
    text_up_to_marker(path)
    sets = Drawing(read_plan(path), arguments.seed).sets({which: getattr(arguments, which) for which in SETS})
    write_children(path, sets, arguments.seed)
    read_plan(path)
    for which, strata in sets.items():
        print(f"{which}: " + ", ".join(f"{len(children)} {stratum}" for stratum, children in strata.items()))


if __name__ == "__main__":
    run_script(main)
