"""The heartbeat of a task: a thread that shows it is alive and keeps what it holds."""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, Self

from batchkit.errors import LostClaimError
from batchkit.health import heartbeat_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

INTERVAL_SECONDS: Final = 15.0
"""A quarter of a lease, so that three beats may fail before it is lost."""

_log: Final = logging.getLogger(__name__)


class Heartbeat:
    """While entered, touches the heartbeat file and calls `beats` every interval.

    A beat that fails is logged and tried again at the next interval: what it keeps (a lease, a
    message's invisibility) outlasts several. A lost claim is not tried again.
    """

    def __init__(
        self, *beats: Callable[[], None], interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._beats = list(beats)
        self._interval = interval_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            # With this thread's context, so that its log lines carry the run too.
            target=copy_context().run,
            args=(self._run,),
            name="heartbeat",
            daemon=True,
        )

    def __enter__(self) -> Self:
        heartbeat_file().touch()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            heartbeat_file().touch()
            for beat in list(self._beats):
                try:
                    beat()
                except LostClaimError as error:
                    self._beats.remove(beat)
                    _log.warning("The work goes on, but will not be completed: %s", error)
                except Exception:  # noqa: BLE001 - one missed beat must not end the others
                    _log.warning("A heartbeat failed; the next one tries again.", exc_info=True)
