"""How much memory a group of processes holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

INTERVAL_SECONDS: Final = 0.2
_PROC: Final = Path("/proc")
_STATE_FIELDS_BEFORE_GROUP: Final = 2


def in_bytes(limit: str | None) -> int:
    """Docker's `512m` in bytes; 0 for no limit."""
    return int(limit.removesuffix("m")) << 20 if limit else 0


def of_group(group: int) -> int:
    """Resident bytes of a process group; shared pages count once per process.

    0 where there is no /proc, as on macOS: the limit is then not enforced for processes.
    """
    if not _PROC.is_dir():
        return 0
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            # The command's name may hold spaces and parentheses; what follows the last one is fixed.
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[_STATE_FIELDS_BEFORE_GROUP]) == group:
                total += int((entry / "statm").read_text().split()[1]) * page
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    return total
