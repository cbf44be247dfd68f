"""Compiles all kernels for an image; `batchkit.prepare` calls it while the image is built.

The files serve wherever the sources lie and whatever the processor, for the same numba, minor
version of Python and kernels.py. With the hash seed fixed, as `batchkit.prepare` does, they are the
same bytes again; without it the order of some notes in them changes, and no instruction. By hand:
`PYTHONHASHSEED=0 python3 -m risk_calculation.prepare FOLDER`.
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
