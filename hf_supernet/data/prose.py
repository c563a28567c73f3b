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
"""English prose that every Python installation brings along: its help topics and its docstrings."""

import ast
import importlib
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset, DatasetDict
from transformers.utils import logging

from .corpora import hold_out


logger = logging.get_logger(__name__)

_SKIPPED_FOLDERS = frozenset(
    ["__pycache__", "dist-packages", "idle_test", "pydoc_data", "site-packages", "test", "tests"]
)
_MARKUP = (
    (re.compile(r":[a-z:]+:`[!~]?([^`<]*?)(?:\s*<[^>]*>)?`"), r"\1"),  # :class:`~module.Name`
    (re.compile(r"`{1,2}([^`]+)(?:`{1,2}|'{1,2})"), r"\1"),  # ``code``, `code'
    (re.compile(r"(?<![\w*])\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}(?![\w*])"), r"\1"),  # *emphasis*
    (re.compile(r"^(?:[*•+-]|\d+\.|\[\d+\])\s+"), ""),  # bullets
)
_PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?=\s*[*•+-]\s)")
_PLAIN_WORD = re.compile(r"[\"'(\[]*[A-Za-z]+(?:['’-][A-Za-z]+)*[\"')\]]*[.,;:!?]*[\"')\]]*")
_SENTENCE_END = re.compile(r"[.!?:][\"')\]]*$")
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "can",
        "for",
        "from",
        "has",
        "have",
        "if",
        "in",
        "is",
        "it",
        "its",
        "not",
        "of",
        "on",
        "or",
        "that",
        "the",
        "then",
        "this",
        "to",
        "was",
        "when",
        "which",
        "will",
        "with",
        "you",
    ]
)
_MIN_WORDS, _MIN_PLAIN_SHARE, _MIN_FUNCTION_WORDS = 6, 0.8, 2


def python_prose(validation_split_percentage: int = 5, seed: int = 0) -> DatasetDict:
    """
    A corpus that needs no download: the English prose of the running Python's own documentation.

    It is made of `pydoc_data.topics` (the texts behind `help("assert")`; some installations leave them out) and of the
    docstrings of the standard library, whose files are parsed and not imported. Paragraphs that read like English
    sentences are kept, each once, without markup and line breaks; blank lines separate them. About 6000 documents and
    1.5 MB, in an order, and with a split, that depend on the Python version alone.

    Args:
        validation_split_percentage (`int`, *optional*, defaults to 5):
            How many percent of the topics and modules to hold out.
        seed (`int`, *optional*, defaults to 0):
            Another seed holds out others.

    Returns:
        `datasets.DatasetDict` with the splits `"train"` and `"validation"` and the columns `"text"` and `"source"`
        (the topic or the file; no source is in both splits).

    Raises:
        RuntimeError: if the installation has neither topics nor the sources of its standard library.
    """
    seen, rows = set(), {"text": [], "source": []}
    for source, text in (*_topics(), *_docstrings()):
        paragraphs = [paragraph for paragraph in _prose_paragraphs(text) if paragraph.lower() not in seen]
        seen.update(paragraph.lower() for paragraph in paragraphs)
        if paragraphs:
            rows["text"].append("\n\n".join(paragraphs))
            rows["source"].append(source)
    if len(set(rows["source"])) < 2:
        raise RuntimeError(
            f"This Python has no documentation to read: neither `pydoc_data.topics` nor .py files in {_library()}."
            " Pass a corpus of your own to `load_text_corpus`."
        )
    train, validation = hold_out(Dataset.from_dict(rows), validation_split_percentage, column="source", seed=seed)
    return DatasetDict(train=train, validation=validation)


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _topics() -> Iterator[tuple[str, str]]:
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError) as error:
        logger.info("No help topics in this Python (%s); its docstrings are the corpus.", error)
        return
    yield from ((f"topic {name}", topics[name]) for name in sorted(topics))


def _docstrings() -> Iterator[tuple[str, str]]:
    library = _library()
    for folder, subfolders, files in os.walk(library):
        subfolders[:] = sorted(name for name in subfolders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            if name.endswith(".py"):
                path = Path(folder, name)
                source = path.relative_to(library).as_posix()
                yield from ((source, text) for text in _docstrings_of(path))


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():  # invalid escapes in the file's own strings
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:  # kept broken on purpose, for the library's own tools
        logger.info("%s is left out: %s", path, error)
        return
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text
        blocks = (getattr(node, name, ()) for name in ("finalbody", "orelse", "handlers", "body"))
        nodes.extend(child for block in blocks if isinstance(block, list) for child in reversed(block))


def _prose_paragraphs(text: str) -> Iterator[str]:
    for block in _PARAGRAPH_END.split(text):
        paragraph = " ".join(block.split())
        for pattern, replacement in _MARKUP:
            paragraph = pattern.sub(replacement, paragraph)
        if _is_prose(paragraph):
            yield paragraph


def _is_prose(paragraph: str) -> bool:
    words = paragraph.split()
    if len(words) < _MIN_WORDS or ">>>" in paragraph or not _SENTENCE_END.search(paragraph):
        return False
    plain = sum(_PLAIN_WORD.fullmatch(word) is not None for word in words)
    known = len(_FUNCTION_WORDS.intersection(paragraph.lower().split()))
    return plain >= _MIN_PLAIN_SHARE * len(words) and known >= _MIN_FUNCTION_WORDS
