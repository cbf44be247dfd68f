"""A finished run's report: fetching it and showing its summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchkit.runs import RunKeys
from botocore.exceptions import ClientError
from rich.text import Text

from fargate_batch.cli.showing import show_table
from fargate_batch.errors import UserError
from fargate_batch.names import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from fargate_batch.environment import Environment

SUMMARY: Final = "summary.json"
PAGE: Final = "report.html"


def read_summary(environment: Environment, run: str) -> dict[str, Any]:
    """The summary of a reported run.

    Raises:
        UserError: the bucket has it no longer.
    """
    bucket, key = environment[Output.OUTPUT_BUCKET_NAME], RunKeys(run).report(SUMMARY)
    try:
        answer = environment.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise UserError(
            f"The report of run {run} is gone: {key} has expired (storage.output_expiry_days). "
            "Submit the positions again."
        ) from error
    summary: dict[str, Any] = json.loads(answer["Body"].read())
    return summary


def download_report(environment: Environment, run: str, folder: Path) -> Path:
    """Download every file of the report, and the refused rows if there are any.

    Returns:
        the path of its page; all are in folder/<run id>/.
    """
    s3, bucket = environment.client("s3"), environment[Output.OUTPUT_BUCKET_NAME]
    target: Path = folder / run
    target.mkdir(parents=True, exist_ok=True)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=RunKeys(run).report_prefix
    )
    for page in pages:
        for found in page.get("Contents", []):
            s3.download_file(bucket, found["Key"], str(target / Path(found["Key"]).name))
    _download_what_is_there(s3, bucket, RunKeys(run).quarantine, target)
    return target / PAGE


def download_refused(environment: Environment, run: str, folder: Path) -> list[Path]:
    """Download why a run was rejected, and its refused rows, into folder/<run id>/.

    Returns:
        the files that there are: where the file could not be read no row was refused, and the
        bucket does not keep them for ever.
    """
    s3, bucket = environment.client("s3"), environment[Output.OUTPUT_BUCKET_NAME]
    target: Path = folder / run
    target.mkdir(parents=True, exist_ok=True)
    keys = RunKeys(run)
    paths = [
        _download_what_is_there(s3, bucket, key, target) for key in (keys.rejected, keys.quarantine)
    ]
    return [path for path in paths if path is not None]


def _download_what_is_there(s3: Any, bucket: str, key: str, folder: Path) -> Path | None:
    """Download an object; None where there is none."""
    path = folder / Path(key).name
    try:
        s3.download_file(bucket, key, str(path))
    except ClientError as error:
        # The download begins with a HeadObject, whose answer has no body and so no other code.
        if error.response["Error"]["Code"] != "404":
            raise
        return None
    return path


def show_summary(
    console: Console, record: dict[str, Any], summary: dict[str, Any], page: Path | None
) -> None:
    """Print what a reader wants to know first."""
    # The historical figures are the report's own; a simulation stands beside them if there is one.
    measured = {"historical": summary["risk"]}
    if simulated := summary.get("monte_carlo"):
        measured["monte carlo"] = simulated["risk"]
    currency = summary["base_currency"]
    titles = ["scenarios", "level", "VaR, one day", "ES", "currency"]
    rows = [
        [scenarios, f"{one['level']:.1%}", f"{one['var']:,.0f}", f"{one['es']:,.0f}", currency]
        for scenarios, levels in measured.items()
        for one in levels
    ]
    show_table(console, titles, rows)
    for text in backtests(summary):
        console.print(text)
    console.print(f"rows in {summary['rows_in']:,}, refused {summary['rows_refused']:,}")
    for stage, timing in record.get("stages", {}).items():
        # A stage that was taken over or redriven may have begun and not said that it ended.
        if "seconds" in timing:
            console.print(f"{stage}: {timing['seconds']:.1f} s")
    if page is not None:
        # Not wrapped, so that it can be copied.
        console.print(Text(str(page)), soft_wrap=True)


def backtests(summary: dict[str, Any]) -> Iterator[str]:
    """A line for each level that was backtested to a zone of the traffic light."""
    for level in summary.get("backtest", {}).get("levels", []):
        if light := level.get("traffic_light"):
            yield (
                f"backtest at {level['level']:.1%}: {light['zone']} zone, "
                f"{light['exceptions']} exceptions in the last 250 days"
            )
