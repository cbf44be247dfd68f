"""What a stage makes while its image is built, where no engine is there to run it in."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging import cache, layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imaging.dockerfile import Recipe
    from imaging.layers import Entry, Layer
    from imaging.sources import StageSources
    from imaging.targets import Target

MODULE: Final = "prepare.py"
"""In a stage's package; see images/common/batchkit/prepare.py."""
FOLDER: Final = "opt/batch/prepared"
_SECONDS: Final = 600


def has_any(stage: StageSources) -> bool:
    """Whether the stage makes something while its image is built."""
    return (stage.package / MODULE).exists()


def for_host(
    stage: StageSources, recipe: Recipe, below: Sequence[Layer], target: Target
) -> list[Layer]:
    """The layer that the recipe's RUN makes with this machine's own Python; none if it has none.

    Args:
        stage: whose image it is.
        recipe: its Dockerfile, as far as it was followed.
        below: the image's layers, which hold all that runs.
        target: this machine's interpreter.

    Raises:
        UserError: what the stage runs fails.
    """
    if not (recipe.prepares and has_any(stage)):
        return []
    key = "\n".join([target.label, stage.stage, *(layer.digest for layer in below)])

    @contextmanager
    def made() -> Iterator[list[Entry]]:
        with cache.scratch() as root:
            for layer in below:
                with tarfile.open(layer.path) as tar:
                    tar.extractall(root, filter="tar")
            _run(stage, recipe, root)
            folder = root / FOLDER
            yield [
                layers.bytes_entry(f"{FOLDER}/{name}", path.read_bytes())
                for name, path in sorted(_files(folder))
            ]

    return [layers.layer("prepared", key, FOLDER, made)]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _run(stage: StageSources, recipe: Recipe, root: Path) -> None:
    inside = {
        name: ":".join(f"{root}{part}" if part.startswith("/opt/") else part for part in parts)
        for name, value in recipe.environment.items()
        for parts in [value.split(":")]
    }
    # Not this virtual environment's: only what is in the image may be importable.
    program: str = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        [program, "-m", "batchkit.prepare"],
        cwd=root / recipe.workdir.lstrip("/") if recipe.workdir else root,
        env={"PATH": os.environ["PATH"], **inside, "HOME": str(root), "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(
            f"{stage.package / MODULE} failed with exit code {done.returncode}:\n"
            f"{done.stdout}{done.stderr}"
        )
