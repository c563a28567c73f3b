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
"""A small Hub on the loopback interface, for the real `huggingface_hub` client: repositories, branches, commits, large
files (LFS, without xet), private repositories, collections. What it stores lies in a folder; it can be told to fail."""

import base64
import hashlib
import json
import re
import socket
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .hub_state import Commit, HubState, Repository


TOKEN = "hf_of_user"
USER = "user"
LARGE_FILES = (".safetensors", ".parquet", ".png")
"""What goes through LFS, as on the Hub; everything else is part of the commit."""


class HubServer(HubState):
    """The server; a context manager, within which it answers at `url`."""

    def __enter__(self) -> "HubServer":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._http.shutdown()
        self._http.server_close()


class Refusal(Exception):
    """An answer other than success, with the error code that the client reads."""

    def __init__(self, status: int, message: str, code: str | None = None, **body: Any):
        super().__init__(message)
        self.status, self.code, self.body = status, code, {"error": message, **body}


_REPO = r"(?P<repo_id>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<kind>model|dataset)s/{_REPO}"
_ROUTES: list[tuple[str, re.Pattern, str]] = []


def route(method: str, pattern: str) -> Callable:
    def add(function: Callable) -> Callable:
        _ROUTES.append((method, re.compile(pattern + "$"), function.__name__))
        return function

    return add


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _serve(self):
        url = urlsplit(self.path)
        path, self.query = unquote(url.path), parse_qs(url.query)
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.content = self._read_chunks()
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {path}")
            fault = self.hub.next_fault(f"{self.command} {path}")
            if fault == "close":
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)
            try:
                if fault is not None:
                    raise Refusal(fault, "a failure that was asked for")
                self._dispatch(path)
            except Refusal as refusal:
                headers = {"X-Error-Message": str(refusal)}
                if refusal.code is not None:
                    headers["X-Error-Code"] = refusal.code
                self._answer(refusal.body, refusal.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    def _read_chunks(self) -> bytes:
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _dispatch(self, path: str) -> None:
        for method, pattern, name in _ROUTES:
            match = pattern.match(path)
            if match and self.command in method.split("|"):
                return getattr(self, name)(**match.groupdict())
        raise Refusal(404, f"no such page: {self.command} {path}")

    def _answer(self, body: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    # Who may do what

    @property
    def is_user(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _check_user(self) -> None:
        if not self.is_user:
            raise Refusal(401, "Invalid username or password.")

    def _repository(self, kind: str, repo_id: str, writing: bool = False) -> Repository:
        repository = self.hub.repositories.get((kind, repo_id))
        if repository is None or (repository.private and not self.is_user):
            raise Refusal(404 if self.is_user else 401, "Repository not found", "RepoNotFound")
        if writing:
            self._check_user()
        return repository

    def _commit(self, repository: Repository, revision: str) -> Commit:
        commit = repository.commit(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # Accounts and repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self):
        self._check_user()
        self._answer({"type": "user", "name": USER, "orgs": [], "auth": {"type": "access_token"}})

    @route("POST", "/api/repos/create")
    def create_repo(self):
        self._check_user()
        namespace = self.json.get("organization") or USER
        if namespace != USER:
            raise Refusal(403, f"You don't have the rights to create a model under the namespace {namespace!r}")
        kind, repo_id = self.json.get("type") or "model", f"{namespace}/{self.json['name']}"
        url = f"{self.hub.url}/{'datasets/' if kind == 'dataset' else ''}{repo_id}"
        if (kind, repo_id) in self.hub.repositories:
            raise Refusal(409, "You already created this repo", url=url)
        first = Commit("initial commit", {".gitattributes": self.hub.store(b"*.safetensors filter=lfs\n")})
        private = self.json.get("visibility") == "private"
        self.hub.repositories[kind, repo_id] = Repository(repo_id, private, {"main": [first]})
        self._answer({"url": url, "name": repo_id, "id": repo_id})

    @route("GET", rf"{_API}(/revision/(?P<revision>.+))?")
    def info(self, kind, repo_id, revision):
        repository = self._repository(kind, repo_id)
        commit = self._commit(repository, revision or "main")
        siblings = [{"rfilename": path} for path in commit.files]
        self._answer(
            {"id": repo_id, "sha": commit.oid, "private": repository.private, "siblings": siblings, "tags": []}
        )

    @route("GET", rf"{_API}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?")
    def tree(self, kind, repo_id, revision, folder):
        commit = self._commit(self._repository(kind, repo_id), revision)
        prefix = f"{folder}/" if folder else ""
        blobs = {path: blob for path, blob in commit.files.items() if path.startswith(prefix)}
        if folder and not blobs:
            raise Refusal(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
        entries = []
        for path, blob in blobs.items():
            lfs = {"lfs": {"oid": blob.sha256, "size": blob.size, "pointerSize": 130}} if blob.is_large else {}
            entries.append({"type": "file", "path": path, "size": blob.size, "oid": blob.git_oid} | lfs)
        self._answer(entries)

    @route("POST", rf"{_API}/branch/(?P<branch>.+)")
    def create_branch(self, kind, repo_id, branch):
        repository = self._repository(kind, repo_id, writing=True)
        if branch in repository.branches:
            raise Refusal(409, f"Reference already exists: {branch}")
        start = self._commit(repository, (self.json or {}).get("startingPoint", "main"))
        repository.branches[branch] = [start]
        self._answer({})

    # Uploading

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self):
        if not self.json["content"].startswith("---\n"):
            return self._answer({"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]})
        self._answer({"errors": [], "warnings": []})

    @route("POST", rf"{_API}/preupload/(?P<revision>.+)")
    def preupload(self, kind, repo_id, revision):
        there = self._commit(self._repository(kind, repo_id, writing=True), revision).files
        files = []
        for file in self.json["files"]:
            path, oid = file["path"], there[file["path"]].etag if file["path"] in there else None
            mode = "lfs" if path.endswith(LARGE_FILES) else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._answer({"files": files})

    @route("POST", rf"/(?P<prefix>datasets/)?{_REPO}\.git/info/lfs/objects/batch")
    def lfs_batch(self, prefix, repo_id):
        self._repository("dataset" if prefix else "model", repo_id, writing=True)
        objects = []
        for wanted in self.json["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if not (self.hub.folder / wanted["oid"]).exists():
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}
            objects.append(answer)
        self._answer({"transfer": "basic", "objects": objects})

    @route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_put(self, oid):
        if hashlib.sha256(self.content).hexdigest() != oid:
            raise Refusal(400, "the content has another hash")
        self.hub.store(self.content, is_large=True)
        self._answer({})

    @route("POST", rf"{_API}/commit/(?P<revision>.+)")
    def commit(self, kind, repo_id, revision):
        repository = self._repository(kind, repo_id, writing=True)
        self._commit(repository, revision)
        if revision not in repository.branches:
            raise Refusal(404, f"no branch {revision}", "RevisionNotFound")
        parent = repository.branches[revision][-1]
        header, *operations = (json.loads(line) for line in self.content.splitlines())
        expected = header["value"].get("parentCommit", parent.oid)
        if expected != parent.oid:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = dict(parent.files)
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = self.hub.store(base64.b64decode(value["content"]))
            elif operation["key"] == "lfsFile":
                stored = self.hub.folder / value["oid"]
                if not stored.exists():
                    raise Refusal(400, f"the content of {value['path']} was not uploaded")
                files[value["path"]] = self.hub.store(stored.read_bytes(), is_large=True)
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise Refusal(400, f"unknown operation {operation['key']}")
        new = Commit(header["value"]["summary"], files)
        repository.branches[revision].append(new)
        url = f"{self.hub.url}/{repo_id}/commit/{new.oid}"
        self._answer({"success": True, "commitOid": new.oid, "commitUrl": url, "hookOutput": ""})

    # Downloading

    @route("GET|HEAD", rf"/(?P<prefix>datasets/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, prefix, repo_id, revision, path):
        commit = self._commit(self._repository("dataset" if prefix else "model", repo_id), revision)
        if path not in commit.files:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.etag}"', "X-Linked-ETag": f'"{blob.etag}"'}
        headers |= {"X-Linked-Size": str(blob.size), "Content-Length": str(blob.size)}
        self._answer((self.hub.folder / blob.sha256).read_bytes(), headers=headers)

    # Collections

    @route("POST", "/api/collections")
    def create_collection(self):
        self._check_user()
        namespace, title = self.json["namespace"], self.json["title"]
        for slug, collection in self.hub.collections.items():
            if collection["title"] == title and collection["owner"] == namespace:
                raise Refusal(409, "This collection exists", slug=slug)
        slug = f"{namespace}/{re.sub('[^a-z0-9]+', '-', title.lower())}-{uuid.uuid4().hex[:24]}"
        collection = {"slug": slug, "title": title, "owner": namespace, "items": [], "theme": "blue", "upvotes": 0}
        collection |= {"position": 0, "lastUpdated": "2026-01-01T00:00:00.000Z", "private": self.json["private"]}
        self.hub.collections[slug] = collection | {"description": self.json.get("description")}
        self._answer(self.hub.collections[slug])

    @route("GET", "/api/collections/(?P<slug>[^/]+/[^/]+)")
    def get_collection(self, slug):
        self._answer(self.hub.collections[slug])

    @route("POST", "/api/collections/(?P<slug>[^/]+/[^/]+)/items")
    def add_collection_item(self, slug):
        self._check_user()
        collection, item = self.hub.collections[slug], self.json["item"]
        self._repository(item["type"], item["id"])
        if any(there["id"] == item["id"] and there["type"] == item["type"] for there in collection["items"]):
            raise Refusal(409, "Item already in collection")
        note = {"text": self.json["note"]} if "note" in self.json else None
        position = len(collection["items"])
        collection["items"].append({**item, "_id": uuid.uuid4().hex[:24], "position": position, "note": note})
        self._answer(collection)
