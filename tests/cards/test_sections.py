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
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_supernet.cards.sections import amend_card, sections_of, write_card_section


OURS = """---
license: mit
tags:
- hf_supernet
---

# Ours

Made by code.
"""

THEIRS = """---
license: apache-2.0
language: en
tags: by-hand
---

# By hand

Keep this.

<!-- child: begin -->
Old.

<!-- child: end -->

And this.
"""


def result(value, dataset="glue", name="accuracy"):
    return EvalResult("text-classification", dataset, dataset.upper(), name, value)


def metadata(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_new_card_has_its_section():
    card = amend_card(None, OURS, "child")
    assert metadata(card) == {"license": "mit", "tags": ["hf_supernet"]}
    assert sections_of(card) == {"child": "# Ours\n\nMade by code."}
    assert amend_card(card, OURS, "child") == amend_card(None, card, "another") == card


def test_a_card_is_amended():
    card = amend_card(THEIRS, OURS, "child")
    assert metadata(card) == {"license": "mit", "language": "en", "tags": ["by-hand", "hf_supernet"]}
    text = card.split("---\n", 2)[2]
    order = ["# By hand", "Keep this.", "begin -->", "Made by code.", "end -->", "And this."]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert "Old." not in text
    added = amend_card(THEIRS, OURS, "supernet")
    assert sections_of(added) == {"child": "Old.", "supernet": "# Ours\n\nMade by code."}
    assert amend_card("No metadata at all.", OURS, "child").count("No metadata at all.") == 1


def test_results_for_other_data_are_kept():
    cards = [
        str(ModelCard(f"---\n{ModelCardData(model_name=name, eval_results=results)}\n---\n{name}"))
        for name, results in {
            "theirs": [result(0.5), result(0.6, name="f1"), result(0.7, "squad")],
            "ours": [result(0.8)],
        }.items()
    ]
    data = ModelCard(amend_card(*cards, "child")).data
    assert data.model_name == "ours"
    assert {(item.dataset_type, item.metric_type): item.metric_value for item in data.eval_results} == {
        ("squad", "accuracy"): 0.7,
        ("glue", "accuracy"): 0.8,
    }


def test_a_section_written_again_takes_its_results_along(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(THEIRS)
    for results in ([result(0.5), result(0.7, "squad")], [result(0.8)]):
        write_card_section(path, "child", "New.", ModelCardData(model_name="a", eval_results=results))
    card = ModelCard.load(path)
    assert [item.metric_value for item in card.data.eval_results] == [0.8]
    assert "Keep this." in card.text and "And this." in card.text and card.text.count("New.") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    "text", ["<!-- a: begin -->\nno end", "<!-- a: end -->", "<!-- a: begin -->\n<!-- b: end -->"]
)
def test_half_a_section_is_none(text):
    assert sections_of(text) == {}
    assert amend_card(text, OURS, "child").count(text) == 1
