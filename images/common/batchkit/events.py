"""S3 'Object Created' events, as a task's environment or a queue message carries them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import BadEventError
from batchkit.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN_CHARACTERS: Final = 200
# What stands for "no version": S3's own word for it in buckets without versioning, and what an
# input transformer leaves when the event has no version-id.
_NO_VERSION: Final = frozenset({"", "null"})


@dataclass(frozen=True)
class S3Event:
    """One object, in one version."""

    bucket: str
    key: str
    version_id: str | None = None
    """None when the bucket keeps no versions."""
    sequencer: str | None = None
    """Orders the events of one key; compare as text of equal length."""

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


def from_environment(environment: Mapping[str, str]) -> S3Event:
    """Read the event that a rule handed over in EVENT_* variables.

    Raises:
        BadEventError: EVENT_BUCKET or EVENT_KEY is not set.
    """
    missing = [
        name for name in (Variable.EVENT_BUCKET, Variable.EVENT_KEY) if not environment.get(name)
    ]
    if missing:
        raise BadEventError(
            f"{' and '.join(missing)} not set; `run` works one event, which the rule's input "
            "transformer puts into EVENT_BUCKET, EVENT_KEY and EVENT_VERSION_ID."
        )
    return S3Event(
        bucket=environment[Variable.EVENT_BUCKET],
        key=environment[Variable.EVENT_KEY],
        version_id=_version(environment.get(Variable.EVENT_VERSION_ID)),
        sequencer=environment.get(Variable.EVENT_SEQUENCER) or None,
    )


def from_message(body: str) -> S3Event:
    """Read the event from a queue message that holds a whole EventBridge event.

    Raises:
        BadEventError: the body is no JSON, or not an S3 'Object Created' event.
    """
    try:
        message = json.loads(body)
    except ValueError as error:
        raise BadEventError(f"The message is no JSON ({error}): {_shown(body)}") from error
    if not isinstance(message, dict):
        raise BadEventError(f"The message is no JSON object: {_shown(body)}")
    kind = (message.get("source"), message.get("detail-type"))
    if kind != ("aws.s3", "Object Created"):
        raise BadEventError(
            f"The message is not S3's 'Object Created' event but {kind[1]!r} of {kind[0]!r}: "
            f"{_shown(body)}"
        )
    detail = message.get("detail")
    bucket = _text(detail, "bucket", "name")
    key = _text(detail, "object", "key")
    if not bucket or not key:
        raise BadEventError(f"The event names no bucket or no object key: {_shown(body)}")
    return S3Event(
        bucket=bucket,
        key=key,
        version_id=_version(_text(detail, "object", "version-id")),
        sequencer=_text(detail, "object", "sequencer"),
    )


def _text(value: Any, *path: str) -> str | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _version(value: str | None) -> str | None:
    return None if value is None or value in _NO_VERSION else value


def _shown(body: str) -> str:
    return body if len(body) <= _SHOWN_CHARACTERS else body[:_SHOWN_CHARACTERS] + "..."
