"""Kernels from an image: read from where nothing can be written, and the same numbers without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[3] / "images"
REPORT = """
import logging
logging.basicConfig(level=logging.INFO)
from risk_calculation import kernels
import numpy as np
stats = [getattr(value, "stats", None) for value in vars(kernels).values()]
cached = [one for one in stats if one and one.cache_path]
assert len(cached) > 5
print({"loaded" if one.cache_hits else "compiled" for one in cached})
x = np.random.default_rng(5).uniform(0.1, 2, (7, 999))
print(kernels.option_values(*x).tobytes().hex())
"""


def python(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a task does, with the code of that folder and no leave to write into it."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder / "code"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder / "tmp"),
        "TMPDIR": str(folder / "tmp"),
        **variables,
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of an image, below another root: code, prepared, and a /tmp."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "tmp").mkdir()
    for package in (IMAGES / "risk-calculation/risk_calculation", IMAGES / "common/batchkit"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, folder / "code" / package.name, ignore=ignored)
    prepare = ("-m", "risk_calculation.prepare", str(folder / "prepared"))
    python(folder, *prepare, PYTHONHASHSEED="0")
    # Where numba left them when it compiled; in an image it cannot.
    shutil.rmtree(folder / "code/risk_calculation/__pycache__")
    return folder


def test_prepared_kernels_are_loaded_and_not_compiled(image: Path) -> None:
    before = sorted(path for path in image.rglob("*") if "tmp" not in path.parts[-2:])
    answer = python(image, "-c", REPORT)
    assert answer.stdout.startswith("{'loaded'}\n")
    assert answer.stderr == ""
    # Nothing was written beside the image's files, and nothing is left in its temporary folder.
    assert sorted(path for path in image.rglob("*") if "tmp" not in path.parts[-2:]) == before
    assert not list((image / "tmp").glob("numba-*"))


def test_without_them_the_same_numbers_are_compiled(image: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(image / "code", bare / "code")
    (bare / "tmp").mkdir()
    answer = python(bare, "-c", REPORT)
    assert answer.stdout.startswith("{'compiled'}\n")
    assert "There are no prepared kernels in" in answer.stderr
    assert answer.stdout.splitlines()[1] == python(image, "-c", REPORT).stdout.splitlines()[1]


def test_they_are_prepared_to_the_same_bytes(image: Path, tmp_path: Path) -> None:
    prepare = ("-m", "risk_calculation.prepare", str(tmp_path / "again"))
    python(image, *prepare, PYTHONHASHSEED="0", NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (image / "prepared", tmp_path / "again")
    )
    assert first == second


def test_kernels_of_other_sources_are_not_used(image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(image, other)
    kernels = other / "code/risk_calculation/kernels.py"
    kernels.write_text(kernels.read_text() + "\n")
    assert python(other, "-c", REPORT).stdout.startswith("{'compiled'}\n")
