"""Objects of the output bucket that are sent while they are made, and appear together at the end.

A multipart upload is not an object until it is completed: no event tells of it, nobody can read it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from batchkit.errors import ObjectGoneError, error_code
from batchkit.storage import exists

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from batchkit.storage import Storage

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """An object's bytes, which S3 has."""

    key: str
    upload_id: str
    etag: str
    sha256: str


@dataclass
class Uploads:
    """Objects under way; those not completed at the end of a `with` are taken back."""

    storage: Storage
    content_type: str
    _waiting: list[Upload] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for upload in self._waiting:
            try:
                self._abort(upload.key, upload.upload_id)
            except ClientError:
                # The bucket's lifecycle takes back what is left; the error in hand matters more.
                _log.warning("The upload of %s could not be taken back.", upload.key, exc_info=True)

    def send(self, key: str, body: bytes) -> None:
        """Send an object's bytes; at most 5 GiB, which is what one part of an upload may have."""
        bucket, client = self.storage.output_bucket, self.storage.client
        upload_id = client.create_multipart_upload(
            Bucket=bucket, Key=key, ContentType=self.content_type
        )["UploadId"]
        # Appended first, so that it is taken back if the part cannot be sent.
        sha256 = hashlib.sha256(body).hexdigest()
        self._waiting.append(Upload(key, upload_id, "", sha256))
        part = client.upload_part(
            Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=body
        )
        self._waiting[-1] = Upload(key, upload_id, part["ETag"], sha256)

    def complete(self) -> None:
        """Make the objects appear, in the order in which they were sent.

        One that exists already with the same bytes stays as it is.

        Raises:
            ObjectConflictError: one exists with other bytes.
        """
        while self._waiting:
            upload = self._waiting[0]
            try:
                self.storage.client.complete_multipart_upload(
                    Bucket=self.storage.output_bucket,
                    Key=upload.key,
                    UploadId=upload.upload_id,
                    MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": upload.etag}]},
                    IfNoneMatch="*",
                )
            except ClientError as error:
                self._accept(error, upload)
            self._waiting.pop(0)

    def abort_left(self, prefix: str) -> None:
        """Take back what an attempt that was cut off had under way below a prefix."""
        pages = self.storage.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.storage.output_bucket, Prefix=prefix
        )
        for page in pages:
            for left in page.get("Uploads", []):
                self._abort(left["Key"], left["UploadId"])

    def _accept(self, error: ClientError, upload: Upload) -> None:
        """Accept that an upload cannot be completed because its object exists with its bytes.

        Raises:
            ObjectConflictError: it exists with other bytes.
            ClientError: it does not exist.
        """
        if exists(error):
            self.storage.same_or_raise(error, upload.key, upload.sha256)
            self._abort(upload.key, upload.upload_id)
            return
        if not _no_such_upload(error):
            raise error
        # It was completed and the answer lost, or a later attempt has taken it back.
        try:
            self.storage.same_or_raise(error, upload.key, upload.sha256)
        except ObjectGoneError:
            raise error from None

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self.storage.client.abort_multipart_upload(
                Bucket=self.storage.output_bucket, Key=key, UploadId=upload_id
            )
        except ClientError as error:
            if not _no_such_upload(error):
                raise


def _no_such_upload(error: ClientError) -> bool:
    """Whether an upload is completed or taken back already."""
    return error_code(error) == "NoSuchUpload"
