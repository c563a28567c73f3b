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

import json
from pathlib import Path

import transformers.utils.hub

from hf_supernet.costs import count_parameters
from hf_supernet.training.settings import supernet_settings
from tests.hub_server import TOKEN

from .conftest import MAGIC_AT, logs_of


def card_of(trainer) -> str:
    return (Path(trainer.args.output_dir) / "README.md").read_text()


def test_card_says_what_is_known_and_no_more(make_trainer):
    trainer = make_trainer("my-supernet", eval_strategy="steps", eval_steps=6, **MAGIC_AT)
    trainer.create_model_card()
    assert "trained for" not in card_of(trainer) and "## Training" not in card_of(trainer)
    assert "## Citation" not in card_of(trainer)
    trainer.train()
    trainer.create_model_card(license="apache-2.0", tags="mine", dataset="the words w0 to w93")
    text = card_of(trainer)
    assert text.startswith("---\n") and "library_name: hf_supernet" in text and "pipeline_tag: fill-mask" in text
    for part in (
        "license: apache-2.0", "- mine", "- neural-architecture-search", "# my-supernet", "for 6 steps.",
        "| candidates of each layer | `attention-4`, `feed_forward-37`, `convolution-3`, `identity` |", "| paths | 256 |",
        "| sampler | `gradual` (num_modified 1) |", "| alignment | weight 0.5, layers all, normalised states |",
        "| optimizer | adamw_torch", "it runs the child `A4-A4-A4-A4`.", "| data | the words w0 to w93 |", f"| anchor | `{trainer.anchor.architecture}`, challenged every 2 steps |",
        f"| mean of all | {logs_of(trainer, 'eval_loss')[-1]:.4f} |", "| smallest |", "| random |",
        "| parameters of the supernet |", "| parameters of a child, without a head |", "`I` is nothing |",
        "- It reads at most 32 tokens at a time", "Dev losses with shared weights", "no measurement of that",
    ):  # fmt: skip
        assert part in text, part
    least, most = (count_parameters(trainer.model.config, architecture) for architecture in ("I-I-I-I", "A4-A4-A4-A4"))
    assert f"| {least:,} to {most:,} |" in text
    assert text.count("xu2022analyzing") == 1 and "Language" not in text and "okenizer" not in text
    assert "fine-tuned" not in text and "base_model" not in text and "](https://huggingface.co/)" not in text


def test_card_says_how_the_anchor_is_run(make_trainer):
    options = {"alignment_warmup": 0.25, "anchor": "largest", "anchor_average": 0.9, "max_steps": 1}
    trainer = make_trainer(**MAGIC_AT | options)
    trainer.train()
    trainer.create_model_card()
    assert "| anchor | `A4-A4-A4-A4`, the largest child, run with averaged weights (decay 0.9) |" in card_of(trainer)
    assert "normalised states, its weight rising over the first 25% of the steps |" in card_of(trainer)


def test_distillation_is_in_the_card_and_the_settings(make_trainer):
    trainer = make_trainer(sampler="sandwich", distillation="inplace", distillation_temperature=2.0, max_steps=1)
    trainer.train()
    trainer.create_model_card()
    text = card_of(trainer)
    assert "| sampler | `sandwich` (num_random 2, largest A4-A4-A4-A4, smallest I-I-I-I) |" in text
    assert (
        "| distillation | inplace, weight 1, temperature 2, logits; dropout and weight decay of the largest path alone |"
        in text
    )
    assert "BigNAS" in text
    settings = supernet_settings(trainer.model.search_space, trainer.sampler, trainer.args)
    assert settings["distillation"] == {
        "kind": "inplace",
        "weight": 1.0,
        "temperature": 2.0,
        "targets": "logits",
        "teacher": None,
    }
    assert settings["regularized_paths"] == "largest"


def test_card_is_amended(make_trainer):
    trainer = make_trainer(sampler="fair", max_steps=2)
    path = Path(trainer.args.output_dir) / "README.md"
    path.write_text("---\nlicense: mit\ntags:\n- theirs\n---\n\n# By hand\n\nKeep this.\n")
    trainer.create_model_card(finetuned_from="google-bert/bert-base-uncased")
    trainer.train()
    trainer.create_model_card(finetuned_from="google-bert/bert-base-uncased")
    text = card_of(trainer)
    assert "Keep this." in text and "license: mit" in text and "- theirs" in text and "- supernet" in text
    assert text.count("## Search space") == 1 and text.count("# run") == 1 and text.count("## Training") == 1
    assert "starting from [google-bert/bert-base-uncased]" in text
    assert "base_model: google-bert/bert-base-uncased" in text
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")] == []


def test_a_push_keeps_what_the_card_on_the_hub_says(make_trainer, hub, monkeypatch):
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # the client of another test's Hub
    options = {"push_to_hub": True, "hub_model_id": "user/run", "hub_token": TOKEN}
    trainer = make_trainer(**MAGIC_AT, **options)
    trainer.push_to_hub()
    assert 'from_pretrained("user/run")' in hub.read("user/run", "README.md").decode()
    assert json.loads(hub.read("user/run", "supernet_settings.json")) == {
        "search_space": trainer.model.search_space.to_dict(),
        "sampler": {"name": "gradual", "seed": trainer.sampler.seed, **trainer.sampler.settings()},
        "alignment": {
            "weight": 0.5,
            "layers": "all",
            "normalized": True,
            "warmup": 0.0,
            "anchor": "best",
            "anchor_average": 0.0,
            "anchor_interval": 2,
            "anchor_eval_samples": 9,
        },
        "distillation": None,
        "regularized_paths": "all",
    }
    theirs = "---\nlanguage: en\n---\n\nBy hand.\n\n"
    hub.edit("user/run", README_md=theirs + hub.read("user/run", "README.md").decode().split("---\n")[2])
    for again in (trainer, make_trainer("another", **MAGIC_AT, **options)):
        again.push_to_hub()
        card = hub.read("user/run", "README.md").decode()
        assert "By hand." in card and "language: en" in card and card.count("## Search space") == 1
        assert "- supernet" in card
