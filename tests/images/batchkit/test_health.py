from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from batchkit import health

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_task_is_healthy_while_its_heartbeat_is_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert health.main() == 1
    assert "no heartbeat" in capsys.readouterr().err
    health.heartbeat_file().touch()
    assert health.main() == 0
    past = time.time() - health.MAX_AGE_SECONDS - 5
    os.utime(health.heartbeat_file(), (past, past))
    assert health.main() == 1
    assert "65 s old" in capsys.readouterr().err
