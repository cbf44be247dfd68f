"""Compiles all kernels for an image: `PYTHONHASHSEED=0 python3 -m risk_calculation.prepare FOLDER`.

Run it with the image's own Python and libraries, and put the files that it makes into the image as
`compiled.PREPARED`, /opt/batch/prepared/numba. They depend on numba's and Python's versions and on
the contents of kernels.py, but neither on where that lies nor on the processor. With the hash seed
fixed they are the same bytes whenever they are made; without it the order of some notes in them
changes, and no instruction.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from risk_calculation import kernels


def prepare(folder: Path) -> None:
    """Copy the kernels into a folder; that they are compiled comes of their being imported."""
    folder.mkdir(parents=True, exist_ok=True)
    for kernel in vars(kernels).values():
        cache = getattr(getattr(kernel, "stats", None), "cache_path", None)
        if cache is None:
            continue
        line = kernel.py_func.__code__.co_firstlineno
        for made in Path(cache).glob(f"kernels.{kernel.__name__}-{line}.*"):
            # Among what numba notes are Python's addresses of functions, which nobody uses.
            content = re.sub(rb"(?<= at 0x)[0-9a-f]{12}(?=>)", b"0" * 12, made.read_bytes())
            (folder / made.name).write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    prepare(parser.parse_args().folder)
