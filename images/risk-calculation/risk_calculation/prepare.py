"""Compiles all kernels for an image: `python3 -m risk_calculation.prepare FOLDER`.

Run it with the image's own Python and libraries, and put the files that it makes into the image as
`compiled.PREPARED`, /opt/batch/prepared/numba. They depend on numba's and Python's versions and on
the contents of kernels.py, but neither on where that lies nor on the processor: the same bytes
whenever they are made.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from risk_calculation.compiled import CACHE_FOLDER


def prepare(folder: Path) -> None:
    """Fill a folder with the compiled kernels."""
    with tempfile.TemporaryDirectory() as cache:
        # Kernels are compiled when they are imported, and numba reads its settings only once.
        subprocess.run(
            [sys.executable, "-c", "import risk_calculation.kernels"],
            env={**os.environ, CACHE_FOLDER: cache, "PYTHONHASHSEED": "0"},
            check=True,
        )
        folder.mkdir(parents=True, exist_ok=True)
        for made in Path(cache).glob("*/*"):
            # Among what numba notes are Python's addresses of functions, which nobody uses.
            content = re.sub(rb"(?<= at 0x)[0-9a-f]{12}(?=>)", b"0" * 12, made.read_bytes())
            (folder / made.name).write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    prepare(parser.parse_args().folder)
