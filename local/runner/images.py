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
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from local.ecs.containers import CannotPullError
from local.symbols import Symbol

_RESOLVE: Final = Symbol("services.ecr", "_resolve_manifest", ("name", "ref"))
_BLOBS: Final = Symbol("services.ecr", "_layer_blobs")
_MANIFESTS: Final = Symbol("services.ecr", "_manifest_blobs")

SYMBOLS: Final = (_RESOLVE, _BLOBS, _MANIFESTS)

HOST_PYTHON_LABEL: Final = "batch.host-python"
"""Its value names the interpreter that a host image was made for."""

_OPAQUE: Final = ".wh..wh..opq"
_WHITEOUT: Final = ".wh."
_MOST_LINKS: Final = 40
"""Linux follows no more of them in one path."""

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
    """Return the directory that holds the image's files, made at the first call.

    Each layer is unpacked once, and images share its files through hard links.

    Raises:
        CannotPullError: a layer is missing, is no tar archive or reaches out of the image.
        OSError: the disk is full, or the directory cannot be written.
    """
    target = images / _folder(image.digest)
    with _unpacking:
        if target.is_dir():
            return target
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for digest in image.layers:
            try:
                _lay_over(_unpack_layer(image, digest, images / "layers"), partial)
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise CannotPullError(
                    f"{image.reference}: layer {digest} cannot be unpacked: {error}"
                ) from error
        partial.rename(target)
    return target


def remove_unused(images: Path) -> None:
    """Delete what was unpacked of images and layers that no repository has any more.

    Args:
        images: what `unpack` was given; no container may run from it.
    """
    digests = {
        digest
        for store in (_MANIFESTS.get(), _BLOBS.get())
        for _, of_repository in store.all_items()
        for digest in of_repository
    }
    kept = {"layers", *(_folder(digest) for digest in digests)}
    for path in [*images.glob("*"), *images.glob("layers/*")]:
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _folder(digest: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "-", digest)


def _unpack_layer(image: Image, digest: str, layers: Path) -> Path:
    target = layers / _folder(digest)
    if target.is_dir():
        return target
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    blob = _blob(image.repository, digest, image.reference)
    data = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extraction_filter = lambda member, _folder: member
        for member in archive:
            if not (member.isdev() or member.isfifo()):
                archive.extract(_fit(member, partial), partial)
    partial.rename(target)
    return target


def _fit(member: tarfile.TarInfo, folder: Path) -> tarfile.TarInfo:
    """Let a file belong to whoever runs the local AWS, who need not be root, and lie in the folder.

    Python's own filters do the latter from 3.11.4 on; Debian 12 has 3.11.2.

    Raises:
        tarfile.ExtractError: it lies outside, is a hard link to what lies outside or is not there,
            or takes away a folder that it lies in.
    """
    member.name = member.name.lstrip("/")
    _check_inside(member.name, folder)
    if member.islnk():
        member.linkname = member.linkname.lstrip("/")
        _check_inside(member.linkname, folder)
        if not (folder / member.linkname).exists():
            raise tarfile.ExtractError(
                f"{member.name} is a hard link to {member.linkname}, which comes not before it"
            )
    if PurePath(member.name).name in {_WHITEOUT, f"{_WHITEOUT}.", f"{_WHITEOUT}.."}:
        raise tarfile.ExtractError(f"{member.name} names no file to take away")
    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
    member.mode &= 0o755
    return member


def _check_inside(name: str, folder: Path) -> None:
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise tarfile.ExtractError(f"{name} lies outside of the image")


def _lay_over(layer: Path, root: Path) -> None:
    """Put a layer on top of what is there, with whiteouts taking files of lower layers away.

    Raises:
        tarfile.ExtractError: links of lower layers lead in a circle.
    """
    for folder, directories, files in os.walk(layer):
        here = _within(root, PurePath(folder).relative_to(layer))
        for child in list(here.iterdir()) if _OPAQUE in files else ():
            _remove(child)
        # os.walk counts links to directories among the directories, and does not follow them.
        links = [name for name in directories if Path(folder, name).is_symlink()]
        for name in [*files, *links]:
            if name.startswith(_WHITEOUT):
                if name != _OPAQUE:
                    _remove(here / name.removeprefix(_WHITEOUT))
                continue
            _remove(here / name)
            os.link(Path(folder, name), here / name, follow_symlinks=False)
        for name in directories:
            target = here / name
            # A link to a directory stays one, as /lib -> usr/lib of a base image does.
            if name not in links and not _within(root, target.relative_to(root)).is_dir():
                target.unlink(missing_ok=True)
                target.mkdir()


def _within(root: Path, path: PurePath) -> Path:
    """Follow links as a process inside the image would, for which the root is the image's.

    Raises:
        tarfile.ExtractError: the links lead in a circle.
    """
    here, parts, links = root, list(path.parts), 0
    while parts:
        part = parts.pop(0)
        if part == "/":
            here = root
        elif part == "..":
            here = here if here == root else here.parent
        elif (here / part).is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise tarfile.ExtractError(f"{path} leads in a circle")
            parts = [*(here / part).readlink().parts, *parts]
        else:
            here = here / part
    return here


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
