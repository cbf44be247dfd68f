"""The images' locked dependencies: making the locks and choosing from them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fargate_batch.errors import UserError
from imaging.sources import COMMON

if TYPE_CHECKING:
    from imaging.targets import Target

OLDEST_PYTHON: Final = "3.11"
_HEADER: Final = (
    "# Made by `make lock` from requirements.in; hashed, and good for every Python that the\n"
    "# project supports.{more}\n"
)
_ADDITIONS: Final = " Only what this stage adds to images/common/requirements.lock."


@dataclass(frozen=True)
class Locked:
    """One entry of a lock: a pinned requirement with its marker and hashes."""

    name: str
    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        """The entry for pip, without its marker."""
        return " ".join(
            [f"{self.name}{self.requirement.specifier}", *(f"--hash={h}" for h in self.hashes)]
        )


def read(lock: Path) -> list[Locked]:
    """The entries of a lock.

    Raises:
        UserError: an entry is not pinned or carries no hash.
    """
    text = re.sub(r"^\s*#.*$", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [_entry(line, lock) for line in text.splitlines() if line.strip()]


def _entry(line: str, lock: Path) -> Locked:
    words = line.split(" --hash=")
    try:
        requirement = Requirement(words[0].strip())
    except InvalidRequirement as error:
        raise UserError(
            f"{lock}: '{words[0].strip()}' is no requirement; run `make lock-images`."
        ) from error
    hashes = tuple(word.split()[0] for word in words[1:])
    pinned = [specifier.operator for specifier in requirement.specifier] == ["=="]
    if not pinned or not hashes:
        raise UserError(
            f"{lock}: {requirement.name} is not pinned with a hash; `make lock-images` does so."
        )
    return Locked(canonicalize_name(requirement.name), requirement, hashes)


def needed(lock: Path, target: Target) -> list[Locked]:
    """The entries that the target needs.

    pip evaluates markers for the interpreter it runs in, whatever platform it downloads for, so
    they are evaluated here.
    """
    environment = dict(target.markers)
    return [
        entry
        for entry in read(lock)
        if entry.requirement.marker is None or entry.requirement.marker.evaluate(environment)
    ]


def compile_all(project: Path, *, upgrade: bool = False) -> list[Path]:
    """Resolve every images/*/requirements.in into the lock beside it; return the locks.

    What is locked already stays as it is, unless it no longer fits or `upgrade` asks for newer.

    The stages are resolved under the common lock, so that one version of a library serves all, and
    their locks hold only what they add to it.

    Raises:
        UserError: the requirements do not resolve.
    """
    images = project / "images"
    common = images / COMMON / "requirements.in"
    common_lock = common.with_suffix(".lock")
    common_lock.write_text(_HEADER.format(more="") + _resolve(project, common, upgrade=upgrade))
    known = {entry.name for entry in read(common_lock)}
    written = [common_lock]
    for source in sorted(images.glob("*/requirements.in")):
        if source == common:
            continue
        resolved = _resolve(project, source, constraint=common_lock, upgrade=upgrade)
        lock = source.with_suffix(".lock")
        lock.write_text(_HEADER.format(more=_ADDITIONS) + _without(resolved, known))
        written.append(lock)
    return written


def _resolve(project: Path, source: Path, *, constraint: Path | None = None, upgrade: bool) -> str:
    lock = source.with_suffix(".lock")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "lock"
        if lock.exists() and not upgrade:
            # uv keeps the versions that it finds in its output file.
            shutil.copyfile(lock, output)
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
        command += ["--generate-hashes", "--no-header", "--no-annotate"]
        command += ["--python-version", OLDEST_PYTHON, "--output-file", str(output)]
        command += ["--constraints", str(constraint)] if constraint else []
        result = subprocess.run(
            [*command, str(source)], cwd=project, text=True, capture_output=True, check=False
        )
        if result.returncode != 0:
            raise UserError(
                f"{source.relative_to(project)} cannot be resolved:\n{result.stderr.strip()}"
            )
        return output.read_text()


def _without(lock: str, names: set[str]) -> str:
    entries = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if _name(entry) not in names)


def _name(entry: str) -> str:
    return canonicalize_name(re.split(r"[^A-Za-z0-9._-]", entry, maxsplit=1)[0])
