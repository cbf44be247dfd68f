"""What an image's Dockerfile makes by running Python, where no engine is there to run it in."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fargate_batch.errors import UserError
from imaging import cache, layers
from imaging.dockerfile import COMPILE, PREPARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from imaging.dockerfile import Recipe
    from imaging.layers import Entry, Layer
    from imaging.sources import StageSources
    from imaging.targets import Target

MODULE: Final = "prepare.py"
"""In a stage's package; see images/common/batchkit/prepare.py."""
ROOT: Final = "opt/batch"
FOLDER: Final = f"{ROOT}/prepared"
_SECONDS: Final = 600


def for_host(
    stage: StageSources, recipe: Recipe, added: Sequence[Layer], target: Target
) -> list[Layer]:
    """The layers that the recipe's RUNs make with this machine's own Python.

    Args:
        stage: whose image it is.
        recipe: its Dockerfile, as far as it was followed.
        added: the layers that it adds, which hold all that runs.
        target: this machine's interpreter.

    Raises:
        UserError: what is run fails.
    """
    made = [_bytecode(layer, target) for layer in added] if recipe.compiles else []
    if recipe.prepares and (stage.package / MODULE).exists():
        made.append(_prepared(stage, recipe, added, target))
    return made


def _bytecode(layer: Layer, target: Target) -> Layer:
    """The bytecode of a layer's modules, beside them."""

    @contextmanager
    def compiled() -> Iterator[list[Entry]]:
        with cache.scratch() as root:
            _unpack(layer, root)
            # With the paths of the image, so that its bytes do not tell where it was made.
            where = ["-s", str(root), "-p", "/", str(root / ROOT)]
            _python(COMPILE[1:] + where, {}, root)
            yield _entries(root, "*.pyc")

    return layers.layer("bytecode", f"{target.label}\n{layer.digest}", ROOT, compiled)


def _prepared(stage: StageSources, recipe: Recipe, added: Sequence[Layer], target: Target) -> Layer:
    """What the stage's own module `prepare` makes."""
    key = "\n".join([target.label, stage.stage, *(layer.digest for layer in added)])

    @contextmanager
    def made() -> Iterator[list[Entry]]:
        with cache.scratch() as root:
            for layer in added:
                _unpack(layer, root)
            _python(PREPARE[1:], _inside(recipe.environment, root), root)
            yield _entries(root / FOLDER, "*", FOLDER)

    return layers.layer("prepared", key, FOLDER, made)


def _unpack(layer: Layer, root: Path) -> None:
    with tarfile.open(layer.path) as tar:
        # Layers of our own; and Debian 12's Python, 3.11.2, knows no `filter` yet.
        tar.extraction_filter = lambda member, _path: member
        tar.extractall(root)  # noqa: S202 - nothing in them lies outside


def _entries(folder: Path, pattern: str, name: str = "") -> list[Entry]:
    prefix = f"{name}/" if name else ""
    return [
        layers.bytes_entry(f"{prefix}{path.relative_to(folder).as_posix()}", path.read_bytes())
        for path in sorted(folder.rglob(pattern))
        if path.is_file()
    ]


def _inside(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """An image's environment for what is unpacked at `root`."""
    return {
        name: ":".join(
            f"{root}{part}" if part.startswith(f"/{ROOT}/") else part for part in value.split(":")
        )
        for name, value in environment.items()
    }


def _python(words: Sequence[str], environment: Mapping[str, str], root: Path) -> None:
    # Not this virtual environment's: only what is in the image may be importable.
    program: str = getattr(sys, "_base_executable", sys.executable)
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "PYTHONNOUSERSITE": "1",
        # Sets are written in the order of their hashes.
        "PYTHONHASHSEED": "0",
    }
    done = subprocess.run(
        [program, *words],
        cwd=root,
        env={**environment, **own},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(
            f"python3 {' '.join(words)} failed with exit code {done.returncode}:\n"
            f"{done.stdout}{done.stderr}"
        )
