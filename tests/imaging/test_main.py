from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def imaging(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "imaging", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["lock", "pin-base", "push"])
def test_each_command_says_what_it_does(command: str) -> None:
    shown = imaging(command, "--help")
    assert shown.returncode == 0
    assert f"python -m imaging {command}" in shown.stdout


def test_a_user_s_error_is_one_message_and_a_failure() -> None:
    refused = imaging("push", "nowhere")
    assert refused.returncode == 1
    assert refused.stderr.startswith("There is no environment 'nowhere' in config/")
    assert "Traceback" not in refused.stderr
