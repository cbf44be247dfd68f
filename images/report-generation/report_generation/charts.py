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
    from collections.abc import Mapping, Sequence

_BINS: Final = 48
_TICKS: Final = 5


@dataclass(frozen=True)
class Bar:
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

    x: float
    value: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """P&L over scenarios."""

    bars: list[Bar]
    marks: list[Mark]
    ticks: list[Mark]


@dataclass(frozen=True)
class Span:
    """One stage on the time line of a run."""

    name: str
    left: float
    width: float
    seconds: float


def histogram(pnl: Sequence[float], marked: Mapping[str, float], var: float) -> Histogram:
    """Return the distribution of P&L.

    Args:
        pnl: one a scenario.
        marked: losses to mark, by label.
        var: the loss beyond which a bar belongs to the tail.
    """
    low, high = _range([*pnl, *(-loss for loss in marked.values())])
    width = (high - low) / _BINS
    counts = [0] * _BINS
    for value in pnl:
        counts[min(_BINS - 1, int((value - low) / width))] += 1
    tallest = max(counts)
    bars = [
        Bar(
            x=100 * index / _BINS,
            width=100 / _BINS,
            height=100 * count / tallest,
            low=low + index * width,
            high=low + (index + 1) * width,
            count=count,
            in_tail=low + (index + 0.5) * width <= -var,
        )
        for index, count in enumerate(counts)
    ]

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    return Histogram(
        bars=bars,
        # The larger loss first: the template puts its label above, where nothing crosses it.
        marks=sorted(
            (Mark(at(-loss), loss, label) for label, loss in marked.items()),
            key=lambda mark: mark.x,
        ),
        ticks=[Mark(at(tick), tick, "") for tick in _ticks(low, high)],
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high <= low:  # one value only: a chart around it
        low, high = low - 1, high + 1
    margin = 0.02 * (high - low)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return a few round numbers between two."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(power * factor for factor in (1, 2, 5) if power * factor <= rough)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def contributions(amounts: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return each book's bar around a common zero, the largest contribution first."""
    largest = max(0.0, *amounts.values())
    smallest = min(0.0, *amounts.values())
    span = (largest - smallest) or 1.0
    zero = 100 * -smallest / span
    return [
        {
            "book": book,
            "amount": amount,
            "zero": zero,
            "x": zero if amount >= 0 else zero - 100 * -amount / span,
            "width": 100 * abs(amount) / span,
        }
        for book, amount in sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    ]


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
