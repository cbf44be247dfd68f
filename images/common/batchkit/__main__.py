"""What a container starts: `python3 -m batchkit run|work`.

`run` works the one event that its environment names. `work` polls the stage's queue until SIGTERM.
Exit codes: 0 done (a rejected input included), 1 failed, 2 wrongly started, 143 stopped before the
work was finished and given back.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from typing import Final

from batchkit import environment, events, logs
from batchkit.errors import BadEnvironmentError, BadEventError
from batchkit.heartbeat import Heartbeat
from batchkit.stage import Context, Handler, connect, load_handler
from batchkit.task import CurrentWork, perform
from batchkit.worker import Worker

# ECS kills 120 s (stopTimeout) after SIGTERM; what is not finished by then is given back before.
GRACE_SECONDS: Final = 100.0

_log: Final = logging.getLogger("batchkit")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="batchkit", description=__doc__)
    parser.add_argument(
        "command", choices=("run", "work"), help="one event, or the queue's messages"
    )
    command = parser.parse_args(arguments).command
    logs.configure(os.environ.get("STAGE", "unknown"))
    try:
        task = environment.read(os.environ)
        handler = load_handler(task.stage)
        with Heartbeat():
            context = connect(task)
            return _run(context, handler) if command == "run" else _work(context, handler)
    except (BadEnvironmentError, BadEventError) as error:
        _log.error("%s", error)
        return 2
    except Exception as error:  # noqa: BLE001 - the last word must be a clear line, and is
        _log.exception("Failed: %s: %s", type(error).__name__, error)
        return 1


def _run(context: Context, handler: Handler) -> int:
    event = events.from_environment(context.task.options)
    current = CurrentWork()
    _finish_or_give_back(current, threading.Event())
    perform(event, context, handler, current=current)
    return 0


def _work(context: Context, handler: Handler) -> int:
    if context.task.queue_url is None:
        raise BadEnvironmentError("QUEUE_URL is not set; `work` polls that queue.")
    worker = Worker(context, handler, context.session.client("sqs"), context.task.queue_url)
    _finish_or_give_back(worker.current, worker.stopping)
    worker.run()
    return 0


def _finish_or_give_back(current: CurrentWork, stopping: threading.Event) -> None:
    """On SIGTERM take nothing new, and give the work back when it is not finished in time."""

    def give_back() -> None:
        _log.error("Not finished in time; the work is given back.")
        try:
            current.give_back("stopped before it was finished")
        finally:
            # The handler's thread cannot be stopped from here, and ECS is about to kill it anyway.
            os._exit(128 + signal.SIGTERM)

    def on_signal(_number: int, _frame: object) -> None:
        stopping.set()
        timer = threading.Timer(GRACE_SECONDS, give_back)
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, on_signal)


if __name__ == "__main__":
    sys.exit(main())
