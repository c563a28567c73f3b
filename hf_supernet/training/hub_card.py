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
"""The model card of a `Trainer`'s output folder, and the one on the Hub."""

from pathlib import Path
from typing import ClassVar

from ..evaluation.glue_card import FineTuningCard
from ..hub import fetch_card


class HubCardMixin:
    """
    For a [`~transformers.Trainer`]: a push keeps what the card on the Hub says beside our own section of it.

    Attributes:
        card_section (`str`): the name of that section.
    """

    card_section: ClassVar[str]

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """As the Trainer's; what the card on the Hub says is taken over, before a push replaces it."""
        super().init_hf_repo(token, private)
        self.fetch_hub_card()

    def fetch_hub_card(self) -> None:
        """Takes the card on the Hub into that of `output_dir`; nothing is done without a repository, or off the main process."""
        if self.hub_model_id is not None and self.is_world_process_zero():
            path = Path(self.args.output_dir) / "README.md"
            fetch_card(path, self.card_section, self.hub_model_id, self.args.hub_revision, self.args.hub_token)


class OwnCardMixin(HubCardMixin):
    """
    For a [`~transformers.Trainer`]: its card is one of ours, in place of the Trainer's draft.

    Attributes:
        card (`FineTuningCard`): the card; until it is set, none is written.
    """

    card: FineTuningCard | None = None

    @property
    def card_section(self) -> str:
        return self.card.section if self.card is not None else FineTuningCard.section

    def create_model_card(self, *args, **kwargs) -> None:
        """Writes the card; where there is one, only its section and its metadata are replaced."""
        if self.card is not None and self.is_world_process_zero():
            self.fetch_hub_card()
            self.card.write(self.args.output_dir)


__all__ = ["HubCardMixin", "OwnCardMixin"]
