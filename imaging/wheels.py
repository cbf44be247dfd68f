"""The wheels of a lock, fetched with pip and checked against the lock's hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging import cache, locks

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.targets import Target

_SHOWN_LINES: Final = 12


def key(lock: Path, target: Target) -> str:
    """What names the wheels of a lock for a target: a hash of exactly what pip is asked for."""
    return hashlib.sha256(f"{target.label}\n{_requirements(lock, target)}".encode()).hexdigest()


def gather(lock: Path, target: Target) -> list[Path]:
    """The wheels that the lock names for the target, sorted by name.

    Where they come from is pip's own configuration. A wheel that is already here is not asked for
    again.

    Raises:
        UserError: pip is missing, cannot reach its index, finds no wheel or another hash.
    """
    if not locks.needed(lock, target):
        return []
    folder = cache.made_once(
        "wheels", key(lock, target), lambda into: _download(lock, target, into)
    )
    return sorted(folder.glob("*.whl"))


def _requirements(lock: Path, target: Target) -> str:
    return "".join(f"{entry.line}\n" for entry in locks.needed(lock, target))


def _download(lock: Path, target: Target, into: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            f"{sys.executable} has no pip, which fetches the images' wheels; "
            "`python -m ensurepip` brings it."
        )
    requirements = into / "requirements.txt"
    requirements.write_text(_requirements(lock, target))
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--no-input", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += [*target.pip_options, f"--dest={into}", f"--requirement={requirements}"]
    result = subprocess.run(command, text=True, capture_output=True, check=False)
    if result.returncode == 0:
        return
    said = "\n".join(result.stderr.strip().splitlines()[-_SHOWN_LINES:])
    raise UserError(
        f"pip cannot fetch the wheels of {lock} for {target.label}:\n{said}\n"
        "Check the network and pip's index (`pip config list`). A library without a wheel for "
        f"that platform cannot go into an image: change {lock.with_suffix('.in').name} beside "
        "the lock, then `make lock-images`."
    )
