"""Reads a positions file as a stream of frames, whatever its size: CSV, gzipped CSV or Parquet."""

from __future__ import annotations

import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl
from batchkit.errors import Rejected
from batchkit.runs import RunKeys

from data_ingestion.columns import LINE, MISCOUNTED, header_problem, trimmed, type_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchkit.events import S3Event
    from batchkit.stage import Context
    from botocore.response import StreamingBody

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
EMPTY: Final = "The file is empty."
_BLOCK_BYTES: Final = 8 << 20
_READ_BYTES: Final = 1 << 20
_MAX_LINE_BYTES: Final = 1 << 20
_PARQUET_ROWS: Final = 200_000
_GZIP_MAGIC: Final = b"\x1f\x8b"
_CONTROLS: Final = [bytes([code]) for code in (*range(32), 127) if code not in b"\r\n"]
_END, _OTHER_CONTROL = b"\x1e", b"\x1f"
_ABOUT_FIELDS: Final = (b'"', b" ", b"\t")
"""What may stand around a field and does not belong to it."""
_UNPRINTABLE: Final = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf\xbd")
"""In UTF-8: the control characters beyond ASCII, and what stands for bytes that nobody could read.
"""
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file, as they were read."""

    frame: pl.DataFrame
    """The file's columns, as text or Parquet's types, and `LINE`."""
    printable: bool = False
    """Whether all of it is known to be UTF-8 without control characters."""


def batches(event: S3Event, context: Context) -> Iterator[Batch]:
    """Yield the file's rows in order; the same file, the same batches.

    Raises:
        Rejected: the file is not one of the three, cannot be read, or has other columns.
        ObjectGoneError: the object or its version does not exist.
    """
    if event.key.endswith(".parquet"):
        return parquet_batches(_scanned(event, context))
    if event.key.endswith((".csv", ".csv.gz")):
        body = _chunks(context.storage.open(event.bucket, event.key, event.version_id))
        return csv_batches(gunzipped(body) if event.key.endswith(".gz") else body)
    raise Rejected(
        f"{event.key} is not a positions file: its name must end in {', '.join(SUFFIXES)}."
    )


def read_ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield the items, the next of them being made in a thread while the last is worked on."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = reader.submit(next, items, None)
            yield item


def _chunks(body: StreamingBody) -> Iterator[bytes]:
    while chunk := body.read(_READ_BYTES):
        yield chunk


def gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack a gzip stream of one or several members, never more than a little at once.

    Raises:
        Rejected: it ends in the middle, or is none.
    """
    broken = Rejected(
        "The file ends in the middle of its gzip stream, or is no gzip file. Upload it again whole."
    )
    unpacker = zlib.decompressobj(wbits=31)
    began = False
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=31)
            try:
                yield unpacker.decompress(data, _READ_BYTES)
            except zlib.error as error:
                raise broken from error
            began = True
            data = unpacker.unconsumed_tail or unpacker.unused_data
    if began and not unpacker.eof:
        raise broken


