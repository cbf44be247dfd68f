"""The workload's speed, memory and exactness, beside other libraries that do the same work.

`python -m benchmarks.workload` makes its own input, measures every gate, prints each with its limit
and 'ok' or 'MISSED', and exits with 1 when one is missed. It writes its part of docs/benchmarks.md
and benchmarks/rates.json, from which benchmarks.sizing calculates.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from benchmarks import images, ingestion, results, revaluation, sums
from benchmarks.convert import OWN
from benchmarks.sizing import RATES, Rates

# `revaluation` has put the stages' code on the path.
from risk_calculation.shard import positions_of  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ingestion import Sample, Taken
    from benchmarks.results import Figure

TITLE: Final = "Workload"
SIZES: Final = (0.25, 1.0, 4.0)
COPY: Final = "polars_copy"
PEERS: Final = (COPY, "pyarrow_rules", "duckdb_rules", "pandas_rules")
SHARD_ROWS: Final = 200_000
"""Of a shard, for what is measured of the risk calculation."""
COMPARED_ROWS: Final = 20_000
"""Of the shard that is cut into several."""


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What the command line chose."""

    sizes: tuple[float, ...]
    rounds: int
    folder: Path


class Bench:
    """Measures one part after the other and keeps the figures."""

    def __init__(self, chosen: Chosen, console: Console) -> None:
        self.chosen = chosen
        self.figures: list[Figure] = []
        self._console = console
        self._start = time.monotonic()

    def say(self, what: str) -> None:
        """Print what goes on."""
        self._console.print(f"[dim]{time.monotonic() - self._start:6.0f} s  {what}")

    def keep(self, figures: Sequence[Figure]) -> None:
        """Keep and show figures."""
        self.figures += figures
        for figure in figures:
            results.show(figure, self._console)

    def ingestion(self) -> list[tuple[Sample, Taken]]:
        """Measure ingestion; return what one core took of every kind at every size."""
        csv, unordered, parquet = [], [], []
        for number, gigabytes in enumerate(self.chosen.sizes):
            with ExitStack() as stack:
                folder = stack.enter_context(
                    tempfile.TemporaryDirectory(dir=self.chosen.folder, prefix="bench-")
                )
                sample = stack.enter_context(
                    ingestion.sample(gigabytes, self.chosen.folder, self.say)
                )
                if number == 0:
                    self._peers(sample, PEERS, Path(folder))
                elif number == 1:
                    self._peers(sample, (COPY,), Path(folder))
                csv.append((sample, self._one_core(sample, Path(folder))))
                mixed = ingestion.unordered(sample, Path(folder))
                unordered.append((mixed, self._one_core(mixed, Path(folder))))
                mixed.positions.unlink()
                columnar = ingestion.as_parquet(sample, Path(folder))
                parquet.append((columnar, self._one_core(columnar, Path(folder))))
        for kind in (csv, unordered, parquet):
            self.keep(ingestion.memory(kind))
        return [*csv, *unordered, *parquet]

    def _peers(self, sample: Sample, peers: tuple[str, ...], folder: Path) -> None:
        self.keep(ingestion.speed(sample, peers, self.chosen.rounds, folder, self.say))
        self.keep(ingestion.quarantine(tuple(peer for peer in peers if peer != COPY), folder))

    def _one_core(self, sample: Sample, folder: Path) -> Taken:
        core = frozenset(sorted(ingestion.two_cores())[:1])
        taken = ingestion.run(OWN, sample, folder / "one-core", core)
        self.say(f"One core, {sample.name}: {taken.seconds:.1f} s, {taken.peak_mb:,.0f} MB")
        return taken

    def risk(self) -> tuple[float, float, float]:
        """Measure the risk calculation; return valuations, netted rows and added values a second.

        Raises:
            SystemExit: the peer's results are not the stage's, so that it compares nothing.
        """
        self.say("Compiling, and making a shard and its scenarios")
        gigabytes = SHARD_ROWS * ingestion.ROW_BYTES / 1e9
        with (
            tempfile.TemporaryDirectory(dir=self.chosen.folder, prefix="bench-") as name,
            ingestion.sample(gigabytes, self.chosen.folder, self.say) as sample,
        ):
            ingestion.run(OWN, sample, Path(name) / OWN, ingestion.two_cores())
            shard = positions_of((Path(name) / OWN / "00000.parquet").read_bytes())
            market = revaluation.scenario_market(sample.market_data)
        apart = revaluation.agreement(shard, market)
        if not apart < 1e-9:
            sys.exit(f"The stage's P&L and the peer's differ by {apart:.1e} of the largest.")
        self.say("Revaluing options")
        figures, valuations = revaluation.speed(shard, market, self.chosen.rounds)
        self.keep([*figures, revaluation.accuracy()])
        self.say("Adding shards")
        self.keep(sums.one_and_many(shard.head(COMPARED_ROWS), market))
        return valuations, sums.netted_rows(shard, market), sums.added_values(shard, market)

    def images(self) -> None:
        """Measure the images' libraries and kernels."""
        self.say("Unpacking the images' libraries, and preparing kernels")
        self.keep([*images.sizes(), images.first_call()])


def memory_part(one_core: Sequence[tuple[Sample, Taken]]) -> str:
    """Return memory against input size, as docs/benchmarks.md shows it."""
    rows = [
        f"| {sample.name} | {sample.rows:,} | {taken.peak_mb:,.0f} MB "
        f"| {taken.seconds:,.1f} s | {sample.gigabytes * 1000 / taken.seconds:,.0f} MB/s |"
        for sample, taken in one_core
    ]
    drawn = ingestion.chart(
        [(sample.name, taken.peak_mb) for sample, taken in one_core], ingestion.MEMORY_MB
    )
    return "\n".join(
        [
            "### Memory against input size",
            "",
            "Peak resident memory of ingestion on one core, with the stage's own environment.",
            "",
            "```text",
            drawn,
            "```",
            "",
            "| input | rows | peak memory | time | |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, show, write; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workload", description=__doc__)
    parser.add_argument(
        "--sizes",
        default=",".join(f"{size:g}" for size in SIZES),
        help="GB of input, smallest first, e.g. 0.25,1,4; peers work the first of them",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--no-write", action="store_true", help="leave docs and rates as they are")
    given = parser.parse_args(arguments)
    sizes = tuple(sorted(float(size) for size in given.sizes.split(",")))
    if given.rounds < 1 or not all(size > 0 for size in sizes):
        parser.error("--rounds and --sizes must be above 0")
    # Wide enough for the table where the output goes to a file.
    console = Console(width=None if sys.stdout.isatty() else 140)
    bench = Bench(Chosen(sizes, given.rounds, given.folder), console)
    valuations, netted, added = bench.risk()
    bench.images()
    one_core = bench.ingestion()
    console.print(results.table(bench.figures))
    if not given.no_write:
        sample, taken = max(one_core, key=lambda pair: pair[1].seconds / pair[0].rows)
        rates = Rates(sample.rows / taken.seconds, netted, valuations, added)
        RATES.write_text(json.dumps(dataclasses.asdict(rates), indent=2) + "\n")
        command = f"python -m benchmarks.workload --sizes {given.sizes} --rounds {given.rounds}"
        part = results.markdown(bench.figures, command, "against")
        results.write(TITLE, f"{part}\n\n{memory_part(one_core)}")
    return int(not all(figure.kept for figure in bench.figures))


if __name__ == "__main__":
    # Whoever ends it ends it like Ctrl-C, so that gigabytes of input do not stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
