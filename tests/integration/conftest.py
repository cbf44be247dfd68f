"""A launched environment: the one that --environment names, or dev on a local AWS of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fargate_batch.environment import Environment, find_environment
from local.testing import local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def launched(request: pytest.FixtureRequest) -> Iterator[Environment]:
    chosen = request.config.getoption("--environment")
    if chosen:
        yield find_environment(PROJECT, chosen)
        return
    with local_aws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        launch("dev")
        yield find_environment(PROJECT, "dev")


def launch(environment: str) -> None:
    """Launch as a user would.

    Raises:
        AssertionError: the command exits with anything but 0; the message is what it printed.
    """
    done = subprocess.run(
        [Path(sys.executable).with_name("sceptre"), "launch", environment, "--yes"],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
