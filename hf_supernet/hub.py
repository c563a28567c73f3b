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
"""Writing repositories of the Hub: one commit for all files, the card there amended, and a dry run that lists it all."""

import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypedDict

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from .cards.sections import amend_card
from .files import replacing


CARD_NAME = "README.md"
DEFAULT_REVISION = "main"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
"""Files that run code where they are loaded: what we upload has none."""


class HubOptions(TypedDict, total=False):
    """
    How a repository is written, in the words of `huggingface_hub`.

    Args:
        private (`bool`, *optional*):
            Whether a repository that is made is private; by default, as the account's settings say.
        revision (`str`, *optional*, defaults to `"main"`):
            The branch to write to; it is made where it is not there.
        token (`str` or `bool`, *optional*):
            The token to write with; by default the one of `hf auth login`.
        commit_message (`str`, *optional*):
            The first line of the commit.
        dry_run (`bool`, *optional*, defaults to `False`):
            Whether to write nothing, and only say what would be written. What is on the Hub is read.
    """

    private: bool | None
    revision: str | None
    token: str | bool | None
    commit_message: str | None
    dry_run: bool


@dataclass(frozen=True)
class Publication:
    """
    What was written to a repository, or would be.

    Args:
        repo_id (`str`):
            The repository, with its namespace.
        repo_type (`str`):
            `"model"` or `"dataset"`.
        revision (`str`):
            The branch.
        files (`dict[str, int]`):
            The size in bytes of each file, by its path in the repository. Those that are there already, unchanged, are
            not sent again.
        deleted (`tuple[str, ...]`):
            Files of an earlier publication that have no place beside these.
        left_out (`tuple[str, ...]`):
            Entries of the published folder that are not for the Hub.
        url (`str`, *optional*):
            The commit; `None` in a dry run.
    """

    repo_id: str
    repo_type: str
    revision: str
    files: Mapping[str, int]
    deleted: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    url: str | None = None

    def __str__(self) -> str:
        verb = "would be written" if self.url is None else f"written: {self.url}"
        rows = [f"{self.repo_type} {self.repo_id}, revision {self.revision}, {verb}"]
        rows += [f"{size:>15,}  {path}" for path, size in self.files.items()]
        rows += [f"{'deleted':>15}  {path}" for path in self.deleted]
        rows += [f"{'left out':>15}  {name}" for name in self.left_out]
        return "\n".join([*rows, f"{sum(self.files.values()):>15,}  bytes in {len(self.files)} files"])


@dataclass(frozen=True)
class _Remote:
    """A repository as it is: the commit, whether it is private, its files, and its card."""

    sha: str
    private: bool
    files: tuple[str, ...]
    card: str | None


def publish_files(
    files: Mapping[str, Path | bytes],
    card: str,
    section: str,
    repo_id: str,
    repo_type: str = "model",
    obsolete: Sequence[str] = (),
    left_out: Iterable[str] = (),
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    commit_message: str | None = None,
    dry_run: bool = False,
) -> Publication:
    """
    Writes files and a card to a repository of the Hub, in one commit: all of them or none.

    The repository is made where it is not there. A call that was interrupted can be repeated; what has been sent is not
    sent again. If somebody else commits at the same time, nothing is written, and the error says so.

    Args:
        files (`dict[str, Path | bytes]`):
            What to write, by the path in the repository: a file, or its content.
        card (`str`):
            The card with its metadata. Where the repository has a card, only its sections and metadata are replaced.
        section (`str`):
            The name of the card's only section where it marks none.
        repo_id (`str`):
            The repository (`"user/name"`).
        repo_type (`str`, *optional*, defaults to `"model"`):
            `"model"` or `"dataset"`.
        obsolete (`Sequence[str]`, *optional*, defaults to `()`):
            Patterns of files to delete from the repository where `files` does not have them.
        left_out (`Iterable[str]`, *optional*, defaults to `()`):
            For the report: what is not in `files`.
        private, revision, token, commit_message, dry_run:
            See [`HubOptions`].

    Returns:
        [`Publication`]: what was written, or with `dry_run` what would be.

    Raises:
        HfHubHTTPError: where the Hub refuses.
        ValueError: where `private` is asked for and the repository is there and public.
    """
    api = _api(token)
    if not dry_run:
        _create(api, repo_id, repo_type, private, revision)
    remote = _read(api, repo_id, repo_type, revision)
    if remote is not None and private and not remote.private:
        raise ValueError(
            f"The {repo_type} repository '{repo_id}' is there already, and public. Make it private in its settings, or"
            " name another one."
        )
    there = remote.files if remote is not None else ()
    amended = amend_card(remote.card if remote is not None else None, card, section)
    additions = [
        CommitOperationAdd(path, content)
        for path, content in sorted({**files, CARD_NAME: amended.encode("utf-8")}.items())
    ]
    added = {addition.path_in_repo: addition.upload_info.size for addition in additions}
    deleted = [path for path in there if path not in added and any(fnmatchcase(path, name) for name in obsolete)]
    url = None
    if not dry_run:
        with warnings.catch_warnings():
            # The table of a search belongs to its supernet; the client takes it for a data set that lost its way.
            warnings.filterwarnings("ignore", message=".*commit a data file")
            commit = api.create_commit(
                repo_id,
                [*additions, *map(CommitOperationDelete, deleted)],
                commit_message=commit_message or "Publish with hf_supernet",
                repo_type=repo_type,
                revision=revision,
                parent_commit=remote.sha,  # so that a card that is edited meanwhile is not overwritten
            )
        url = commit.commit_url
    return Publication(repo_id, repo_type, revision or DEFAULT_REVISION, added, tuple(deleted), tuple(left_out), url)


