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
Publishes the folders of a run on the Hub: the child, the supernet, the search, and a collection of them.

    python -m hf_supernet.publish supernet search --repo_id user/name --collection "My search" --dry_run

What is found in the folders that are named, and right below them, goes to one repository each: a child (from
`export_child`, or fine-tuned) to `user/name`, a supernet with its search to `user/name-supernet`, the search to the data
set `user/name-search`. Interrupted, it is simply run again: what is there already is not sent again.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from transformers.processing_utils import Unpack

from .export.collection import PublishedCollection, publish_collection
from .export.publishing import publish_child, publish_search_result, publish_supernet
from .export.repository_files import read_config
from .hub import HubOptions, Publication
from .models.searched_bert import SearchedBertConfig
from .models.supernet_bert import SupernetBertConfig
from .search.result import INFO_NAME, TABLE_NAME


KINDS = {SearchedBertConfig.model_type: "child", "bert": "child", SupernetBertConfig.model_type: "supernet"}
"""What a model is called here, by its model type."""


def find_outputs(folders: Sequence[str | Path]) -> dict[str, Path]:
    """
    What there is to publish.

    Args:
        folders (`Sequence[str | Path]`):
            The folders of a run. They are looked at, and what is right below them; checkpoints are not.

    Returns:
        `dict[str, Path]`: the folders of `"child"`, `"supernet"` and `"search"`, as far as they are there.

    Raises:
        FileNotFoundError: for a folder that is not there, and where there is nothing to publish.
        ValueError: where there are two of a kind.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder '{folder}'.")
        below = (path for path in sorted(folder.iterdir()) if path.is_dir() and "checkpoint" not in path.name)
        for path in (folder, *below):
            for kind in _kinds_of(path):
                if found.setdefault(kind, path).resolve() != path.resolve():
                    raise ValueError(
                        f"There are two of a kind ({kind}): '{found[kind]}' and '{path}'. Name the folder to publish."
                    )
    if not found:
        raise FileNotFoundError(
            f"There is no child, no supernet and no search in {', '.join(map(repr, map(str, folders)))}."
        )
    return found


def _kinds_of(folder: Path) -> list[str]:
    kinds = ["search"] if all((folder / name).is_file() for name in (TABLE_NAME, INFO_NAME)) else []
    if (folder / "config.json").is_file():
        kinds.append(KINDS.get(read_config(folder).get("model_type"), ""))
    return [kind for kind in kinds if kind]


def publish_outputs(
    outputs: dict[str, Path], repo_id: str, collection: str | None = None, **hub: Unpack[HubOptions]
) -> Iterator[Publication | PublishedCollection]:
    """
    Publishes what [`find_outputs`] found, one repository at each step of the iterator.

    Args:
        outputs (`dict[str, Path]`):
            The folders by kind.
        repo_id (`str`):
            The repository of the child; `-supernet` and `-search` are added for the others.
        collection (`str`, *optional*):
            The title of a collection to put them in.
        hub:
            See [`HubOptions`].

    Yields:
        [`Publication`] or [`PublishedCollection`]: what was written, or would be; the collection comes last.
    """
    search, done = outputs.get("search"), []
    if "supernet" in outputs:
        done.append(publish_supernet(outputs["supernet"], f"{repo_id}-supernet", search_result=search, **hub))
        yield done[-1]
    if search is not None:
        supernet = done[-1].repo_id if done else None
        done.append(publish_search_result(search, f"{repo_id}-search", supernet, **hub))
        yield done[-1]
    if "child" in outputs:
        done.append(publish_child(outputs["child"], repo_id, **hub))
        yield done[-1]
    if collection is not None:
        options = {name: value for name, value in hub.items() if name in ("private", "token", "dry_run")}
        yield publish_collection(collection, done, **options)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line, or those of `argv`."""
    parser = argparse.ArgumentParser(
        prog="python -m hf_supernet.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", help="Output folders of a run.")
    parser.add_argument("--repo_id", required=True, help="The repository of the child, such as user/name.")
    parser.add_argument("--collection", help="The title of a collection to put the repositories in.")
    parser.add_argument("--dry_run", action="store_true", help="Write nothing, and list what would be written.")
    parser.add_argument("--private", action="store_true", default=None, help="Make repositories that are private.")
    parser.add_argument("--revision", help="The branch to write to.")
    parser.add_argument("--token", help="The token to write with, where you are not logged in.")
    parser.add_argument("--commit_message", help="The first line of the commits.")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Publishes what the folders hold, and prints what was done, repository by repository."""
    args = vars(parse_arguments(argv))
    for done in publish_outputs(find_outputs(args.pop("folders")), **args):
        print(f"{done}\n", flush=True)


if __name__ == "__main__":
    main()
