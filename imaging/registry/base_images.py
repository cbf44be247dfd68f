"""Base images, read from the registries they live in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fargate_batch.errors import UserError
from imaging import cache, references, targets
from imaging.manifests import Base, Descriptor
from imaging.registry.client import Registry
from imaging.registry.errors import RegistryError, RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imaging.references import Reference

_BLOB: Final = "blob"


class BaseUnavailableError(UserError):  # it is a state of affairs, not a kind of error
    """The base image cannot be had; the message says why."""


@dataclass(frozen=True)
class BaseImage:
    """A base image and where its layers can be read."""

    reference: Reference
    content: Base
    connect: Callable[[], Registry]

    def layer(self, digest: str) -> Path:
        """One of its layers, in a file of the cache.

        Raises:
            UserError: it cannot be read, or is not what its digest says.
        """

        def download(into: Path) -> None:
            registry, repository = self.connect(), self.reference.repository
            registry.persist(lambda: _download(registry, repository, digest, into / _BLOB))

        return cache.made_once("base", digest.replace(":", "-"), download) / _BLOB


def read(name: str) -> BaseImage:
    """Read a base image's manifest and configuration, anonymously.

    Of an image for several platforms the one for Fargate's is taken.

    Raises:
        BaseUnavailableError: its registry does not answer or does not give it.
        UserError: it is for another platform or holds another Python.
    """
    reference = references.parse(name)

    def connect() -> Registry:
        return Registry(reference.host)

    try:
        registry = connect()
        manifest = _manifest(registry, reference)
        config = _json_blob(registry, reference.repository, manifest["config"]["digest"])
    except (RegistryError, RegistryUnreachableError) as error:
        raise BaseUnavailableError(f"The base image {name} cannot be had. {error}") from error
    _check(name, config)
    layers = [
        Descriptor(layer["digest"], layer["size"], layer["mediaType"])
        for layer in manifest["layers"]
    ]
    return BaseImage(reference, Base(layers, config), connect)


def digest(name: str) -> str:
    """The digest that the image's registry gives for its tag today.

    Raises:
        UserError: the registry cannot be asked.
    """
    reference = references.parse(name)
    registry = Registry(reference.host)
    return registry.manifest(reference.repository, reference.tag or "latest").digest


def check_python(name: str, found: str) -> None:
    """Compare a base image's Python, e.g. 3.13.2, with the one that wheels are chosen for.

    Raises:
        UserError: they differ.
    """
    wanted = ".".join(str(part) for part in targets.BASE_PYTHON)
    if found.split(".")[:2] != wanted.split("."):
        raise UserError(
            f"The base image {name} holds Python {found}, and the wheels are chosen for {wanted}. "
            "Name a base image with that Python in config/config.yaml (base_image), or change "
            "BASE_PYTHON in imaging/targets.py."
        )


def _manifest(registry: Registry, reference: Reference) -> dict[str, Any]:
    found = registry.manifest(reference.repository, reference.identifier)
    manifest: dict[str, Any] = json.loads(found.content)
    if "manifests" not in manifest:
        return manifest
    wanted = {"os": "linux", "architecture": targets.BASE_ARCHITECTURE}
    for entry in manifest["manifests"]:
        if wanted.items() <= entry.get("platform", {}).items():
            found = registry.manifest(reference.repository, entry["digest"])
            chosen: dict[str, Any] = json.loads(found.content)
            return chosen
    raise UserError(
        f"The base image {reference.repository} has nothing for linux/{targets.BASE_ARCHITECTURE}."
    )


def _json_blob(registry: Registry, repository: str, blob_digest: str) -> dict[str, Any]:
    with registry.blob(repository, blob_digest) as pieces:
        content = b"".join(pieces)
    loaded: dict[str, Any] = json.loads(content)
    return loaded


def _check(name: str, config: dict[str, Any]) -> None:
    platform = f"{config.get('os')}/{config.get('architecture')}"
    if platform != f"linux/{targets.BASE_ARCHITECTURE}":
        raise UserError(
            f"The base image {name} is for {platform}; Fargate tasks run on "
            f"linux/{targets.BASE_ARCHITECTURE}."
        )
    # Docker's official Python images say which Python they hold; others may not.
    environment = (config.get("config") or {}).get("Env") or []
    stated = dict(item.partition("=")[::2] for item in environment).get("PYTHON_VERSION")
    if stated:
        check_python(name, stated)


def _download(registry: Registry, repository: str, blob_digest: str, path: Path) -> None:
    total = hashlib.sha256()
    with registry.blob(repository, blob_digest) as pieces, path.open("wb") as file:
        for piece in pieces:
            total.update(piece)
            file.write(piece)
    if f"sha256:{total.hexdigest()}" != blob_digest:
        raise UserError(
            f"The registry {registry.host} gave other bytes than {blob_digest} of {repository}; "
            "the download broke off or was changed. Try again."
        )
