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
"""A real browser for tests: headless Chromium, driven over the WebDriver protocol that its `chromedriver` speaks."""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from .required import lacks


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the driver is on this machine
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """
    A session with a browser that has no profile yet; ends with the context. Where there is no browser, the test is skipped (see `required.py`).

    Args:
        profile (`Path`):
            An empty folder for its files.
    """

    def __init__(self, profile: Path):
        driver = shutil.which("chromedriver")
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if driver is None or browser is None:
            lacks(
                "browser", "no browser here: install chromium and chromium-driver (Debian), or Chrome and chromedriver"
            )
        self._driver, self._browser, self._profile = driver, browser, profile

    def __enter__(self) -> "Browser":
        environment = os.environ | {"HOME": str(self._profile)}
        self._process = subprocess.Popen(
            [self._driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        try:
            port = next(
                match[1] for line in self._process.stdout if (match := re.search(r"successfully on port (\d+)", line))
            )
            self._url = f"http://127.0.0.1:{port}/session"
            options = {"binary": self._browser, "args": [*OPTIONS, f"--user-data-dir={self._profile / 'profile'}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            answer = self._post("", {"capabilities": {"alwaysMatch": wanted}})
            self._url += f"/{answer['sessionId']}"
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        try:
            _OPENER.open(urllib.request.Request(self._url, method="DELETE"), timeout=20).close()
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def open(self, page: Path) -> None:
        """Opens a file, and waits until it is loaded; from here on, requests and messages are its own."""
        self._post("/url", {"url": "about:blank"})
        self.requests()
        self.console()
        self._post("/url", {"url": page.resolve().as_uri()})

    def show(self, width: int, height: int, scheme: str) -> None:
        """Sets the size of the window and the colour scheme (`"light"` or `"dark"`)."""
        self._command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it comes to."""
        return self._post("/execute/sync", {"script": f"return {script}", "args": []})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._command("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def console(self) -> list[str]:
        """What was written to the console since the last call."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self._post("/se/log", {"type": "performance"})]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def _command(self, command: str, **parameters: Any) -> Any:
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            self._url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with _OPENER.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
