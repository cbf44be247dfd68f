"""Shards and quarantine, written to the task's scratch volume before anything is published.

A shard in the output bucket starts a calculation at once, while whether the run is rejected is
known only after the last row. So nothing is published before all of it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
from batchkit.runs import shard_name
from batchkit.storage import stream_sha256

from data_ingestion.validation import empty_quarantine

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Shard:
    """A shard on the scratch volume."""

    name: str
    path: Path
    rows: int
    sha256: str


@dataclass
class Spool:
    """Collects frames into Parquet files of a fixed number of rows; the same rows, the same bytes.

    Args:
        folder: on the scratch volume.
        shard_rows: rows of every shard but the last.
    """

    folder: Path
    shard_rows: int
    shards: list[Shard] = field(default_factory=list)
    rows_refused: int = 0
    _good: list[pl.DataFrame] = field(default_factory=list)
    _refused: list[pl.DataFrame] = field(default_factory=list)
    _parts: list[Path] = field(default_factory=list)

    @property
    def rows_good(self) -> int:
        """How many rows were accepted."""
        return sum(shard.rows for shard in self.shards) + sum(part.height for part in self._good)

    def add(self, good: pl.DataFrame, refused: pl.DataFrame) -> None:
        """Take the rows of one frame."""
        self._good.append(good)
        while sum(part.height for part in self._good) >= self.shard_rows:
            rows = pl.concat(self._good)
            self._write_shard(rows.head(self.shard_rows))
            self._good = [rows.slice(self.shard_rows)]
        self.rows_refused += refused.height
        self._refused.append(refused)
        if sum(part.height for part in self._refused) >= self.shard_rows:
            self._write_part()

    def finish(self) -> Path:
        """Write what is left and return the path of the quarantine."""
        if self._good and (rows := pl.concat(self._good)).height:
            self._write_shard(rows)
        self._good = []
        self._write_part()
        path = self.folder / "quarantine.parquet"
        pl.scan_parquet(self._parts).sink_parquet(path, compression="zstd", maintain_order=True)
        return path

    def _write_shard(self, rows: pl.DataFrame) -> None:
        name = shard_name(len(self.shards))
        path = self.folder / f"shard-{name}.parquet"
        rows.rechunk().write_parquet(path, compression="zstd", row_group_size=self.shard_rows)
        with path.open("rb") as body:
            self.shards.append(Shard(name, path, rows.height, stream_sha256(body)))

    def _write_part(self) -> None:
        path = self.folder / f"refused-{len(self._parts):05d}.parquet"
        pl.concat([empty_quarantine(), *self._refused]).write_parquet(path, compression="zstd")
        self._parts.append(path)
        self._refused = []
