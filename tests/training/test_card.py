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

from pathlib import Path

from .conftest import MAGIC_AT, logs_of


def card_of(trainer) -> str:
    return (Path(trainer.args.output_dir) / "README.md").read_text()


def test_card_says_what_is_known_and_no_more(make_trainer):
    trainer = make_trainer("my-supernet", eval_strategy="steps", eval_steps=6, **MAGIC_AT)
    trainer.create_model_card()
    assert "trained for" not in card_of(trainer) and "## Training" not in card_of(trainer)
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
    ):  # fmt: skip
        assert part in text, part
    assert "fine-tuned" not in text and "base_model" not in text and "](https://huggingface.co/)" not in text


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
