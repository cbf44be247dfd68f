"""`!image_uri <stage>`: the digest of a stage's image in the environment's registry."""

from __future__ import annotations

from sceptre.resolvers import Resolver


class ImageUri(Resolver):  # type: ignore[misc]  # Sceptre ships no types
    """Resolves to `<repository uri>@sha256:...`."""

    def resolve(self) -> str:
        """Look the image up."""
        raise NotImplementedError
