"""How numbers are written for people, on the page; the workbook has Excel's own formats."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from batchkit.domain import tenor_length

_MINUS: Final = "\N{MINUS SIGN}"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    TENOR = "tenor"
    MONEY = "money"
    COUNT = "count"
    LEVEL = "level"
    STATISTIC = "statistic"
    DECIMAL = "decimal"
    """One place after the point: seconds, expected numbers."""

    @property
    def is_number(self) -> bool:
        """Whether it stands to the right of its column."""
        return self not in {Kind.TEXT, Kind.TENOR}


def shown(value: Any, kind: Kind) -> str:
    """Return a cell's text; nothing for None."""
    if value is None:
        return ""
    match kind:
        case Kind.MONEY | Kind.COUNT:
            return amount(value)
        case Kind.LEVEL:
            return percent(value)
        case Kind.STATISTIC:
            return f"{value:.4f}"
        case Kind.DECIMAL:
            return f"{value:,.1f}"
        case _:
            return str(value)


def sort_value(value: Any, kind: Kind) -> Any:
    """Return what a cell is sorted by."""
    return tenor_order(value) if kind is Kind.TENOR else value


def tenor_order(tenor: str | None) -> int:
    """Return what tenors are sorted by: 18M comes before 2Y, and none comes first."""
    return tenor_length(tenor) if tenor else 0


def amount(value: float) -> str:
    """Return money without its cents: -1234567.8 is -1,234,568 with a true minus."""
    text = f"{value:,.0f}"
    return "0" if text == "-0" else text.replace("-", _MINUS)


def compact(value: float) -> str:
    """Return money in three figures: 1234567.8 is 1.23 M."""
    size = abs(value)
    for unit, name in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        # What would round up to 1000 of a unit belongs to the next one.
        if size >= 0.9995 * unit:
            return _three_figures(value / unit) + name
    return _three_figures(value)


def axis(value: float) -> str:
    """Return a round number for an axis: -5000000 is -5 M."""
    number, _, unit = compact(value).partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {unit}".strip()


def _three_figures(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:,.{decimals}f}"
    return "0" if float(text.replace(",", "")) == 0 else text.replace("-", _MINUS)


def percent(level: float) -> str:
    """Return a level as it is spoken of: 0.975 is 97.5%."""
    return f"{100 * level:.10g}%"
