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
"""The limits of a model for its card: those that follow from what it is."""

from collections.abc import Iterable, Sequence

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


NO_BIAS_MEASURED = "Like any model of text it can repeat the prejudices of what it was trained on. This card has no measurement of that."
MAX_LABELS = 20
"""More of them are counted, not listed."""

_USES = {
    "ForMaskedLM": "As it is, it fills in masked tokens. For any other task it has to be fine-tuned.",
    "ForQuestionAnswering": "Its answers are passages of the text that it is given, word for word.",
    "ForMultipleChoice": "It takes one of the choices that it is given, even where none is right.",
}
_FOR_TOKENS = "As it is, it gives a vector for each token. For a task it has to be fine-tuned."


def model_limits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None = None,
    language: str | Sequence[str] | None = None,
) -> list[str]:
    """
    What a model can't do, read off the model and its tokenizer.

    Args:
        model ([`~transformers.PreTrainedModel`]):
            The model. Its weights are not looked at.
        tokenizer ([`~transformers.PreTrainedTokenizerBase`], *optional*):
            Its tokenizer.
        language (`str` or `list[str]`, *optional*):
            The code or codes of the languages that it is for.

    Returns:
        `list[str]`: sentences in Markdown.
    """
    positions = getattr(model.config, "max_position_embeddings", None)
    languages = [language] if isinstance(language, str) else list(language or ())
    limits = [
        _use(type(model).__name__, model.config),
        f"It reads at most {positions:,} tokens at a time, special tokens included." if positions else None,
        f"Language: {_listed(languages)} only." if languages else None,
        _case(tokenizer),
    ]
    return [limit for limit in limits if limit]


def _use(class_name: str, config: PreTrainedConfig) -> str:
    for ending, use in _USES.items():
        if class_name.endswith(ending):
            return use
    if not class_name.endswith("Classification"):
        return _FOR_TOKENS
    of_what = "each token" if class_name.endswith("ForTokenClassification") else "the text"
    if config.num_labels == 1:
        return "Its answer is one number, whatever the text is about."
    names = [str(name) for _, name in sorted(config.id2label.items())]
    if len(names) > MAX_LABELS or names == [f"LABEL_{index}" for index in range(len(names))]:
        return f"It gives {of_what} one of its {len(names)} labels, whatever the text is about."
    return f"It gives {of_what} one of its labels, {_listed(names)}, whatever the text is about."


def _case(tokenizer: PreTrainedTokenizerBase | None) -> str | None:
    """What the tokenizer makes equal that is not."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.normalizer is None:
        return None
    lower, plain = (backend.normalizer.normalize_str(letter) == "e" for letter in ("E", "é"))
    done = [what for what, is_done in (("lower-cases all text", lower), ("drops accents", plain)) if is_done]
    if not done:
        return None
    example = "`US` and `us`" if lower else "`résumé` and `resume`"
    return f"Its tokenizer {' and '.join(done)}: {example} are the same to it."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


__all__ = ["NO_BIAS_MEASURED", "model_limits"]
