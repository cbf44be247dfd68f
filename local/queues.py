"""SQS as many callers at once meet it: no message lost between threads, old receipt handles.

MiniStack replaces a queue's list of messages when one is deleted. A thread that delivers an event
meanwhile would add it to the list that is thrown away.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from local.symbols import Symbol

_HANDLERS: Final = Symbol("services.sqs", "_HANDLERS")
_ERROR: Final = Symbol("services.sqs", "_Err", ("code", "message", "status"))
_QUEUE: Final = Symbol("services.sqs", "_get_q", ("url", "action"))
_REPLACING: Final = (
    Symbol("services.sqs", "_expire_retained", ("q",)),
    Symbol("services.sqs", "_dlq_sweep", ("q",)),
    Symbol("services.sqs", "_collect_msgs", ("q", "max_n", "vis_timeout")),
)
_ADDING: Final = (
    Symbol("services.eventbridge", "_dispatch_to_sqs", ("spec", "payload", "sqs_parameters")),
    Symbol(
        "services.sns",
        "_deliver_to_sqs",
        (
            "endpoint",
            "envelope",
            "raw",
            "raw_message",
            "message_group_id",
            "message_dedup_id",
            "message_attributes",
            "topic_arn",
        ),
    ),
    Symbol(
        "services.s3",
        "_deliver_event_to_sqs",
        ("arn", "event_payload", "bucket_region", "bucket_name"),
    ),
)

SYMBOLS: Final = (_HANDLERS, _ERROR, _QUEUE, *_REPLACING, *_ADDING)

_NOT_FOUND: Final = "ReceiptHandleIsInvalid"
_ACTIONS: Final = (
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "PurgeQueue",
)
"""What changes messages and waits for nothing; ReceiveMessage waits between its parts."""

Action = Callable[[dict[str, Any], str], dict[str, Any]]
"""Takes the request and the queue's URL."""

# Reentrant: a batch is made of single calls, and a queue's sweep adds to another queue.
_lock: Final = threading.RLock()


def install() -> None:
    """Let one caller at a time change messages, and answer for handles that had their day."""
    for symbol in (*_REPLACING, *_ADDING):
        symbol.wrap(_alone)
    handlers = _HANDLERS.get()
    for name, answering in (
        ("DeleteMessage", _forgiving),
        ("ChangeMessageVisibility", _exact),
    ):
        handlers[name] = answering(handlers[name])
        handlers[f"{name}Batch"] = _of_singles(handlers[f"{name}Batch"], handlers[name])
    for name in _ACTIONS:
        handlers[name] = _alone(handlers[name])


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def alone(*arguments: Any, **named: Any) -> Any:
        with _lock:
            return function(*arguments, **named)

    return alone


def _was_issued(handle: str) -> bool:
    """Whether a handle is one of this service's, if not a current one."""
    try:
        uuid.UUID(handle)
    except ValueError:
        return False
    return True


def _forgiving(delete: Action) -> Action:
    """To delete twice, or with the handle of an earlier receipt, succeeds and does nothing.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
    """

    def delete_message(data: dict[str, Any], url: str) -> dict[str, Any]:
        try:
            answer = delete(data, url)
        except _ERROR.get() as error:
            if error.code != _NOT_FOUND or not _was_issued(data["ReceiptHandle"]):
                raise
            return {}
        return answer

    return delete_message


def _exact(change: Action) -> Action:
    """A message that is visible again stays so; one that is gone is refused."""

    def change_visibility(data: dict[str, Any], url: str) -> dict[str, Any]:
        handle = data.get("ReceiptHandle", "")
        queue = _QUEUE.get()(data.get("QueueUrl", url), "sqs:ChangeMessageVisibility")
        found = [one for one in queue["messages"] if one["receipt_handle"] == handle]
        if found and found[0]["visible_at"] <= time.time():
            return {}
        if not found and _was_issued(handle):
            raise _ERROR.get()(
                "InvalidParameterValue",
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
                "exist or is not available for visibility timeout change.",
            )
        return change(data, url)

    return change_visibility


def _of_singles(batch: Action, single: Action) -> Action:
    """What fails in a batch fails as it would by itself."""

    def call(data: dict[str, Any], url: str) -> dict[str, Any]:
        # With no entries done MiniStack checks the request as a whole, and finds every handle bad.
        batch({**data, "Entries": [{**one, "ReceiptHandle": ""} for one in data["Entries"]]}, url)
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for entry in data["Entries"]:
            try:
                single({**entry, "QueueUrl": data.get("QueueUrl", url)}, url)
            except _ERROR.get() as error:
                failed.append(
                    {
                        "Id": entry["Id"],
                        "Code": error.code,
                        "Message": error.message,
                        "SenderFault": True,
                    }
                )
            else:
                done.append({"Id": entry["Id"]})
        return {"Successful": done, "Failed": failed}

    return call
