"""The commands of whoever wants a report: submit, follow, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003  # click looks at no annotation, but people do
from typing import TYPE_CHECKING

import click
from batchkit.states import RunState
from rich.console import Console

from fargate_batch.cli import reports, submission
from fargate_batch.cli.following import follow_run
from fargate_batch.cli.options import (
    DEAD_LETTERED,
    EXIT_CODES,
    PATH,
    REJECTED,
    Options,
    common,
    download_option,
    say,
    timeout_option,
)
from fargate_batch.cli.records import find_run
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from fargate_batch.environment import Environment


@click.command(epilog=EXIT_CODES)
@click.argument("positions", type=PATH)
@click.option("--market-data", type=PATH, help="Upload this market data first.")
@click.option("--name", help="Another name for the file in the bucket, below positions/.")
@click.option("--follow", is_flag=True, help="Wait for the run and show its summary.")
@download_option
@timeout_option
@common
def submit(  # noqa: PLR0913  # click hands over an argument for each option
    options: Options,
    positions: Path,
    market_data: Path | None,
    name: str | None,
    *,
    follow: bool,
    download: Path | None,
    timeout: float,
) -> None:
    """Upload a positions file; this starts a run.

    Large files go up in parts, up to S3's limit of 5 TB, and an upload that is interrupted leaves
    nothing behind. The same file again is another version of it, and another run.
    """
    if download is not None and not follow:
        raise click.UsageError("--download goes with --follow: there is no report before the end.")
    # Both before the first upload: a refusal leaves nothing behind.
    key = submission.check_positions(positions, name)
    if market_data is not None:
        submission.check_market_data(market_data)
    environment, console = options.find(), Console(stderr=True)
    if market_data is not None:
        uploaded = submission.upload_market_data(environment, market_data, console)
        say(options, f"{market_data} is now {uploaded}")
    run = submission.upload_positions(environment, positions, key, console)
    say(options, f"{positions} is now run {run['run_id']}")
    if follow:
        finish(options, environment, run["run_id"], download, timeout)
    elif options.json:
        click.echo(json.dumps(run))
    else:
        click.echo(
            f"`batch follow {run['run_id']} --environment {environment.name}` waits for its report."
        )


@click.command(epilog=EXIT_CODES)
@click.argument("run")
@download_option
@timeout_option
@common
def follow(options: Options, run: str, download: Path | None, timeout: float) -> None:
    """Wait for a run's end and show it: its summary, or why there is none."""
    finish(options, options.find(), run, download, timeout)


@click.command(epilog=EXIT_CODES)
@click.argument("run")
@download_option
@common
def report(options: Options, run: str, download: Path | None) -> None:
    """Show a run's summary."""
    show_end(options, options.find(), run, download)


def finish(
    options: Options, environment: Environment, run: str, download: Path | None, timeout: float
) -> None:
    """Follow a run to its end and show it."""
    # Progress goes to standard error, so that standard output holds the result alone.
    follow_run(environment, run, Console(stderr=True), timeout)
    show_end(options, environment, run, download)


def show_end(options: Options, environment: Environment, run: str, download: Path | None) -> None:
    """Show a run's summary, or why there is none.

    Raises:
        SystemExit: the run was rejected or is dead-lettered.
        UserError: the run is not finished, or its report has expired.
    """
    record = find_run(environment, run)
    match record["state"]:
        case RunState.REPORTED:
            summary = reports.read_summary(environment, run)
            page = reports.download_report(environment, run, download) if download else None
            if options.json:
                shown = {**summary, "report": str(page) if page else None}
                click.echo(json.dumps(shown, indent=2))
            else:
                reports.show_summary(Console(), record, summary, page)
        case RunState.REJECTED:
            refused = reports.download_refused(environment, run, download) if download else None
            end_without_report(options, run, "rejected", str(record["reason"]), refused)
            sys.exit(REJECTED)
        case RunState.DEAD_LETTERED:
            end_without_report(options, run, "dead-lettered", str(record["reason"]))
            say_how_on(options, environment, run)
            sys.exit(DEAD_LETTERED)
        case state:
            raise UserError(
                f"Run {run} is {state}; `batch follow {run} --environment "
                f"{environment.name}` waits for its report."
            )


def end_without_report(
    options: Options, run: str, how: str, reason: str, files: list[Path] | None = None
) -> None:
    """Say that there is no report and why, and which files were downloaded instead, if asked."""
    if options.json:
        downloaded = {} if files is None else {"files": [str(file) for file in files]}
        click.echo(json.dumps({"run_id": run, how: reason, **downloaded}))
        return
    was = "was" if how == "rejected" else "is"
    click.echo(f"Run {run} {was} {how}: {reason}", err=True)
    for file in files or ():
        click.echo(f"Downloaded {file}")
    if files == []:
        click.echo("It has left no files that could be downloaded.", err=True)


def say_how_on(options: Options, environment: Environment, run: str) -> None:
    """Say how a dead-lettered run can be looked into and put back to work."""
    if not options.json:
        end = f"{run} --environment {environment.name}"
        click.echo(
            f"`batch why {end}` says more; `batch redrive {end}` works it again once the cause is "
            "mended.",
            err=True,
        )
