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
"""Publishing on the Hub: a collection that ties repositories together."""

from collections.abc import Iterable
from dataclasses import dataclass

from huggingface_hub import HfApi

from ..hub import Publication


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


__all__ = ["PublishedCollection", "publish_collection"]
