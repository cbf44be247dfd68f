"""How much memory and CPU time a group of processes uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL_SECONDS: Final = 0.2
_PROC: Final = Path("/proc")
# Fields of /proc/<pid>/stat after the command's name; proc_pid_stat(5).
_GROUP: Final = 2
_CPU_TIMES: Final = slice(11, 13)


def in_bytes(limit: str | None) -> int:
    """Docker's `512m` in bytes; 0 for no limit."""
    return int(limit.removesuffix("m")) << 20 if limit else 0


def memory_bytes(group: int) -> int:
    """Resident bytes of a process group; shared pages count once per process.

    0 where there is no /proc, as on macOS: the limit is then not enforced for processes.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for process, _ in _members(group):
        try:
            total += int((process / "statm").read_text().split()[1]) * page
        except OSError:
            continue  # it has ended meanwhile
    return total


def cpu_seconds(group: int) -> float | None:
    """CPU time that the group's living processes have used; None where there is no /proc."""
    if not _PROC.is_dir():
        return None
    ticks = sum(int(time) for _, fields in _members(group) for time in fields[_CPU_TIMES])
    return ticks / os.sysconf("SC_CLK_TCK")


def _members(group: int) -> Iterator[tuple[Path, list[str]]]:
    """Each process of the group: its directory, and its stat fields after the command's name."""
    if not _PROC.is_dir():
        return
    for process in _PROC.iterdir():
        if not process.name.isdecimal():
            continue
        try:
            # The name may hold spaces and parentheses; what follows the last one is fixed.
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        if int(fields[_GROUP]) == group:
            yield process, fields
