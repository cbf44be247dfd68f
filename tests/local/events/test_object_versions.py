from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def announce(clients: Any, bucket: str, queue_arn: str) -> None:
    """Let the bucket's new objects be told to the queue."""
    clients.s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    clients.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    clients.events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": queue_arn}])


def test_an_event_names_the_version_that_was_uploaded(
    clients: Any,
    queue: tuple[str, str],
    messages: Callable[..., list[Any]],
    unique: str,
) -> None:
    url, arn = queue
    announce(clients, unique, arn)
    clients.s3.put_bucket_versioning(Bucket=unique, VersioningConfiguration={"Status": "Enabled"})
    uploaded = clients.s3.put_object(Bucket=unique, Key="a.csv", Body=b"x")
    (message,) = messages(url)
    described = json.loads(message["Body"])["detail"]["object"]
    assert described["version-id"] == uploaded["VersionId"]


def test_an_event_of_an_unversioned_object_names_no_version(
    clients: Any,
    queue: tuple[str, str],
    messages: Callable[..., list[Any]],
    unique: str,
) -> None:
    url, arn = queue
    announce(clients, unique, arn)
    clients.s3.put_object(Bucket=unique, Key="a.csv", Body=b"x")
    (message,) = messages(url)
    assert "version-id" not in json.loads(message["Body"])["detail"]["object"]
