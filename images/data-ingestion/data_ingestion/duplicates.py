"""Finds position ids that stand on an earlier line, in memory that does not grow with the file.

As long as ids rise from line to line, each is new. From where they do not, a Bloom filter (one
64-bit word an id, in which four bits are set) tells at once of nearly every id that it is new. The
few others are put aside, and compared at the end with the hashes of all ids, which lie on the
scratch volume at 8 bytes a row.

Burton H. Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors, 1970; one word an id:
Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters, 2007.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WORDS: Final = 1 << 23
"""64 MiB; of 40 M ids, 0.3% look as if they had been seen."""
_BITS: Final = 4
_PATTERNS: Final = 1 << 12
_FILE_ROWS: Final = 2_000_000
_FEW: Final = 0.01
"""Of a batch's ids: if more do not rise, the file is not in their order."""


class SeenIds:
    """Remembers ids by 64-bit hashes: two ids of 100 M share one with a chance of 3 in 10^4.

    Args:
        folder: on the scratch volume.
        words: of the filter.
    """

    def __init__(self, folder: Path, words: int = _WORDS) -> None:
        self._new = _Hashes(folder)
        self._suspects: list[pl.Series] = []
        self._highest: str | None = None
        self._words = words
        self._filter: _Filter | None = None

    def suspect(self, ids: pl.Series) -> pl.Series:
        """Return for each id whether it may have come before; if not, it certainly has not.

        Ids that are null have not. `repeated` tells of the others what is true.
        """
        given = ids.drop_nulls()
        hashes = given.hash(seed=0)
        suspects = None if self._filter else self._not_rising(given)
        if suspects is None:
            self._filter = self._filter or self._filled()
            suspects = self._filter.add(hashes)
        self._new.add(hashes.filter(~suspects))
        # Of a few, what `filter` returns has room for all, and these are kept.
        self._suspects.append(hashes.gather(suspects.arg_true()))
        if given.len() == ids.len():
            return suspects
        every = pl.zeros(ids.len(), dtype=pl.Boolean, eager=True)
        return every.scatter(ids.is_not_null().arg_true().filter(suspects), values=True)

    def repeated(self) -> pl.Series:
        """Return for each suspect, in the order in which they came, whether it did come before."""
        suspects = pl.concat([pl.Series(dtype=pl.UInt64), *self._suspects])
        if suspects.is_empty():
            return pl.Series(dtype=pl.Boolean)
        wanted = suspects.unique().sort()
        known = pl.zeros(wanted.len(), dtype=pl.Boolean, eager=True)
        for hashes in self._new:
            places = wanted.search_sorted(hashes).clip(upper_bound=wanted.len() - 1)
            known.scatter(places.filter(wanted.gather(places) == hashes), values=True)
        return known.gather(wanted.search_sorted(suspects)) | ~suspects.is_first_distinct()

    def _not_rising(self, ids: pl.Series) -> pl.Series | None:
        """Return which ids are not above the one before, or None if the file is in no order.

        It is in order but for single ids that stand too low.
        """
        falling = self._falling(ids)
        rising = ids
        if falling.any():
            rising = ids.filter(~falling)
            if falling.sum() > _FEW * ids.len() or self._falling(rising).any():
                return None
        if rising.len():
            self._highest = rising[-1]
        return falling

    def _falling(self, ids: pl.Series) -> pl.Series:
        before = ids.shift(1, fill_value=self._highest)
        return (ids <= before).fill_null(value=False)

    def _filled(self) -> _Filter:
        """Return a filter that knows all that came until now."""
        filled = _Filter(self._words)
        for hashes in (*self._new, *self._suspects):
            filled.add(hashes)
        return filled


class _Filter:
    """Tells of a hash whether it may have come before."""

    def __init__(self, words: int) -> None:
        self._words = pl.zeros(words, dtype=pl.UInt64, eager=True)
        self._per_word = (1 << 64) // words
        self._patterns = _patterns()

    def add(self, hashes: pl.Series) -> pl.Series:
        """Return for each hash whether it may have come before, if only among these."""
        # In order, neighbours are alike and memory is walked through once.
        ordered = hashes.sort()
        places = ordered // self._per_word
        patterns = self._patterns.gather(ordered % _PATTERNS)
        before = self._words.gather(places)
        seen = (before & patterns) == patterns
        self._set(places, before | patterns)
        suspects = pl.zeros(hashes.len(), dtype=pl.Boolean, eager=True)
        if seen.any():
            suspects = hashes.is_in(ordered.filter(seen).implode())
        if not (ordered.ne_missing(ordered.shift()) | seen).all():
            suspects |= ~hashes.is_first_distinct()
        return suspects

    def _set(self, places: pl.Series, words: pl.Series) -> None:
        # Of several hashes in one word, scatter keeps the last; so until none is lost, again.
        while places.len():
            self._words.scatter(places, words)
            now = self._words.gather(places)
            lost = (now & words) != words
            places, words = places.filter(lost), (now | words).filter(lost)


class _Hashes:
    """Hashes on the scratch volume, in order.

    Args:
        folder: on it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[pl.Series] = []
        self._files: list[Path] = []

    def add(self, hashes: pl.Series) -> None:
        """Take some more."""
        self._waiting.append(hashes)
        if sum(map(len, self._waiting)) >= _FILE_ROWS:
            path = self._folder / f"hashes-{len(self._files):05d}.parquet"
            pl.concat(self._waiting).to_frame("hash").write_parquet(
                path, compression="uncompressed", statistics=False
            )
            self._files.append(path)
            self._waiting = []

    def __iter__(self) -> Iterator[pl.Series]:
        for path in self._files:
            yield pl.read_parquet(path)["hash"]
        yield from self._waiting


def _patterns() -> pl.Series:
    """Return words with four bits set, always the same."""
    source = random.Random(0)  # noqa: S311 - a hash function's table, no secret
    words = [sum(1 << bit for bit in source.sample(range(64), _BITS)) for _ in range(_PATTERNS)]
    return pl.Series(words, dtype=pl.UInt64)
