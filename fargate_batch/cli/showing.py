"""Tables and texts for a person; lines with tabs, and nothing folded, for a pipe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Column, Table
from rich.text import Text

from fargate_batch.cli.lines import is_metrics, raised_at, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchkit.dead_letters import DeadLetter
    from batchkit.place import Sent
    from rich.console import Console

    from fargate_batch.cli.diagnosis import Diagnosis
    from fargate_batch.cli.failures import FailedTask

RUN: Final = "run"
RUN_FIELDS: Final = {
    "run_id": RUN,
    "state": "state",
    "input_key": "file",
    "created_at": "begun",
    "reason": "reason",
}
MOST_PIECES: Final = 10
BODY_CHARACTERS: Final = 120


def show_runs(console: Console, records: list[dict[str, Any]]) -> None:
    """A row for each run."""
    rows = [[str(record.get(field, "")) for field in RUN_FIELDS] for record in records]
    show_table(console, list(RUN_FIELDS.values()), rows)


def show_letters(console: Console, letters: Sequence[DeadLetter]) -> None:
    """A row for each dead letter."""
    rows = [
        [
            letter.stage,
            letter.run_id or "no run's",
            "" if letter.attempts is None else str(letter.attempts),
            letter.reason,
            letter.body[:BODY_CHARACTERS],
        ]
        for letter in letters
    ]
    show_table(console, ["stage", RUN, "attempts", "reason", "message"], rows)


def letter_as_json(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for a script; a receipt serves nobody else."""
    return {
        "stage": letter.stage,
        "run_id": letter.run_id,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "body": letter.body,
    }


def show_sent(sent: Iterable[Sent]) -> None:
    """A line for each piece of work that is on its queue again."""
    for piece in sent:
        click.echo(f"{piece.run_id}: {piece.key} to {piece.stage}")


def show_line(line: str) -> None:
    """A log line for a person, unless it is there for CloudWatch's metrics alone."""
    if not is_metrics(line):
        click.echo(readable(line))


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """What there is to say of a run, the reason first and the command last."""
    click.echo(f"Run {diagnosis.run_id} is {diagnosis.state}.")
    if diagnosis.reason:
        tried = f" after {diagnosis.attempts} attempts" if diagnosis.attempts else ""
        where = f" in {diagnosis.stage}{tried}" if diagnosis.stage else ""
        click.echo(f"Reason{where}: {diagnosis.reason}")
    if diagnosis.pieces:
        click.echo("Not done:")
    for piece in diagnosis.pieces[:MOST_PIECES]:
        click.echo(f"  {piece.stage}: {piece.key} is {piece.state}, attempts {piece.attempts}")
    if len(diagnosis.pieces) > MOST_PIECES:
        click.echo(f"  and {len(diagnosis.pieces) - MOST_PIECES} more; --json lists them all")
    if diagnosis.failed_tasks:
        click.echo("Failed tasks:")
    for task in diagnosis.failed_tasks:
        click.echo(f"  {describe_task(task)}")
    if diagnosis.errors:
        # Nothing records when a run was redriven, so what was mended since is told by the times.
        click.echo("Last errors in its logs, those before a redrive too, the latest last:")
    for line in diagnosis.errors:
        click.echo(f"  {line.get('time', '')} {line.get('stage', '')}: {line.get('message', '')}")
        if place := raised_at(line):
            click.echo(f"    at {place}")
    first = "mend the cause, then " if diagnosis.command.startswith("batch redrive") else ""
    click.echo(f"Next: {first}`{diagnosis.command}`")


def describe_task(task: FailedTask) -> str:
    """One line about a failed task."""
    code = "did not start" if task.exit_code is None else f"exit code {task.exit_code}"
    stopped = f" ({task.stop_code})" if task.stop_code else ""
    return f"{task.stopped_at} {task.stage} {task.task}: {code}{stopped}; {task.reason}"


def show_table(console: Console, titles: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal, else a line of fields with tabs between for each row."""
    if not console.is_terminal:
        for row in rows:
            # A name or a message may hold a tab or a line's end, which would make other fields.
            click.echo("\t".join(re.sub(r"[\t\r\n]", " ", field) for field in row))
        return
    # A run's id is there to be copied, and so stays on one line; the rest is folded, not cut.
    table = Table(*(Column(title, overflow="fold", no_wrap=title == RUN) for title in titles))
    for row in rows:
        # As text: a file's name or a reason may hold what rich would take for markup.
        table.add_row(*map(Text, row))
    console.print(table)
