"""Backtest of the historical VaR: would the days before each day have told of its loss?

The P&L is that of today's positions under each day's move, in the order of the dates, and the VaR
of a day comes from the days of a rolling window before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from report_generation import coverage
from report_generation.formats import percent
from report_generation.measures import tails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from report_generation.coverage import LikelihoodRatio, Transitions, Zone

_TRAFFIC_LIGHT_DAYS: Final = 250
"""The Basel Committee counts the exceptions of the latest 250 days."""


@dataclass(frozen=True)
class Day:
    """A tested day."""

    date: str
    pnl: float
    var: float

    @property
    def is_exception(self) -> bool:
        """Whether the loss was beyond VaR."""
        return -self.pnl > self.var


@dataclass(frozen=True)
class Tests:
    """What the exceptions of a level say of it."""

    kupiec: LikelihoodRatio
    transitions: Transitions
    independence: LikelihoodRatio
    conditional_coverage: LikelihoodRatio


@dataclass(frozen=True)
class TrafficLight:
    """Of the latest 250 tested days."""

    exceptions: int
    at_most: float
    """The probability of that many exceptions or fewer if the VaR is right."""
    zone: Zone


@dataclass(frozen=True)
class Backtest:
    """Of one level."""

    level: Decimal
    window: int
    days: tuple[Day, ...]
    """None when the history is not longer than the window."""
    tests: Tests | None
    """None when less than one exception is expected, or the window has no tail."""
    traffic_light: TrafficLight | None
    """None when fewer than 250 days are tested, or the window has no tail."""

    @property
    def exceptions(self) -> list[Day]:
        """The days on which the loss was beyond VaR."""
        return [day for day in self.days if day.is_exception]

    @property
    def expected(self) -> float:
        """How many exceptions are to be expected."""
        return float(len(self.days) * (1 - self.level))

    @property
    def has_tail(self) -> bool:
        """Whether the window is long enough for the level to leave at least a day beyond it.

        If not, the VaR is the window's worst loss, and the next day's is beyond that too often.
        """
        return self.window * (1 - self.level) >= 1

    @property
    def note(self) -> str | None:
        """What cannot be told, and why."""
        count = len(self.days)
        if not count:
            return (
                f"No day could be tested: the history is not longer than the window of "
                f"{self.window} days."
            )
        if not self.has_tail:
            return (
                f"A window of {self.window} days is too short for this level: its VaR is the worst "
                f"of them. Set BACKTEST_WINDOW to {math.ceil(1 / (1 - self.level))} or more."
            )
        if not self.tests:
            return (
                f"Too few days for a test: of {count}, less than one is expected beyond a VaR at "
                f"{percent(float(self.level))}."
            )
        if not self.traffic_light:
            return f"Too few days for the traffic light: {count} of {_TRAFFIC_LIGHT_DAYS}."
        return None


def backtest(
    dates: Sequence[str], losses: Sequence[float], levels: Sequence[Decimal], window: int
) -> list[Backtest]:
    """Test the VaR of every level.

    Args:
        dates: ISO 8601, in any order.
        losses: of each date.
        levels: of VaR, e.g. 0.99.
        window: how many days' losses a VaR is made of.
    """
    order = sorted(range(len(dates)), key=dates.__getitem__)
    ordered = [losses[place] for place in order]
    days: list[list[Day]] = [[] for _ in levels]
    for place in range(window, len(ordered)):
        for own, tail in zip(days, tails(ordered[place - window : place], levels), strict=True):
            own.append(Day(dates[order[place]], -ordered[place], tail.var))
    return [_tested(level, window, tuple(own)) for level, own in zip(levels, days, strict=True)]


def _tested(level: Decimal, window: int, days: tuple[Day, ...]) -> Backtest:
    untested = Backtest(level, window, days, tests=None, traffic_light=None)
    if not untested.has_tail:
        return untested
    hits = [day.is_exception for day in days]
    probability = float(1 - level)
    tests = None
    if untested.expected >= 1:
        count = coverage.kupiec(len(days), sum(hits), probability)
        moves = coverage.transitions(hits)
        apart = coverage.independence(moves)
        tests = Tests(count, moves, apart, coverage.conditional_coverage(count, apart))
    light = None
    if len(days) >= _TRAFFIC_LIGHT_DAYS:
        count_of = (_TRAFFIC_LIGHT_DAYS, sum(hits[-_TRAFFIC_LIGHT_DAYS:]), probability)
        light = TrafficLight(count_of[1], coverage.at_most(*count_of), coverage.zone(*count_of))
    return replace(untested, tests=tests, traffic_light=light)
