"""The versions of a bucket's objects, each as the event that S3 told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchkit.events import S3Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

_UNVERSIONED = "null"
"""What S3 calls the version of an object that was written while its bucket kept none."""


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object."""

    event: S3Event
    written_at: datetime
    is_latest: bool


def list_versions(s3: S3Client, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Yield each version of each object whose key begins with `prefix`, in the keys' order.

    One ListObjectVersions for each thousand.
    """
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for found in page.get("Versions", []):
            version = None if found["VersionId"] == _UNVERSIONED else found["VersionId"]
            yield ObjectVersion(
                S3Event(bucket, found["Key"], version), found["LastModified"], found["IsLatest"]
            )
