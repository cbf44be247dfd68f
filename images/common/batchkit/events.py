"""S3 'Object Created' events, as a task's environment or a queue message carries them.

A stage's queue holds events of two kinds: S3's own, which EventBridge could not hand to a task or
was told to queue, and ECS's about tasks that failed. The latter's overrides hold the former.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import BadEventError
from batchkit.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

S3_EVENT: Final = ("aws.s3", "Object Created")
TASK_EVENT: Final = ("aws.ecs", "ECS Task State Change")

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
    failure: str | None = field(default=None, compare=False)
    """Why the task that had it before failed, in ECS's words, when ECS is who tells of it."""

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"

    def to_message(self) -> str:
        """Return the event as S3 would have told it; plain ASCII, whatever the key is."""
        versioned = {"version-id": self.version_id} if self.version_id else {}
        source, kind = S3_EVENT
        return json.dumps(
            {
                "version": "0",
                "source": source,
                "detail-type": kind,
                "detail": {
                    "bucket": {"name": self.bucket},
                    "object": {"key": self.key, **versioned},
                },
            }
        )


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
    return _from_variables(environment)


def from_message(body: str) -> S3Event:
    """Read the event from a queue message that holds a whole EventBridge event.

    Raises:
        BadEventError: the body is no JSON, or neither S3's 'Object Created' event nor ECS's event
            of a task that was run for one.
    """
    try:
        message = json.loads(body)
    except ValueError as error:
        raise BadEventError(f"The message is no JSON ({error}): {_shown(body)}") from error
    if not isinstance(message, dict):
        raise BadEventError(f"The message is no JSON object: {_shown(body)}")
    kind = (message.get("source"), message.get("detail-type"))
    detail = message.get("detail")
    if kind == S3_EVENT:
        return _from_s3(detail, body)
    if kind == TASK_EVENT:
        return _from_task(detail, body)
    raise BadEventError(
        f"The message is neither S3's 'Object Created' event nor ECS's of a failed task, but "
        f"{kind[1]!r} of {kind[0]!r}: {_shown(body)}"
    )


def _from_s3(detail: Any, body: str) -> S3Event:
    bucket = _text(detail, "bucket", "name")
    key = _text(detail, "object", "key")
    if not bucket or not key:
        raise BadEventError(f"The event names no bucket or no object key: {_shown(body)}")
    return S3Event(bucket, key, _version(_text(detail, "object", "version-id")))


def _from_task(detail: Any, body: str) -> S3Event:
    # An event's detail is the task as DescribeTasks tells it, overrides included:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    for container in _items(detail, "overrides", "containerOverrides"):
        variables = {
            str(pair.get("name")): str(pair.get("value", ""))
            for pair in _items(container, "environment")
        }
        if variables.get(Variable.EVENT_BUCKET) and variables.get(Variable.EVENT_KEY):
            return _from_variables(variables, _failure(detail))
    raise BadEventError(
        f"The task that failed was not run for an object ({_failure(detail)}): {_shown(body)}"
    )


def _failure(detail: Any) -> str:
    """What ECS says of a stopped task: why it stopped, and each container's end."""
    said = [_text(detail, "stopCode"), _text(detail, "stoppedReason")]
    for container in _items(detail, "containers"):
        code, reason = container.get("exitCode"), _text(container, "reason")
        said += [f"exit code {code}" if code is not None else None, reason]
    return ", ".join(part for part in said if part) or "ECS gives no reason"


def _from_variables(variables: Mapping[str, str], failure: str | None = None) -> S3Event:
    return S3Event(
        bucket=variables[Variable.EVENT_BUCKET],
        key=variables[Variable.EVENT_KEY],
        version_id=_version(variables.get(Variable.EVENT_VERSION_ID)),
        failure=failure,
    )


def _text(value: Any, *path: str) -> str | None:
    found = _at(value, *path)
    return found if isinstance(found, str) else None


def _items(value: Any, *path: str) -> Iterator[dict[str, Any]]:
    found = _at(value, *path)
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict):
            yield item


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _version(value: str | None) -> str | None:
    return None if value is None or value in _NO_VERSION else value


def _shown(body: str) -> str:
    return body if len(body) <= _SHOWN_CHARACTERS else body[:_SHOWN_CHARACTERS] + "..."
