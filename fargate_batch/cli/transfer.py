"""One file into S3: in parts when it is large, with progress, and the version that it became."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from boto3.s3.transfer import TransferConfig
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from rich.console import Console

_MIB: Final = 1 << 20
# One request takes at most 5 GB, an object up to 10,000 parts; boto3 makes parts larger where
# these would be too many.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
IN_PARTS: Final = TransferConfig(
    multipart_threshold=64 * _MIB, multipart_chunksize=16 * _MIB, max_concurrency=4
)
_WRITES: Final = ("PutObject", "CompleteMultipartUpload")


def upload(s3: S3Client, path: Path, bucket: str, key: str, console: Console) -> str | None:
    """Upload a file and return its version; None in a bucket that keeps none.

    An upload that fails or is interrupted is aborted, and nothing of it becomes an object.
    """
    versions: list[str | None] = []
    with watching(s3, versions.append), progress(path, console) as advance:
        s3.upload_file(str(path), bucket, key, Callback=advance, Config=IN_PARTS)
    (version,) = versions
    return None if version == "null" else version


@contextmanager
def watching(s3: S3Client, tell: Callable[[str | None], None]) -> Iterator[None]:
    """Tell the version that each write makes; the answers have it, boto3's transfers drop it."""

    def hear(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            tell(parsed.get("VersionId"))

    names = [f"after-call.s3.{write}" for write in _WRITES]
    for name in names:
        s3.meta.events.register(name, hear)
    try:
        yield
    finally:
        for name in names:
            s3.meta.events.unregister(name, hear)


@contextmanager
def progress(path: Path, console: Console) -> Iterator[Callable[[int], None]]:
    """On a terminal a bar for as long as it is entered; it takes the bytes that were sent."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(path.name, total=path.stat().st_size)
        yield lambda sent: bar.update(task, advance=sent)
