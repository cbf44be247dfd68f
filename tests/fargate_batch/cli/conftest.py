from __future__ import annotations

import pytest

from fargate_batch.cli import following


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.02)
    monkeypatch.setenv("COLUMNS", "80")
