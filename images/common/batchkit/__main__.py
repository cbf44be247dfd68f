"""What a container starts: `python3 -m batchkit run|work|reconcile`.

`run` works the one event that its environment names. `work` polls the stage's queue until SIGTERM.
`reconcile` puts on the stages' queues what was dropped on the way, and keeps the queues active.

Exit codes: 0 done (a rejected input, work in other hands and work that somebody failed at before
and that is a dead letter now included), 1 the attempt failed, 2 wrongly started, 143 stopped before
the work was finished, and given back. After any but 0 ECS's event of the task brings the work to
the stage's queue, where the next attempt is made or, after the last, the claim found to be dead.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from batchkit import environment, events, logs
from batchkit.environment import number
from batchkit.errors import BadEnvironmentError, BadEventError
from batchkit.heartbeat import Heartbeat
from batchkit.metrics import Metric, Metrics
from batchkit.place import connect as connect_place
from batchkit.place import keep_queues_active
from batchkit.reconcile import reconcile
from batchkit.stage import Context, Handler, connect, load_handler
from batchkit.task import CurrentWork, perform
from batchkit.variables import Variable
from batchkit.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

# ECS kills 120 s (stopTimeout) after SIGTERM; what is not finished by then is given back before.
GRACE_SECONDS: Final = 100.0

_log: Final = logging.getLogger("batchkit")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="batchkit", description=__doc__)
    parser.add_argument("command", choices=("run", "work", "reconcile"), help="see above")
    command = parser.parse_args(arguments).command
    stage = "reconcile" if command == "reconcile" else os.environ.get("STAGE", "unknown")
    logs.configure(stage)
    try:
        if command == "reconcile":
            return _reconcile(os.environ)
        task = environment.read(os.environ)
        handler = load_handler(task.stage)
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
    with Heartbeat():
        perform(event, context, handler, current=current)
    return 0


def _work(context: Context, handler: Handler) -> int:
    worker = Worker(context, handler, context.dead_letters.client, context.task.queue_url)
    _finish_or_give_back(worker.current, worker.stopping)
    # No heartbeat here: that it polls, and that it has work in hand, is what shows it is alive.
    worker.run()
    return 0


def _reconcile(variables: Mapping[str, str]) -> int:
    place = connect_place(variables)
    done = reconcile(
        place,
        lookback_hours=number(variables, Variable.RECONCILE_LOOKBACK_HOURS, low=0, high=1e6),
        expected_minutes=number(variables, Variable.RUN_EXPECTED_MINUTES, low=0, high=1e6),
    )
    for sent in done.sent:
        _log.warning("Put on its queue, for nobody worked it: %s", sent)
    _log.info(
        "Looked at %d inputs: %d runs are open, %d of them overdue; put %d on the queues.",
        done.inputs,
        done.open_runs,
        done.overdue_runs,
        len(done.sent),
    )
    Metrics(variables.get(Variable.ENVIRONMENT, "unknown"), "reconcile").tell(
        {
            Metric.OVERDUE_RUNS: done.overdue_runs,
            Metric.OLDEST_OPEN_RUN_SECONDS: done.oldest_open_seconds,
        }
    )
    keep_queues_active(place)
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
