"""Reads a positions file as a stream of frames, whatever its size: CSV, gzipped CSV or Parquet."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import Rejected
from batchkit.runs import RunKeys

from data_ingestion.columns import EXTRA, LINE, cleaned, header_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchkit.events import S3Event
    from batchkit.stage import Context
    from botocore.response import StreamingBody

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
EMPTY: Final = "The file is empty."
_BLOCK_BYTES: Final = 16 << 20
_READ_BYTES: Final = 1 << 20
_MAX_LINE_BYTES: Final = 1 << 20
_PARQUET_ROWS: Final = 200_000
_GZIP_MAGIC: Final = b"\x1f\x8b"


def frames(event: S3Event, context: Context) -> Iterator[pl.DataFrame]:
    """Yield the file's rows in order, as text or as Parquet's types, with their lines.

    Raises:
        Rejected: the file is not one of the three, cannot be read, or has other columns.
        ObjectGoneError: the object or its version does not exist.
    """
    if event.key.endswith(".parquet"):
        return _parquet(event, context)
    if event.key.endswith((".csv", ".csv.gz")):
        return _csv(_open(event, context))
    raise Rejected(
        f"{event.key} is not a positions file: its name must end in {', '.join(SUFFIXES)}."
    )


def _open(event: S3Event, context: Context) -> Iterator[bytes]:
    body = context.storage.open(event.bucket, event.key, event.version_id)
    chunks = _chunks(body)
    if event.key.endswith(".gz"):
        return _gunzipped(chunks)
    return chunks


def _chunks(body: StreamingBody) -> Iterator[bytes]:
    while chunk := body.read(_READ_BYTES):
        yield chunk


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack a gzip stream of one or several members, never more than a little at once."""
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


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the stream in blocks of whole lines."""
    pending: list[bytes] = []
    size = tail = 0
    for chunk in chunks:
        pending.append(chunk)
        size += len(chunk)
        tail = tail + len(chunk) if b"\n" not in chunk else len(chunk) - chunk.rfind(b"\n") - 1
        if tail > _MAX_LINE_BYTES:
            raise Rejected(
                f"A line is longer than {_MAX_LINE_BYTES >> 20} MiB. Is this a positions file with "
                "one position a line?"
            )
        if size >= _BLOCK_BYTES and size > tail:
            joined = b"".join(pending)
            yield joined[: size - tail]
            pending = [joined[size - tail :]]
            size = tail
    if size:
        yield b"".join(pending)


def _csv(chunks: Iterator[bytes]) -> Iterator[pl.DataFrame]:
    columns: list[str] = []
    line = 1
    for raw in _blocks(chunks):
        block = raw
        if not columns:
            header, _, block = raw.partition(b"\n")
            columns = _header(header)
            line = 2
        if block:
            frame = _lines(columns, block)
            numbers = pl.int_range(line, line + frame.height, dtype=pl.Int64, eager=True)
            line += frame.height
            rows = cleaned(frame).insert_column(0, numbers.alias(LINE))
            # A blank line is no row, but it counts as a line.
            yield rows.filter(~pl.all_horizontal(pl.exclude(LINE).is_null()))
    if not columns:
        raise Rejected(EMPTY)


def _header(line: bytes) -> list[str]:
    if line.startswith(_GZIP_MAGIC):
        raise Rejected("The file is gzipped; its name must end in .csv.gz then.")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected(
            f"The file is not UTF-8 text (byte {error.start + 1} of its first line). "
            "Save it as CSV in UTF-8."
        ) from error
    columns = [name.strip(' \t\r"') for name in text.split(",")]
    problem = header_problem(columns)
    if problem:
        raise Rejected(problem)
    return columns


def _lines(columns: list[str], block: bytes) -> pl.DataFrame:
    """Read whole lines, each as exactly one row.

    Quotes have no meaning, so that a stray one cannot swallow the lines after it; fields that are
    quoted whole lose their quotes later. Bytes that are not UTF-8 become U+FFFD; a rule finds it.
    """
    names = [*columns, EXTRA]
    return pl.read_csv(
        io.BytesIO(",".join(names).encode() + b"\n" + block),
        schema=dict.fromkeys(names, pl.String()),
        quote_char=None,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )


def _parquet(event: S3Event, context: Context) -> Iterator[pl.DataFrame]:
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
    try:
        scan = pl.scan_parquet(
            f"s3://{storage.output_bucket}/{target}",
            storage_options=options,
            credential_provider=pl.CredentialProviderAWS(region_name=context.task.region),
        )
        problem = header_problem(scan.collect_schema().names())
        if problem:
            raise Rejected(problem)
        line = 1
        for batch in scan.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            numbers = pl.int_range(line, line + batch.height, dtype=pl.Int64, eager=True)
            line += batch.height
            yield cleaned(batch).insert_column(0, numbers.alias(LINE))
    except pl.exceptions.PolarsError as error:
        raise Rejected(f"The file cannot be read as Parquet: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of what a library said."""
    return str(error).strip().split("\n", 1)[0]
