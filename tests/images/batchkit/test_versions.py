from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchkit.events import S3Event
from batchkit.versions import list_versions

if TYPE_CHECKING:
    from tests.images.conftest import Place


def test_every_version_below_the_prefix_is_told_of_and_which_is_the_last(place: Place) -> None:
    s3, bucket = place.session.client("s3"), place.input_bucket
    first, second = (
        s3.put_object(Bucket=bucket, Key="positions/a b+ü.csv", Body=body)["VersionId"]
        for body in (b"1", b"2")
    )
    s3.put_object(Bucket=bucket, Key="other/c.csv", Body=b"3")
    found = {one.event: one.is_latest for one in list_versions(s3, bucket, "positions/")}
    assert found == {
        S3Event(bucket, "positions/a b+ü.csv", first): False,
        S3Event(bucket, "positions/a b+ü.csv", second): True,
    }


def test_what_was_written_before_versions_were_kept_has_none(place: Place) -> None:
    s3, bucket = place.session.client("s3"), "never-versioned"
    here: Any = {"LocationConstraint": s3.meta.region_name}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=here)
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    (found,) = list_versions(s3, bucket, "")
    assert found.event == S3Event(bucket, "a", None)
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
