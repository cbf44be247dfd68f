"""An environment's work as a whole: where its objects, its queues and its ledger are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3

from batchkit import clients
from batchkit.environment import check
from batchkit.errors import BadEnvironmentError
from batchkit.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from batchkit.events import S3Event

BucketKind = Literal["input", "output"]


@dataclass(frozen=True)
class Route:
    """How one stage gets its work: which objects it listens to, and its queue."""

    stage: str
    bucket: BucketKind
    key_pattern: str
    """As in an EventBridge rule: `*` stands for any characters, `/` among them."""
    queue_url: str

    @property
    def prefix(self) -> str:
        """What every key that matches begins with."""
        first = next(iter(_parts(self.key_pattern)), "*")
        return "" if first == "*" else _unescaped(first)

    def matches(self, key: str) -> bool:
        """Whether the stage's rule would hear of an object with that key."""
        pattern = "".join(
            ".*" if part == "*" else re.escape(_unescaped(part))
            for part in _parts(self.key_pattern)
        )
        return re.fullmatch(pattern, key, re.DOTALL) is not None


@dataclass(frozen=True)
class Place:
    """An environment's work: clients and names."""

    s3: S3Client
    sqs: SQSClient
    dynamodb: DynamoDBClient
    input_bucket: str
    output_bucket: str
    table: str
    routes: tuple[Route, ...]

    def route(self, stage: str) -> Route | None:
        """Return how a stage gets its work; None when the catalogue has no such stage."""
        return next((route for route in self.routes if route.stage == stage), None)


@dataclass(frozen=True)
class Sent:
    """One piece of work put on its queue."""

    run_id: str
    stage: str
    key: str
    version_id: str | None


def connect(variables: Mapping[str, str]) -> Place:
    """Make the place that a task's environment variables name.

    Raises:
        BadEnvironmentError: one of them is missing or wrong.
    """
    region = check(
        variables,
        Variable.INPUT_BUCKET,
        Variable.OUTPUT_BUCKET,
        Variable.LEDGER_TABLE,
        Variable.STAGES,
    )
    session = boto3.Session(region_name=region)
    return Place(
        s3=clients.s3(session),
        sqs=clients.sqs(session),
        dynamodb=clients.dynamodb(session),
        input_bucket=variables[Variable.INPUT_BUCKET],
        output_bucket=variables[Variable.OUTPUT_BUCKET],
        table=variables[Variable.LEDGER_TABLE],
        routes=read_routes(variables[Variable.STAGES]),
    )


def send(place: Place, route: Route, event: S3Event, run_id: str) -> Sent:
    """Put an object on its stage's queue, as if S3 had just told of it."""
    place.sqs.send_message(QueueUrl=route.queue_url, MessageBody=event.to_message())
    return Sent(run_id, route.stage, event.key, event.version_id)


def keep_queues_active(place: Place) -> None:
    """Ask for each queue, so that SQS goes on telling CloudWatch of it every minute.

    Of a queue that nobody has touched for six hours CloudWatch hears nothing, and of the next
    message as late as 15 minutes after it: so late would the stage's service leave zero. See
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
    sqs-monitoring-using-cloudwatch.html

    Raises:
        ClientError: AWS refused it.
    """
    for route in place.routes:
        place.sqs.get_queue_attributes(
            QueueUrl=route.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )


def read_routes(text: str) -> tuple[Route, ...]:
    """Read the variable STAGES.

    Raises:
        BadEnvironmentError: it is not a list of {"name", "bucket", "key_pattern", "queue_url"}.
    """
    try:
        return tuple(_route(row) for row in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise BadEnvironmentError(
            f"{Variable.STAGES} must be a JSON list of objects with name, bucket (input or output),"
            f" key_pattern and queue_url, not {text[:200]!r} ({type(error).__name__}: {error})."
        ) from error


def _route(row: dict[str, Any]) -> Route:
    bucket = row["bucket"]
    if bucket not in {"input", "output"}:
        raise ValueError(f"bucket is {bucket!r}")
    return Route(str(row["name"]), bucket, str(row["key_pattern"]), str(row["queue_url"]))


def _parts(pattern: str) -> list[str]:
    """Split a pattern into its wildcards and the texts between them."""
    return re.findall(r"\*|(?:[^*\\]|\\.)+", pattern, re.DOTALL)


def _unescaped(text: str) -> str:
    # `\*` and `\\` are EventBridge's way to write the two characters themselves.
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
