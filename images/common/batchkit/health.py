"""The container's health check: is the heartbeat fresh? `python3 -m batchkit.health`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

MAX_AGE_SECONDS: Final = 60.0


def heartbeat_file() -> Path:
    """Return the file that a living task touches; TMPDIR moves it, in a container it is in /tmp."""
    return Path(os.environ.get("TMPDIR", "/tmp")) / "heartbeat"  # noqa: S108 - the writable volume


def age(path: Path) -> float | None:
    """Return the seconds since the last heartbeat, or None when there never was one."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None


def main() -> int:
    """Return 0 when the heartbeat is fresh, else say why not and return 1."""
    path = heartbeat_file()
    seconds = age(path)
    if seconds is None:
        sys.stderr.write(f"unhealthy: no heartbeat in {path}\n")
        return 1
    if seconds > MAX_AGE_SECONDS:
        sys.stderr.write(f"unhealthy: the last heartbeat in {path} is {seconds:.0f} s old\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
