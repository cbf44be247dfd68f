from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from fargate_batch.errors import UserError
from hooks.empty_bucket import (
    BATCH,
    EmptyBucket,
    abort_uploads,
    delete_batch,
    empty_bucket,
    version_batches,
)
from hooks.stacks import NEVER_CREATED

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKETS = "dev/storage/buckets"
NAMES = ("InputBucketName", "OutputBucketName", "AccessLogBucketName")
VERSIONED = {
    "Type": "AWS::S3::Bucket",
    "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
}


def hook_of(project: Any) -> EmptyBucket:
    hook: EmptyBucket = project.hook(BUCKETS, "before_delete", EmptyBucket)
    return hook


@pytest.fixture
def buckets(project: Any, deploy: Callable[..., str], client: Callable[[str], Any]) -> list[str]:
    """The three buckets of a deployed stack, in the order of NAMES."""
    stack = project.stack(BUCKETS)
    deploy(
        stack,
        {f"B{index}": VERSIONED for index in range(3)},
        {name: {"Ref": f"B{index}"} for index, name in enumerate(NAMES)},
    )
    (made,) = client("cloudformation").describe_stacks(StackName=stack.external_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    return [outputs[name] for name in NAMES]


def held(s3: Any, bucket: str) -> int:
    return sum(
        len(page.get("Versions", [])) + len(page.get("DeleteMarkers", []))
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    )


def fill(s3: Any, bucket: str, versions: int, markers: int) -> None:
    """Put versions, three to a key, and then delete markers on top of some."""
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            list(
                pool.map(
                    lambda key: s3.put_object(Bucket=bucket, Key=f"k{key}", Body=b""),
                    range(versions // 3),
                )
            )
        list(pool.map(lambda key: s3.delete_object(Bucket=bucket, Key=f"k{key}"), range(markers)))


def test_every_version_delete_marker_and_open_upload_goes(
    project: Any, buckets: list[str], client: Callable[[str], Any]
) -> None:
    s3 = client("s3")
    fill(s3, buckets[0], 2400, 100)
    s3.put_object(Bucket=buckets[1], Key="ümlaut & <tag>", Body=b"x")
    s3.create_multipart_upload(Bucket=buckets[1], Key="half")
    assert [held(s3, bucket) for bucket in buckets] == [2500, 1, 0]
    hook_of(project).run()
    assert [held(s3, bucket) for bucket in buckets] == [0, 0, 0]
    assert s3.list_multipart_uploads(Bucket=buckets[1]).get("Uploads", []) == []


def test_a_second_run_does_no_harm(project: Any, buckets: list[str]) -> None:
    assert buckets
    hook_of(project).run()
    hook_of(project).run()


def test_a_bucket_that_is_gone_is_passed_over(
    project: Any, buckets: list[str], client: Callable[[str], Any]
) -> None:
    s3 = client("s3")
    s3.delete_bucket(Bucket=buckets[0])
    s3.put_object(Bucket=buckets[1], Key="k", Body=b"")
    hook_of(project).run()
    assert held(s3, buckets[1]) == 0


@pytest.mark.usefixtures("on_local_aws")
def test_a_stack_that_is_gone_has_no_buckets(project: Any) -> None:
    hook_of(project).run()


@pytest.mark.parametrize("status", NEVER_CREATED)
def test_a_stack_that_never_stood_is_left_alone(project: Any, recorded: Any, status: str) -> None:
    record_stack(recorded, project, status)
    hook_of(project).run()


def record_stack(recorded: Any, project: Any, status: str, **more: Any) -> None:
    name = project.stack(BUCKETS).external_name
    recorded["cloudformation"].add_response(
        "describe_stacks",
        {
            "Stacks": [
                {
                    "StackName": name,
                    "StackStatus": status,
                    "CreationTime": "2026-01-01",
                    "Outputs": [{"OutputKey": one, "OutputValue": one} for one in NAMES],
                    **more,
                }
            ]
        },
        {"StackName": name},
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        (
            "dev/config.yaml",
            "allow_destruction: true",
            "allow_destruction: false",
            "config/dev/config.yaml says allow_destruction: false",
        ),
        (
            "dev/storage/buckets.yaml",
            "template:",
            "protect: true\ntemplate:",
            "config/dev/storage/buckets.yaml says protect: true",
        ),
    ],
)
def test_no_object_goes_where_the_config_forbids_it(  # noqa: PLR0913, PLR0917  # fixtures and a case
    project: Any,
    buckets: list[str],
    client: Callable[[str], Any],
    file: str,
    old: str,
    new: str,
    reason: str,
) -> None:
    client("s3").put_object(Bucket=buckets[0], Key="k", Body=b"")
    project.edit(file, old, new)
    with pytest.raises(UserError, match=f"^No bucket of {BUCKETS} was emptied: {reason}"):
        hook_of(project).run()
    assert held(client("s3"), buckets[0]) == 1


def test_no_object_goes_under_termination_protection(project: Any, recorded: Any) -> None:
    # There is no answer for S3, so that any call to it would fail the test.
    record_stack(recorded, project, "CREATE_COMPLETE", EnableTerminationProtection=True)
    with pytest.raises(UserError, match="termination protection is on for t"):
        hook_of(project).run()


def test_a_misspelt_output_stops_before_the_first_object(
    project: Any, buckets: list[str], client: Callable[[str], Any]
) -> None:
    client("s3").put_object(Bucket=buckets[0], Key="k", Body=b"")
    project.edit("dev/storage/buckets.yaml", "AccessLogBucketName]", "AccessLogsBucketName]")
    with pytest.raises(UserError, match="outputs: the deployed stack has no AccessLogsBucketName"):
        hook_of(project).run()
    assert held(client("s3"), buckets[0]) == 1


def test_progress_is_told(buckets: list[str], client: Callable[[str], Any]) -> None:
    s3 = client("s3")
    fill(s3, buckets[0], 30, 5)
    told: list[tuple[str, int]] = []
    assert empty_bucket(s3, buckets[0], lambda bucket, count: told.append((bucket, count))) == 35
    assert told == [(buckets[0], 35)]


def listed(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"Key": f"k{index}", "VersionId": "1"} for index in range(start, start + count)]


