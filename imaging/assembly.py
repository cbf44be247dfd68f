"""Puts an image together without an engine and pushes it through its registry's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fargate_batch.errors import UserError
from imaging import copies, manifests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging.dockerfile import Added, Recipe
    from imaging.layers import Layer
    from imaging.manifests import Base, Document
    from imaging.registry.base_images import BaseImage
    from imaging.registry.client import Registry
    from imaging.registry.sharing import Sharing
    from imaging.sources import StageSources


@dataclass(frozen=True)
class Image:
    """An image whose every byte is settled."""

    layers: Sequence[Layer]
    """Its own, without its base's."""
    config: Document
    manifest: Document


def assemble(recipe: Recipe, own: Sequence[Layer], base: Base) -> Image:
    """Put the recipe's image together.

    Args:
        recipe: what the stage's Dockerfile asks for.
        own: the image's own layers.
        base: what the image stands on.
    """
    config = manifests.configuration(base, recipe, own)
    return Image(own, config, manifests.manifest(base, config, own))


def added_layers(recipe: Recipe, stage: StageSources, prepared: Mapping[str, Layer]) -> list[Layer]:
    """The layers that a Dockerfile adds, in its order.

    Args:
        recipe: what the stage's Dockerfile asks for.
        stage: whose image it is.
        prepared: the layers by the names that the Dockerfile adds them under.

    Raises:
        UserError: the Dockerfile adds what cannot be added without an engine.
    """
    return [_layer(each, prepared, stage) for each in recipe.added]


def _layer(added: Added, prepared: Mapping[str, Layer], stage: StageSources) -> Layer:
    if added.source not in prepared:
        return copies.layer(added, stage)
    if added.destination != "/" or not added.unpacks:
        raise UserError(
            f"{stage.dockerfile} puts {added.source} elsewhere than its paths say; they start at "
            f"the root: ADD {added.source} /"
        )
    return prepared[added.source]


def push_base(base: BaseImage, registry: Registry, repository: str, sharing: Sharing) -> None:
    """Push those of a base's layers that the repository lacks; the others are not read.

    Raises:
        UserError: one of them cannot be read.
        RegistryError: the registry refuses.
        RegistryUnreachableError: nobody answers.
    """
    for layer in base.content.layers:
        with sharing.turn(layer.digest, repository) as holder:
            if not registry.has_blob(repository, layer.digest):
                content = base.layer(layer.digest)
                registry.push_blob(repository, layer.digest, content, holder)


def push(image: Image, registry: Registry, repository: str, tag: str, sharing: Sharing) -> None:
    """Push what the repository lacks of an image, and last its manifest under the tag.

    The repository holds the layers of the image's base already.

    Raises:
        RegistryError: the registry refuses.
        RegistryUnreachableError: nobody answers.
    """
    for layer in image.layers:
        with sharing.turn(layer.digest, repository) as holder:
            registry.push_blob(repository, layer.digest, layer.path, holder)
    registry.push_blob(repository, image.config.digest, image.config.content)
    registry.put_manifest(repository, tag, image.manifest.content, manifests.MANIFEST)
