"""What happens by itself: services are kept whole, metrics published, alarms evaluated."""

from __future__ import annotations

import logging
import threading
from typing import Final

from local import gauges
from local.autoscaling import api, scaler
from local.ecs import scheduler
from local.symbols import Symbol

_ALARMS: Final = Symbol("services.cloudwatch", "_alarms")
_TASKS: Final = Symbol("services.ecs", "_tasks")
_EVALUATE_ALL: Final = Symbol("services.cloudwatch", "_evaluate_all_alarms", ())

SYMBOLS: Final = (_ALARMS, _TASKS, _EVALUATE_ALL)

TICK_SECONDS: Final = 2.0

_log = logging.getLogger("local.clock")


class Clock:
    """Ticks in a thread of its own until it is stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local-clock", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Let the tick in hand end, and tick no more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            try:
                tick()
            except Exception:  # noqa: BLE001 - logged with its traceback
                # The next tick may succeed, and a clock that stands would be noticed late.
                _log.exception("A tick failed")


def tick() -> None:
    """One round, in every account and region that has alarms, tasks or scalable targets."""
    from ministack.core.responses import request_scope

    scopes = {
        (account, region)
        for store in (_ALARMS.get(), _TASKS.get(), api.targets)
        for (account, region, _), _ in store.all_items()
    }
    for account, region in scopes:
        with request_scope(account, region):
            scheduler.tick()
            gauges.publish()
            _EVALUATE_ALL.get()()
            scaler.scale()
