from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from local.runner.commands import Command
from local.runner.processes import ProcessContainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Callable[[str], ProcessContainer]:
    def container(script: str) -> ProcessContainer:
        environment = {"PATH": os.environ["PATH"]}
        command = Command(["/bin/sh", "-c", script], environment, tmp_path, list)
        return ProcessContainer(command, tmp_path, {})

    return container


def test_a_process_that_has_its_number_after_it_is_left_alone(
    start: Callable[[str], ProcessContainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = start("exit 3")
    assert ended.wait() == {"StatusCode": 3}
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        try:
            monkeypatch.setattr(ProcessContainer, "pid", stranger.pid)
            ended.stop()
            ended.kill()
            ended.remove()
            with pytest.raises(subprocess.TimeoutExpired):
                stranger.wait(0.2)
        finally:
            stranger.kill()


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="macOS before Python 3.13 has no waitid(2)")
def test_what_the_first_process_leaves_behind_ends_while_the_number_is_still_its_own(
    start: Callable[[str], ProcessContainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    killpg = os.killpg

    def watched(group: int, number: int) -> None:
        try:
            os.waitid(os.P_PID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            held.append(True)
        except ChildProcessError:
            held.append(False)
        killpg(group, number)

    monkeypatch.setattr(os, "killpg", watched)
    start("sleep 60 &").wait()
    assert held == [True]
