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
"""Publishing on the Hub: a child, a supernet, a search, and a collection that ties them together."""

import dataclasses
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi
from transformers import PreTrainedTokenizerBase
from transformers.processing_utils import Unpack

from ..cards.sections import join_card
from ..hub import HubOptions, Publication, full_repo_id, publish_files
from ..models.searched_bert import SearchedBertConfig, SearchedBertPreTrainedModel
from ..models.supernet_bert import SupernetBertConfig, SupernetBertPreTrainedModel
from ..samplers import ArchitectureSampler
from ..search.result import SearchResult
from ..search_space import SearchSpace
from ..training.card import SECTION, supernet_card_data, supernet_card_text
from ..training.settings import SETTINGS_NAME, read_settings, supernet_settings
from .card import CardFacts
from .export_child import export_child
from .repository_files import (
    CARD_NAME,
    CODE_FILES,
    WEIGHT_FILES,
    left_out,
    model_files,
    read_card,
    read_config,
    search_files,
    to_json,
)
from .search_card import search_card


def publish_child(
    child: SearchedBertPreTrainedModel | str | os.PathLike,
    repo_id: str,
    tokenizer: PreTrainedTokenizerBase | None = None,
    facts: CardFacts | None = None,
    format: str = "auto",
    **hub: Unpack[HubOptions],
) -> Publication:
    """
    Publishes a child as a model repository.

    It loads with `hf_supernet` imported, and without it: as the plain BERT that it is, or by `trust_remote_code=True`
    and the two files of code that are published with it, which are always the package's own.

    Args:
        child ([`SearchedBertModel`] or one of its heads, `str` or `os.PathLike`):
            A child, or a folder with its card: from [`export_child`], or the output folder of a fine-tuning. Weights,
            configuration, tokenizer, results and card are published from a folder; checkpoints and pickles are not.
        repo_id (`str`):
            The repository (`"user/name"`).
        tokenizer, facts, format:
            For a model, as in [`export_child`].
        hub:
            See [`HubOptions`]: `private`, `revision`, `token`, `commit_message`, `dry_run`.

    Returns:
        [`Publication`]: what was written, or with `dry_run` what would be.

    Raises:
        ValueError: where the folder holds no child, or no card, or weights that are not safetensors.
        TypeError: for a supernet.

    Example:

    ```python
    >>> from hf_supernet.export import publish_child

    >>> print(publish_child("search/child", "user/my-child", dry_run=True))  # doctest: +SKIP
    ```
    """
    if isinstance(child, SupernetBertPreTrainedModel):
        raise TypeError(
            "That is a supernet: `publish_supernet` publishes it, and `extract_child` cuts a child out of it."
        )
    repo_id = full_repo_id(repo_id, hub.get("token"))
    if isinstance(child, SearchedBertPreTrainedModel):
        facts = dataclasses.replace(facts or CardFacts(), name=repo_id)
        with tempfile.TemporaryDirectory() as temporary:
            folder = export_child(child, None, Path(temporary) / "child", format, tokenizer, facts)
            return publish_child(folder, repo_id, **hub)
    folder = Path(child)
    model_type = read_config(folder).get("model_type")
    if model_type not in (SearchedBertConfig.model_type, "bert"):
        raise ValueError(f"'{folder}' holds a {model_type!r} model, not a child.")
    files, card = model_files(folder), read_card(folder, repo_id)
    kept = left_out(folder, files)
    return publish_files(files, card, "child", repo_id, obsolete=(*WEIGHT_FILES, *CODE_FILES), left_out=kept, **hub)


def publish_supernet(
    supernet: SupernetBertPreTrainedModel | str | os.PathLike,
    repo_id: str,
    tokenizer: PreTrainedTokenizerBase | None = None,
    sampler: ArchitectureSampler | None = None,
    search_result: SearchResult | str | os.PathLike | None = None,
    **hub: Unpack[HubOptions],
) -> Publication:
    """
    Publishes a supernet as a model repository, with its search space, sampler settings and search result.

    It loads where `hf_supernet` is installed; it is made to be searched, and that needs the package.

    Args:
        supernet ([`SupernetBertModel`] or one of its heads, `str` or `os.PathLike`):
            A supernet, or the output folder of its training.
        repo_id (`str`):
            The repository (`"user/name"`).
        tokenizer ([`~transformers.PreTrainedTokenizerBase`], *optional*):
            For a model: saved with it.
        sampler ([`ArchitectureSampler`], *optional*):
            For a model: what it was trained with. A folder has it in `supernet_settings.json`, or in its checkpoints.
        search_result ([`SearchResult`], `str` or `os.PathLike`, *optional*):
            A search of this supernet, or the folder that it was saved to: published in `search/`.
        hub:
            See [`HubOptions`]: `private`, `revision`, `token`, `commit_message`, `dry_run`.

    Returns:
        [`Publication`]: what was written, or with `dry_run` what would be.

    Raises:
        ValueError: where the folder holds no supernet, or no card, or weights that are not safetensors.
    """
    repo_id = full_repo_id(repo_id, hub.get("token"))
    with tempfile.TemporaryDirectory() as temporary:
        folder, found = Path(temporary) / "supernet", Path(temporary) / "search"
        if isinstance(supernet, SupernetBertPreTrainedModel):
            _save_supernet(supernet, folder, repo_id, tokenizer, sampler)
        else:
            folder = Path(supernet)
        if read_config(folder).get("model_type") != SupernetBertConfig.model_type:
            raise ValueError(f"'{folder}' holds no supernet; `publish_child` publishes a child.")
        files, card = model_files(folder), read_card(folder, repo_id)
        space = SearchSpace.from_config(SupernetBertConfig.from_pretrained(folder))
        files[SETTINGS_NAME] = to_json(read_settings(folder, space))
        kept = left_out(folder, files)
        if search_result is not None:
            files |= {f"search/{name}": file for name, file in search_files(*_load(search_result), found).items()}
        return publish_files(files, card, SECTION, repo_id, obsolete=WEIGHT_FILES, left_out=kept, **hub)


