"""This stage's own environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from batchkit.environment import whole_number
from batchkit.errors import BadEnvironmentError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVELS: Final = "0.95,0.975,0.99"
_HORIZONS: Final = "1,10"
_WINDOW: Final = 250
_MAX_HORIZON: Final = 250


@dataclass(frozen=True)
class Options:
    """What the report is made for."""

    levels: tuple[Decimal, ...]
    """VAR_LEVELS: of VaR and ES, ascending."""
    horizons: tuple[int, ...]
    """VAR_HORIZONS: days, ascending."""
    window: int
    """BACKTEST_WINDOW: days that a backtested VaR is made of."""


def read(given: Mapping[str, str]) -> Options:
    """Read the options.

    Raises:
        BadEnvironmentError: one of them is wrong.
    """
    return Options(
        levels=_levels(given.get("VAR_LEVELS") or _LEVELS),
        horizons=_horizons(given.get("VAR_HORIZONS") or _HORIZONS),
        window=whole_number(given, "BACKTEST_WINDOW", default=_WINDOW, low=20, high=10_000),
    )


def _levels(text: str) -> tuple[Decimal, ...]:
    try:
        levels = sorted({Decimal(part.strip()) for part in text.split(",")})
        right = all(Decimal("0.5") <= level < 1 for level in levels)
    except InvalidOperation:  # no number, or NaN, which has no order
        right = False
    if not right:
        raise BadEnvironmentError(
            f"VAR_LEVELS is {text!r}; it must be levels from 0.5 to below 1, such as {_LEVELS}."
        )
    return tuple(levels)


def _horizons(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    days = sorted({int(part) for part in parts if part.isdecimal()})
    if not all(part.isdecimal() and 1 <= int(part) <= _MAX_HORIZON for part in parts):
        raise BadEnvironmentError(
            f"VAR_HORIZONS is {text!r}; it must be whole days from 1 to {_MAX_HORIZON}, such as "
            f"{_HORIZONS}."
        )
    return tuple(days)
