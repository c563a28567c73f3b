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
"""
One self-contained HTML page of a run: `python -m hf_supernet.report DIR`, or [`write_report`].

`records.py` finds and reads what the run left behind, `sections.py` says what of it is shown, `page.py` renders it.
"""

from .page import render_report, write_report
from .records import find_records


__all__ = ["find_records", "render_report", "write_report"]
