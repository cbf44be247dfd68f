"""S3's events delivered twice, late and out of order."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from local.faults import state
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_DISPATCH: Final = Symbol("services.eventbridge", "_dispatch_event", ("event", "view"))

SYMBOLS: Final = (_DISPATCH,)


def install() -> None:
    """Stand before the rules; before whatever completes events, so that copies are complete."""
    _DISPATCH.wrap(_disturbing)


def _disturbing(dispatch: Callable[..., None]) -> Callable[..., None]:
    from ministack.core.concurrency import spawn_background

    def disturb(event: dict[str, Any], view: Any = None) -> None:
        active = state.current()
        if active is None or event.get("Source") != "aws.s3":
            dispatch(event, view)
            return
        faults, key = active.faults.events, _key(event)
        active.count("events.seen")

        def later(kind: str) -> None:
            active.count(f"events.{kind}")
            delay = active.throw(f"{kind} by", key) * faults.delay_seconds
            spawn_background(_wait, delay, dispatch, event, thread_name="local-faults-event")

        if active.throw("late", key) < faults.late:
            later("late")
        else:
            dispatch(event, view)
        if active.throw("twice", key) < faults.twice:
            later("twice")

    return disturb


def _key(event: dict[str, Any]) -> str:
    key: str = json.loads(event["Detail"])["object"]["key"]
    return key


def _wait(delay: float, dispatch: Callable[..., None], event: dict[str, Any]) -> None:
    time.sleep(delay)
    dispatch(event, None)
