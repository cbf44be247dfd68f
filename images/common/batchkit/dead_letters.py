"""A stage's dead-letter queue: what nobody could work, each message with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import BadEventError
from batchkit.events import from_message
from batchkit.runs import run_id, run_of_key

if TYPE_CHECKING:
    from collections.abc import Generator

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from batchkit.events import S3Event

_REASON_CHARACTERS: Final = 1000
_BATCH: Final = 10
"""The most that SQS hands out, or takes back, at once."""
_PEEK_SECONDS: Final = 120
"""How long what was read stays hidden, so that it is not read again; given back at the end."""
# What a message attribute may hold, which is what XML may:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNTOLD: Final = (
    "It was received again and again and never dealt with, or EventBridge could not queue it."
)


@dataclass(frozen=True)
class DeadLetterQueue:
    """Where a stage puts what it cannot work."""

    client: SQSClient
    url: str
    stage: str

    def put(self, body: str, reason: str, *, attempts: int, run: str | None = None) -> None:
        """Put a message there, and say why, after how many attempts, and of which run it is."""
        told = {
            "reason": _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", reason)[:_REASON_CHARACTERS],
            "stage": self.stage,
            # An attribute cannot be empty.
            **({"run_id": run} if run else {}),
        }
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageAttributes={
                "attempts": {"DataType": "Number", "StringValue": str(attempts)},
                **{
                    name: {"DataType": "String", "StringValue": value or "none"}
                    for name, value in told.items()
                },
            },
        )


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    stage: str
    run_id: str | None
    """None when it cannot be told."""
    reason: str
    attempts: int | None
    """None when no stage put it there, but EventBridge or SQS."""
    event: S3Event | None
    """None when the body is no event."""
    body: str
    receipt: str


def read(sqs: SQSClient, stage: str, queue_url: str) -> Generator[DeadLetter, None, None]:
    """Yield all messages of a stage's dead-letter queue, and leave every one in it.

    They are hidden meanwhile and given back when the iteration ends, however it ends.
    """
    receipts: dict[str, str] = {}
    try:
        while batch := _receive(sqs, queue_url):
            new = [message for message in batch if message["MessageId"] not in receipts]
            receipts |= {message["MessageId"]: message["ReceiptHandle"] for message in batch}
            for message in new:
                yield _read(message, stage)
    finally:
        _give_back(sqs, queue_url, list(receipts.values()))


def _receive(sqs: SQSClient, queue_url: str) -> list[MessageTypeDef]:
    # Waiting, however short, asks all of the queue's servers; else an empty answer proves nothing.
    return sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=_BATCH,
        WaitTimeSeconds=1,
        VisibilityTimeout=_PEEK_SECONDS,
        MessageAttributeNames=["All"],
    ).get("Messages", [])


def _give_back(sqs: SQSClient, queue_url: str, receipts: list[str]) -> None:
    for start in range(0, len(receipts), _BATCH):
        # What was deleted meanwhile is among the answer's failures, and so is what will only come
        # back when its time ends.
        sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for index, receipt in enumerate(receipts[start : start + _BATCH])
            ],
        )


def _read(message: MessageTypeDef, stage: str) -> DeadLetter:
    told: Any = {
        name: value.get("StringValue")
        for name, value in message.get("MessageAttributes", {}).items()
    }
    attempts, event = told.get("attempts"), _event_in(message["Body"])
    return DeadLetter(
        stage=stage,
        run_id=told.get("run_id") or (_run_of(event) if event else None),
        # The latter is what EventBridge adds to what it could not deliver.
        reason=told.get("reason") or told.get("ERROR_MESSAGE") or _UNTOLD,
        attempts=int(attempts) if attempts else None,
        event=event,
        body=message["Body"],
        receipt=message["ReceiptHandle"],
    )


def _event_in(body: str) -> S3Event | None:
    try:
        return from_message(body)
    except BadEventError:
        return None


def _run_of(event: S3Event) -> str:
    return run_of_key(event.key) or run_id(event.bucket, event.key, event.version_id)
