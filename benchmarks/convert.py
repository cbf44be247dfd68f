"""Turns one positions file into shards, by the stage's code or a peer's, in a process of its own.

`python -m benchmarks.convert data_ingestion positions.csv market-data.csv FOLDER` prints the
seconds and the most memory that it took as JSON. What both need is made before time is taken: the
scenario set, or what is known from the market data.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.peers.task import AS_OF, BASE, SHARD_ROWS, Known, is_plain
from benchmarks.results import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWN: Final = "data_ingestion"
PEERS: Final = ("polars_copy", "pyarrow_rules", "duckdb_rules", "pandas_rules")
_CHUNK: Final = 1 << 20


def prepared(who: str, path: Path, market_data: Path, out: Path) -> Callable[[], None]:
    """Return what converts the file into the folder."""
    if who == OWN:
        return _own(path, market_data, out)
    peer = importlib.import_module(f"benchmarks.peers.{who}")
    known, plain = Known.of(market_data), is_plain(path)
    return lambda: peer.convert(path, known, out, plain=plain)


def _own(path: Path, market_data: Path, out: Path) -> Callable[[], None]:
    for package in ("data-ingestion", "common"):
        sys.path.insert(0, str(PROJECT / "images" / package))
    # Not for peers, whose memory is measured too.
    import polars as pl  # noqa: PLC0415
    from data_ingestion import market_data as market  # noqa: PLC0415
    from data_ingestion import scenarios, stress  # noqa: PLC0415
    from data_ingestion.conversion import convert  # noqa: PLC0415
    from data_ingestion.csv_text import csv_batches  # noqa: PLC0415
    from data_ingestion.source import parquet_batches  # noqa: PLC0415
    from data_ingestion.validation import Validator  # noqa: PLC0415

    values = market.read(market_data.name, market_data.read_bytes(), AS_OF)
    given = market.MarketData(market_data.name, None, values)
    made = scenarios.make(given, BASE, scenarios.options({}), stress.read())
    scratch = out / "scratch"
    scratch.mkdir()

    def store(name: str, content: bytes) -> None:
        (out / f"{name}.parquet").write_bytes(content)

    def work() -> None:
        rows = (
            parquet_batches(pl.scan_parquet(path))
            if path.suffix == ".parquet"
            else csv_batches(_chunks(path))
        )
        done = convert(rows, Validator(AS_OF, made), store, scratch, SHARD_ROWS)
        done.quarantine.rename(out / "quarantine.parquet")
        shutil.rmtree(scratch)

    return work


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def peak_mb() -> float:
    """Return the most resident memory that this process ever had, in 10^6 bytes."""
    # Not getrusage: there a process begins with what the one that started it had.
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError("This needs Linux, whose /proc/self/status has VmHWM.")
    return int(found[1]) * 1024 / 1e6


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convert", description=__doc__)
    parser.add_argument("who", choices=(OWN, *PEERS))
    parser.add_argument("path", type=Path)
    parser.add_argument("market_data", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    work = prepared(chosen.who, chosen.path, chosen.market_data, chosen.out)
    start, used = time.perf_counter(), time.process_time()
    work()
    took = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - used,
        "peak_mb": peak_mb(),
    }
    sys.stdout.write(json.dumps(took) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
