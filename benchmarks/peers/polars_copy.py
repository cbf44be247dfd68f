"""Parses a positions file and writes it as shards without looking at it: nothing can be cheaper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from benchmarks.peers.task import COLUMNS, DATES, DECIMALS, GROUP_ROWS, SHARD_ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.task import Known


def convert(path: Path, known: Known, out: Path, *, plain: bool = False) -> None:
    """Write all rows; what cannot be read is null."""
    del known, plain
    types: dict[str, pl.DataType] = {
        **dict.fromkeys(DECIMALS, pl.Float64()),
        **dict.fromkeys(DATES, pl.Date()),
        "coupon_frequency": pl.Int32(),
    }
    pl.scan_csv(
        path,
        schema={name: types.get(name, pl.String()) for name in COLUMNS},
        ignore_errors=True,
        truncate_ragged_lines=True,
    ).sink_parquet(
        pl.PartitionBy(out, max_rows_per_file=SHARD_ROWS),
        compression="zstd",
        compression_level=1,
        statistics=False,
        row_group_size=GROUP_ROWS,
    )
