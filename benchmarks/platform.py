"""The platform's speed: every figure is measured on a local AWS of its own, from nothing.

`python -m benchmarks.platform` prints each figure with its limit and writes docs/benchmarks.md;
it exits with 1 when a limit is missed. Nothing of what it starts is left.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from fargate_batch import project
from imaging import builders, engines, pushing
from local.testing import local_aws

PROJECT: Final = Path(__file__).parents[1]
RESULTS: Final = PROJECT / "docs" / "benchmarks.md"
ENVIRONMENT: Final = "dev"
CONSOLE: Final = Console()
HEAD: Final = """# Benchmarks

Wall times, one run each, on a local AWS of its own. Sceptre waits four seconds after each poll of a
stack, so a launch takes at least that for every level of the graph.
"""


@dataclass(frozen=True)
class Figure:
    """One measurement and the most that it may be."""

    name: str
    command: str
    measured: float
    limit: float
    unit: str = "s"

    @property
    def kept(self) -> bool:
        """Whether the limit holds."""
        return self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """What the tables show."""
        return "ok" if self.kept else "MISSED"


class Bench:
    """Runs the project's commands against one local AWS and keeps what they took."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.figures: list[Figure] = []

    def time(self, name: str, limit: float, *command: str) -> str:
        """Run a command, keep its wall time as a figure, return what it printed.

        Raises:
            SystemExit: the command fails; a bench of something broken measures nothing.
        """
        CONSOLE.print(f"[dim]$ {' '.join(command)}")
        start = time.perf_counter()
        printed = self.run(*command)
        self.keep(Figure(name, " ".join(command), time.perf_counter() - start, limit))
        return printed

    def run(self, *command: str) -> str:
        """Run a command of the virtual environment.

        Raises:
            SystemExit: it exits with anything but 0.
        """
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def keep(self, figure: Figure) -> None:
        """Keep and show a figure."""
        self.figures.append(figure)
        CONSOLE.print(
            f"{figure.name}: {figure.measured:.1f} {figure.unit} "
            f"(at most {figure.limit:g}) {figure.verdict}"
        )


def measure() -> list[Figure]:
    """Measure everything once, in the order of an environment's life."""
    sample = ("samples/positions.csv.gz", "--market-data", str(_market_data()))
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        start = time.perf_counter()
        aws = stack.enter_context(local_aws())
        started = time.perf_counter() - start
        bench = Bench({**os.environ, **aws.environment, "XDG_CACHE_HOME": cache})
        bench.keep(Figure("local AWS up", "python -m local up", started, 3))
        bench.time("generate", 8, "sceptre", "generate", ENVIRONMENT)
        bench.time("launch, no layers cached", 180, "sceptre", "launch", ENVIRONMENT, "--yes")
        bench.time("object landed to report", 20, "batch", "submit", *sample, "--environment",
                   ENVIRONMENT, "--follow")  # fmt: skip
        bench.time("launch, nothing to do", 30, "sceptre", "launch", ENVIRONMENT, "--yes")
        bench.time("image hook, nothing to do", 2, "python", "-m", "imaging", "push", ENVIRONMENT)
        bench.time(
            "delete, objects and images inside", 60, "sceptre", "delete", ENVIRONMENT, "--yes"
        )
        bench.time("launch, layers cached", 60, "sceptre", "launch", ENVIRONMENT, "--yes")
        bench.keep(_levels())
        return bench.figures


def _market_data() -> Path:
    (path,) = (PROJECT / "samples" / "market-data").iterdir()
    return path.relative_to(PROJECT)


def _levels() -> Figure:
    levels = project.stack_levels(project.read_stacks(PROJECT, ENVIRONMENT))
    return Figure("levels of the stack graph", "config/dev", max(levels.values()), 5, "levels")


def machine() -> str:
    """One line that says on what was measured."""
    cores = os.cpu_count()
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
        if Path("/proc/cpuinfo").exists()
        else iter(()),
        platform.processor(),
    )
    return (
        f"{cores} cores ({model}), {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def way() -> str:
    """How tasks run here, and so which part of docs/benchmarks.md this is."""
    engine = engines.find("auto")
    configured = project.read_settings(PROJECT, ENVIRONMENT).base_image
    if engine is not None and builders.holds_base(engine, pushing.base_image(configured)):
        return f"Tasks as containers of {engine.name}"
    return "Tasks as processes"


def write(figures: list[Figure], title: str) -> None:
    """Write the figures into their part of docs/benchmarks.md; the other parts stay."""
    rows = [
        f"| {figure.name} | `{figure.command}` | {figure.measured:.1f} {figure.unit} "
        f"| {figure.limit:g} {figure.unit} | {figure.verdict} |"
        for figure in figures
    ]
    part = [
        f"`make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "",
        "| what | command | measured | at most | |",
        "|---|---|---|---|---|",
        *rows,
    ]
    parts = {**_parts(RESULTS.read_text() if RESULTS.exists() else ""), title: "\n".join(part)}
    sections = [f"## {name}\n\n{text}\n" for name, text in sorted(parts.items())]
    RESULTS.write_text("\n".join([HEAD, *sections]))


def _parts(text: str) -> dict[str, str]:
    """The parts of docs/benchmarks.md by their titles."""
    found = (part.partition("\n") for part in text.split("\n## ")[1:])
    return {title.strip(): body.strip() for title, _, body in found}


def main() -> int:
    """Measure, show, write; 1 when a limit is missed."""
    figures = measure()
    table = Table("what", "measured", "at most", "")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.measured:.1f} {figure.unit}",
            f"{figure.limit:g} {figure.unit}",
            figure.verdict,
        )
    CONSOLE.print(table)
    write(figures, way())
    return int(not all(figure.kept for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
