from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local import process
from local.ecs.slots import VARIABLE
from local.location import Directory
from local.testing import free_port, local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]


class Cli:
    def __init__(self, directory: Path, port: int) -> None:
        self.directory = Directory(directory)
        self.port = port
        self.environment = {
            **os.environ,
            "LOCAL_AWS_DIRECTORY": str(directory),
            "LOCAL_AWS_PORT": str(port),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([sys.executable, "-m", "local", *arguments], PROJECT)

    def in_shell(
        self, script: str, folder: Path = PROJECT, shell: str = "bash"
    ) -> subprocess.CompletedProcess[str]:
        return self._run([shell, "-c", script], folder)

    def _run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path, free_port())
    yield made
    process.stop(made.directory)


def test_up_twice_and_down_twice(cli: Cli) -> None:
    first = cli("up")
    assert first.returncode == 0, first.stderr
    assert f"http://127.0.0.1:{cli.port}" in first.stdout
    assert "asks run as" in first.stdout
    running = process.find(cli.directory)
    assert running is not None
    second = cli("up")
    assert second.returncode == 0
    assert "up already" in second.stdout
    assert process.find(cli.directory) == running
    elsewhere = cli("up", "--port", str(free_port()))
    assert elsewhere.returncode == 1
    assert f"on port {cli.port} already" in elsewhere.stderr
    assert "Ready" in cli("logs").stdout
    assert cli("down").stdout == "The local AWS is down.\n"
    assert process.find(cli.directory) is None
    again = cli("down")
    assert (again.returncode, again.stdout) == (0, "The local AWS was not up.\n")


def test_a_port_in_use_is_one_clear_message(cli: Cli) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", cli.port))
        other.listen()
        refused = cli("up")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"Port {cli.port} is in use by another program.")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("value", ["http", "0", "-1", "70000"])
def test_a_port_that_is_none_is_one_clear_message(cli: Cli, value: str) -> None:
    by_option = cli("up", f"--port={value}")
    cli.environment["LOCAL_AWS_PORT"] = value
    by_variable = cli("up")
    for refused, name in ((by_option, "--port"), (by_variable, "LOCAL_AWS_PORT")):
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"{name} is '{value}'; it must be a port number")
        assert len(refused.stderr.splitlines()) == 1


def test_a_setting_that_the_server_refuses_is_told_without_a_traceback(cli: Cli) -> None:
    cli.environment[VARIABLE] = "none"
    refused = cli("up")
    assert refused.returncode == 1
    assert refused.stderr.endswith(f"\n  {VARIABLE} must be a positive number, not 'none'\n")
    assert "Traceback" not in refused.stderr


def test_state_that_was_made_on_another_port_is_not_begun_with(cli: Cli) -> None:
    assert cli("up").returncode == 0
    assert cli("down").returncode == 0
    cli.environment["LOCAL_AWS_PORT"] = str(free_port())
    refused = cli("up")
    assert refused.returncode == 1
    assert f"export LOCAL_AWS_PORT={cli.port}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_start_that_fails_does_not_forget_whose_state_it_is(cli: Cli) -> None:
    assert cli("up").returncode == 0
    assert cli("down").returncode == 0
    failed = Cli(cli.directory.path, cli.port)
    failed.environment[VARIABLE] = "none"
    assert failed("up").returncode == 1
    refused = cli("up", "--port", str(free_port()))
    assert refused.returncode == 1
    assert f"export LOCAL_AWS_PORT={cli.port}" in refused.stderr


def test_what_a_killed_server_left_behind_is_no_obstacle(cli: Cli) -> None:
    assert cli("up").returncode == 0
    running = process.find(cli.directory)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while process.find(cli.directory) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert cli.directory.lock.exists()
    assert cli("up").returncode == 0


def test_env_can_be_evaluated(cli: Cli) -> None:
    script = f"{sys.executable} -m local env"
    done = cli.in_shell(f'eval "$({script})"; echo "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID"')
    assert done.stdout.split() == [f"http://127.0.0.1:{cli.port}", "123456789012"], done.stderr


def test_a_proxy_is_asked_for_other_hosts_only(cli: Cli) -> None:
    proxy = {"http_proxy": f"http://127.0.0.1:{free_port()}", "no_proxy": "intranet.example"}
    cli.environment |= proxy
    del cli.environment["NO_PROXY"]
    started = cli("up")
    assert started.returncode == 0, started.stderr
    asks = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    script = (
        f'eval "$({sys.executable} -m local env)"; {sys.executable} -c "{asks}"; echo $no_proxy'
    )
    done = cli.in_shell(script)
    expected = ["123456789012", "intranet.example,127.0.0.1,localhost"]
    assert done.stdout.split() == expected, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_activate_can_be_sourced_from_anywhere(cli: Cli, tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if not (PROJECT / ".venv").exists():
        pytest.skip("the project has no .venv")
    script = f'set -e; source {PROJECT}/local/activate; echo "at $AWS_ENDPOINT_URL"'
    done = cli.in_shell(script, tmp_path, shell)
    assert done.returncode == 0, done.stderr
    assert f"at http://127.0.0.1:{cli.port}" in done.stdout


def test_a_shell_whose_local_aws_did_not_start_has_no_sceptre_to_speak_to_another(
    cli: Cli, tmp_path: Path
) -> None:
    if not (PROJECT / ".venv").exists():
        pytest.skip("the project has no .venv")
    cli.environment["LOCAL_AWS_PORT"] = "none"
    # Whoever runs the tests may have activated the virtual environment.
    cli.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    done = cli.in_shell(f"source {PROJECT}/local/activate; echo $?; type sceptre", tmp_path)
    assert done.stdout == "1\n"
    assert "LOCAL_AWS_PORT" in done.stderr


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with local_aws(tmp_path, use_engine=False) as aws:
        tables = [
            table for table in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if table.exists()
        ]
        if not tables:
            pytest.skip("this machine has no /proc/net/tcp")
        port = f"{aws.running.port:04X}"
        listening = [
            fields[1]
            for table in tables
            for line in table.read_text().splitlines()[1:]
            if (fields := line.split())[1].endswith(f":{port}") and fields[3] == "0A"
        ]
        assert listening == [f"0100007F:{port}"]


def test_a_server_for_tests_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\n"
        "from local.testing import local_aws\n"
        "with local_aws(pathlib.Path(sys.argv[1]), use_engine=False):\n"
        "    print('up', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    assert process.find(Directory(tmp_path)) is not None
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 15
    while process.find(Directory(tmp_path)) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
