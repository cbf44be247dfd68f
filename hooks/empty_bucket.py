"""`!empty_bucket`: before its stack goes, all that a bucket holds goes, every version of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field

from fargate_batch.errors import UserError
from hooks.base import Arguments, CheckedHook
from hooks.stacks import NEVER_CREATED, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

# As many as S3 takes in one call.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
BATCH: Final = 1000
PARALLEL: Final = 8
# What S3 may say of one object among a thousand and take back a moment later.
PASSING: Final = ("InternalError", "ServiceUnavailable", "SlowDown")
ATTEMPTS: Final = 4


class EmptyBucketArguments(Arguments):
    """Which buckets."""

    outputs: list[str] = Field(min_length=1)
    """The names of the stack's own outputs that hold the buckets' names, in the order in which
    they are emptied. A bucket that takes another's access logs comes last."""


class EmptyBucket(CheckedHook[EmptyBucketArguments]):
    """Empties the buckets of the stack that is about to be deleted."""

    arguments_model: ClassVar[type[Arguments]] = EmptyBucketArguments

    def run(self) -> None:
        """Empty the buckets, or refuse before the first object goes.

        Raises:
            UserError: the stack or the environment is protected, or an object cannot be deleted.
        """
        described = self.described_stack()
        if described is None or described["StackStatus"] in NEVER_CREATED:
            return
        self._refuse_protected(described)
        for bucket in self._buckets(outputs_of(described)):
            deleted = empty_bucket(self.client("s3"), bucket, self._report)
            self.logger.info("%s is empty, %d versions deleted", bucket, deleted)

    def _buckets(self, outputs: dict[str, str]) -> list[str]:
        """The buckets' names; none where the stack never came to have outputs."""
        names = self.arguments().outputs
        missing = [name for name in names if name not in outputs]
        if outputs and missing:
            raise self.wrong(
                f"outputs: the deployed stack has no {', '.join(missing)}; it has "
                f"{', '.join(sorted(outputs))}. No bucket was emptied."
            )
        return [outputs[name] for name in names if name in outputs]

    def _refuse_protected(self, described: dict[str, Any]) -> None:
        """Sceptre runs this hook before it looks at `protect`, so the hook looks itself."""
        settings = self.settings()
        reasons = {
            f"config/{settings.environment}/config.yaml says allow_destruction: false": (
                not settings.allow_destruction
            ),
            f"config/{self.stack.name}.yaml says protect: true": self.stack.protected,
            f"termination protection is on for {described['StackName']}": (
                described.get("EnableTerminationProtection")
            ),
        }
        for reason, holds in reasons.items():
            if holds:
                raise UserError(f"No bucket of {self.stack.name} was emptied: {reason}.")

    def _report(self, bucket: str, deleted: int) -> None:
        self.logger.info("Emptying %s: %d versions deleted", bucket, deleted)


def empty_bucket(s3: S3Client, bucket: str, report: Callable[[str, int], None]) -> int:
    """Delete every version and delete marker and abort every open upload; return how many.

    A bucket that is already gone holds nothing. `report` is called with the bucket and the number
    of versions deleted so far.

    Raises:
        UserError: S3 refuses to delete an object; the message names the first one.
    """
    deleted = 0
    with suppress(s3.exceptions.NoSuchBucket):
        # First, so that none of them becomes an object behind the listing's back.
        abort_uploads(s3, bucket)
        batches = version_batches(s3, bucket)
        with ThreadPoolExecutor(PARALLEL) as pool:
            # A few batches at a time: a bucket may hold more versions than memory does.
            while some := list(islice(batches, PARALLEL)):
                deleted += sum(pool.map(lambda batch: delete_batch(s3, bucket, batch), some))
                report(bucket, deleted)
    return deleted


def version_batches(s3: S3Client, bucket: str) -> Iterator[list[ObjectIdentifierTypeDef]]:
    """Every version and delete marker, in batches that one call can delete."""
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": BATCH}
    )
    for page in pages:
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        for start in range(0, len(found), BATCH):
            yield [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in found[start : start + BATCH]
            ]


def delete_batch(s3: S3Client, bucket: str, batch: list[ObjectIdentifierTypeDef]) -> int:
    """Delete one batch; return its size.

    S3 answers 200 and lists the versions that it kept; those that it kept by chance are asked for
    again.

    Raises:
        UserError: S3 keeps some of them; the message names one and why.
    """
    left, attempt = batch, 1
    while kept := s3.delete_objects(Bucket=bucket, Delete={"Objects": left, "Quiet": True}).get(
        "Errors", []
    ):
        lasting = [failure for failure in kept if failure.get("Code") not in PASSING]
        if lasting or attempt == ATTEMPTS:
            first = (lasting or kept)[0]
            raise UserError(
                f"{len(kept)} versions in {bucket} were not deleted, among them "
                f"{first.get('Key')}: {first.get('Code')}, {first.get('Message')}. Its stack was "
                "not touched. Mend that and give the same command again; it goes on from here."
            )
        left = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in kept]
        time.sleep(2**attempt)
        attempt += 1
    return len(batch)


def abort_uploads(s3: S3Client, bucket: str) -> None:
    """Abort multipart uploads that nobody finished; no listing of versions shows them."""
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            # Somebody may finish or abort it meanwhile.
            with suppress(s3.exceptions.NoSuchUpload):
                s3.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
