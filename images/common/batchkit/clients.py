"""Clients that outlast what AWS does at random: throttling, 5xx, answers that never come.

Botocore's `standard` mode repeats all of these, after waits that double at random up to 20 s, and
stops early when nearly everything fails (its retry quota). `adaptive` slows the client down too,
which botocore calls experimental; so few calls a piece of work do not need it. Every write here
may be repeated: see `Claims`, `Ledger` and `Storage.put_once` for what happens to one whose answer
was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.config import Config

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

LONG_POLL_SECONDS: Final = 20
"""How long SQS may wait for a message; its client waits longer for the answer."""


def s3(session: boto3.Session) -> S3Client:
    """Return a client for objects of any size; a minute without a byte is a failure."""
    return session.client("s3", config=_config(attempts=10, read_seconds=60))


def dynamodb(session: boto3.Session) -> DynamoDBClient:
    """Return a client for small items: answers take milliseconds, and a lease lasts a minute."""
    return session.client("dynamodb", config=_config(attempts=10, read_seconds=5))


def sqs(session: boto3.Session) -> SQSClient:
    """Return a client for a queue that is polled.

    It gives up before the container is taken for dead; a worker that polls tries again by itself.
    """
    return session.client("sqs", config=_config(attempts=4, read_seconds=LONG_POLL_SECONDS + 5))


def _config(*, attempts: int, read_seconds: int) -> Config:
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=3,
        read_timeout=read_seconds,
    )
