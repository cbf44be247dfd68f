"""The layer of an ADD or COPY that takes files, rather than one of the prepared tars."""

from __future__ import annotations

import tarfile
from contextlib import nullcontext
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fargate_batch.errors import UserError
from imaging import contents, layers, sources

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.dockerfile import Added
    from imaging.layers import Layer
    from imaging.sources import StageSources


def layer(added: Added, stage: StageSources) -> Layer:
    """The layer with what `added` takes from the stage's own files.

    Raises:
        UserError: they are not there, or are an archive, which only an engine unpacks.
    """
    top, _, inside = added.source.partition("/")
    path = stage.files / inside
    if top != stage.files.name or not path.exists():
        raise UserError(
            f"{stage.dockerfile} adds {added.source}, which is neither one of "
            f"{', '.join(contents.NAMES)} nor in {stage.files}."
        )
    if added.unpacks and _is_archive(path):
        raise UserError(
            f"{stage.dockerfile} unpacks {added.source}, which cannot be done without an engine. "
            "Start Docker or Podman, or keep the files unpacked."
        )
    files = _placed(added, path)
    entries = [layers.bytes_entry(name, content) for name, content in files.items()]
    root = added.destination if path.is_dir() else str(PurePosixPath(added.destination).parent)
    return layers.layer(
        "files", sources.digest_of(files), root.strip("/"), lambda: nullcontext(entries)
    )


def _is_archive(path: Path) -> bool:
    # Docker goes by the content. Python does not know Zstandard; of that the name tells.
    return path.is_file() and (tarfile.is_tarfile(path) or ".tar" in path.suffixes)


def _placed(added: Added, path: Path) -> dict[str, bytes]:
    target = PurePosixPath(added.destination.lstrip("/"))
    if path.is_dir():
        return {str(target / name): content for name, content in sources.files_of(path).items()}
    if added.destination.endswith("/"):
        return {str(target / path.name): path.read_bytes()}
    return {str(target): path.read_bytes()}
