from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from local import server
from local.location import Directory
from local.testing import local_aws
from tests.local.small_platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_tasks_end_with_a_server_that_cannot_save(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    with local_aws(tmp_path, persist=True, use_engine=False) as aws:
        made = Platform(aws)
        arn = made.run()
        assert eventually(lambda: made.status(arn) == "RUNNING")
        (pid_file,) = aws.directory.tasks.glob("*/pid")
        pid = int(pid_file.read_text())
        # Where a folder is, no file can be written.
        aws.directory.kept_port.mkdir()
    assert "IsADirectoryError" in aws.directory.log.read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
