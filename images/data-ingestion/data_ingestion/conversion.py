"""Turns batches of positions into shards and a quarantine, wherever those come from and go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from data_ingestion.batch import read_ahead
from data_ingestion.columns import LINE, as_text, picked
from data_ingestion.duplicates import SeenIds
from data_ingestion.shards import Shard, ShardWriter
from data_ingestion.validation import QUARANTINE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from data_ingestion.batch import Batch
    from data_ingestion.shards import Book
    from data_ingestion.validation import Validator

_PART_ROWS: Final = 25_000


@dataclass(frozen=True)
class Converted:
    """What became of a file's rows."""

    shards: list[Shard]
    books: dict[str, Book]
    """Of the good rows, by name."""
    rows_refused: int
    quarantine: Path
    """A Parquet file of the refused rows in the order of their lines, on the scratch volume."""

    @property
    def rows(self) -> int:
        """How many there were."""
        return self.rows_refused + sum(shard.rows for shard in self.shards)


def convert(
    batches: Iterator[Batch],
    validator: Validator,
    store: Callable[[str, bytes], None],
    folder: Path,
    shard_rows: int,
) -> Converted:
    """Check every row and write the good ones in shards.

    Three things happen at once: the next batch is read, one is checked, and a shard is written.
    Memory does not grow with the file; on the scratch volume lie the refused rows, and 8 bytes for
    every row.

    Shards hold the rows in their order, but for a few whose position_id looks as if it stood on an
    earlier line (3 in 1,000 at 40 M rows): that they are new is known at the end, so they are last.

    Args:
        batches: of the file, in order.
        validator: with the file's date and the run's scenarios; counts the broken rules.
        store: takes each shard's name and bytes, in a thread, in order.
        folder: an empty one on the scratch volume.
        shard_rows: rows of every shard but the last.
    """
    seen = SeenIds(folder)
    suspects = _Parts(folder / "suspects", lambda rows: rows)
    refused = _Parts(folder / "refused", validator.quarantined)
    refused_late = _Parts(folder / "refused-late", validator.quarantined)
    with ShardWriter(store, shard_rows) as shards:
        for batch in read_ahead(batches):
            suspect = seen.suspect(batch.frame["position_id"].cast(pl.String))
            suspects.add(as_text(picked(batch.frame, suspect)))
            good, bad = validator.split(batch.frame, leave=suspect, printable=batch.printable)
            shards.add(good)
            refused.add(bad)
        repeated = seen.repeated()
        for rows in suspects.frames():
            good, bad = validator.split(rows, duplicate=repeated.head(rows.height))
            repeated = repeated.slice(rows.height)
            shards.add(good)
            refused_late.add(bad)
        written = shards.finish()
    quarantine = folder / "quarantine.parquet"
    refused.scan().merge_sorted(refused_late.scan(), key=LINE).sink_parquet(
        quarantine, compression="zstd"
    )
    return Converted(written, shards.books, refused.rows + refused_late.rows, quarantine)


class _Parts:
    """Frames on the scratch volume, in order.

    Args:
        folder: to make for them.
        made: what becomes of the rows, many of them at once.
    """

    def __init__(self, folder: Path, made: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        folder.mkdir()
        self._folder = folder
        self._made = made
        self._paths: list[Path] = []
        self._frames: list[pl.DataFrame] = []
        self._waiting = 0
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take one more."""
        self._frames.append(frame)
        self._waiting += frame.height
        self.rows += frame.height
        if self._waiting >= _PART_ROWS:
            self._write()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows again, in frames of other sizes."""
        self._write()
        return map(pl.read_parquet, self._paths)

    def scan(self) -> pl.LazyFrame:
        """Return the rows, which are a quarantine's."""
        self._write()
        return (
            pl.scan_parquet(self._paths) if self._paths else pl.LazyFrame(schema=QUARANTINE_SCHEMA)
        )

    def _write(self) -> None:
        if self._waiting:
            path = self._folder / f"{len(self._paths):05d}.parquet"
            # A file's batches differ in whether they have the column of fields too many.
            rows = pl.concat(self._frames, how="diagonal")
            self._made(rows).write_parquet(path, compression="zstd")
            self._paths.append(path)
        self._frames, self._waiting = [], 0
