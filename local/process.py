"""Starting the server in the background, finding it and stopping it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from local.location import (
    DEFAULT_PORT,
    DEFAULT_REGION,
    HIGHEST_PORT,
    Directory,
    Running,
    endpoint,
)

_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 30
_KILL_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.05
_LOG_LINES: Final = 15


class LocalAwsError(Exception):
    """It cannot be started or stopped; the message says why and what to do."""


def find(directory: Directory) -> Running | None:
    """Return the server that runs in a directory.

    The server locks its file, and the kernel releases the lock however it ends; so a file that is
    not locked is a left-over.
    """
    try:
        with directory.lock.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read()
                return Running.from_json(text) if text else None
    except FileNotFoundError:
        return None
    return None


def start(  # noqa: PLR0913 - all but two are options, by name
    directory: Directory,
    port: int,
    *,
    persist: bool,
    region: str = DEFAULT_REGION,
    use_engine: bool = True,
    with_parent: bool = False,
) -> Running:
    """Start a server in the background and wait until it answers.

    Args:
        directory: where it keeps its files.
        port: where it listens.
        persist: whether it begins with the state of the last one, and saves its own.
        region: of requests that name none.
        use_engine: whether tasks may run as containers where an engine answers.
        with_parent: whether it ends when this process does.

    Raises:
        LocalAwsError: the port cannot be had, the kept state is another port's, or the server ends
            before it answers.
    """
    _require_free(port)
    if persist:
        _refuse_state_of_another_port(directory, port)
    directory.path.mkdir(parents=True, exist_ok=True)
    if not persist:
        shutil.rmtree(directory.state, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "local.server"),
        *("--port", str(port)),
        *("--directory", str(directory.path)),
        *("--region", region),
    ]
    command += ["--persist"] if persist else []
    command += [] if use_engine else ["--no-engine"]
    command += ["--with-parent"] if with_parent else []
    with directory.log.open("wb") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=directory.path,
            env=_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LocalAwsError(f"The local AWS ended while starting:\n{_tail(directory)}")
        running = find(directory)
        if running is not None and _answers(port):
            return running
        time.sleep(_POLL_SECONDS)
    server.terminate()
    server.wait()
    raise LocalAwsError(
        f"The local AWS did not answer within {_START_SECONDS} s:\n{_tail(directory)}"
    )


def stop(directory: Directory) -> bool:
    """Stop the server and wait until it has; False when none runs.

    Raises:
        LocalAwsError: it did not end by itself and was killed, so its state is that of its start;
            or it cannot be killed.
    """
    running = find(directory)
    if running is None:
        return False
    _signal(running, signal.SIGTERM)
    if _ends_within(directory, _STOP_SECONDS):
        return True
    _signal(running, signal.SIGKILL)
    if _ends_within(directory, _KILL_SECONDS):
        raise LocalAwsError(
            f"The local AWS (process {running.pid}) did not end within {_STOP_SECONDS} s and was "
            f"killed; what changed since its start is lost. {directory.log} says what it did."
        )
    raise LocalAwsError(f"The local AWS (process {running.pid}) cannot be killed.")


def _refuse_state_of_another_port(directory: Directory, port: int) -> None:
    """Kept repositories and images are named after the port that they were made on.

    Raises:
        LocalAwsError: the kept state is that of a server on another port.
    """
    if not directory.kept_port.exists():
        return
    last = int(directory.kept_port.read_text())
    if last != port:
        raise LocalAwsError(
            f"What {directory.path} keeps was made on port {last}, and its images are named after "
            f"that. Go on there: export LOCAL_AWS_PORT={last}. Or forget it: rm -r {directory.path}"
        )


def _signal(running: Running, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, number)


def _ends_within(directory: Directory, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while find(directory) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _environment() -> dict[str, str]:
    project = str(Path(__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        # The server runs in its own directory, from where this package may not be found.
        "PYTHONPATH": os.pathsep.join([project, inherited] if inherited else [project]),
    }


def _require_free(port: int) -> None:
    """Make sure that the server can listen there.

    Raises:
        LocalAwsError: another program does, or this user may not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise LocalAwsError(
                f"This user may not listen on port {port}. Choose another port, above 1023: "
                f"export LOCAL_AWS_PORT={DEFAULT_PORT}"
            ) from error
        except OSError as error:
            another = port + 1 if port < HIGHEST_PORT else port - 1
            raise LocalAwsError(
                f"Port {port} is in use by another program. Stop that, or choose another port: "
                f"export LOCAL_AWS_PORT={another}"
            ) from error


def _answers(port: int) -> bool:
    try:
        url = f"{endpoint(port)}/_ministack/health"
        # No proxy knows this machine's own ports.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tail(directory: Directory) -> str:
    lines = directory.log.read_text(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])
