"""The drill's input: small files of a few different contents, some of them unreadable."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samples import generate

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

UNREADABLE_SHARE: Final = 0.05
_ROWS: Final = 40
_DAYS: Final = 262
# What people call files. S3 takes all of them, and each has broken a pipeline somewhere.
_NAMES: Final = ("{n:05d}", "desk {n} + hedge", "Bücher-{n}-日本", "q='{n}'&x=%20", "a/b/{n}")


@dataclass(frozen=True)
class File:
    """One file to drop."""

    key: str
    body: bytes
    content: int | None
    """Which of the readable contents it has; None when nobody can read it."""


@dataclass(frozen=True)
class Input:
    """Everything that a drill drops."""

    market_data_key: str
    market_data: bytes
    contents: tuple[bytes, ...]
    """Every readable file has one of them."""

    def files(self, source: random.Random, count: int, prefix: str) -> Iterator[File]:
        """Yield files to drop below positions/; the same source, the same files."""
        for number in range(count):
            name = source.choice(_NAMES).format(n=number)
            chosen = source.randrange(len(self.contents))
            if source.random() < UNREADABLE_SHARE:
                suffix, body = _spoil(source, self.contents[chosen])
                yield File(f"positions/{prefix}/{name}{suffix}", body, None)
            else:
                yield File(f"positions/{prefix}/{name}.csv", self.contents[chosen], chosen)


def make(seed: int, folder: Path, contents_wanted: int = 12) -> Input:
    """Make market data and contents from a seed; `folder` is for what the generator writes."""
    contents = []
    for number in range(contents_wanted):
        # The market is the same for all of them, because its seed is.
        positions, market = generate.write(seed, _ROWS + number, _DAYS, folder / str(number))
        contents.append(gzip.decompress(positions.read_bytes()))
    return Input(
        market_data_key=f"market-data/{market.name}",
        market_data=market.read_bytes(),
        contents=tuple(contents),
    )


def _spoil(source: random.Random, content: bytes) -> tuple[str, bytes]:
    """Return a suffix and a body that make a file which nobody can read."""
    header, _, rows = content.partition(b"\n")
    packed = gzip.compress(content, mtime=0)
    kinds: tuple[tuple[str, bytes], ...] = (
        (".csv", b""),
        (".csv", header + b"\n"),
        (".csv", b"a,b,c\n1,2,3\n"),
        (".csv.gz", packed[: len(packed) // 2]),
        (".parquet", source.randbytes(4096)),
        (".csv", header + b"\n" + rows.replace(b"2026-01-30", b"yesterday")),
    )
    return source.choice(kinds)