def _blocks(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the stream in blocks of whole lines, each in pieces that follow one another."""
    pending: list[bytes] = []
    size = tail = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        size += len(chunk)
        tail = len(chunk) - end if end else tail + len(chunk)
        if tail > _MAX_LINE_BYTES:
            raise Rejected(
                f"A line is longer than {_MAX_LINE_BYTES >> 20} MiB. Is this a positions file with "
                "one position a line?"
            )
        if size >= _BLOCK_BYTES and end:
            yield [*pending, chunk[:end]]
            pending, size = [chunk[end:]], tail
        else:
            pending.append(chunk)
    if size:
        yield pending


def csv_batches(chunks: Iterator[bytes]) -> Iterator[Batch]:
    """Yield the rows of a CSV file's bytes.

    Raises:
        Rejected: it is empty, has other columns, or a line without an end.
    """
    columns: list[str] = []
    line = 1
    for pieces in _blocks(chunks):
        body = pieces
        if not columns:
            header, _, rest = b"".join(pieces).partition(b"\n")
            columns = _header(header)
            body, line = [rest], 2
        if any(body):
            batch = _lines(columns, b"".join(body))
            numbers = pl.int_range(line, line + batch.frame.height, dtype=pl.Int64, eager=True)
            line += batch.frame.height
            rows = batch.frame.insert_column(0, numbers.alias(LINE))
            # A blank line is no row, but it counts as a line.
            if rows["position_id"].null_count():
                rows = rows.filter(~pl.all_horizontal(pl.col(*columns).is_null()))
            yield replace(batch, frame=rows)
    if not columns:
        raise Rejected(EMPTY)


def _header(line: bytes) -> list[str]:
    if line.startswith(_GZIP_MAGIC):
        raise Rejected("The file is gzipped; its name must end in .csv.gz then.")
    try:
        text = line.decode("utf-8-sig")
        wrong_at = text.find("\0")  # UTF-16 and UTF-32 are full of it
    except UnicodeDecodeError as error:
        wrong_at = error.start
    if wrong_at >= 0:
        raise Rejected(
            f"The file is not UTF-8 text (byte {wrong_at + 1} of its first line). "
            "Save it as CSV in UTF-8."
        )
    columns = [name.strip(' \t\r"') for name in text.split(",")]
    problem = header_problem(columns)
    if problem:
        raise Rejected(problem)
    return columns


def _lines(columns: list[str], given: bytes) -> Batch:
    """Read whole lines, each as exactly one row.

    Quotes have no meaning, so that a stray one cannot swallow the lines after it; fields that are
    quoted whole lose their quotes. Bytes that are not UTF-8 become U+FFFD; a rule finds it.
    """
    utf8 = _is_utf8(given)
    printable = utf8 and not _has_controls(given)
    block = given.replace(b"\r\n", b"\n") if b"\r" in given else given
    # Every line gets one field more, and a line with a comma too many or too few is one where that
    # field is not the last: else 1,5 instead of 1.5 would pass for two numbers.
    block = block.replace(_END, _OTHER_CONTROL) if not printable else block
    block = b"".join(
        (
            ",".join([*columns, MISCOUNTED]).encode(),
            b"\n",
            (block if block.endswith(b"\n") else block + b"\n").replace(b"\n", b"," + _END + b"\n"),
        )
    )
    frame = pl.read_csv(
        block,
        schema=dict.fromkeys([*columns, MISCOUNTED], pl.String()),
        quote_char=None,
        encoding="utf8" if utf8 else "utf8-lossy",
        truncate_ragged_lines=True,
    )
    miscounted = frame[MISCOUNTED].ne_missing(_END.decode())
    frame = frame.drop(MISCOUNTED)
    if miscounted.any():
        frame = frame.with_columns(
            pl.all().replace(_END.decode(), None), miscounted.alias(MISCOUNTED)
        )
    if any(about in given for about in _ABOUT_FIELDS):
        frame = trimmed(frame)
    return Batch(frame, printable=printable)


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_controls(block: bytes) -> bool:
    """Whether UTF-8 holds characters that no field may; cheaper than to look at each field."""
    return (
        any(control in block for control in _CONTROLS)
        or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n"))
        or (not block.isascii() and _UNPRINTABLE.search(block) is not None)
    )


def _scanned(event: S3Event, context: Context) -> pl.LazyFrame:
    # Parquet is read from many places of the file, and polars cannot ask for one version of it;
    # so S3 makes a copy of that version, which nobody changes.
    storage = context.storage
    if storage.describe(event.bucket, event.key, event.version_id).size == 0:
        raise Rejected(EMPTY)
    target = RunKeys(context.run_id).input_copy
    storage.copy_to_output(event.bucket, event.key, event.version_id, target)
    endpoint = storage.client.meta.endpoint_url
    options = {
        "aws_region": context.task.region,
        "aws_endpoint_url": endpoint,
        "aws_virtual_hosted_style_request": "false",
        "aws_allow_http": str(endpoint.startswith("http:")).lower(),
    }
    return pl.scan_parquet(
        f"s3://{storage.output_bucket}/{target}",
        storage_options=options,
        credential_provider=pl.CredentialProviderAWS(region_name=context.task.region),
    )


def parquet_batches(scan: pl.LazyFrame) -> Iterator[Batch]:
    """Yield the rows of a Parquet file.

    Raises:
        Rejected: it cannot be read, or has other columns or types.
    """
    try:
        schema = scan.collect_schema()
        problem = header_problem(schema.names()) or type_problem(schema)
        if problem:
            raise Rejected(problem)
        line = 1
        for batch in scan.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            numbers = pl.int_range(line, line + batch.height, dtype=pl.Int64, eager=True)
            line += batch.height
            yield Batch(trimmed(batch).insert_column(0, numbers.alias(LINE)))
    except pl.exceptions.PolarsError as error:
        raise Rejected(f"The file cannot be read as Parquet: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of what a library said."""
    return str(error).strip().split("\n", 1)[0]
