"""A headless Chromium, driven through the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
# The protocol wants its pipes as descriptors 3 and 4.
_WITH_PIPES: Final = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'


@dataclass
class Browser:
    """One browser with one page."""

    process: subprocess.Popen[bytes]
    commands: int
    answers: int
    events: list[dict[str, Any]] = field(default_factory=list)
    session: str | None = None
    _buffer: bytes = b""
    _last: int = 0

    @classmethod
    def start(cls, folder: Path) -> Self:
        commands_out, commands_in = os.pipe()
        answers_out, answers_in = os.pipe()
        process = subprocess.Popen(
            [
                "bash", "-c", _WITH_PIPES, "bash", str(commands_out), str(answers_in),
                str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-extensions", "--disable-background-networking",
                "--disable-component-update", "--no-first-run", "--disable-dev-shm-usage",
                # Nothing of these tests leaves the machine, the browser's own calls included.
                "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
                f"--user-data-dir={folder / 'profile'}", "about:blank",
            ],
            pass_fds=(commands_out, answers_in), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands_out)
        os.close(answers_in)
        browser = cls(process, commands_in, answers_out)
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=target, flatten=True)
        browser.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            browser.send(f"{domain}.enable")
        return browser

    def close(self) -> None:
        self.session = None
        self.send("Browser.close")
        self.process.wait(timeout=20)
        os.close(self.commands)
        os.close(self.answers)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens meanwhile goes to `events`."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") != self._last:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            else:
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self.answers, 1 << 16)
            if not read:
                raise RuntimeError("The browser has ended.")
            self._buffer += read
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page; the page's own policy does not bind it."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, **extra)

    def look(
        self, width: int = 1280, *, dark: bool = False, script: bool = True, media: str = ""
    ) -> None:
        """Set how the next page is looked at."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.send("Emulation.setScriptExecutionDisabled", value=not script)

    def screenshot(self) -> bytes:
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        printed = self.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed["data"])

    def said(self) -> list[str]:
        """What went to the console, exceptions and refused requests included."""
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"]
            in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        ]

    def requested(self) -> list[str]:
        """What the page asked for beyond itself."""
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("data:", "file:"))]
