"""The report's charts, as numbers that the page's template draws.

Positions are percentages of the chart's width and height, so that a chart fits any screen and its
labels keep their size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from report_generation.backtest import Backtest

_BINS: Final = 48
_TICKS: Final = 5


@dataclass(frozen=True)
class Bin:
    """A bar of a histogram."""

    x: float
    width: float
    height: float
    low: float
    high: float
    count: int
    in_tail: bool
    """Whether it lies beyond the marked VaR."""


@dataclass(frozen=True)
class Mark:
    """Something at one place of an axis."""

    at: float
    value: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """P&L over scenarios."""

    bins: list[Bin]
    marks: list[Mark]
    """The larger loss first: the template puts its label above, where nothing crosses it."""


@dataclass(frozen=True)
class Axis:
    """What lies between two values."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Axis:
        """Return one around all of them."""
        every = list(values)
        low, high = min(every), max(every)
        if high <= low:  # one value only
            low, high = low - 1, high + 1
        margin = 0.02 * (high - low)
        return cls(low - margin, high + margin)

    def at(self, value: float) -> float:
        """Return where a value lies, in percent."""
        return 100 * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[Mark]:
        """A few round numbers."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = max(power * factor for factor in (1, 2, 5) if power * factor <= rough)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [Mark(self.at(number * step), number * step, "") for number in numbers]


@dataclass(frozen=True)
class Bar:
    """A bar of a list, from the zero that all of them share."""

    name: str
    amount: float
    zero: float
    x: float
    width: float


@dataclass(frozen=True)
class Span:
    """One stage on the time line of a run."""

    name: str
    left: float
    width: float
    seconds: float


@dataclass(frozen=True)
class DayChart:
    """P&L of days against the VaR of each."""

    axis: Axis
    pnl: str
    """An SVG path: a stroke from zero for every day."""
    var: str
    """An SVG path: the losses that VaR foretold."""
    exceptions: list[tuple[float, float, str]]
    """Left, distance from the top, and what happened."""
    years: list[Mark]


def histogram(
    pnl: Sequence[float], marked: Mapping[str, float], var: float, axis: Axis
) -> Histogram:
    """Return the distribution of P&L.

    Args:
        pnl: one a scenario.
        marked: losses to mark, by label.
        var: the loss beyond which a bar belongs to the tail.
        axis: around all of them.
    """
    width = (axis.high - axis.low) / _BINS
    counts = [0] * _BINS
    for value in pnl:
        counts[min(_BINS - 1, int((value - axis.low) / width))] += 1
    tallest = max(counts)
    return Histogram(
        bins=[
            Bin(
                x=100 * index / _BINS,
                width=100 / _BINS,
                height=100 * count / tallest,
                low=axis.low + index * width,
                high=axis.low + (index + 1) * width,
                count=count,
                in_tail=axis.low + (index + 0.5) * width <= -var,
            )
            for index, count in enumerate(counts)
        ],
        marks=sorted(
            (Mark(axis.at(-loss), loss, label) for label, loss in marked.items()),
            key=lambda mark: mark.at,
        ),
    )


def bars(amounts: Sequence[tuple[str, float]]) -> list[Bar]:
    """Return a bar for each amount, in their order."""
    largest = max((0.0, *(amount for _, amount in amounts)))
    smallest = min((0.0, *(amount for _, amount in amounts)))
    span = (largest - smallest) or 1.0
    zero = 100 * -smallest / span
    widths = [100 * abs(amount) / span for _, amount in amounts]
    return [
        Bar(name, amount, zero, zero if amount >= 0 else zero - width, width)
        for (name, amount), width in zip(amounts, widths, strict=True)
    ]


def largest(amounts: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """Return the largest amounts by size, the others as one, from the highest to the lowest."""
    order = sorted(amounts.items(), key=lambda item: (-abs(item[1]), item[0]))
    kept, others = order[:count], order[count:]
    listed = sorted(kept, key=lambda item: (-item[1], item[0]))
    if others:
        listed.append((f"{len(others)} others", math.fsum(amount for _, amount in others)))
    return listed


def days(test: Backtest) -> DayChart:
    """Return the tested days of a level, of which there is at least one."""
    count = len(test.days)
    axis = Axis.of([0.0, *(day.pnl for day in test.days), *(-day.var for day in test.days)])

    def x(place: float) -> float:
        return 100 * place / count

    def y(value: float) -> float:
        return 100 - axis.at(value)

    middle = [(x(place + 0.5), day) for place, day in enumerate(test.days)]
    first_of_year = {day.date[:4]: place for place, day in reversed(list(enumerate(test.days)))}
    return DayChart(
        axis=axis,
        pnl="".join(f"M{at:.2f} {y(0):.2f}V{y(day.pnl):.2f}" for at, day in middle),
        var="".join(
            f"{'L' if place else 'M'}{x(place):.2f} {y(-day.var):.2f}H{x(place + 1):.2f}"
            for place, day in enumerate(test.days)
        ),
        exceptions=[(at, y(day.pnl), day.date) for at, day in middle if day.is_exception],
        years=[Mark(x(place), 0.0, year) for year, place in sorted(first_of_year.items())],
    )


def time_line(stages: Mapping[str, Mapping[str, Any]]) -> list[Span]:
    """Return the stages in order of their start, on one axis from first start to last end."""
    spans = sorted(
        (
            datetime.fromisoformat(timing["started_at"]).timestamp(),
            datetime.fromisoformat(timing["finished_at"]).timestamp(),
            name,
        )
        for name, timing in stages.items()
        if "finished_at" in timing
    )
    if not spans:
        return []
    begin = spans[0][0]
    whole = (max(end for _, end, _ in spans) - begin) or 1.0
    return [
        Span(name, 100 * (start - begin) / whole, 100 * (end - start) / whole, end - start)
        for start, end, name in spans
    ]
