"""S3, as the stages need it: exact versions, streams, and objects that are written once."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from batchkit.errors import ObjectConflictError, ObjectGoneError, error_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

PARQUET: Final = "application/vnd.apache.parquet"
"""The content type of a Parquet file."""
# MethodNotAllowed: the version is a delete marker.
_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed", "405"})
_EXISTS: Final = frozenset({"PreconditionFailed", "412"})
# Another write of the key is under way, and may yet fail; AWS says to write again.
_CONFLICT: Final = frozenset({"ConditionalRequestConflict", "409"})
_CONFLICT_WAITS: Final = (0.5, 1, 2, 4)
"""Seconds before each further attempt."""
_log: Final = logging.getLogger(__name__)

_CHUNK: Final = 1 << 20
_READS: Final = 4
"""How often an object is read whose bytes stop coming; botocore repeats no stream."""


@dataclass(frozen=True)
class StoredObject:
    """What S3 says about an object."""

    size: int
    """Bytes."""
    version_id: str | None
    written_at: datetime


@dataclass(frozen=True)
class Storage:
    """Reads any bucket, writes the output bucket."""

    client: S3Client
    output_bucket: str

    def open(self, bucket: str, key: str, version_id: str | None = None) -> StreamingBody:
        """Return the object's bytes as a stream.

        Raises:
            ObjectGoneError: there is no such object or version.
        """
        try:
            return self.client.get_object(**_address(bucket, key, version_id))["Body"]
        except ClientError as error:
            raise _translated(error, bucket, key, version_id) from error

    def read(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        """Return the object's bytes at once; for objects known to be small.

        Raises:
            ObjectGoneError: there is no such object or version.
        """
        for _ in range(_READS - 1):
            try:
                return self.open(bucket, key, version_id).read()
            except (HTTPClientError, IncompleteReadError):
                _log.warning("s3://%s/%s broke off; it is read again.", bucket, key, exc_info=True)
        return self.open(bucket, key, version_id).read()

    def read_output(self, key: str) -> bytes:
        """Return an object of the output bucket.

        Raises:
            ObjectGoneError: there is no such object.
        """
        return self.read(self.output_bucket, key)

    def find(self, bucket: str, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]

    def describe(self, bucket: str, key: str, version_id: str | None = None) -> StoredObject:
        """Return size, version, and when it was written, to the second.

        Raises:
            ObjectGoneError: there is no such object or version.
        """
        try:
            head = self.client.head_object(**_address(bucket, key, version_id))
        except ClientError as error:
            raise _translated(error, bucket, key, version_id) from error
        version = head.get("VersionId")
        return StoredObject(
            size=head["ContentLength"],
            version_id=None if version == "null" else version,
            written_at=head["LastModified"],
        )

    def copy_to_output(self, bucket: str, key: str, version_id: str | None, target: str) -> None:
        """Copy an object inside S3, in parts when it is large.

        Raises:
            ObjectGoneError: there is no such object or version.
        """
        try:
            # Its tags stay behind: reading them would take one more permission.
            self.client.copy(
                _address(bucket, key, version_id),
                self.output_bucket,
                target,
                ExtraArgs={"TaggingDirective": "REPLACE"},
            )
        except ClientError as error:
            raise _translated(error, bucket, key, version_id) from error

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object of the output bucket, over another one if need be."""
        self.client.put_object(
            Bucket=self.output_bucket, Key=key, Body=body, ContentType=content_type
        )

    def put_json(self, key: str, value: Any) -> None:
        """Write `value` as JSON."""
        self.put(key, to_json(value), "application/json")

    def put_once(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an object unless it exists; return whether this call wrote it.

        False as well after a write whose answer was lost: the repetition finds its own bytes.

        Raises:
            ObjectConflictError: it exists with other bytes.
        """
        return self._put_once(key, lambda: BytesIO(body), content_type)

    def put_file_once(self, key: str, path: Path, content_type: str) -> bool:
        """Write a file's bytes as an object unless it exists; return whether this call wrote it.

        Raises:
            ObjectConflictError: it exists with other bytes.
        """
        return self._put_once(key, lambda: path.open("rb"), content_type)

    def _put_once(
        self,
        key: str,
        opened: Callable[[], IO[bytes]],
        content_type: str,
        waits: tuple[float, ...] = _CONFLICT_WAITS,
    ) -> bool:
        try:
            with opened() as body:
                self.client.put_object(
                    Bucket=self.output_bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if error_code(error) in _CONFLICT and waits:
                time.sleep(waits[0])
                return self._put_once(key, opened, content_type, waits[1:])
            if not exists(error):
                raise
            with opened() as body:
                self.same_or_raise(error, key, stream_sha256(body))
            return False
        return True

    def same_or_raise(self, error: ClientError, key: str, sha256: str) -> None:
        """Accept an object that exists with these bytes.

        Raises:
            ObjectConflictError: it has other bytes.
        """
        with self.open(self.output_bucket, key) as body:
            if stream_sha256(body) == sha256:
                return
        raise ObjectConflictError(
            f"s3://{self.output_bucket}/{key} exists already with other bytes, which an earlier "
            "attempt with other code or settings wrote. Upload the input again: that is a new run."
        ) from error


def exists(error: ClientError) -> bool:
    """Whether a write failed because the object exists."""
    return error_code(error) in _EXISTS


def to_json(value: Any) -> bytes:
    """Return `value` as indented JSON, the same bytes for the same value."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def stream_sha256(body: IO[bytes] | StreamingBody) -> str:
    """Return the SHA-256 of what is left in a stream."""
    digest = hashlib.sha256()
    while chunk := body.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _address(bucket: str, key: str, version_id: str | None) -> Any:
    address = {"Bucket": bucket, "Key": key}
    return {**address, "VersionId": version_id} if version_id else address


def _translated(error: ClientError, bucket: str, key: str, version_id: str | None) -> Exception:
    if error_code(error) in _GONE:
        version = f" in version {version_id}" if version_id else ""
        return ObjectGoneError(f"s3://{bucket}/{key} does not exist{version}.")
    return error
