"""Speed, memory and results of data-ingestion beside those of other libraries."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import polars as pl

from benchmarks.convert import OWN
from benchmarks.results import PROJECT, Figure
from benchmarks.rounds import interleaved, ratio
from fargate_batch import project
from samples import generate

if TYPE_CHECKING:
    from fargate_batch.catalogue import Stage

Say = Callable[[str], None]

SEED: Final = 7
DAYS: Final = 521
ROW_BYTES: Final = 90.74
"""Of a sample's row."""
LIMITS: Final = {
    "polars_copy": ("polars, parse and write alone", 0.85),
    "pyarrow_rules": ("the same rules in pyarrow", 2.0),
    "duckdb_rules": ("the same rules in DuckDB", 3.0),
    "pandas_rules": ("the same rules in pandas", 4.0),
}
MEMORY_GROWTH: Final = 1.15
MEMORY_MB: Final = 800
_ROOM: Final = 2.6
"""Bytes on the disk for each of the input: itself, the same in another form, its shards, scratch.
"""


@dataclass(frozen=True)
class Sample:
    """A positions file."""

    gigabytes: float
    positions: Path
    market_data: Path
    kind: str = "CSV"

    @property
    def rows(self) -> int:
        """About how many."""
        return rows(self.gigabytes)

    @property
    def name(self) -> str:
        """What it is: its size as CSV, and its kind."""
        return f"{self.gigabytes:g} GB {self.kind}"


@dataclass(frozen=True)
class Taken:
    """What a process reported."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def rows(gigabytes: float) -> int:
    """Return how many positions make a file of that size."""
    return max(1, round(gigabytes * 1e9 / ROW_BYTES))


@contextmanager
def sample(gigabytes: float, folder: Path, say: Say) -> Iterator[Sample]:
    """A sample of that size, deleted afterwards.

    Raises:
        SystemExit: the disk has not enough room.
    """
    needed, free = gigabytes * _ROOM, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        sys.exit(
            f"{gigabytes:g} GB of input need {needed:.1f} GB in {folder}, which has {free:.1f} GB. "
            "Free some, set TMPDIR to another disk, or choose smaller --sizes."
        )
    say(f"Making {gigabytes:g} GB of positions ({rows(gigabytes):,} rows)")
    with tempfile.TemporaryDirectory(dir=folder, prefix="sample-") as name:
        yield Sample(gigabytes, *generate.write_large(SEED, rows(gigabytes), DAYS, Path(name)))


def as_parquet(given: Sample, folder: Path) -> Sample:
    """Return the same positions as a Parquet file in a folder, every field as text.

    Its row groups are as large as pyarrow makes them, and pandas by it.
    """
    path = folder / "positions.parquet"
    text = pl.scan_csv(given.positions, infer_schema=False, truncate_ragged_lines=True)
    text.sink_parquet(path, compression="zstd", row_group_size=1 << 20)
    return dataclasses.replace(given, positions=path, kind="Parquet")


def unordered(given: Sample, folder: Path) -> Sample:
    """Return the same positions as a CSV file in a folder, whose ids are in no order.

    Each id has its digits from right to left; so what is repeated is repeated there.
    """
    path = folder / "positions.csv"
    header, separator = given.positions.open(encoding="utf-8").readline().rstrip("\n"), "\x01"
    line = pl.col(header)
    digits = line.str.slice(1, 8).str.reverse()
    pl.scan_csv(given.positions, separator=separator, quote_char=None).select(
        (pl.lit("P") + digits + line.str.slice(9)).alias(header)
    ).sink_csv(path, separator=separator, quote_style="never")
    return dataclasses.replace(given, positions=path, kind="CSV, no order")


def run(who: str, given: Sample, out: Path, cores: frozenset[int]) -> Taken:
    """Convert a sample in a process of its own, on some cores, with the stage's environment.

    Raises:
        SystemExit: it fails.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    allowed = os.sched_getaffinity(0)
    # A child has the affinity that its parent has when it starts.
    os.sched_setaffinity(0, cores)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.convert", who]
            + [str(path) for path in (given.positions, given.market_data, out)],
            cwd=PROJECT,
            env={**os.environ, **(stage().environment if who == OWN else {})},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.sched_setaffinity(0, allowed)
    if done.returncode != 0:
        sys.exit(f"{who} failed on {given.positions}:\n{done.stdout}{done.stderr}")
    return Taken(**json.loads(done.stdout))


