"""The server process: MiniStack, extended, on loopback."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final

from local.location import ACCOUNT_ID, DEFAULT_REGION, Directory, Running, SettingError

_KEEP_ALIVE_SECONDS: Final = 75
_PARENT_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 15.0
_SETTLE_POLL_SECONDS: Final = 0.1
_LOCK_SECONDS: Final = 1.0
_LOCK_POLL_SECONDS: Final = 0.02

_log = logging.getLogger("local")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--region", default=DEFAULT_REGION)
    parser.add_argument("--persist", action="store_true")
    parser.add_argument("--no-engine", action="store_true")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent does")
    options = parser.parse_args(arguments)
    if options.with_parent:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    directory = Directory(options.directory.resolve())
    directory.path.mkdir(parents=True, exist_ok=True)
    lock = _lock(directory)
    if lock is None:
        sys.stderr.write(f"A local AWS runs in {directory.path} already.\n")
        return 1
    _configure(directory, options.port, options.region, persist=options.persist)
    try:
        serve(
            directory,
            options.port,
            lock,
            use_engine=not options.no_engine,
            persist=options.persist,
        )
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _end_with(parent: int) -> None:
    """A test run that was killed must not leave its server behind."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _lock(directory: Directory) -> IO[str] | None:
    """Hold the directory for as long as this process lives; None when another holds it."""
    lock = directory.lock.open("a+")
    deadline = time.monotonic() + _LOCK_SECONDS
    while not _is_locked(lock):
        # Whoever looks for a server holds the file too, but for a moment only.
        if time.monotonic() > deadline:
            lock.close()
            return None
        time.sleep(_LOCK_POLL_SECONDS)
    lock.truncate(0)
    return lock


def _is_locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _configure(directory: Directory, port: int, region: str, *, persist: bool) -> None:
    """MiniStack reads its settings from the environment when it is imported."""
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": region,
            # Policies are enforced: what a task's role may not do fails here as it would on AWS.
            "AUTH": "true",
            "PERSIST_STATE": "1" if persist else "0",
            "STATE_DIR": str(directory.state),
            # Objects are saved by local.persistence, with all their versions.
            "S3_PERSIST": "0",
            # Services that nobody here uses, and that cost most of the start.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
    )
    # The credentials of whoever started it are no business of the server's.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        os.environ.pop(name, None)


def serve(
    directory: Directory, port: int, lock: IO[str], *, use_engine: bool, persist: bool
) -> None:
    """Serve on 127.0.0.1, and on the engine's bridge when containers have to reach it."""
    # After _configure, since importing them imports MiniStack.
    from ministack.app import app

    from local import extensions, gateway, persistence
    from local.clock import Clock
    from local.faults import calls
    from local.runner import client, engine

    # Whatever fails, all that was started is ended, in reverse order.
    with contextlib.ExitStack() as at_end:
        found = engine.find(directory.path) if use_engine else None
        if found:
            at_end.callback(found.close)
        # MiniStack looks for containers to clean up where this says.
        os.environ["DOCKER_HOST"] = (
            found.url if found else f"unix://{directory.path}/no-engine.sock"
        )
        client.clear(directory.tasks)
        runner = client.Runner(found, directory, port)
        at_end.callback(runner.close)
        extensions.install(runner, directory, port)
        if persist:
            persistence.install()
            persistence.load(directory)
        addresses = ["127.0.0.1"] + ([found.bind] if found and found.bind else [])
        lock.write(Running(os.getpid(), port, runner.description).to_json())
        lock.flush()
        _log.info("%s", runner.description)
        if persist:
            at_end.callback(persistence.save, directory, port)
        clock = Clock()
        clock.start()
        at_end.callback(clock.stop)
        served = gateway.over(calls.over(app))
        asyncio.run(_serve(served, [f"{address}:{port}" for address in addresses]))


async def _serve(app: object, bind: list[str]) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from local.ecs import restarts

    config = Config()
    config.bind = bind
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def stopped() -> None:
        await stop.wait()
        await _let_stacks_settle()
        restarts.freeze()

    await hypercorn_serve(app, config, shutdown_trigger=stopped)  # type: ignore[arg-type]


async def _let_stacks_settle() -> None:
    """Let what is being made or deleted be so; it may need the API for that."""
    from local.cloudformation import interruption

    deadline = time.monotonic() + _SETTLE_SECONDS
    # MiniStack tells nobody when they end.
    while interruption.in_progress() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_SETTLE_POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
