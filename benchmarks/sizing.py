"""What a large run takes on Fargate, on paper, from rates that were measured.

`python -m benchmarks.sizing --positions 100000000 --scenarios 11000` prints shards, tasks, minutes
and costs a stage. The rates are those that `make bench` wrote into benchmarks/rates.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from fargate_batch import prices, project

if TYPE_CHECKING:
    from fargate_batch.catalogue import Stage

PROJECT: Final = Path(__file__).parents[1]
RATES: Final = PROJECT / "benchmarks" / "rates.json"
SHARD_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class Rates:
    """What was measured; a second of one thread, where nothing else is said."""

    ingested_rows: float
    """Rows that a task of one vCPU turns into shards."""
    netted_rows: float
    """Linear positions that are read and netted to book and factor."""
    option_valuations: float
    """Options * scenarios that are revalued."""
    added_values: float
    """P&L values (books * scenarios of a shard) that the report reads and adds."""


@dataclass(frozen=True)
class Assumptions:
    """What was not measured."""

    option_share: float = 0.25
    """Of the positions; every option is revalued in every scenario, the others are netted."""
    books: int = 50
    start_seconds: float = 45.0
    """From an event to running code: an address, an image of 200 MB or 500 MB, Python."""
    vcpu_threads: float = 1.0
    """Threads of the measuring machine that one vCPU is worth."""


@dataclass(frozen=True)
class StagePlan:
    """One stage of a run."""

    stage: str
    tasks: int
    at_once: int
    task_seconds: float
    minutes: float
    fargate_usd: float
    spot_usd: float


def size(
    positions: int,
    scenarios: int,
    stages: dict[str, Stage],
    rates: Rates,
    assumptions: Assumptions = Assumptions(),
) -> list[StagePlan]:
    """Return what each stage takes.

    seconds a task = start + work / (rate * threads), minutes = waves of tasks, one after the other.
    - ingestion: rows / rate, one task;
    - a shard: its linear rows / netting rate + its options * scenarios / valuation rate, each
      over the task's threads;
    - the report: shards * books * scenarios / adding rate, one task, at half a thread.

    Args:
        positions: rows of the file.
        scenarios: of the run.
        stages: of the catalogue, by name.
        rates: what was measured.
        assumptions: what was not.
    """
    shards = math.ceil(positions / SHARD_ROWS)
    rows = positions / shards
    options = rows * assumptions.option_share
    work = {
        "data-ingestion": (1, positions / rates.ingested_rows),
        "risk-calculation": (
            shards,
            (rows - options) / rates.netted_rows + options * scenarios / rates.option_valuations,
        ),
        "report-generation": (
            1,
            shards * assumptions.books * scenarios / rates.added_values,
        ),
    }
    return [
        _plan(stages[name], tasks, thread_seconds, assumptions)
        for name, (tasks, thread_seconds) in work.items()
    ]


def _plan(stage: Stage, tasks: int, thread_seconds: float, assumptions: Assumptions) -> StagePlan:
    threads = stage.cpu / 1024 * assumptions.vcpu_threads
    seconds = assumptions.start_seconds + thread_seconds / threads
    at_once = min(tasks, stage.scaling.max_tasks)
    hours = tasks * seconds / 3600
    return StagePlan(
        stage=stage.name,
        tasks=tasks,
        at_once=at_once,
        task_seconds=seconds,
        minutes=math.ceil(tasks / at_once) * seconds / 60,
        fargate_usd=hours * prices.task_price_per_hour(stage.cpu, stage.memory),
        spot_usd=hours * prices.task_price_per_hour(stage.cpu, stage.memory, spot=True),
    )


def read_rates(path: Path = RATES) -> Rates:
    """Return the rates that the benchmark wrote.

    Raises:
        SystemExit: there are none yet.
    """
    if not path.exists():
        sys.exit(f"{path} is missing; `make bench` measures the rates and writes it.")
    written = json.loads(path.read_text())
    return Rates(**{field.name: float(written[field.name]) for field in fields(Rates)})


def show(plans: list[StagePlan], console: Console) -> None:
    """Print the table."""
    table = Table("stage", "tasks", "at once", "s a task", "minutes", "Fargate USD", "Spot USD")
    for plan in plans:
        table.add_row(
            plan.stage,
            f"{plan.tasks:,}",
            f"{plan.at_once:,}",
            f"{plan.task_seconds:,.0f}",
            f"{plan.minutes:,.1f}",
            f"{plan.fargate_usd:,.2f}",
            f"{plan.spot_usd:,.2f}",
        )
    table.add_row(
        "run",
        f"{sum(plan.tasks for plan in plans):,}",
        "",
        "",
        f"{sum(plan.minutes for plan in plans):,.1f}",
        f"{sum(plan.fargate_usd for plan in plans):,.2f}",
        f"{sum(plan.spot_usd for plan in plans):,.2f}",
    )
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Print the table that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--positions", type=int, default=100_000_000)
    parser.add_argument("--scenarios", type=int, default=11_000)
    parser.add_argument("--environment", default="prod", help="whose scaling limits hold")
    for field, says in (
        ("option_share", "options among the positions"),
        ("books", "books"),
        ("start_seconds", "from an event to running code"),
        ("vcpu_threads", "threads of the measuring machine that a vCPU is worth"),
    ):
        default = getattr(Assumptions, field)
        option = f"--{field.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help=says)
    chosen = parser.parse_args(arguments)
    if chosen.positions < 1 or chosen.scenarios < 1:
        parser.error("--positions and --scenarios must be at least 1")
    assumptions = Assumptions(
        chosen.option_share, chosen.books, chosen.start_seconds, chosen.vcpu_threads
    )
    settings = project.read_settings(PROJECT, chosen.environment)
    stages = {stage.name: stage for stage in settings.stages}
    console = Console()
    shards = math.ceil(chosen.positions / SHARD_ROWS)
    console.print(
        f"{chosen.positions:,} positions in {shards:,} shards, {chosen.scenarios:,} scenarios, "
        f"limits of {chosen.environment}; rates of benchmarks/rates.json"
    )
    console.print(f"Assumed: {assumptions}")
    show(size(chosen.positions, chosen.scenarios, stages, read_rates(), assumptions), console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
