from __future__ import annotations

import fcntl
import threading
from typing import TYPE_CHECKING

from local import server
from local.location import Directory

if TYPE_CHECKING:
    from pathlib import Path


def test_whoever_looks_for_a_server_keeps_none_from_starting(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    with directory.lock.open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        lock = server._lock(directory)
    assert lock is not None
    lock.close()


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    lock = server._lock(directory)
    assert lock is not None
    assert server._lock(directory) is None
    lock.close()
