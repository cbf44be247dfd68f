"""Pins the base image to a digest, in the one place that names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging.registry import base_images

if TYPE_CHECKING:
    from pathlib import Path

# The file is a Jinja template and has comments, so a line is replaced and nothing is parsed.
_LINE: Final = re.compile(r"^(?P<before>\s*base_image:\s*)(?P<image>[^\s#]+)", re.MULTILINE)


def pin(config: Path) -> str:
    """Write the digest that the base image's tag has today into the config; return the reference.

    Args:
        config: config/config.yaml; all of it but the image's name stays as it is.

    Raises:
        UserError: the file does not name one base image, or its registry cannot be asked.
    """
    text = config.read_text()
    found = list(_LINE.finditer(text))
    if len(found) != 1:
        raise UserError(f"{config} has {len(found)} lines 'base_image: ...'; it needs one.")
    (line,) = found
    tagged, _, _ = line["image"].strip("\"'").partition("@")
    pinned = f"{tagged}@{base_images.digest(tagged)}"
    config.write_text(text[: line.start("image")] + pinned + text[line.end("image") :])
    return pinned
