"""'ECS Task State Change' events on the default bus, for every state that ECS tells."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from local.symbols import Symbol

_PENDING: Final = Symbol("services.ecs", "_mark_task_pending", ("task_arn", "task"))
_RUNNING: Final = Symbol("services.ecs", "_mark_task_running", ("task_arn", "task"))
_STOPPED: Final = Symbol(
    "services.ecs", "_mark_task_stopped", ("task_arn", "task", "reason", "stop_code", "exit_code")
)
_SANITIZE: Final = Symbol("services.ecs", "_sanitize", ("obj",))
_PUT_EVENTS: Final = Symbol("services.eventbridge", "_put_events", ("data", "allow_aws_source"))

SYMBOLS: Final = (_PENDING, _RUNNING, _STOPPED, _SANITIZE, _PUT_EVENTS)


def install() -> None:
    """Emit an event after each change of state."""
    _PENDING.wrap(_telling)
    _RUNNING.wrap(_telling)
    _STOPPED.wrap(_telling)


def emit(task: dict[str, Any]) -> None:
    """Put the task, as it is now, on the default event bus."""
    record = _SANITIZE.get()(task)
    detail = {
        name: _timestamp(value) if name.endswith("At") else value
        for name, value in record.items()
        if value not in (None, "")
    }
    _PUT_EVENTS.get()(
        {
            "Entries": [
                {
                    "Source": "aws.ecs",
                    "DetailType": "ECS Task State Change",
                    "Resources": [task["taskArn"]],
                    "Detail": json.dumps(detail),
                }
            ]
        },
        allow_aws_source=True,
    )


def _timestamp(value: Any) -> Any:
    if isinstance(value, int | float):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(value))
    return value


def _telling(mark: Any) -> Any:
    def mark_and_tell(task_arn: str, task: dict[str, Any], *details: Any, **named: Any) -> bool:
        changed: bool = mark(task_arn, task, *details, **named)
        if changed:
            emit(task)
        return changed

    return mark_and_tell
