"""The faults in force: what is chosen by the seed, and how often each has happened."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from local.faults.settings import Faults

_BITS: Final = 53
"""As many as a float holds exactly."""


class State:
    """Faults, their dice and their counters.

    A throw depends on the seed, on what it is thrown for and on how often it was thrown for that
    before, not on other throws. So threads may run in any order.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._lock = threading.Lock()
        self._throws: Counter[tuple[str, ...]] = Counter()
        self._counts: Counter[str] = Counter()

    def throw(self, *what: str) -> float:
        """A number from 0 up to but not including 1."""
        with self._lock:
            number = self._throws[what]
            self._throws[what] += 1
        text = "\0".join((str(self.faults.seed), *what, str(number)))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> (64 - _BITS)) / float(1 << _BITS)

    def count(self, name: str) -> int:
        """Count one and return how many there are."""
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def counts(self) -> dict[str, int]:
        """How often everything has happened that has."""
        with self._lock:
            return {name: n for name, n in sorted(self._counts.items()) if not name.startswith("_")}


_state: State | None = None


def current() -> State | None:
    """The faults in force, None when nothing shall go wrong."""
    return _state


def put(faults: Faults | None) -> None:
    """Put faults in force, with fresh dice and counters."""
    global _state  # noqa: PLW0603 - one server, one set of faults
    _state = None if faults is None else State(faults)
