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
import types

import pytest

from hf_supernet.data import prose, python_prose


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A standard library of three files, and help topics of two."""
    (tmp_path / "one.py").write_text(
        '"""This module is of use to those who read the tests.\n\nmodule = code.like()\n\n'
        "* not(it, *args, **keywords) is a\n* The power 2**10 of it is in this last paragraph of two, of *args and of **keywords.\n\n"
        'See :mod:`two` for the ``other`` half of it, or ask *somebody*\nwho knows.\n"""\n'
        'def f():\n    "Return the value that was given to the function."\n'
        "class C:\n    '''Not prose.'''\n    if True:\n        async def g(self):\n"
        "            '''A method in a block of a class is read as well.'''\n"
    )
    (tmp_path / "broken.py").write_text("this is no Python, and it is kept so on purpose.")
    for name in ("tests", "site-packages", "deep"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "three.py").write_text(
            f'"""The text in the folder of {name} has enough words to be kept."""'
        )
    (tmp_path / "deep" / "twin.py").write_text('def f():\n    "Return the value that was given to the function."\n')
    topics = {"b": "The second of the topics is\nshorter.", "a": "The first of the topics.\n\n   x = 1\n\nNot it"}
    monkeypatch.setattr(prose, "_library", lambda: tmp_path)
    monkeypatch.setattr(prose.importlib, "import_module", lambda name: types.SimpleNamespace(topics=topics))
    return tmp_path


def rows_of(corpus) -> list[tuple[str, str]]:
    return sorted((row["source"], row["text"]) for split in corpus.values() for row in split)


def test_topics_and_docstrings_without_markup_code_and_doubles(library):
    assert rows_of(python_prose()) == [
        ("deep/three.py", "The text in the folder of deep has enough words to be kept."),
        ("one.py", "A method in a block of a class is read as well."),
        ("one.py", "Return the value that was given to the function."),
        (
            "one.py",
            "This module is of use to those who read the tests.\n\n"
            "The power 2**10 of it is in this last paragraph of two, of *args and of **keywords.\n\n"
            "See two for the other half of it, or ask somebody who knows.",
        ),
        ("topic b", "The second of the topics is shorter."),
    ]


@pytest.mark.parametrize("reason", ["absent", "other layout"])
def test_installation_without_topics(library, monkeypatch, reason):
    def import_module(name):
        if reason == "absent":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return types.SimpleNamespace()

    monkeypatch.setattr(prose.importlib, "import_module", import_module)
    assert {source for source, _ in rows_of(python_prose())} == {"one.py", "deep/three.py"}


def test_installation_without_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(prose, "_library", lambda: tmp_path)
    monkeypatch.setattr(prose.importlib, "import_module", lambda name: types.SimpleNamespace())
    with pytest.raises(RuntimeError, match=r"no documentation to read.*`load_text_corpus`"):
        python_prose()


def test_this_python():
    corpus = python_prose()
    train, validation = corpus["train"], corpus["validation"]
    assert sum(map(len, train["text"])) > 500_000
    assert len(set(validation["source"])) > 10
    assert not set(train["source"]) & set(validation["source"])
    folders = {folder for source in train["source"] for folder in source.split("/")[:-1]}
    assert not folders & {"site-packages", "test", "tests"}
    paragraphs = [paragraph for text in train["text"] for paragraph in text.split("\n\n")]
    assert len(set(paragraphs)) == len(paragraphs)
    assert not any("\n" in paragraph or "  " in paragraph or ">>>" in paragraph for paragraph in paragraphs)