def stage() -> Stage:
    """Return the stage as the catalogue has it."""
    stages = project.read_settings(PROJECT, "dev").stages
    return next(stage for stage in stages if stage.name == "data-ingestion")


def two_cores() -> frozenset[int]:
    """Return two of the cores that this process may use.

    Raises:
        SystemExit: there is only one.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("The benchmarks need two cores.")
    return frozenset(cores[:2])


def speed(
    given: Sample, peers: tuple[str, ...], rounds: int, folder: Path, say: Say
) -> list[Figure]:
    """Let the stage and its peers convert a sample in turn, on two cores."""
    outs = {who: folder / who for who in (OWN, *peers)}
    cores = two_cores()

    def contender(who: str) -> Callable[[], float]:
        def seconds() -> float:
            taken = run(who, given, outs[who], cores)
            say(
                f"{who}, {given.gigabytes:g} GB: {taken.seconds:.2f} s, CPU "
                f"{taken.cpu_seconds:.2f} s, {taken.peak_mb:,.0f} MB"
            )
            return taken.seconds

        return seconds

    taken = interleaved({who: contender(who) for who in outs}, rounds)
    own = taken.pop(OWN)
    return [
        Figure(
            f"ingestion of {given.gigabytes:g} GB, two cores",
            LIMITS[who][0],
            ratio(seconds, own),
            LIMITS[who][1],
            unit="x",
            at_least=True,
            details=f"{median(seconds):.2f} s, own {median(own):.2f} s, {rounds} rounds",
        )
        for who, seconds in taken.items()
    ]


def quarantine(peers: tuple[str, ...], folder: Path) -> list[Figure]:
    """Compare the quarantines that `speed` left: lines that differ from those of the stage."""
    own = _refused(folder / OWN)
    figures = []
    for who in peers:
        peer = _refused(folder / who)
        differing = sum(own.get(line) != peer.get(line) for line in own.keys() | peer.keys())
        figures.append(
            Figure(
                "quarantine, lines that differ",
                LIMITS[who][0],
                differing,
                0,
                unit="lines",
                details=f"{len(own):,} lines are refused, each with its rules",
            )
        )
    return figures


def _refused(out: Path) -> dict[int, list[str]]:
    table = pl.read_parquet(out / "quarantine.parquet", columns=["line", "rules"])
    return dict(table.with_columns(pl.col("rules").list.sort()).iter_rows())


def memory(samples: list[tuple[Sample, Taken]]) -> list[Figure]:
    """Judge the memory at every size, and how it grows from the last but one to the last."""
    most_sample, most = max(samples, key=lambda pair: pair[1].peak_mb)
    figures = [
        Figure(
            "ingestion, one core, peak memory",
            most_sample.name,
            most.peak_mb,
            MEMORY_MB,
            unit="MB",
        )
    ]
    if len(samples) > 1:
        (small, before), (large, after) = samples[-2:]
        figures.append(
            Figure(
                "ingestion, one core, growth of memory",
                f"{large.name} against {small.gigabytes:g} GB",
                after.peak_mb / before.peak_mb,
                MEMORY_GROWTH,
                unit="x",
                details=f"{after.peak_mb:,.0f} and {before.peak_mb:,.0f} MB",
            )
        )
    return figures


def chart(points: list[tuple[str, float]], limit: float) -> str:
    """Draw peak memory (MB) over inputs as text.

    Args:
        points: an input's name and memory.
        limit: in MB; the right end.
    """
    width, names = 50, max(len(name) for name, _ in points)
    lines = [
        f"{name:>{names}} |{'█' * round(width * min(used / limit, 1)):<{width}}| {used:,.0f} MB"
        for name, used in points
    ]
    return "\n".join([*lines, f"{'':>{names}} 0{'limit ' + format(limit, ',g') + ' MB':>{width}}"])
