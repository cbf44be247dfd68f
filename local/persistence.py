"""What survives a restart: all that MiniStack saves, and what it does not.

MiniStack saves each service as JSON, of buckets only their settings, and of versioned objects
nothing. Here the stores of S3 are saved as they are, and what this package remembers itself. It is
all saved at one moment, after everything stands still. Whoever kills the server loses what changed
since its start.
"""

from __future__ import annotations

import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any, Final

from local.autoscaling import api
from local.cloudformation import interruption
from local.ecs import restarts
from local.events import delivery, schedules
from local.faults import events as event_faults
from local.symbols import Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.location import Directory

_SAVE: Final = Symbol("core.persistence", "save_all", ("services",))
_SAVE_AT_END: Final = Symbol("app", "save_all", ("services",))
_STATES: Final = Symbol("app", "_build_persistence_save_dict", ())
_LOAD_ALL: Final = Symbol("app", "_load_persisted_state", ())

SYMBOLS: Final = (_SAVE, _SAVE_AT_END, _STATES, _LOAD_ALL)

_S3: Final = "ministack.services.s3"
_FILE: Final = "local.pickle"

_log = logging.getLogger("local.persistence")


def install() -> None:
    """Save when the server says so, not when MiniStack ends, and go on once all is restored."""
    _SAVE_AT_END.set(lambda services: None)  # noqa: ARG005 - MiniStack's own signature
    _LOAD_ALL.wrap(_going_on)


def _going_on(load_all: Callable[[], None]) -> Callable[[], None]:
    def load_all_and_go_on() -> None:
        load_all()
        interruption.settle()
        restarts.tell()
        delivery.deliveries.go_on()
        event_faults.late.go_on()

    return load_all_and_go_on


def save(directory: Directory, port: int) -> None:
    """Write everything, after the last request, when nothing happens by itself any more."""
    directory.state.mkdir(parents=True, exist_ok=True)
    directory.kept_port.write_text(str(port))
    _SAVE.get()(_STATES.get()())
    content = {name: state() for name, (state, _) in _PARTS.items()}
    partial = directory.state / f"{_FILE}.partial"
    with partial.open("wb") as file:
        pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
    partial.replace(directory.state / _FILE)


def load(directory: Directory) -> None:
    """Read everything, before the first request."""
    path = directory.state / _FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        content = pickle.load(file)  # noqa: S301 - this program's own file, in its own directory
    for name, (_, restore) in _PARTS.items():
        # What an earlier version did not save begins empty.
        if name in content:
            restore(content[name])
    _log.info("State loaded from %s", directory.state)


def _of_stores(
    stores: Callable[[], dict[str, Any]],
) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """How MiniStack's stores are saved and restored, for all accounts and regions."""

    def state() -> dict[str, Any]:
        # MiniStack's own way to reach all accounts.
        return {name: store._data for name, store in stores().items()}  # noqa: SLF001

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


_PARTS: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], None]]]] = {
    "s3": _of_stores(_s3_stores),
    "autoscaling": _of_stores(_scaling_stores),
    "schedules": (schedules.state, schedules.restore),
    "deliveries": (delivery.deliveries.state, delivery.deliveries.restore),
    "late events": (event_faults.late.state, event_faults.late.restore),
}
