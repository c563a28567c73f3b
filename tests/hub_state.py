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
"""What the small Hub of the tests knows: repositories with branches, collections, and the failures that are to come."""

import hashlib
import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Blob:
    """A version of a file; its bytes lie in the folder under their SHA-256."""

    sha256: str
    size: int
    git_oid: str
    is_large: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git_oid


@dataclass
class Commit:
    message: str
    files: dict[str, Blob]
    oid: str = field(default_factory=lambda: (uuid.uuid4().hex + uuid.uuid4().hex)[:40])


@dataclass
class Repository:
    repo_id: str
    private: bool
    branches: dict[str, list[Commit]]

    def commit(self, revision: str) -> Commit | None:
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((c for commits in self.branches.values() for c in commits if c.oid == revision), None)


@dataclass
class Fault:
    """A failure of requests whose method and path match: a status, or "close" for a connection that breaks."""

    pattern: str
    how: int | str
    after: int  # requests that still succeed
    seen: int = 0


class HubState:
    """
    What tests ask of the Hub, and do to it behind the client's back.

    Args:
        folder (`Path`):
            Where files are stored.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> dict[str, int]:
        """The size of each file, without the one that every repository is born with."""
        blobs = self.repositories[repo_type, repo_id].commit(revision).files
        return {path: blob.size for path, blob in sorted(blobs.items()) if path != ".gitattributes"}

    def read(self, repo_id: str, path: str, revision: str = "main", repo_type: str = "model") -> bytes:
        blob = self.repositories[repo_type, repo_id].commit(revision).files[path]
        return (self.folder / blob.sha256).read_bytes()

    def edit(self, repo_id: str, repo_type: str = "model", **files: str) -> None:
        """A commit by hand, on the Hub's pages; `README_md="..."` writes README.md."""
        commits = self.repositories[repo_type, repo_id].branches["main"]
        new = {name.replace("_md", ".md"): self.store(text.encode()) for name, text in files.items()}
        commits.append(Commit("by hand", commits[-1].files | new))

    @contextmanager
    def failing(self, pattern: str, how: int | str = 500, after: int = 0):
        """Within the context, requests that match `pattern` fail, but for the first `after` of them."""
        fault = Fault(pattern, how, after)
        self.faults.append(fault)
        yield
        self.faults.remove(fault)
        assert fault.seen > after, f"no request matched {pattern}"

    def store(self, content: bytes, is_large: bool = False) -> Blob:
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / sha256).write_bytes(content)
        git_oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return Blob(sha256, len(content), git_oid, is_large)

    def next_fault(self, request: str) -> int | str | None:
        """How `request` is to fail, where it is."""
        for fault in self.faults:
            if re.search(fault.pattern, request):
                fault.seen += 1
                if fault.seen > fault.after:
                    return fault.how
        return None
