"""`!image_push`: builds and pushes the images of the stages that changed."""

from __future__ import annotations

from sceptre.hooks import Hook


class ImagePush(Hook):  # type: ignore[misc]  # Sceptre ships no types
    """Runs after the registry's stack was created or updated."""

    def run(self) -> None:
        """Push what is missing."""
        raise NotImplementedError
