"""Whether there is room to build."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Measured: 0.2 GB in the cache, 0.6 GB in an engine with its base; and as much again meanwhile.
NEEDED_BYTES: Final = 1_500_000_000


def check(places: Iterable[Path], needed: int = NEEDED_BYTES) -> None:
    """Stop before building what would not fit.

    Raises:
        UserError: one of the places has too little room; the message says which and how much.
    """
    for place in places:
        free = shutil.disk_usage(place).free
        if free < needed:
            raise UserError(
                f"No room for the images: {place} has {free / 1e9:.1f} GB free and about "
                f"{needed / 1e9:.1f} GB are needed. Free some space; the cache can be put on "
                "another disk with XDG_CACHE_HOME."
            )
