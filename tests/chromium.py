"""A headless Chromium that is spoken to over a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Page:
    """One page in Chromium, by its DevTools protocol: JSON with a zero byte behind each message.

    Attributes:
        said: Errors and warnings of the page's console, exceptions, and refusals of its policy.
        asked: Addresses that it has asked for since it was opened.
    """

    def __init__(self, program: str, folder: str) -> None:
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        options += ["--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb"]
        # Chromium reads commands from 3 and writes answers to 4: the shell makes them of our two pipes.
        connected = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'
        self._process = subprocess.Popen(
            ["sh", "-c", connected, program, *options, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._write, self._read = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._rest, self._number, self._session = b"", 0, ""
        self.said: list[str] = []
        self.asked: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(1280, 900)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self, patience: float = 60.0) -> dict[str, Any]:
        until = time.monotonic() + patience
        while b"\0" not in self._rest:
            ready = select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]
            part = os.read(self._read, 1 << 20) if ready else b""
            assert part, "Chromium does not answer"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        answer = json.loads(line)
        of = answer.get("params", {})
        if answer.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(of["exceptionDetails"]))
        elif answer.get("method") == "Runtime.consoleAPICalled" and of["type"] in (
            "error",
            "warning",
            "assert",
        ):
            self.said.append(json.dumps(of["args"]))
        elif answer.get("method") == "Log.entryAdded":
            self.said.append(of["entry"]["text"])
        elif answer.get("method") == "Network.requestWillBeSent":
            self.asked.append(of["request"]["url"])
        return answer

    def open(self, path: Path) -> None:
        """Load a file and wait until it stands."""
        self.visit(path.resolve().as_uri())

    def visit(self, address: str) -> None:
        """Load a page and wait until it stands."""
        self.said.clear()
        self.asked.clear()
        self.call("Page.navigate", url=address)
        self.until(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def until(self, code: str, patience: float = 60.0) -> None:
        """Wait until an expression holds in the page."""
        end = time.monotonic() + patience
        while not self.run(code):
            assert time.monotonic() < end, code
            time.sleep(0.02)

    def run(self, code: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until events that the browser has queued are dealt with."""
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")

    def text(self, selector: str) -> str:
        """What an element says."""
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def choose(self, selector: str, value: str) -> None:
        """A value of a select, as by hand."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.run(
            f"{place}.value = {json.dumps(value)}; {place}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )

    def focus(self, selector: str) -> None:
        """Where keys go."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")

    def press(self, *keys: str) -> None:
        """Real key strokes: names of keys, or single letters."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38}
        codes |= {"ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34}
        for key in keys:
            if len(key) == 1:
                self.call("Input.dispatchKeyEvent", type="char", key=key, text=key)
                continue
            named = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            typed = {"text": "\r"} if key == "Enter" else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Letter by letter, over what is marked."""
        self.run("document.activeElement.select()")
        self.press(*text)

    def size(self, width: int, height: int) -> None:
        """Of the window, in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, **features: str) -> None:
        """What the system prefers: `prefers_color_scheme="dark"`."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=given)
        self.settle()

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """PNG of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        """As it would be printed."""
        answer = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser that was started here."""
        try:
            self._session = ""
            self.call("Browser.close")
        except (AssertionError, OSError):
            self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    """A page in headless Chromium; without one the tests are skipped."""
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Page(program, folder)
        yield page
        page.close()