def test_no_batch_is_larger_than_s3_takes(recorded: Any) -> None:
    # A page holds versions and markers together, but nothing says that it must not hold more.
    recorded["s3"].add_response(
        "list_object_versions",
        {"Versions": listed(BATCH), "DeleteMarkers": listed(1, BATCH), "IsTruncated": False},
        {"Bucket": "b", "MaxKeys": BATCH},
    )
    sizes = [len(batch) for batch in version_batches(recorded.client("s3"), "b")]
    assert sizes == [BATCH, 1]


def expect_delete(recorded: Any, asked: list[dict[str, str]], *kept: dict[str, str]) -> None:
    recorded["s3"].add_response(
        "delete_objects",
        {"Errors": list(kept)},
        {"Bucket": "b", "Delete": {"Objects": asked, "Quiet": True}},
    )


def kept(key: str, code: str) -> dict[str, str]:
    return {"Key": key, "VersionId": "1", "Code": code, "Message": "because"}


def test_what_s3_keeps_by_chance_is_asked_for_again(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("hooks.empty_bucket.time.sleep", waits.append)
    batch: Any = listed(3)
    expect_delete(recorded, batch, kept("k1", "InternalError"), kept("k2", "SlowDown"))
    expect_delete(recorded, batch[1:], kept("k2", "SlowDown"))
    expect_delete(recorded, batch[2:])
    assert delete_batch(recorded.client("s3"), "b", batch) == 3
    assert waits == [2, 4]


def test_what_s3_refuses_is_named_at_once(recorded: Any) -> None:
    batch: Any = listed(3)
    expect_delete(recorded, batch, kept("k0", "SlowDown"), kept("k1", "AccessDenied"))
    with pytest.raises(
        UserError, match=r"^2 versions in b .* among them k1: AccessDenied, because"
    ):
        delete_batch(recorded.client("s3"), "b", batch)


def test_what_s3_keeps_for_ever_is_named_in_the_end(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hooks.empty_bucket.time.sleep", lambda _: None)
    batch: Any = listed(1)
    for _ in range(4):
        expect_delete(recorded, batch, kept("k0", "InternalError"))
    with pytest.raises(UserError, match="k0: InternalError, because"):
        delete_batch(recorded.client("s3"), "b", batch)


def expect_abort(recorded: Any, code: str) -> None:
    recorded["s3"].add_response(
        "list_multipart_uploads", {"Uploads": [{"Key": "k", "UploadId": "1"}]}, {"Bucket": "b"}
    )
    recorded["s3"].add_client_error("abort_multipart_upload", code, "because", 404)


def test_an_upload_that_somebody_finished_meanwhile_is_passed_over(recorded: Any) -> None:
    expect_abort(recorded, "NoSuchUpload")
    abort_uploads(recorded.client("s3"), "b")


def test_a_refusal_to_abort_an_upload_is_not_swallowed(recorded: Any) -> None:
    expect_abort(recorded, "AccessDenied")
    s3 = recorded.client("s3")
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        abort_uploads(s3, "b")
