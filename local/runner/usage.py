"""How much memory and CPU time a group of processes uses."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL_SECONDS: Final = 0.2
_PROC: Final = Path("/proc")
# Fields of /proc/<pid>/stat after the command's name; proc_pid_stat(5).
_GROUP: Final = 2
_CPU_TIMES: Final = slice(11, 13)
_RESIDENT_PAGES: Final = 21


def in_bytes(limit: str | None) -> int:
    """Docker's `512m` in bytes; 0 for no limit."""
    return int(limit.removesuffix("m")) << 20 if limit else 0


def memory_bytes(group: int) -> int:
    """Resident bytes of a process group; shared pages count once per process.

    0 where there is no /proc, as on macOS: the limit is then not enforced for processes.
    """
    return _usage(group).memory_bytes


def cpu_seconds(group: int) -> float | None:
    """CPU time that the group's living processes have used; None where there is no /proc."""
    return _usage(group).cpu_seconds if _PROC.is_dir() else None


@dataclass
class _Usage:
    memory_bytes: int = 0
    cpu_seconds: float = 0.0


class _Snapshots:
    """One look at all processes serves everybody who asks within an interval."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = -math.inf
        self._groups: dict[int, _Usage] = {}

    def groups(self) -> dict[int, _Usage]:
        """The usage of each process group, at most an interval old."""
        with self._lock:
            now = time.monotonic()
            if now - self._taken >= INTERVAL_SECONDS / 2:
                self._groups, self._taken = _look(), now
            return self._groups


_snapshots: Final = _Snapshots()


def _usage(group: int) -> _Usage:
    return _snapshots.groups().get(group) or _Usage()


def _look() -> dict[int, _Usage]:
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    groups: defaultdict[int, _Usage] = defaultdict(_Usage)
    for fields in _processes():
        usage = groups[int(fields[_GROUP])]
        usage.memory_bytes += int(fields[_RESIDENT_PAGES]) * page
        usage.cpu_seconds += sum(int(ticks) for ticks in fields[_CPU_TIMES]) / tick
    return groups


def _processes() -> Iterator[list[str]]:
    """The stat fields of each process, after the command's name."""
    if not _PROC.is_dir():
        return
    for process in _PROC.iterdir():
        if not process.name.isdecimal():
            continue
        try:
            # The name may hold spaces and parentheses; what follows the last one is fixed.
            yield (process / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue  # it has ended meanwhile
