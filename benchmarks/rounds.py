"""Contenders take turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Key = TypeVar("_Key")


def interleaved(
    contenders: Mapping[_Key, Callable[[], float]], rounds: int
) -> dict[_Key, list[float]]:
    """Return what each contender took in every round; each round another one begins.

    Args:
        contenders: what each does, returning its seconds.
        rounds: how often.
    """
    order = list(contenders)
    taken: dict[_Key, list[float]] = {name: [] for name in order}
    for number in range(rounds):
        first = number % len(order)
        for name in (*order[first:], *order[:first]):
            taken[name].append(contenders[name]())
    return taken


def ratio(peer: list[float], own: list[float]) -> float:
    """Return how many times as long the peer took: a ratio of medians."""
    return statistics.median(peer) / statistics.median(own)


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return the work as something that returns its seconds."""

    def seconds() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return seconds
