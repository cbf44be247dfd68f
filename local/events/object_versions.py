"""The version of the object in S3's events: it names the one upload that an event is about.

MiniStack knows the version when it announces an object and leaves it out of the event.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRE: Final = Symbol(
    "services.s3",
    "_fire_s3_event",
    (
        "bucket_name",
        "key",
        "event_name",
        "size",
        "etag",
        "deletion_type",
        "restore_event_data",
        "version_id",
        "sequencer",
        "object_extra",
        "record_extra",
    ),
)
_DISPATCH: Final = Symbol("services.eventbridge", "_dispatch_event", ("event", "view"))

SYMBOLS: Final = (_FIRE, _DISPATCH)

_announced: Final[ContextVar[str | None]] = ContextVar("announced", default=None)


def install() -> None:
    """Put the version into every event that has one; after whatever else replaces dispatch."""
    _FIRE.wrap(_remembering)
    _DISPATCH.wrap(_adding)


def _remembering(fire: Callable[..., None]) -> Callable[..., None]:
    @wraps(fire)
    def remember(*arguments: Any, version_id: str | None = None, **rest: Any) -> None:
        token = _announced.set(version_id)
        try:
            fire(*arguments, version_id=version_id, **rest)
        finally:
            _announced.reset(token)

    return remember


def _adding(dispatch: Callable[..., None]) -> Callable[..., None]:
    @wraps(dispatch)
    def add(event: dict[str, Any], view: Any = None) -> None:
        version_id = _announced.get()
        if version_id and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
            view = None
        dispatch(event, view)

    return add
