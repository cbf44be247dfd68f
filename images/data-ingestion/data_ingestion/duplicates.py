"""Finds position ids that stand on an earlier line, in memory that does not grow with the file.

A Bloom filter (one 64-bit word an id, in which four bits are set) tells at once of nearly every id
that it is new. The few others are put aside, and compared at the end with the hashes of all ids,
which lie on the scratch volume at 8 bytes a row.

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


class SeenIds:
    """Remembers ids by 64-bit hashes: two ids of 100 M share one with a chance of 3 in 10^4.

    Args:
        folder: on the scratch volume.
        words: of the filter.
    """

    def __init__(self, folder: Path, words: int = _WORDS) -> None:
        self._folder = folder
        self._words = pl.zeros(words, dtype=pl.UInt64, eager=True)
        self._per_word = (1 << 64) // words
        self._patterns = _patterns()
        self._new: list[pl.Series] = []
        self._files: list[Path] = []
        self._suspects: list[pl.Series] = []

    def suspect(self, ids: pl.Series) -> pl.Series:
        """Return for each id whether it may have come before; if not, it certainly has not.

        Ids that are null have not. `repeated` tells of the others what is true.
        """
        hashes = ids.hash(seed=0)
        # In order, neighbours are alike and memory is walked through once.
        ordered = hashes.filter(ids.is_not_null()).sort()
        places = ordered // self._per_word
        patterns = self._patterns.gather(ordered % _PATTERNS)
        before = self._words.gather(places)
        seen = (before & patterns) == patterns
        first = ordered.ne_missing(ordered.shift())
        self._set(places, before | patterns)
        self._remember(ordered.filter(first & ~seen))
        suspects = pl.zeros(ids.len(), dtype=pl.Boolean, eager=True)
        if seen.any():
            suspects = hashes.is_in(ordered.filter(seen).implode()) & ids.is_not_null()
        if not (first | seen).all():
            suspects |= ~hashes.is_first_distinct() & ids.is_not_null()
        self._suspects.append(hashes.filter(suspects))
        return suspects

    def repeated(self) -> pl.Series:
        """Return for each suspect, in the order in which they came, whether it did come before."""
        suspects = pl.concat([pl.Series(dtype=pl.UInt64), *self._suspects])
        wanted = suspects.unique().implode()
        known = pl.concat(
            [
                pl.Series(dtype=pl.UInt64),
                *(hashes.filter(hashes.is_in(wanted)) for hashes in self._remembered()),
            ]
        )
        return suspects.is_in(known.implode()) | ~suspects.is_first_distinct()

    def _set(self, places: pl.Series, words: pl.Series) -> None:
        # Of several ids in one word, scatter keeps the last; so until none is lost, again.
        while places.len():
            self._words.scatter(places, words)
            now = self._words.gather(places)
            lost = (now & words) != words
            places, words = places.filter(lost), (now | words).filter(lost)

    def _remember(self, hashes: pl.Series) -> None:
        self._new.append(hashes)
        if sum(map(len, self._new)) >= _FILE_ROWS:
            path = self._folder / f"hashes-{len(self._files):05d}.parquet"
            pl.concat(self._new).to_frame("hash").write_parquet(
                path, compression="uncompressed", statistics=False
            )
            self._files.append(path)
            self._new = []

    def _remembered(self) -> Iterator[pl.Series]:
        for path in self._files:
            yield pl.read_parquet(path)["hash"]
        yield from self._new


def _patterns() -> pl.Series:
    """Return words with four bits set, always the same."""
    source = random.Random(0)  # noqa: S311 - a hash function's table, no secret
    words = [sum(1 << bit for bit in source.sample(range(64), _BITS)) for _ in range(_PATTERNS)]
    return pl.Series(words, dtype=pl.UInt64)
