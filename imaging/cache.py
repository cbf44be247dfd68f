"""A per-user cache of what is costly to make: wheels, layers, the base image's blobs.

Everything in it is named after what it was made from, so it is never stale and may be deleted at
any time. Several threads and processes may use it at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT_DAYS: Final = 30


def folder() -> Path:
    """The cache's folder, made when it is missing.

    Raises:
        UserError: it cannot be made or written.
    """
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fargate-batch"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The cache folder {path} cannot be made ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you can write."
        ) from error
    if not os.access(path, os.W_OK):
        raise UserError(
            f"The cache folder {path} cannot be written; make it yours, or set XDG_CACHE_HOME "
            "to a folder that you can write."
        )
    return path


def made_once(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The cached folder `kind/key`; `make` fills it when it is not there yet.

    Others who want the same folder meanwhile wait for it. An interrupted `make` leaves nothing.

    Raises:
        UserError: the disk is full.
    """
    parent = folder() / kind
    parent.mkdir(exist_ok=True)
    path = parent / key
    with _alone(parent / f"{key}.lock"):
        if not path.exists():
            with _room(parent), scratch(parent) as half:
                made = half / "made"
                made.mkdir()
                make(made)
                made.replace(path)
    os.utime(path)
    return path


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards, on the cache's file system so that files can be linked."""
    with tempfile.TemporaryDirectory(dir=parent or folder(), prefix=".half-") as name:
        yield Path(name)


def forget_unused(days: int = KEPT_DAYS) -> None:
    """Delete what nobody has used for so many days, and what a killed process left half-made."""
    limit = time.time() - days * 86400
    # Not what lies in a half-made folder: that bears the times of what was unpacked into it.
    for path in (*folder().glob("[!.]*/*"), *folder().glob(".half-*")):
        # Another process may be tidying the same folder.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    # A lock belongs to the open file, so it holds between threads as well as between processes.
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.utime(lock)
        yield


@contextmanager
def _room(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"No room left in {where}: free some space, or set XDG_CACHE_HOME to a folder on "
            "another disk, and launch again; what is done stays done."
        ) from error
