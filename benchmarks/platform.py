"""The platform's speed: every figure is measured on a local AWS of its own, from nothing.

`python -m benchmarks.platform` prints each figure with its limit and writes docs/benchmarks.md;
it exits with 1 when a limit is missed. Nothing of what it starts is left.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import results
from benchmarks.results import PROJECT, Figure
from fargate_batch import project
from imaging import builders, engines, pushing
from local.testing import local_aws

ENVIRONMENT: Final = "dev"
CONSOLE: Final = Console()


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
        results.show(figure, CONSOLE)


def measure() -> list[Figure]:
    """Measure everything once, in the order of an environment's life."""
    sample = ("samples/positions.csv.gz", "--market-data", str(_market_data()))
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        start = time.perf_counter()
        aws = stack.enter_context(local_aws())
        started = time.perf_counter() - start
        bench = Bench({**os.environ, **aws.environment, "XDG_CACHE_HOME": cache})
        bench.keep(Figure("local AWS up", "local.testing.local_aws()", started, 3))
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


def way() -> str:
    """How tasks run here, and so which part of docs/benchmarks.md this is."""
    engine = engines.find("auto")
    configured = project.read_settings(PROJECT, ENVIRONMENT).base_image
    if engine is not None and builders.holds_base(engine, pushing.base_image(configured)):
        return f"Tasks as containers of {engine.name}"
    return "Tasks as processes"


def main(arguments: list[str] | None = None) -> int:
    """Measure, show, write; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.platform", description=__doc__)
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    chosen = parser.parse_args(arguments)
    figures = measure()
    CONSOLE.print(results.table(figures))
    if not chosen.no_write:
        results.write(way(), results.markdown(figures, "make bench"))
    return int(not all(figure.kept for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
