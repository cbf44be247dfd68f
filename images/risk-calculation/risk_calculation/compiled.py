"""Compiles functions with numba for one processor type, ahead of time where that can be done.

Every kernel is compiled for Haswell (AVX2 and FMA) wherever it runs, so that a figure's last bit
does not depend on the host. An image brings its kernels along in `PREPARED`, which
`risk_calculation.prepare` fills. numba refuses a cache that it cannot write to, so this module
copies them to a temporary folder. Where they are absent, or were made from other sources, or with
another Python or numba, the same kernels are compiled again, which takes some seconds.

Import numba through this module only: numba reads these settings when it is first imported.
"""

from __future__ import annotations

import atexit
import logging
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PREPARED: Final = Path(__file__).parents[2] / "prepared"
"""In an image: /opt/batch/prepared, beside /opt/batch/code."""
_CACHE_FOLDER: Final = "NUMBA_CACHE_DIR"
"""numba's own setting; where it is set already, the prepared kernels are not looked at."""
_log: Final = logging.getLogger(__name__)

_x86 = platform.machine() == "x86_64"
if _x86:
    os.environ["NUMBA_CPU_NAME"] = "haswell"
    os.environ["NUMBA_CPU_FEATURES"] = "+avx2,+fma"
# Intel's vector functions would be used where they happen to be installed.
os.environ["NUMBA_DISABLE_INTEL_SVML"] = "1"
_copy: Path | None = None
if PREPARED.is_dir() and _CACHE_FOLDER not in os.environ:
    _copy = Path(tempfile.mkdtemp(prefix="numba-"))
    atexit.register(shutil.rmtree, _copy, ignore_errors=True)
    os.environ[_CACHE_FOLDER] = str(_copy)
elif not PREPARED.is_dir():
    _log.info("There are no prepared kernels in %s; numba compiles or has them.", PREPARED)

import numba  # noqa: E402 - its settings come first
from llvmlite import binding  # noqa: E402
from numba.core.caching import UserProvidedCacheLocator  # noqa: E402

if _x86:
    _features = binding.get_host_cpu_features()
    if not (_features.get("avx2") and _features.get("fma")):
        raise RuntimeError("This processor lacks AVX2 or FMA, for which the kernels are compiled.")
if _copy is not None:
    # Below its cache folder numba has one for every folder with sources.
    _subfolder: Any = UserProvidedCacheLocator.get_suitable_cache_subpath
    shutil.copytree(PREPARED, _copy / _subfolder(__file__))

# `contract` lets a product and a sum become one fused operation, which rounds once. No other is
# wanted: what reorders or cancels would undo the compensated sums and the rounding within exp.
_OPTIONS: Final[dict[str, Any]] = {"fastmath": {"contract"}, "error_model": "numpy"}


def kernel(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for exactly this signature, or load it; it runs without Python's lock."""
    compiler: Callable[..., Any] = numba.njit([signature], cache=True, nogil=True, **_OPTIONS)
    return compiler


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function part of the kernels that call it."""
    inline: Callable[..., Any] = numba.njit(forceinline=True, **_OPTIONS)(function)
    return inline
