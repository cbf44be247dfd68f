"""Uploading what a run is made from."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from batchkit.runs import FILE_SUFFIXES, MARKET_DATA_PREFIX, POSITIONS_PREFIX, run_id

from fargate_batch.cli.transfer import upload
from fargate_batch.errors import UserError
from fargate_batch.names import Output

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fargate_batch.environment import Environment

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
LONGEST_KEY_BYTES: Final = 1024


def check_positions(path: Path, name: str | None = None) -> str:
    """Check a positions file and its name before anything is uploaded; return its key.

    Args:
        path: the file.
        name: what it is to be called below positions/; the file's own name unless given.

    Raises:
        UserError: the file is missing, or the name cannot be that of a positions file.
    """
    _check_file(path)
    called = path.name if name is None else name
    if not called.endswith(FILE_SUFFIXES):
        shown = path if name is None else called
        raise UserError(f"{shown}: the name must end in {', '.join(FILE_SUFFIXES)}.")
    _check_key(called, POSITIONS_PREFIX + called)
    return POSITIONS_PREFIX + called


def check_market_data(path: Path) -> None:
    """Check a market data file's name, before anything is uploaded.

    Raises:
        UserError: the file is missing or not named <date>.csv, <date>.csv.gz or <date>.parquet.
    """
    _check_file(path)
    if not path.name.endswith(FILE_SUFFIXES):
        raise UserError(f"{path}: the name must end in {', '.join(FILE_SUFFIXES)}.")
    if not re.match(r"\d{4}-\d{2}-\d{2}\.", path.name):
        raise UserError(
            f"{path}: market data is named after its date, e.g. 2026-06-30.csv; rename the file."
        )
    _check_key(path.name, MARKET_DATA_PREFIX + path.name)


def upload_positions(
    environment: Environment, path: Path, key: str, console: Console
) -> dict[str, Any]:
    """Upload a positions file; return the run that this starts, with its object."""
    bucket = environment[Output.INPUT_BUCKET_NAME]
    version = upload(environment.client("s3"), path, bucket, key, console)
    return {
        "run_id": run_id(bucket, key, version),
        "bucket": bucket,
        "key": key,
        "version_id": version,
    }


def upload_market_data(environment: Environment, path: Path, console: Console) -> str:
    """Upload market data, whose file is named after its date, and return its key."""
    key = f"{MARKET_DATA_PREFIX}{path.name}"
    upload(environment.client("s3"), path, environment[Output.INPUT_BUCKET_NAME], key, console)
    return key


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"There is no file {_shown(str(path))}.")


def _check_key(name: str, key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise UserError(
            f"{_shown(name)}: the name is not UTF-8, which S3's keys are; rename the file or give "
            "another with --name."
        ) from error
    if size > LONGEST_KEY_BYTES:
        raise UserError(
            f"{name[:60]}...: the key {key[:40]}... has {size} bytes and S3 takes "
            f"{LONGEST_KEY_BYTES}; give a shorter name."
        )
    if _controls(name):
        # Neither S3's listings nor EventBridge's events carry every one of them.
        raise UserError(f"{_shown(name)}: the name holds a control character; rename it.")
    if {"", ".", ".."} & set(name.split("/")):
        # HTTP clients and proxies take such a path apart and ask for another key.
        raise UserError(f"{name}: the name holds an empty part, . or .. between its slashes.")


def _controls(name: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in name)


def _shown(name: str) -> str:
    """A name that can be printed whatever it holds."""
    return ascii(name) if _controls(name) else name.encode(errors="backslashreplace").decode()
