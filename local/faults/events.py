"""S3's events delivered twice, late and out of order."""

from __future__ import annotations

import json
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from local.events.pending import Pending
from local.faults import state
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_DISPATCH: Final = Symbol("services.eventbridge", "_dispatch_event", ("event", "view"))

SYMBOLS: Final = (_DISPATCH,)

_undisturbed: Final[ContextVar[bool]] = ContextVar("undisturbed", default=False)


def install() -> None:
    """Stand before the rules; before whatever completes events, so that copies are complete."""
    _DISPATCH.wrap(_disturbing)


def _wait(delay: float, event: dict[str, Any]) -> None:
    time.sleep(delay)
    _undisturbed.set(True)  # in this thread's own context
    _DISPATCH.get()(event, None)


late: Final = Pending(_wait, "local-faults-event")
"""What comes later than it should."""


def _disturbing(dispatch: Callable[..., None]) -> Callable[..., None]:
    def disturb(event: dict[str, Any], view: Any = None) -> None:
        active = state.current()
        if active is None or _undisturbed.get() or event.get("Source") != "aws.s3":
            dispatch(event, view)
            return
        faults, key = active.faults.events, _key(event)
        active.count("events.seen")
        if active.throw("late", key) < faults.late:
            _delay(active, "late", key, event)
        else:
            dispatch(event, view)
        if active.throw("twice", key) < faults.twice:
            _delay(active, "twice", key, event)

    return disturb


def _delay(active: state.State, kind: str, key: str, event: dict[str, Any]) -> None:
    active.count(f"events.{kind}")
    late.start(active.throw(f"{kind} by", key) * active.faults.events.delay_seconds, event)


def _key(event: dict[str, Any]) -> str:
    key: str = json.loads(event["Detail"])["object"]["key"]
    return key
