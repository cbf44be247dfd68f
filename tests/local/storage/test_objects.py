from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

PART = b"x" * (5 << 20)


@pytest.fixture
def bucket(clients: Any, unique: str) -> str:
    clients.s3.create_bucket(
        Bucket=unique, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    clients.s3.put_bucket_versioning(Bucket=unique, VersioningConfiguration={"Status": "Enabled"})
    return unique


@pytest.fixture
def upload(clients: Any, bucket: str) -> Callable[..., Any]:
    """Uploads the parts of an object and returns the arguments that complete it."""

    def begin(key: str, *parts: bytes) -> dict[str, Any]:
        id_ = clients.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        named = {"Bucket": bucket, "Key": key, "UploadId": id_}
        done = [
            {
                "PartNumber": number,
                "ETag": clients.s3.upload_part(**named, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in enumerate(parts, 1)
        ]
        return {**named, "MultipartUpload": {"Parts": done}}

    return begin


def test_two_that_complete_only_if_there_is_none_make_one_object(
    clients: Any, bucket: str, upload: Callable[..., Any]
) -> None:
    first, second = upload("a", PART, b"first"), upload("a", PART, b"second")
    done = clients.s3.complete_multipart_upload(**first, IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        clients.s3.complete_multipart_upload(**second, IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    got = clients.s3.get_object(Bucket=bucket, Key="a")
    assert got["VersionId"] == done["VersionId"]
    assert got["Body"].read().endswith(b"first")
    # The refused upload is still there, to be aborted.
    (left,) = clients.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert left["UploadId"] == second["UploadId"]
    clients.s3.abort_multipart_upload(Bucket=bucket, Key="a", UploadId=second["UploadId"])
    assert "Uploads" not in clients.s3.list_multipart_uploads(Bucket=bucket)


def test_a_put_only_if_there_is_none_is_refused_when_there_is_one(
    clients: Any, bucket: str
) -> None:
    clients.s3.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        clients.s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    # A delete marker is no object.
    clients.s3.delete_object(Bucket=bucket, Key="a")
    clients.s3.put_object(Bucket=bucket, Key="a", Body=b"3", IfNoneMatch="*")
    assert clients.s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"3"


def test_versions_are_listed_page_by_page_newest_first(clients: Any, bucket: str) -> None:
    written = [
        (key, clients.s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"])
        for key in ("p/a", "p/b", "q/a")
        for _ in range(4)
    ]
    marker = clients.s3.delete_object(Bucket=bucket, Key="p/a")["VersionId"]
    pages = clients.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 3}
    )
    found = [
        (one["Key"], one["VersionId"], one["IsLatest"])
        for page in pages
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]
    assert sorted(one[:2] for one in found) == sorted([*written, ("p/a", marker)])
    assert {one[:2] for one in found if one[2]} == {("p/a", marker), written[7], written[11]}
    of_b = [one[1] for one in found if one[0] == "p/b"]
    assert of_b == [version for key, version in reversed(written) if key == "p/b"]
    prefixed = clients.s3.list_object_versions(Bucket=bucket, Prefix="p/b")["Versions"]
    assert len(prefixed) == 4


def test_a_completed_upload_says_so_in_its_event(
    clients: Any,
    bucket: str,
    upload: Callable[..., Any],
    queue: tuple[str, str],
    messages: Callable[..., Any],
    unique: str,
) -> None:
    clients.s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    clients.events.put_rule(Name=unique, EventPattern=json.dumps(pattern))
    clients.events.put_targets(Rule=unique, Targets=[{"Id": "queue", "Arn": queue[1]}])
    done = clients.s3.complete_multipart_upload(**upload("large.csv", PART, b"end"))
    (message,) = messages(queue[0])
    event = json.loads(message["Body"])
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    told = event["detail"]["object"]
    assert (told["key"], told["size"]) == ("large.csv", len(PART) + 3)
    assert told["version-id"] == done["VersionId"]
