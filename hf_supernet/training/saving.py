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
"""Saving a model from a `Trainer` so that its folder holds a whole one, or none."""

from typing import Any

from ..files import filling_folder


class WholeModelsMixin:
    """
    For a [`~transformers.Trainer`]: a model's files are moved into their folder when all of them are written.

    The Trainer writes into `output_dir` itself, beside its checkpoints: a run that dies there leaves half a file, or the
    weights of one model beside the configuration of another.
    """

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # Where all processes come here (for collective operations), one of them writes.
        if not self.args.should_save:
            super()._save(output_dir, state_dict)
            return
        with filling_folder(output_dir or self.args.output_dir) as temporary:
            super()._save(str(temporary), state_dict)


__all__ = ["WholeModelsMixin"]
