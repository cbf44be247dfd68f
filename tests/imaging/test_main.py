from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from fargate_batch.environment import Environment
from fargate_batch.errors import UserError
from imaging import __main__ as command
from imaging import pushing

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


def test_what_aws_refuses_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        answer = {"Error": {"Code": "ExpiredTokenException", "Message": "too old"}}
        raise ClientError(answer, "BatchGetImage")  # type: ignore[arg-type]  # as AWS answers

    launched = create_autospec(Environment, instance=True, settings=Mock(stages=[]))
    monkeypatch.setattr(command, "find_environment", lambda *_: launched)
    monkeypatch.setattr(pushing, "push_changed", refused)
    result = CliRunner().invoke(command.push, ["dev"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("dev: the images cannot be pushed. AWS refuses the cr")
