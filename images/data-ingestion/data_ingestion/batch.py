"""Rows of a file as they were read, and how to read on while they are worked on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

EMPTY: Final = "The file is empty."
"""Why there are no batches of it."""
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file, as they were read."""

    frame: pl.DataFrame
    """The file's columns, as text or Parquet's types, and `LINE`."""
    printable: bool = False
    """Whether all of it is known to be UTF-8 without control characters."""


def read_ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield the items, the next of them being made in a thread while the last is worked on."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = reader.submit(next, items, None)
                yield item
        finally:
            # An error holds this frame, and so would hold itself, with the rows of all frames.
            del coming
