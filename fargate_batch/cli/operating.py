"""The commands of whoever is called at night: runs, why, logs, reconcile, redrive, dead-letters."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click
from batchkit.reconcile import GRACE_SECONDS
from batchkit.reconcile import reconcile as put_back
from batchkit.states import TERMINAL_STATES, RunState
from rich.console import Console

from fargate_batch.cli import showing
from fargate_batch.cli.diagnosis import diagnose
from fargate_batch.cli.letters import (
    discard_strays,
    give_up,
    letters_of,
    redrive_all,
    redrive_run,
)
from fargate_batch.cli.logs import logs_of
from fargate_batch.cli.moments import Moment
from fargate_batch.cli.options import EXIT_CODES, FAILED, Options, common
from fargate_batch.cli.records import WAITING, find_run, list_all_runs, list_runs

if TYPE_CHECKING:
    from datetime import datetime

OPEN: Final = "open"
"""Every state that a run does not stay in."""
OPEN_STATES: Final = {WAITING, *(state.value for state in RunState)} - TERMINAL_STATES
STATES: Final = (OPEN, WAITING, *(state.value for state in RunState))


@click.command(epilog=EXIT_CODES)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Only these; repeatable; `open` are all that go on.",
)
@click.option(
    "--since",
    type=Moment(),
    default="7d",
    show_default=True,
    help="Files that came since then: 90m, 36h, 7d, 2026-06-30 or 2026-06-30T18:00 (UTC).",
)
@click.option("--all", "everything", is_flag=True, help="Every run, however old.")
@common
def runs(options: Options, states: tuple[str, ...], since: datetime, *, everything: bool) -> None:
    """List runs, the latest first; a file that no task has begun yet is `waiting`.

    What it costs: one S3 listing for each 1,000 versions below positions/, and one read unit for
    each run since then. --all reads the whole ledger instead, claims and all: half a read unit for
    each 4 KB of it.
    """
    environment = options.find()
    records = list_all_runs(environment) if everything else list_runs(environment, since)
    if states:
        wanted = {*states, *(OPEN_STATES if OPEN in states else ())}
        records = [record for record in records if record["state"] in wanted]
    if options.json:
        click.echo(json.dumps(records, default=sorted, indent=2))
        return
    showing.show_runs(Console(), records)


@click.command(epilog=EXIT_CODES)
@click.argument("run")
@common
def why(options: Options, run: str) -> None:
    """Say why a run was rejected, died or does not move, and what moves it."""
    environment = options.find()
    diagnosis = diagnose(environment, find_run(environment, run))
    if options.json:
        click.echo(json.dumps(diagnosis.as_json(), indent=2))
    else:
        showing.show_diagnosis(diagnosis)


@click.command(epilog=EXIT_CODES)
@click.argument("run")
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@common
def logs(options: Options, run: str, *, follow: bool) -> None:
    """Print a run's log lines, over all stages and tasks, in the order of their time.

    --json prints them as they were written, those too that are there for CloudWatch's metrics.
    """
    environment = options.find()
    record = find_run(environment, run)
    found = logs_of(environment, record)
    lines = found.new()
    if not lines:
        click.echo(f"Run {run} is {record['state']}; its tasks have logged nothing yet.", err=True)
    show = click.echo if options.json else showing.show_line
    for line in lines:
        show(line)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for line in found.follow():
                show(line)


@click.command(epilog=EXIT_CODES)
@click.option("--all", "everything", is_flag=True, help="Look at every file, however old.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=GRACE_SECONDS,
    show_default=True,
    help="Leave alone what came within so many seconds; its task may be on its way.",
)
@common
def reconcile(options: Options, grace: float, *, everything: bool) -> None:
    """Put back on its queue what was lost on its way; the environment does it by itself as well.

    It looks at files as old as the settings' reconcile.lookback_hours. Work that is done, in hand
    or among the dead letters is left alone.
    """
    environment = options.find()
    settings = environment.settings
    done = put_back(
        environment.place(),
        lookback_hours=None if everything else settings.reconcile.lookback_hours,
        grace_seconds=grace,
        expected_minutes=settings.alarms.run_expected_minutes,
    )
    if options.json:
        click.echo(json.dumps(asdict(done), indent=2))
        return
    showing.show_sent(done.sent)
    click.echo(
        f"{done.inputs} files looked at, {done.open_runs} runs open, {done.overdue_runs} of them "
        f"overdue; {len(done.sent)} put back."
    )
    if done.open_runs and not done.sent:
        click.echo(f"What came within {grace:.0f} seconds was left to its task; see --grace.")


@click.command(epilog=EXIT_CODES)
@click.argument("run", required=False)
@click.option("--all", "everything", is_flag=True, help="Every dead-lettered run.")
@common
def redrive(options: Options, run: str | None, *, everything: bool) -> None:
    """Work a dead-lettered run again, or all of them; mend the cause first.

    Each piece that died gets its attempts anew, and its dead letters go. Events that never reached
    their queue are sent there. --all reads the whole ledger, and takes letters away whose work is
    done.
    """
    if (run is None) == (not everything):
        raise click.UsageError("Name a run, or give --all.")
    environment = options.find()
    refused: list[str] = []
    if run is not None:
        sent = list(redrive_run(environment, run))
    else:
        sent, refused = redrive_all(environment)
    if options.json:
        click.echo(json.dumps([asdict(piece) for piece in sent], indent=2))
    else:
        showing.show_sent(sent)
        count = len({piece.run_id for piece in sent})
        if sent:
            click.echo(f"{len(sent)} pieces of {count} runs are on their queues again.")
        elif not refused:
            click.echo("Nothing is dead-lettered.")
    for message in refused:
        click.echo(message, err=True)
    if refused:
        sys.exit(FAILED)


@click.command("dead-letters", epilog=EXIT_CODES)
@click.option("--run", help="Only this run's.")
@click.option(
    "--discard",
    is_flag=True,
    help="Print and delete, for good, those of no run that is known; with --run, those of a run "
    "that can do without what died, and let it forget that.",
)
@common
def dead_letters(options: Options, run: str | None, *, discard: bool) -> None:
    """List the dead letters, those too that belong to no run.

    A look hides them from another look for as long as it takes; none is lost by it.
    """
    environment = options.find()
    if discard:
        found = discard_strays(environment) if run is None else give_up(environment, run)
    else:
        found = [one for one in letters_of(environment) if run in {None, one.run_id}]
    if options.json:
        click.echo(json.dumps([showing.letter_as_json(letter) for letter in found], indent=2))
    elif not found:
        click.echo("No dead letter was deleted." if discard else "No dead letters.", err=True)
    else:
        showing.show_letters(Console(), found)
