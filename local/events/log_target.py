"""EventBridge to a log group."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Final

from local.symbols import Symbol

_GROUPS: Final = Symbol("services.cloudwatch_logs", "_log_groups")
_CREATE_STREAM: Final = Symbol("services.cloudwatch_logs", "_create_log_stream", ("data",))
_PUT: Final = Symbol("services.cloudwatch_logs", "_put_log_events", ("data",))

SYMBOLS: Final = (_GROUPS, _CREATE_STREAM, _PUT)

_log = logging.getLogger("local.events")


def put(log_group_arn: str, view: Any) -> None:
    """Write an event into a log group, in a stream of its own as EventBridge does."""
    name = log_group_arn.split(":log-group:", 1)[1].removesuffix(":*")
    event = view.event_with_detail()
    if name not in _GROUPS.get():
        _log.error("Event %s not delivered: there is no log group %s", event["id"], name)
        return
    stream = {"logGroupName": name, "logStreamName": event["id"]}
    _CREATE_STREAM.get()(stream)
    _PUT.get()(
        {
            **stream,
            "logEvents": [{"timestamp": int(time.time() * 1000), "message": json.dumps(event)}],
        }
    )
