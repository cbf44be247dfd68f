"""Checks, while the image is built, the file that users edit: a mistake in it stops the launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data_ingestion import stress

if TYPE_CHECKING:
    from pathlib import Path


def prepare(_folder: Path) -> None:
    """Read stress.toml; nothing is kept of it.

    Raises:
        BadEnvironmentError: it has a mistake; the message names file, scenario and field.
    """
    stress.read()