def full_repo_id(repo_id: str, token: str | bool | None = None) -> str:
    """The name of a repository with its namespace; one without is the user's whose token it is."""
    return repo_id if "/" in repo_id else f"{_api(token).whoami()['name']}/{repo_id}"


def fetch_card(
    path: str | os.PathLike,
    section: str,
    repo_id: str,
    revision: str | None = None,
    token: str | bool | None = None,
) -> None:
    """
    Takes what the card of a model on the Hub says into the card of its folder, before that one is uploaded.

    Args:
        path (`str` or `os.PathLike`):
            The card in the folder; where it is there, its sections and metadata go before those on the Hub.
        section (`str`):
            The name of its only section where it marks none.
        repo_id, revision, token:
            Where the card on the Hub is; nothing is done where there is none.
    """
    path = Path(path)
    remote = _read(_api(token), repo_id, "model", revision)
    if remote is None or remote.card is None:
        return
    card = remote.card
    if path.exists():
        card = amend_card(card, path.read_text(encoding="utf-8"), section)
    with replacing(path) as temporary:
        temporary.write_text(card, encoding="utf-8")


def _api(token: str | bool | None) -> HfApi:
    return HfApi(token=token, library_name="hf_supernet")


def _create(api: HfApi, repo_id: str, repo_type: str, private: bool | None, revision: str | None) -> None:
    try:
        api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
        if revision not in (None, DEFAULT_REVISION) and not revision.startswith("refs/pr/"):
            api.create_branch(repo_id, repo_type=repo_type, branch=revision, exist_ok=True)
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            error.append_to_message(
                f"\nTo write to '{repo_id}', log in with `hf auth login`, or pass a `token` that may write there."
            )
        raise


def _read(api: HfApi, repo_id: str, repo_type: str, revision: str | None) -> _Remote | None:
    """The repository as it is, or `None` where there is none, or none that the token may read."""
    try:
        try:
            info = api.repo_info(repo_id, repo_type=repo_type, revision=revision)
        except RevisionNotFoundError:
            info = api.repo_info(repo_id, repo_type=repo_type)  # which a new branch starts from
    except RepositoryNotFoundError:
        return None
    files, card = tuple(file.rfilename for file in info.siblings), None
    if CARD_NAME in files:
        # Not through the cache, which is for what is used again.
        with tempfile.TemporaryDirectory() as folder:
            path = api.hf_hub_download(repo_id, CARD_NAME, repo_type=repo_type, revision=info.sha, local_dir=folder)
            card = Path(path).read_text(encoding="utf-8")
    return _Remote(info.sha, bool(info.private), files, card)


__all__ = ["PICKLES", "HubOptions", "Publication", "fetch_card", "full_repo_id", "publish_files"]
