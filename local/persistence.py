"""What survives a restart beyond what MiniStack saves.

MiniStack saves each service as JSON, of buckets only their settings, and of versioned objects
nothing. Here the stores of S3 are saved as they are, and what this package remembers itself.
"""

from __future__ import annotations

import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any, Final

from local.autoscaling import api
from local.events import schedules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_S3: Final = "ministack.services.s3"
_FILE: Final = "local.pickle"

_log = logging.getLogger("local.persistence")


def save(directory: Path) -> None:
    """Write everything, after the last request."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {name: state() for name, (state, _) in _PARTS.items()}
    partial = directory / f"{_FILE}.partial"
    with partial.open("wb") as file:
        pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
    partial.replace(directory / _FILE)


def load(directory: Path) -> None:
    """Read everything, before the first request."""
    path = directory / _FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        content = pickle.load(file)  # noqa: S301 - this program's own file, in its own directory
    for name, (_, restore) in _PARTS.items():
        # What an earlier version did not save begins empty.
        if name in content:
            restore(content[name])
    _log.info("State loaded from %s", directory)


def _of_stores(
    stores: Callable[[], dict[str, Any]],
) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """How MiniStack's stores are saved and restored, for all accounts and regions."""

    def state() -> dict[str, Any]:
        return {name: store._data for name, store in stores().items()}  # noqa: SLF001 - MiniStack's own way to reach all accounts

    def restore(saved: dict[str, Any]) -> None:
        for name, data in saved.items():
            stores()[name]._data.update(data)  # noqa: SLF001 - the same

    return state, restore


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


_PARTS: Final = {
    "s3": _of_stores(_s3_stores),
    "autoscaling": _of_stores(_scaling_stores),
    "schedules": (schedules.state, schedules.restore),
}
