"""What survives a restart beyond what MiniStack saves: objects with all their versions, scaling.

MiniStack saves each service as JSON, of buckets only their settings, and of versioned objects
nothing. Here the stores of S3 are saved as they are.
"""

from __future__ import annotations

import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any, Final

from local.autoscaling import api

if TYPE_CHECKING:
    from pathlib import Path

_S3: Final = "ministack.services.s3"
_FILE: Final = "local.pickle"

_log = logging.getLogger("local.persistence")


def save(directory: Path) -> None:
    """Write the stores, after the last request."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "s3": {name: store._data for name, store in _s3_stores().items()},  # noqa: SLF001 - MiniStack's own way to reach all accounts
        "autoscaling": {name: store._data for name, store in _scaling_stores().items()},  # noqa: SLF001 - the same
    }
    partial = directory / f"{_FILE}.partial"
    with partial.open("wb") as file:
        pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
    partial.replace(directory / _FILE)


def load(directory: Path) -> None:
    """Read the stores, before the first request."""
    path = directory / _FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        content = pickle.load(file)  # noqa: S301 - this program's own file, in its own directory
    for stores, saved in (
        (_s3_stores(), content["s3"]),
        (_scaling_stores(), content["autoscaling"]),
    ):
        for name, data in saved.items():
            stores[name]._data.update(data)  # noqa: SLF001 - as above
    _log.info("State loaded from %s", directory)


def _s3_stores() -> dict[str, Any]:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

    module = sys.modules[_S3]
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, AccountScopedDict | AccountRegionScopedDict)
    }


def _scaling_stores() -> dict[str, Any]:
    return {"targets": api.targets, "policies": api.policies, "activities": api.activities}
