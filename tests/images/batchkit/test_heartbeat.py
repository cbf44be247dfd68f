from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from batchkit.errors import LostClaimError
from batchkit.health import heartbeat_file
from batchkit.heartbeat import Heartbeat

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_beats_on_though_one_beat_fails_and_lets_a_lost_claim_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    failing, lost, good = [], [], threading.Semaphore(0)

    def fails() -> None:
        failing.append(1)
        raise ConnectionError

    def loses() -> None:
        lost.append(1)
        raise LostClaimError("taken")

    with Heartbeat(fails, loses, good.release, interval_seconds=0.01):
        assert heartbeat_file().exists()
        assert all(good.acquire(timeout=5) for _ in range(3))
    assert len(failing) >= 3
    assert len(lost) == 1
