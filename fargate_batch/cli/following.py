"""Watching a run until it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from batchkit.errors import UnknownRunError
from batchkit.states import TERMINAL_STATES
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fargate_batch.cli.records import WAITING, find_run

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from fargate_batch.environment import Environment

POLL_SECONDS: Final = 0.5


class NoProgressError(Exception):
    """A run did not move for too long."""


def follow_run(environment: Environment, run: str, console: Console, timeout: float) -> None:
    """Show a run's progress until it is reported, rejected or dead-lettered.

    On a terminal the display is live; elsewhere each change is one line. `timeout` is in seconds.

    Raises:
        UnknownRunError: the environment has neither a record nor an input file of that run.
        NoProgressError: the record did not change for `timeout` seconds.
    """
    # Asked for once: nothing becomes of a run that no file makes, however long one waits.
    waiting = find_run(environment, run)
    ledger, began = environment.ledger(), time.monotonic()
    seen: dict[str, Any] = {}
    changed, printed = began, ""
    stages = [stage.name for stage in environment.settings.stages]
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            try:
                record = ledger.get(run)
            except UnknownRunError:
                record = waiting
            now = time.monotonic()
            if record != seen:
                line = describe(run, record)
                if not console.is_terminal and line != printed:
                    console.print(Text(line), soft_wrap=True)
                seen, changed, printed = record, now, line
            if console.is_terminal:
                live.update(display(run, record, stages, now - began), refresh=True)
            if record["state"] in TERMINAL_STATES:
                return
            if now - changed > timeout:
                raise NoProgressError(no_progress(environment, run, record, timeout))
            time.sleep(POLL_SECONDS)


def describe(run: str, record: dict[str, Any]) -> str:
    """One line about a run."""
    state = record["state"]
    parts = [f"{run}: {'waiting for its first task' if state == WAITING else state}"]
    if "rows_in" in record:
        parts.append(f"{record['rows_in']} rows, {record.get('rows_refused', 0)} refused")
    if "shards" in record:
        parts.append(f"shards {len(record.get('shards_done', ()))}/{record['shards']}")
    return ", ".join(parts)


def display(run: str, record: dict[str, Any], stages: list[str], elapsed: float) -> RenderableType:
    """The live display: a row for each stage of the catalogue."""
    table = Table(title=f"{describe(run, record)} ({elapsed:.0f} s)", title_justify="left")
    table.add_column("stage")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for stage in stages:
        timing = record.get("stages", {}).get(stage, {})
        if "seconds" in timing:
            table.add_row(stage, Text("done", style="green"), f"{timing['seconds']:.1f}")
        elif "started_at" in timing:
            table.add_row(stage, Text("running", style="yellow"), "")
        else:
            table.add_row(stage, Text("waiting", style="dim"), "")
    return table


def no_progress(environment: Environment, run: str, record: dict[str, Any], timeout: float) -> str:
    """What to look at when a run stands still."""
    return (
        f"Run {run} is '{record['state']}' and did not move for {timeout:.0f} s. "
        f"`batch why {run} --environment {environment.name}` says what it waits for. The run goes "
        "on where it can."
    )
