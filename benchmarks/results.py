"""What the benchmarks found: limits and verdicts, on the screen and in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

PROJECT: Final = Path(__file__).parents[1]
RESULTS: Final = PROJECT / "docs" / "benchmarks.md"
_HEAD: Final = """# Benchmarks

What `make bench` measured, with the limit beside each figure; it fails when one is missed. The
figures of the platform are wall times of one run each, on a local AWS of its own, where Sceptre
waits four seconds after each poll of a stack, so that a launch takes at least that for every level
of the graph. Those of the workload are ratios of medians, for which own code and peers took turns
in one run; they hold on other machines where seconds do not.
"""


@dataclass(frozen=True)
class Figure:
    """One measurement and what it is held to."""

    name: str
    command: str
    """What was run, or what it was compared with."""
    measured: float
    limit: float
    unit: str = "s"
    at_least: bool = False
    """Whether the limit is the least that it may be, and not the most."""
    details: str = ""
    """E.g. the medians that make a ratio."""

    @property
    def kept(self) -> bool:
        """Whether the limit holds; what is no number keeps none."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """What the tables show."""
        return "ok" if self.kept else "MISSED"

    @property
    def shown(self) -> str:
        """The measurement as people read it."""
        return _number(self.measured, self.unit)

    @property
    def bound(self) -> str:
        """The limit as people read it."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g} {self.unit}".rstrip()


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures for the screen."""
    shown = Table("what", "against", "measured", "limit", "", "details")
    for figure in figures:
        style = None if figure.kept else "bold red"
        shown.add_row(
            figure.name,
            figure.command,
            figure.shown,
            figure.bound,
            figure.verdict,
            figure.details,
            style=style,
        )
    return shown


def show(figure: Figure, console: Console) -> None:
    """Print one figure as soon as it is known."""
    console.print(f"{figure.name}: {figure.shown} ({figure.bound}) {figure.verdict}")


def markdown(figures: Sequence[Figure], command: str, head: str = "command") -> str:
    """Return the figures as a part of docs/benchmarks.md.

    Args:
        figures: in order.
        command: what measured them.
        head: what the second column is called.
    """
    details = any(figure.details for figure in figures)
    rows = [
        f"| {figure.name} | {figure.command if head != 'command' else f'`{figure.command}`'} "
        f"| {figure.shown} | {figure.bound} | {figure.verdict} |"
        + (f" {figure.details} |" if details else "")
        for figure in figures
    ]
    return "\n".join(
        [
            f"`{command}` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
            "",
            f"| what | {head} | measured | limit | |" + (" details |" if details else ""),
            "|---|---|---|---|---|" + ("---|" if details else ""),
            *rows,
        ]
    )


def write(title: str, part: str, path: Path | None = None) -> None:
    """Write one part of docs/benchmarks.md; the others stay."""
    path = path or RESULTS
    parts = {**_parts(path.read_text() if path.exists() else ""), title: part}
    sections = [f"## {name}\n\n{text}\n" for name, text in sorted(parts.items())]
    path.write_text("\n".join([_HEAD, *sections]))


def _parts(text: str) -> dict[str, str]:
    """The parts of docs/benchmarks.md by their titles."""
    found = (part.partition("\n") for part in text.split("\n## ")[1:])
    return {title.strip(): body.strip() for title, _, body in found}


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


def _number(value: float, unit: str) -> str:
    if value != 0 and abs(value) < 0.001:
        text = f"{value:.1e}"
    elif float(value).is_integer():
        text = f"{value:,.0f}"
    elif unit in {"", "s", "x"} and abs(value) < 10:
        text = f"{value:.2f}"
    else:
        text = f"{value:,.1f}"
    return f"{text} {unit}".rstrip()
