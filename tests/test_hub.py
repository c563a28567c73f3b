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
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import _http

from hf_supernet.hub import fetch_card, full_repo_id, publish_files

from .hub_server import TOKEN


CARD = "---\nlicense: mit\n---\n\n# Ours\n"
REPO = "user/repo"


@pytest.fixture
def files(tmp_path):
    for name, size in {"model.safetensors": 3000, "config.json": 50, "extra.parquet": 700}.items():
        (tmp_path / name).write_bytes(name.encode() * (size // len(name)))
    return {name: tmp_path / name for name in ("model.safetensors", "config.json", "extra.parquet")} | {"a/b": b"c"}


@pytest.fixture(autouse=True)
def _the_client_does_not_wait(monkeypatch):
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))


def publish(files, card=CARD, repo_id=REPO, **options):
    return publish_files(files, card, "child", repo_id, **options)


@pytest.mark.parametrize("repo_type", ["model", "dataset"])
def test_a_dry_run_says_exactly_what_is_written(repo_type, files, hub):
    planned = publish(files, repo_type=repo_type, dry_run=True)
    assert hub.repositories == {} and planned.url is None
    assert not [request for request in hub.requests if not request.startswith(("GET", "HEAD"))]
    written = publish(files, repo_type=repo_type)
    assert planned.files == written.files == hub.files(REPO, repo_type=repo_type)
    assert written.url.startswith(f"{hub.url}/") and "/commit/" in written.url
    for name in ("config.json", "model.safetensors"):
        assert hub.read(REPO, name, repo_type=repo_type) == files[name].read_bytes()
    report = str(planned)
    assert report.startswith(f"{repo_type} user/repo, revision main, would be written")
    assert all(f"{size:,}  {path}" in report for path, size in planned.files.items())
    assert f"{sum(planned.files.values()):,}  bytes in 5 files" in report

    # Then with a card that was edited by hand, and files of an earlier publication.
    hub.edit(REPO, repo_type, README_md="---\nlanguage: en\n---\nBy hand.\n", mine_md="mine", old_md="old")
    again = {"repo_type": repo_type, "obsolete": ["old.*", "config.*"], "left_out": ["training_args.bin"]}
    planned = publish({"a/b": b"cd", **files}, dry_run=True, **again)
    written = publish({"a/b": b"cd", **files}, **again)
    assert planned.deleted == written.deleted == ("old.md",)
    assert planned.files == written.files
    assert hub.files(REPO, repo_type=repo_type) == {"mine.md": 4, **planned.files}
    card = hub.read(REPO, "README.md", repo_type=repo_type).decode()
    assert "By hand." in card and "# Ours" in card and "language: en" in card and "license: mit" in card
    assert "deleted  old.md" in str(planned) and "left out  training_args.bin" in str(planned)


@pytest.mark.parametrize("how", [500, "close"])
@pytest.mark.parametrize("where", ["PUT /lfs", "/commit/main"])
def test_an_interrupted_upload_can_be_repeated(where, how, files, hub):
    is_put = where == "PUT /lfs"
    # Of two large files one is sent; the other fails, however often the client tries.
    fault = hub.failing(where, how, after=1 if is_put else 0)
    with fault, pytest.raises((HfHubHTTPError, RuntimeError, httpx2.HTTPError)):
        publish(files)
    assert hub.files(REPO) == {}
    hub.requests.clear()
    written = publish(files)
    assert hub.files(REPO) == written.files
    assert len([request for request in hub.requests if request.startswith("PUT")]) == (1 if is_put else 0)
    commits = len(hub.repositories["model", REPO].branches["main"])
    assert publish(files).url == written.url  # nothing to do
    assert len(hub.repositories["model", REPO].branches["main"]) == commits


def test_branches(files, hub):
    publish(files)
    planned = publish({**files, "new": b"1"}, revision="v2", dry_run=True)
    assert list(hub.repositories["model", REPO].branches) == ["main"]
    written = publish({**files, "new": b"1"}, revision="v2", commit_message="The second")
    assert planned.files == written.files == hub.files(REPO, "v2")
    assert "new" not in hub.files(REPO)
    assert hub.repositories["model", REPO].branches["v2"][-1].message == "The second"
    assert hub.repositories["model", REPO].branches["main"][-1].message == "Publish with hf_supernet"


def test_private_repositories(files, hub, monkeypatch):
    publish(files, private=True)
    assert hub.repositories["model", REPO].private
    publish(files, repo_id="user/open")
    for dry_run in (True, False):
        with pytest.raises(ValueError, match=r"'user/open' is there already, and public\. Make it private"):
            publish(files, repo_id="user/open", private=True, dry_run=dry_run)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RepositoryNotFoundError, match="make sure you are authenticated"):
        HfApi().repo_info(REPO)
    with pytest.raises(HfHubHTTPError, match=r"(?s)401.*To write to 'user/repo', log in with `hf auth login`"):
        publish(files)
    assert publish(files, token=TOKEN).files == hub.files(REPO)
    with pytest.raises(HfHubHTTPError, match=r"(?s)403.*To write to 'other/repo', log in .* a `token` that may write"):
        publish(files, repo_id="other/repo", token=TOKEN)
    assert full_repo_id("repo", TOKEN) == REPO and full_repo_id("other/repo") == "other/repo"


def test_a_card_that_is_edited_meanwhile_is_not_overwritten(files, hub, monkeypatch):
    publish(files)
    create_commit = HfApi.create_commit

    def edit_then_commit(*args, **kwargs):
        hub.edit(REPO, README_md="By hand.")
        return create_commit(*args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", edit_then_commit)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since"):
        publish({**files, "config.json": b"{}"})
    assert hub.read(REPO, "README.md") == b"By hand."


def test_fetching_a_card(hub, tmp_path):
    path = tmp_path / "README.md"
    fetch_card(path, "child", REPO)
    assert not path.exists()
    publish({}, CARD)
    hub.edit(REPO, README_md="---\nlanguage: en\n---\nBy hand.\n")
    fetch_card(path, "child", REPO)
    assert path.read_text() == "---\nlanguage: en\n---\nBy hand.\n"
    path.write_text(CARD)
    fetch_card(path, "child", REPO)
    assert "By hand." in path.read_text() and "# Ours" in path.read_text()
    with hub.failing("HEAD .*README"), pytest.raises((HfHubHTTPError, LocalEntryNotFoundError)):
        fetch_card(path, "child", REPO)
