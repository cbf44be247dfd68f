"""The size of the images' libraries, and how soon a fresh task has its kernels."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.results import PROJECT, Figure
from imaging import contents, preparation, sources, targets, unpacking, wheels

LIMITS_MB: Final = {"data-ingestion": 230, "risk-calculation": 500, "report-generation": 230}
FIRST_CALL_SECONDS: Final = 1.0
_RUNS: Final = 5
# A package imports all that its stage needs. Kernels are loaded where they are defined, so that is
# timed alone, after what they import: numpy, and numba as `compiled` sets it up.
_FIRST_CALL: Final = """
import importlib.util, json, sys, time, types
import numpy as np
package = types.ModuleType("risk_calculation")
package.__path__ = importlib.util.find_spec("risk_calculation").submodule_search_locations
sys.modules["risk_calculation"] = package
import risk_calculation.compiled
start = time.perf_counter()
from risk_calculation import kernels
kernels.option_values(*np.ones((7, 1)))
took = time.perf_counter() - start
found = [getattr(value, "stats", None) for value in vars(kernels).values()]
compiled = sum(not one.cache_hits for one in found if one and one.cache_path)
sys.stdout.write(json.dumps({"seconds": took, "compiled": compiled}))
"""


def sizes() -> list[Figure]:
    """Return the megabytes of each stage's site-packages for the base image's Python.

    Raises:
        UserError: a wheel cannot be had.
    """
    return [
        Figure(
            "image, site-packages",
            stage,
            _bytes(sources.find(PROJECT, stage)) / 1e6,
            limit,
            unit="MB",
        )
        for stage, limit in LIMITS_MB.items()
    ]


def _bytes(stage: sources.StageSources) -> int:
    target = targets.base()
    gathered = [
        wheel
        for lock in (stage.common_lock, stage.stage_lock)
        for wheel in wheels.gather(lock, target)
    ]
    with unpacking.entries(gathered, contents.SITE_PACKAGES) as entries:
        return sum({entry.name: entry.size for entry in entries}.values())


def first_call() -> Figure:
    """Time a kernel's first call in fresh processes, from kernels prepared in a read-only folder.

    Raises:
        SystemExit: a process fails, or compiles something after all.
    """
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        image = Path(name)
        for package in ("risk-calculation/risk_calculation", "common/batchkit"):
            origin = PROJECT / "images" / package
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(origin, image / contents.CODE / origin.name, ignore=ignored)
        (image / "tmp").mkdir()
        _python(image, "-m", "risk_calculation.prepare", str(image / preparation.FOLDER))
        shutil.rmtree(
            image / contents.CODE / "risk_calculation" / "__pycache__", ignore_errors=True
        )
        _set_mode(image / contents.CODE, folder=0o555)
        _set_mode(image / preparation.FOLDER, folder=0o555)
        taken = [json.loads(_python(image, "-c", _FIRST_CALL)) for _ in range(_RUNS)]
        _set_mode(image / contents.CODE, folder=0o755)
        _set_mode(image / preparation.FOLDER, folder=0o755)
    if any(one["compiled"] for one in taken):
        sys.exit("A kernel was compiled, though all were prepared.")
    return Figure(
        "first call of a prepared kernel",
        "a fresh process, read-only folders",
        statistics.median(one["seconds"] for one in taken),
        FIRST_CALL_SECONDS,
        details=f"median of {_RUNS} processes",
    )


def _set_mode(root: Path, folder: int) -> None:
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(folder)


def _python(image: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(image / contents.CODE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "TMPDIR": str(image / "tmp"),
            "HOME": str(image / "tmp"),
        },
        cwd=image,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
