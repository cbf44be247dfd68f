"""Run once while an image is built: `python3 -m batchkit.prepare`.

A stage whose package has a module `prepare` makes there, with a function `prepare(folder)`, what
only running code can make: compiled kernels, for instance. The image keeps the folder, and a stage
finds it, read-only, beside the folder of its code. It is there to save time: where it is missing a
stage must give the same results without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

from batchkit.errors import BadEnvironmentError

FOLDER_VARIABLE: Final = "PREPARED"
_HASH_SEED: Final = "PYTHONHASHSEED"


def main() -> int:
    """Let the stage prepare what it can; nothing when it has nothing to prepare."""
    if os.environ.get(_HASH_SEED) != "0":
        # What is made may hold sets; with fixed hashes it is the same bytes every time.
        os.execve(  # noqa: S606 - this very program
            sys.executable,
            [sys.executable, "-m", "batchkit.prepare"],
            {**os.environ, _HASH_SEED: "0"},
        )
    package = os.environ["STAGE"].replace("-", "_")
    if importlib.util.find_spec(f"{package}.prepare") is None:
        return 0
    folder = Path(os.environ[FOLDER_VARIABLE])
    folder.mkdir(parents=True)
    try:
        importlib.import_module(f"{package}.prepare").prepare(folder)
    except BadEnvironmentError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
