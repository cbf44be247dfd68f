"""Reads a positions file as a stream of batches, whatever its size: CSV, gzipped CSV or Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import Rejected
from batchkit.runs import FILE_SUFFIXES, RunKeys

from data_ingestion.batch import EMPTY, Batch
from data_ingestion.columns import (
    LINE,
    as_categories,
    has_many_categories,
    header_problem,
    trimmed,
    type_problem,
    with_text,
)
from data_ingestion.csv_text import READ_BYTES, csv_batches, gunzipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchkit.events import S3Event
    from batchkit.stage import Context
    from botocore.response import StreamingBody

_PARQUET_ROWS: Final = 150_000


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
        f"{event.key} is not a positions file: its name must end in {', '.join(FILE_SUFFIXES)}."
    )


def _chunks(body: StreamingBody) -> Iterator[bytes]:
    while chunk := body.read(READ_BYTES):
        yield chunk


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
        line, categories = 1, True
        for batch in _slices(scan):
            numbers = pl.int_range(line, line + batch.height, dtype=pl.Int64, eager=True)
            line += batch.height
            rows = trimmed(with_text(batch))
            rows = as_categories(rows) if categories else rows
            categories = categories and not has_many_categories(rows)
            yield Batch(rows.insert_column(0, numbers.alias(LINE)))
    except pl.exceptions.PolarsError as error:
        raise Rejected(f"The file cannot be read as Parquet: {first_line(error)}") from error
    except pl.exceptions.PanicException as error:
        # What polars says then is about its own code.
        raise Rejected(
            "The file cannot be read as Parquet: its bytes are damaged. Write and upload it again."
        ) from error


def _slices(scan: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    # A stream of batches would unpack whole row groups, several of them ahead; many writers make
    # groups of a million rows, and those of text take more memory than a task has.
    rows = scan.select(pl.len()).collect().item()
    for start in range(0, rows, _PARQUET_ROWS):
        yield scan.slice(start, _PARQUET_ROWS).collect()


def first_line(error: Exception) -> str:
    """Return the first line of what a library said."""
    return str(error).strip().split("\n", 1)[0]
