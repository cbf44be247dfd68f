"""Containers that are local processes, behind the surface of Docker's SDK that MiniStack uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.runner import usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.runner.commands import Command

_POLL_SECONDS: Final = 0.05
_PID_FILE: Final = "pid"
_OUT_OF_MEMORY: Final = 128 + signal.SIGKILL


def end_left_over(directory: Path) -> None:
    """Kill the processes of a container whose server is gone.

    Args:
        directory: the container's own. Its path in the leader's environment or command tells that
            the process is still that container's; where there is no /proc nothing is killed.
    """
    try:
        pid = int((directory / _PID_FILE).read_text())
        known = b"".join(
            Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")
        )
    except (OSError, ValueError):
        return  # it has ended, or never began
    if bytes(directory) in known:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


class ProcessContainer:
    """One running command.

    Everything that it writes stays in its own directory, which `remove` deletes.
    """

    def __init__(self, command: Command, directory: Path, arguments: dict[str, Any]) -> None:
        self.id = secrets.token_hex(32)
        self.labels: dict[str, str] = arguments.get("labels") or {}
        self.status = "running"
        self.exit_code: int | None = None
        self.out_of_memory = False
        self.health = "starting" if arguments.get("healthcheck") else "none"
        self._command = command
        self._directory = directory
        self._log = directory / "log"
        self._finished = threading.Event()
        self._signals = threading.Lock()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command.argv,
                env=command.environment,
                cwd=command.working_directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (directory / _PID_FILE).write_text(str(self.pid))
        limit = usage.in_bytes(arguments.get("mem_limit"))
        threading.Thread(target=self._wait_for_exit, daemon=True).start()
        if limit:
            threading.Thread(target=self._watch_memory, args=(limit,), daemon=True).start()
        if arguments.get("healthcheck"):
            check = arguments["healthcheck"]
            threading.Thread(target=self._watch_health, args=(check,), daemon=True).start()

    @property
    def name(self) -> str:
        """A short name for log lines."""
        return self.id[:12]

    @property
    def pid(self) -> int:
        """The process group, which is the session's leader too."""
        return self._process.pid

    @property
    def attrs(self) -> dict[str, Any]:
        """What `docker inspect` would say, as far as anybody asks."""
        state: dict[str, Any] = {"Status": self.status, "OOMKilled": self.out_of_memory}
        if self.health != "none":
            state["Health"] = {"Status": self.health}
        return {
            "State": state,
            "NetworkSettings": {"Networks": {"local": {"IPAddress": "127.0.0.1"}}},
        }

    def reload(self) -> None:
        """Nothing is cached here."""

    def wait(self, **_options: Any) -> dict[str, int]:
        """Block until it has ended and return its exit code."""
        self._finished.wait()
        return {"StatusCode": self.exit_code if self.exit_code is not None else -1}

    def stop(self, timeout: int = 10) -> None:
        """SIGTERM, and SIGKILL to all that is left after `timeout` seconds."""
        # Only the first process, as Docker does; it decides what its children get.
        self._send(os.kill, signal.SIGTERM)
        if not self._finished.wait(timeout):
            self.kill()
            self._finished.wait()

    def kill(self) -> None:
        """SIGKILL to the whole process group, unless it has ended."""
        self._send(os.killpg, signal.SIGKILL)

    def remove(self, **_options: Any) -> None:
        """Kill what is left of it and delete its directory."""
        import shutil

        self.kill()
        self._finished.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def logs(
        self, *, stream: bool = False, tail: int | None = None, **_options: Any
    ) -> Iterator[bytes] | bytes:
        """Its output: all of it, its last lines, or line by line as it comes."""
        if stream:
            return self._follow()
        content = self._log.read_bytes()
        return content if tail is None else b"".join(content.splitlines(keepends=True)[-tail:])

    def _follow(self) -> Iterator[bytes]:
        with self._log.open("rb") as log:
            line = b""
            while True:
                ended = self._finished.is_set()
                chunk = log.readline()
                line += chunk
                if line.endswith(b"\n") or (ended and not chunk and line):
                    yield line
                    line = b""
                elif ended and not chunk:
                    return
                elif not chunk:
                    time.sleep(_POLL_SECONDS)

    def _send(self, send: Callable[[int, int], None], number: signal.Signals) -> None:
        # The number of what has ended may be a stranger's. macOS denies permission to signal a
        # group that consists of an ended process.
        with self._signals, contextlib.suppress(ProcessLookupError, PermissionError):
            if not self._finished.is_set():
                send(self.pid, number)

    def _wait_for_exit(self) -> None:
        if hasattr(os, "waitid"):
            # Until it is reaped nobody else gets its number.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            self._process.wait()
        # The kernel ends a container's other processes with its first; nobody ends a process's.
        self.kill()
        with self._signals:
            code = self._process.wait()
            if self.out_of_memory:
                self.exit_code = _OUT_OF_MEMORY
            else:
                self.exit_code = 128 - code if code < 0 else code
            self.status = "exited"
            self._finished.set()

    def _watch_memory(self, limit: int) -> None:
        while not self._finished.wait(usage.INTERVAL_SECONDS):
            if usage.memory_bytes(self.pid) > limit:
                self.out_of_memory = True
                self.kill()

    def _watch_health(self, check: dict[str, Any]) -> None:
        second = 1_000_000_000
        started, failures = time.monotonic(), 0
        while not self._finished.wait(check["interval"] / second):
            if self._is_healthy(check["test"], check["timeout"] / second):
                self.health, failures = "healthy", 0
            elif time.monotonic() - started > check["start_period"] / second:
                failures += 1
                if failures >= check["retries"]:
                    self.health = "unhealthy"

    def _is_healthy(self, test: list[str], timeout: float) -> bool:
        kind, *words = test
        argv = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        try:
            done = subprocess.run(
                self._command.beside(argv),
                env=self._command.environment,
                cwd=self._command.working_directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError):
            return False
        return done.returncode == 0
