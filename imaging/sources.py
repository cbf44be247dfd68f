"""What goes into a stage's image, and the tag that follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging import targets

if TYPE_CHECKING:
    from collections.abc import Mapping

# Part of every hash: a change in how images are put together is a change of every image.
FORMAT: Final = 1

COMMON: Final = "common"
_LEFT_OUT: Final = ("__pycache__", "*.pyc", "*.pyo", ".*", "*~", "*.egg-info")


@dataclass(frozen=True)
class StageSources:
    """The files that one stage's image is made from."""

    stage: str
    dockerfile: Path
    common_lock: Path
    stage_lock: Path
    shared: Path
    """The package that all stages share."""
    package: Path
    files: Path
    """images/<stage>/files, if there is one: what the stage's own Dockerfile adds besides."""


def find(project: Path, stage: str) -> StageSources:
    """The sources of a stage of the project in that folder.

    Raises:
        UserError: one of them is missing.
    """
    images = project / "images"
    own = images / stage
    dockerfile = own / "Dockerfile"
    if not dockerfile.exists():
        dockerfile = images / "Dockerfile"
    found = StageSources(
        stage=stage,
        dockerfile=dockerfile,
        common_lock=images / COMMON / "requirements.lock",
        stage_lock=own / "requirements.lock",
        shared=images / COMMON / "batchkit",
        package=own / stage.replace("-", "_"),
        files=own / "files",
    )
    for path in (found.package, found.dockerfile, found.shared):
        if not path.exists():
            raise UserError(
                f"Stage '{stage}' of config/config.yaml needs {path.relative_to(project)}, "
                "which is missing."
            )
    for path in (found.common_lock, found.stage_lock):
        if not path.exists():
            raise UserError(
                f"{path.relative_to(project)} is missing; `make lock-images` makes it from "
                f"{path.with_suffix('.in').relative_to(project)}."
            )
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """What a folder's files hold, by their names inside it; caches and hidden files left out.

    Sorted by name. A folder that is not there has none.
    """
    named = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
    found = sorted((name.as_posix(), path) for name, path in named if _belongs(name))
    return {name: path.read_bytes() for name, path in found}


def _belongs(name: Path) -> bool:
    return not any(Path(part).match(pattern) for part in name.parts for pattern in _LEFT_OUT)


def digest_of(files: Mapping[str, bytes]) -> str:
    """A hash of files' names and contents, and of nothing else about them."""
    lines = [f"{name}\0{_digest(content)}\n" for name, content in files.items()]
    return _digest("".join(lines).encode())


def tag(sources: StageSources, base_image: str) -> str:
    """The image's tag: a hash of all that decides what is in the image.

    32 hexadecimal digits; ECR's immutable tags then make a tag and its content one thing.
    """
    parts = {
        "format": FORMAT,
        "base": base_image,
        "platform": targets.base().label,
        "dockerfile": _digest(sources.dockerfile.read_bytes()),
        "common lock": _digest(sources.common_lock.read_bytes()),
        "stage lock": _digest(sources.stage_lock.read_bytes()),
        "shared": digest_of(files_of(sources.shared)),
        "stage": sources.stage,
        "package": digest_of(files_of(sources.package)),
        "files": digest_of(files_of(sources.files)),
    }
    return _digest(json.dumps(parts, sort_keys=True).encode())[:32]


def host_tag(content_tag: str) -> str:
    """The tag of the same content as a host image for the interpreter that runs this."""
    return f"{content_tag}-host-{targets.host_label()}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
