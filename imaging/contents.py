"""The four layers that a stage's image adds to its base."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from imaging import layers, sources, unpacking, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.layers import Entry, Layer
    from imaging.sources import StageSources
    from imaging.targets import Target

SITE_PACKAGES: Final = "opt/batch/site-packages"
CODE: Final = "opt/batch/code"

# The names under which a Dockerfile adds them, in the order of how seldom they change.
COMMON_LIBRARIES: Final = "common-libraries.tar.gz"
STAGE_LIBRARIES: Final = "stage-libraries.tar.gz"
SHARED_CODE: Final = "shared-code.tar.gz"
STAGE_CODE: Final = "stage-code.tar.gz"
NAMES: Final = (COMMON_LIBRARIES, STAGE_LIBRARIES, SHARED_CODE, STAGE_CODE)


def prepare(stage: StageSources, target: Target) -> dict[str, Layer]:
    """The stage's layers by the names that its Dockerfile adds them under.

    Raises:
        UserError: a wheel cannot be had.
    """
    return {
        COMMON_LIBRARIES: _libraries(stage.common_lock, target),
        STAGE_LIBRARIES: _libraries(stage.stage_lock, target),
        SHARED_CODE: _code(stage.shared),
        STAGE_CODE: _code(stage.package),
    }


def _libraries(lock: Path, target: Target) -> Layer:
    def unpacked() -> AbstractContextManager[list[Entry]]:
        return unpacking.entries(wheels.gather(lock, target), SITE_PACKAGES)

    return layers.layer("libraries", wheels.key(lock, target), SITE_PACKAGES, unpacked)


def _code(package: Path) -> Layer:
    # Read once, so that a file saved meanwhile cannot be cached under the hash of what it was.
    files = sources.files_of(package)
    root = f"{CODE}/{package.name}"
    entries = [layers.bytes_entry(f"{root}/{name}", content) for name, content in files.items()]
    key = f"{package.name} {sources.digest_of(files)}"
    return layers.layer("code", key, CODE, lambda: nullcontext(entries))
