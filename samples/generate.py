"""Makes sample input from a seed: `python -m samples.generate --seed 7 --out samples`.

Only the standard library is used, whose random numbers are the same everywhere, so that the same
arguments make the same bytes (of the CSV text; gzip's own bytes may differ between zlib versions).
The names, prices and histories are invented.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

from samples import market, positions
from samples.market import AS_OF, business_days

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK: Final = 50_000
"""Rows of a large file that differ in more than their ids."""


def write(seed: int, count: int, days: int, out: Path) -> tuple[Path, Path]:
    """Write positions.csv.gz and market-data/<as-of>.csv below `out`; return their paths."""
    path = out / "positions.csv.gz"
    with (
        _with_folder(path).open("wb") as file,
        # Neither time nor name in its header: the same text makes the same file.
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        text.writelines(_position_lines(seed, count))
    return path, _write_market_data(seed, days, out)


def write_large(seed: int, count: int, days: int, out: Path) -> tuple[Path, Path]:
    """Write positions.csv, of any size and fast, and the market data; return their paths.

    It holds the same rows again and again under new ids, the first of them those of `write`.
    """
    path = out / "positions.csv"
    header, *lines = _position_lines(seed, min(count, BLOCK))
    # Where a mistake replaced a row's own id, it stands in every repetition.
    tails = [
        line.removeprefix(f"P{number:08d}") if line.startswith(f"P{number:08d},") else None
        for number, line in enumerate(lines, start=1)
    ]
    with _with_folder(path).open("w", encoding="utf-8", newline="\n") as text:
        text.write(header)
        for start in range(1, count + 1, BLOCK):
            numbers = range(start, min(start + BLOCK, count + 1))
            text.write(
                "".join(
                    line if tail is None else f"P{number:08d}{tail}"
                    for number, tail, line in zip(numbers, tails, lines, strict=False)
                )
            )
    return path, _write_market_data(seed, days, out)


def _write_market_data(seed: int, days: int, out: Path) -> Path:
    path = out / "market-data" / f"{AS_OF.isoformat()}.csv"
    with _with_folder(path).open("w", encoding="utf-8", newline="\n") as text:
        text.write(",".join(market.COLUMNS) + "\n")
        # Each file has a source of its own, so that one's size does not change the other.
        source = random.Random(f"market {seed}")  # noqa: S311 - a sample, no secret
        text.writelines(
            ",".join(row) + "\n" for row in market.rows(source, business_days(AS_OF, days))
        )
    return path


def _position_lines(seed: int, count: int) -> Iterator[str]:
    yield ",".join(positions.COLUMNS) + "\n"
    source = random.Random(f"positions {seed}")  # noqa: S311 - a sample, no secret
    for fields in positions.rows(source, count, AS_OF):
        yield ",".join(fields) + "\n"


def _with_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Write the sample that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m samples.generate", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--positions", type=int, default=4000, help="rows of positions.csv.gz")
    parser.add_argument(
        "--rows",
        type=int,
        help="write positions.csv instead, with this many rows (about 100 bytes each) and fast: "
        f"{BLOCK:,} rows again and again under new ids",
    )
    parser.add_argument("--days", type=int, default=521, help="dates of the market data")
    parser.add_argument("--out", type=Path, default=Path("samples"))
    chosen = parser.parse_args(arguments)
    rows = chosen.positions if chosen.rows is None else chosen.rows
    if rows < 1 or chosen.days < 2:
        parser.error("--positions and --rows must be at least 1 and --days at least 2")
    made = write if chosen.rows is None else write_large
    written = made(chosen.seed, rows, chosen.days, chosen.out)
    for path in written:
        sys.stdout.write(f"{path} {path.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
