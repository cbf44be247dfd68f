"""The report in a real headless browser: nothing to complain about, nothing fetched."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from report_generation import page

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@dataclass(frozen=True)
class Shown:
    """What a browser made of a page."""

    document: str
    console: list[str]
    requested: list[str]
    """What the page asked for beyond itself; the browser's own requests are not in it."""


def opened(path: Path, folder: Path) -> Shown:
    net_log = folder / "net.json"
    browser = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            # Nothing of this test leaves the machine, the browser's own calls home included.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr", f"--log-net-log={net_log}", "--dump-dom",
            f"--user-data-dir={folder / 'profile'}", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    events = [event.get("params", {}) for event in json.loads(net_log.read_text())["events"]]
    return Shown(
        document=browser.stdout,
        console=[line for line in browser.stderr.splitlines() if "CONSOLE" in line],
        # A page from the disk has the origin "null", and the browser itself has none.
        requested=[event["url"] for event in events if event.get("initiator") == "null"],
    )


def test_the_report_is_drawn_without_an_error_or_a_request(
    summary: dict[str, Any], sensitivities: pl.DataFrame, tmp_path: Path
) -> None:
    pnl = [float(number % 97 - 48) * 1e4 for number in range(300)]
    path = tmp_path / "report.html"
    path.write_bytes(page.render(summary, pnl, sensitivities))
    shown = opened(path, tmp_path)
    assert shown.console == []
    assert shown.requested == []
    assert shown.document.count("<rect") > 40


def test_this_test_would_notice(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        '<link rel="icon" href="data:,"><img src="http://127.0.0.1:9/pixel.png">'
        "<script>console.error('oh no')</script>"
    )
    shown = opened(path, tmp_path)
    assert "oh no" in shown.console[0]
    assert shown.requested == ["http://127.0.0.1:9/pixel.png"]
