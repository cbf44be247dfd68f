"""Uploading what a run is made from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchkit.runs import MARKET_DATA_PREFIX, POSITIONS_PREFIX, run_id

from fargate_batch.errors import UserError
from fargate_batch.names import Output

if TYPE_CHECKING:
    from pathlib import Path

    from fargate_batch.environment import Environment

POSITIONS_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
MARKET_DATA_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")


def check_positions(path: Path) -> None:
    """Check a positions file's name, before anything is uploaded.

    Raises:
        UserError: the file is missing, or its name does not end as one of the formats does.
    """
    _check(path, POSITIONS_SUFFIXES)


def check_market_data(path: Path) -> None:
    """Check a market data file's name, before anything is uploaded.

    Raises:
        UserError: the file is missing or not named <date>.csv, <date>.csv.gz or <date>.parquet.
    """
    _check(path, MARKET_DATA_SUFFIXES)
    if not re.match(r"\d{4}-\d{2}-\d{2}\.", path.name):
        raise UserError(
            f"{path}: market data is named after its date, e.g. 2026-06-30.csv; rename the file."
        )


def upload_positions(environment: Environment, path: Path) -> str:
    """Upload a positions file and return the id of the run that this starts."""
    bucket, key = environment[Output.INPUT_BUCKET_NAME], f"{POSITIONS_PREFIX}{path.name}"
    s3 = environment.client("s3")
    # put_object answers with the version, which the run's id is made of; upload_file does not.
    with path.open("rb") as body:
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body)
    return run_id(bucket, key, answer["VersionId"])


def upload_market_data(environment: Environment, path: Path) -> str:
    """Upload market data, whose file is named after its date, and return its key."""
    key = f"{MARKET_DATA_PREFIX}{path.name}"
    environment.client("s3").upload_file(str(path), environment[Output.INPUT_BUCKET_NAME], key)
    return key


def _check(path: Path, suffixes: tuple[str, ...]) -> None:
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    if not path.name.endswith(suffixes):
        raise UserError(f"{path}: the name must end in {', '.join(suffixes)}.")