def publish_search_result(
    result: SearchResult | str | os.PathLike, repo_id: str, **hub: Unpack[HubOptions]
) -> Publication:
    """
    Publishes a search as a data set repository: its table, its settings, its plots, and a card made from them.

    Args:
        result ([`SearchResult`], `str` or `os.PathLike`):
            A search, or the output folder of one, whose latency table and chosen child are published too.
        repo_id (`str`):
            The repository (`"user/name"`).
        hub:
            See [`HubOptions`]: `private`, `revision`, `token`, `commit_message`, `dry_run`.

    Returns:
        [`Publication`]: what was written, or with `dry_run` what would be.

    Raises:
        FileNotFoundError: where the folder holds no search.
        ValueError: where the search evaluated nothing.
    """
    repo_id = full_repo_id(repo_id, hub.get("token"))
    result, folder = _load(result)
    with tempfile.TemporaryDirectory() as temporary:
        files = search_files(result, folder, Path(temporary))
        card = str(search_card(result, repo_id, [name for name in files if name.endswith(".png")]))
        kept = left_out(folder, files) if folder is not None else ()
        return publish_files(files, card, "search", repo_id, "dataset", left_out=kept, **hub)


@dataclass(frozen=True)
class PublishedCollection:
    """
    A collection that was made, or would be.

    Args:
        title (`str`):
            Its title.
        namespace (`str`):
            Whose it is.
        items (`tuple[tuple[str, str], ...]`):
            Type and name of each repository in it.
        url (`str`, *optional*):
            Where it is; `None` in a dry run.
    """

    title: str
    namespace: str
    items: tuple[tuple[str, str], ...]
    url: str | None = None

    def __str__(self) -> str:
        verb = "would be written" if self.url is None else f"written: {self.url}"
        rows = [f"collection {self.title!r} of {self.namespace}, {verb}"]
        return "\n".join(rows + [f"{kind:>15}  {repo_id}" for kind, repo_id in self.items])


def publish_collection(
    title: str,
    publications: Iterable[Publication],
    description: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    dry_run: bool = False,
) -> PublishedCollection:
    """
    Ties repositories together in a collection of the Hub. A call that was interrupted can be repeated.

    Args:
        title (`str`):
            The title. A collection of this title is added to.
        publications (`Iterable[Publication]`):
            What to put in; the collection belongs to the namespace of the first.
        description (`str`, *optional*):
            A line on what it is.
        private (`bool`, *optional*):
            Whether a collection that is made is private.
        token (`str` or `bool`, *optional*):
            The token to write with; by default the one of `hf auth login`.
        dry_run (`bool`, *optional*, defaults to `False`):
            Whether to write nothing, and only say what would be written.

    Returns:
        [`PublishedCollection`]

    Raises:
        ValueError: where there is nothing to put in.
    """
    items = tuple(dict.fromkeys((publication.repo_type, publication.repo_id) for publication in publications))
    if not items:
        raise ValueError("A collection needs at least one publication.")
    namespace, url = items[0][1].partition("/")[0], None
    if not dry_run:
        api = HfApi(token=token, library_name="hf_supernet")
        collection = api.create_collection(
            title, namespace=namespace, description=description, private=bool(private), exists_ok=True
        )
        for kind, repo_id in items:
            api.add_collection_item(collection.slug, repo_id, kind, exists_ok=True)
        url = collection.url
    return PublishedCollection(title, namespace, items, url)


def _save_supernet(
    supernet: SupernetBertPreTrainedModel,
    folder: Path,
    repo_id: str,
    tokenizer: PreTrainedTokenizerBase | None,
    sampler: ArchitectureSampler | None,
) -> None:
    supernet.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    (folder / SETTINGS_NAME).write_bytes(to_json(supernet_settings(supernet.search_space, sampler)))
    card = join_card(supernet_card_data(supernet).to_dict(), supernet_card_text(supernet, repo_id))
    (folder / CARD_NAME).write_text(card, encoding="utf-8")


def _load(result: SearchResult | str | os.PathLike) -> tuple[SearchResult, Path | None]:
    """A search, and the folder that it was saved to."""
    return (result, None) if isinstance(result, SearchResult) else (SearchResult.load(result), Path(result))


__all__ = [
    "PublishedCollection",
    "publish_child",
    "publish_collection",
    "publish_search_result",
    "publish_supernet",
]
