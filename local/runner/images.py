"""Images as this registry holds them: found by reference, unpacked once."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.ecs.containers import CannotPullError
from local.symbols import Symbol

_RESOLVE: Final = Symbol("services.ecr", "_resolve_manifest", ("name", "ref"))
_BLOBS: Final = Symbol("services.ecr", "_layer_blobs")

SYMBOLS: Final = (_RESOLVE, _BLOBS)

HOST_PYTHON_LABEL: Final = "batch.host-python"
"""Its value names the interpreter that a host image was made for."""

_OPAQUE: Final = ".wh..wh..opq"
_WHITEOUT: Final = ".wh."
_unpacking = threading.Lock()


@dataclass(frozen=True)
class Image:
    """An image in this registry."""

    reference: str
    digest: str
    config: dict[str, Any]
    """The runtime configuration: Env, Entrypoint, Cmd, WorkingDir, User, Labels ..."""
    layers: tuple[str, ...]
    repository: str
    entries: dict[str, Any] = field(default_factory=dict)

    @property
    def host_python(self) -> str | None:
        """The host interpreter that it needs, when it has no base layers."""
        value: str | None = (self.config.get("Labels") or {}).get(HOST_PYTHON_LABEL)
        return value


def find(reference: str, registry: str) -> Image | None:
    """Return the image, or None when the reference names another registry.

    Args:
        reference: e.g. `localhost:4566/team/stage@sha256:...`.
        registry: this registry's host and port.

    Raises:
        CannotPullError: it names this registry, which has no such image.
    """
    host, _, rest = reference.partition("/")
    if host != registry:
        return None
    name, separator, digest = rest.partition("@")
    if not separator:
        name, _, tag = rest.partition(":")
        digest = tag or "latest"
    found, manifest, _ = _RESOLVE.get()(name, digest)
    if manifest is None:
        raise CannotPullError(f"{reference}: not found: manifest unknown to the registry")
    content = json.loads(manifest)
    if "config" not in content:
        raise CannotPullError(
            f"{reference}: the manifest is no image but {content.get('mediaType')}"
        )
    config = json.loads(_blob(name, content["config"]["digest"], reference))
    return Image(
        reference=reference,
        digest=found,
        config=config.get("config") or {},
        layers=tuple(layer["digest"] for layer in content["layers"]),
        repository=name,
    )


def _blob(repository: str, digest: str, reference: str) -> bytes:
    blob: bytes | None = _BLOBS.get().get(repository, {}).get(digest)
    if blob is None:
        raise CannotPullError(f"{reference}: blob {digest} is unknown to the registry")
    return blob


def unpack(image: Image, images: Path) -> Path:
    """Return the directory that holds the image's files, unpacking them at the first call.

    Raises:
        CannotPullError: a layer is missing or is no tar archive.
        OSError: the disk is full, or the directory cannot be written.
    """
    target = images / re.sub(r"[^A-Za-z0-9]", "-", image.digest)
    with _unpacking:
        if target.is_dir():
            return target
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for digest in image.layers:
            _apply_layer(_blob(image.repository, digest, image.reference), partial, image.reference)
        partial.rename(target)
    return target


def _apply_layer(blob: bytes, root: Path, reference: str) -> None:
    try:
        data = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                _apply_member(archive, member, root)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CannotPullError(f"{reference}: a layer cannot be unpacked: {error}") from error


def _apply_member(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    directory, name = os.path.split(member.name)
    if name == _OPAQUE:
        for child in (root / directory).iterdir():
            _remove(child)
        return
    if name.startswith(_WHITEOUT):
        _remove(root / directory / name.removeprefix(_WHITEOUT))
        return
    if member.isdev() or member.isfifo():
        return
    target = root / member.name
    if not member.isdir() and target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    # The files belong to whoever runs the local AWS, who need not be root.
    owned = member.replace(uid=os.getuid(), gid=os.getgid(), uname="", gname="", deep=False)
    archive.extract(owned, root, filter="tar")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
