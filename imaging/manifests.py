"""An image's configuration and manifest, as the OCI image specification writes them.

https://github.com/opencontainers/image-spec/blob/main/config.md and manifest.md
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging.dockerfile import Recipe
    from imaging.layers import Layer

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED: Final = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
"""What a registry may give for an image's name."""
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"

# A fixed time, so that the same content is the same digest.
_CREATED: Final = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says about a blob."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Base:
    """The image that others are built on."""

    layers: Sequence[Descriptor]
    config: dict[str, Any]


def empty(architecture: str) -> Base:
    """What an image without a base is built on."""
    return Base((), {"architecture": architecture, "os": "linux"})


@dataclass(frozen=True)
class Document:
    """A JSON document as it goes to a registry."""

    content: bytes

    @property
    def digest(self) -> str:
        """Its name in a registry."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


def configuration(base: Base, recipe: Recipe, layers: Sequence[Layer]) -> Document:
    """The configuration of the recipe's image: the base's, and what the recipe changes in it."""
    inherited = base.config.get("config") or {}
    config = {
        **inherited,
        "Env": _environment(inherited.get("Env") or [], recipe.environment),
        "Labels": {**(inherited.get("Labels") or {}), **recipe.labels},
        "Volumes": {**(inherited.get("Volumes") or {}), **{name: {} for name in recipe.volumes}},
    }
    changes = {
        "User": recipe.user,
        "WorkingDir": recipe.workdir,
        "Entrypoint": recipe.entrypoint,
        "Cmd": recipe.command,
    }
    config.update({key: value for key, value in changes.items() if value is not None})
    history = [{"created": _CREATED, "created_by": "imaging"} for _ in layers]
    diff_ids = [layer.diff_id for layer in layers]
    return _document(
        {
            "created": _CREATED,
            "architecture": base.config["architecture"],
            "os": base.config["os"],
            "config": {key: value for key, value in sorted(config.items()) if value},
            "rootfs": {
                "type": "layers",
                "diff_ids": [*base.config.get("rootfs", {}).get("diff_ids", []), *diff_ids],
            },
            "history": [*base.config.get("history", []), *history],
        }
    )


def manifest(base: Base, config: Document, layers: Sequence[Layer]) -> Document:
    """The manifest: the base's layers and then the image's own."""
    own = [Descriptor(layer.digest, layer.size, f"{_LAYER}+gzip") for layer in layers]
    inherited = [
        Descriptor(layer.digest, layer.size, oci_layer_type(layer.media_type))
        for layer in base.layers
    ]
    return _document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(Descriptor(config.digest, len(config.content), _CONFIG)),
            "layers": [_described(layer) for layer in [*inherited, *own]],
        }
    )


def oci_layer_type(media_type: str) -> str:
    """The OCI name of a layer's format; Docker's and OCI's layers are the same bytes."""
    for ending, compression in (("gzip", "+gzip"), ("zstd", "+zstd")):
        if media_type.endswith(ending):
            return f"{_LAYER}{compression}"
    return _LAYER


def _environment(inherited: list[str], changes: dict[str, str]) -> list[str]:
    merged = dict(item.split("=", 1) for item in inherited) | changes
    return [f"{name}={value}" for name, value in merged.items()]


def _described(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def _document(content: dict[str, Any]) -> Document:
    return Document(json.dumps(content, separators=(",", ":")).encode())
