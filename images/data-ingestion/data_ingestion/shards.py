"""Writes good positions as Parquet files of so many rows each; the same batches, the same bytes."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import polars as pl
from batchkit.runs import shard_name

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS: Final = 1_000_000
"""Quantities are added up as whole millionths, so that their order does not change the sum."""


@dataclass(frozen=True)
class Shard:
    """A shard that was written."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Book:
    """What a book's positions add up to, to compare with what was sent."""

    rows: int
    quantity: float


class ShardWriter:
    """Collects rows and writes a shard in a thread while the next is collected.

    Args:
        store: takes each shard's name and bytes.
        shard_rows: rows of every shard but the last.
    """

    def __init__(self, store: Callable[[str, bytes], None], shard_rows: int) -> None:
        self._store = store
        self._shard_rows = shard_rows
        self._groups: list[pl.DataFrame] = []
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "shards")
        self._writing: list[Future[Shard]] = []
        self._totals: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        # The error of one that failed holds this writer, and so would hold itself and all rows.
        self._writing = []

    @property
    def books(self) -> dict[str, Book]:
        """Return every book of the shards written so far, sorted by name."""
        return {
            name: Book(rows, parts / _PARTS) for name, (rows, parts) in sorted(self._totals.items())
        }

    def add(self, good: pl.DataFrame) -> None:
        """Take some rows; they become a row group, or two where a shard ends."""
        # In one piece each, for pieces differ with the threads that made them.
        rest = good.rechunk()
        while self._waiting + rest.height >= self._shard_rows:
            fitting = self._shard_rows - self._waiting
            self._groups.append(rest.head(fitting))
            self._start()
            rest = rest.slice(fitting)
        if rest.height:
            self._groups.append(rest)
            self._waiting += rest.height

    def finish(self) -> list[Shard]:
        """Write what is left and return every shard, in order."""
        if self._groups:
            self._start()
        return [writing.result() for writing in self._writing]

    def _start(self) -> None:
        if self._writing:
            # No more than one at a time waits in memory, and an error ends the work.
            self._writing[-1].result()
        name = shard_name(len(self._writing))
        self._writing.append(self._thread.submit(self._write, name, self._groups))
        self._groups, self._waiting = [], 0

    def _write(self, name: str, groups: list[pl.DataFrame]) -> Shard:
        # Some columns are categories in most groups, and text in others.
        rows = pl.concat(groups, how="vertical_relaxed")
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
        content = buffer.getvalue()
        self._store(name, content)
        self._count(rows)
        return Shard(name, rows.height, hashlib.sha256(content).hexdigest())

    def _count(self, rows: pl.DataFrame) -> None:
        parts = (pl.col("quantity") * _PARTS).round().cast(pl.Int128)
        for name, count, total in rows.group_by("book").agg(pl.len(), parts.sum()).iter_rows():
            rows_before, total_before = self._totals.get(name, (0, 0))
            self._totals[name] = (rows_before + count, total_before + total)
