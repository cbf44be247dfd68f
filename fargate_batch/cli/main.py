"""The commands of `batch` and how they exit.

Exit codes: 0 done; 1 an error that the message explains; 2 wrong use of the command; 3 the run was
rejected; 4 the run made no progress for as long as --timeout allows.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from batchkit.errors import UnknownRunError
from batchkit.ledger import RunState
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sceptre.exceptions import SceptreException

from fargate_batch import project
from fargate_batch.aws_errors import explained
from fargate_batch.cli import reports, submission
from fargate_batch.cli.following import NoProgressError, follow_run
from fargate_batch.cli.logs import read_logs
from fargate_batch.environment import Environment, find_environment
from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

REJECTED: Final = 3
NO_PROGRESS: Final = 4
EXIT_CODES: Final = (
    "Exit codes: 0 done, 1 an error, 2 wrong use, 3 the run was rejected, "
    "4 the run made no progress."
)
RUN_FIELDS: Final = {
    "run_id": "run",
    "state": "state",
    "input_key": "file",
    "created_at": "begun",
    "reason": "reason",
}
PATH: Final = click.Path(path_type=Path, dir_okay=False)
FOLDER: Final = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class Options:
    """What every command may be told."""

    environment: str
    profile: str | None
    region: str | None
    json: bool

    def find(self) -> Environment:
        """The environment that the command is about.

        Raises:
            UserError: it cannot be found.
        """
        return find_environment(project.find_project(), self.environment, self.profile, self.region)


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that every command has; the innermost of its decorators."""

    @click.option("--environment", "-e", default="dev", show_default=True, help="Which one.")
    @click.option("--profile", help="AWS profile; the environment's config unless given.")
    @click.option("--region", help="AWS region; the environment's config unless given.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
    @wraps(command)
    def with_options(
        environment: str, profile: str | None, region: str | None, *, as_json: bool, **rest: Any
    ) -> None:
        command(Options(environment, profile, region, as_json), **rest)

    return with_options


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=900,
    show_default=True,
    help="Give up when nothing moved for so many seconds.",
)


@click.group(epilog=EXIT_CODES)
def batch() -> None:
    """Drop files into an environment, follow its runs, fetch their reports."""


@batch.command(epilog=EXIT_CODES)
@click.argument("positions", type=PATH)
@click.option("--market-data", type=PATH, help="Upload this market data first.")
@click.option("--follow", is_flag=True, help="Wait for the run and show its summary.")
@click.option("--download", type=FOLDER, help="With --follow: download the report into here.")
@timeout_option
@common
def submit(  # noqa: PLR0913  # click hands over an argument for each option
    options: Options,
    positions: Path,
    market_data: Path | None,
    *,
    follow: bool,
    download: Path | None,
    timeout: float,
) -> None:
    """Upload a positions file; this starts a run."""
    if download is not None and not follow:
        raise click.UsageError("--download goes with --follow: there is no report before the end.")
    # Both before the first upload: a refusal leaves nothing behind.
    submission.check_positions(positions)
    if market_data is not None:
        submission.check_market_data(market_data)
    environment = options.find()
    if market_data is not None:
        key = submission.upload_market_data(environment, market_data)
        say(options, f"{market_data} is now {key}")
    run = submission.upload_positions(environment, positions)
    say(options, f"{positions} is now run {run}")
    if follow:
        finish(options, environment, run, download, timeout)
    elif options.json:
        click.echo(json.dumps({"run_id": run}))


@batch.command(epilog=EXIT_CODES)
@click.argument("run")
@click.option("--download", type=FOLDER, help="Download the report into here.")
@timeout_option
@common
def follow(options: Options, run: str, download: Path | None, timeout: float) -> None:
    """Wait for a run and show its summary."""
    finish(options, options.find(), run, download, timeout)


@batch.command(epilog=EXIT_CODES)
@click.argument("run")
@click.option("--download", type=FOLDER, help="Download the report into here.")
@common
def report(options: Options, run: str, download: Path | None) -> None:
    """Show a run's summary."""
    show_end(options, options.find(), run, download)


@batch.command()
@common
def runs(options: Options) -> None:
    """List the environment's runs, the latest first."""
    ledger = options.find().ledger()
    records = sorted(ledger.all(), key=lambda record: str(record["created_at"]), reverse=True)
    if options.json:
        click.echo(json.dumps(records, default=sorted, indent=2))
        return
    show_runs(Console(), records)


@batch.command()
@click.argument("run")
@common
def logs(options: Options, run: str) -> None:
    """Print a run's log lines, over all stages and tasks, in the order of their time."""
    environment = options.find()
    lines = read_logs(environment, run)
    if not lines:
        # A run that has said nothing is worth a word; one that never was is an error.
        state = environment.ledger().get(run)["state"]
        click.echo(f"Run {run} is {state}; its tasks have logged nothing yet.", err=True)
    for line in lines:
        click.echo(line)


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
        SystemExit: the run was rejected.
        UserError: the run is not finished.
    """
    record = environment.ledger().get(run)
    if record["state"] == RunState.REJECTED:
        if options.json:
            click.echo(json.dumps({"run_id": run, "rejected": record["reason"]}))
        else:
            click.echo(f"Run {run} was rejected: {record['reason']}", err=True)
        sys.exit(REJECTED)
    if record["state"] != RunState.REPORTED:
        raise UserError(
            f"Run {run} is {record['state']}; `batch follow {run} --environment "
            f"{environment.name}` waits for its report."
        )
    summary = reports.read_summary(environment, record)
    page = reports.download_report(environment, record, download) if download else None
    if options.json:
        click.echo(json.dumps({**summary, "report": str(page) if page else None}, indent=2))
    else:
        reports.show_summary(Console(), record, summary, page)


def show_runs(console: Console, records: list[dict[str, Any]]) -> None:
    """A table for a person; lines with tabs, and nothing folded, for a pipe."""
    rows = [[str(record.get(field, "")) for field in RUN_FIELDS] for record in records]
    if not console.is_terminal:
        for row in rows:
            click.echo("\t".join(row))
        return
    # Folded, not cut, where the line is too short: a run's id is there to be copied.
    table = Table(*(Column(title, overflow="fold") for title in RUN_FIELDS.values()))
    for row in rows:
        # As text: a file's name or a reason may hold what rich would take for markup.
        table.add_row(*map(Text, row))
    console.print(table)


def say(options: Options, text: str) -> None:
    """Tell a person what happened; a script hears nothing."""
    if not options.json:
        click.echo(text)


def main() -> None:
    """Run `batch`; an error that the user can mend is one message and exit code 1."""
    try:
        batch()
    except NoProgressError as error:
        click.echo(str(error), err=True)
        sys.exit(NO_PROGRESS)
    # Sceptre raises its own when a config cannot be read, and UserError is one of them.
    except SceptreException as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except UnknownRunError as error:
        click.echo(f"{error} `batch runs` lists the environment's runs.", err=True)
        sys.exit(1)
    except (ClientError, BotoCoreError) as error:
        click.echo(explained(error), err=True)
        sys.exit(1)
    except Boto3Error as error:
        # boto3's transfers say by themselves what AWS refused.
        click.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(
            f"{error.filename}: {error.strerror}" if error.filename else str(error), err=True
        )
        sys.exit(1)
