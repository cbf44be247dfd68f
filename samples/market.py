"""An invented market: equities with volatilities and dividends, currencies, and curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

AS_OF: Final = date(2026, 1, 30)
BASE: Final = "USD"
COLUMNS: Final = ("date", "factor_id", "factor_type", "tenor", "value")


@dataclass(frozen=True)
class Equity:
    """A share, as it stands on the last day."""

    price: float
    currency: str
    volatility: float
    """A year, e.g. 0.25."""
    beta: float
    """Sensitivity to the market."""
    dividend_yield: float
    """0 for a share that pays none, and then has no such factor."""


@dataclass(frozen=True)
class Currency:
    """A currency, as it stands on the last day."""

    price: float
    """Of one unit, in the base currency."""
    volatility: float
    rate: float
    """Overnight."""
    coupons: int
    """How often a year its government's bonds pay."""
    spread: float | None = None
    """Of its government's curve over the overnight one; None for a currency without one."""


EQUITIES: Final = {
    "ALPENGLUEHN": Equity(212.0, "CHF", 0.19, 0.7, 0.028),
    "ARDENT-STEEL": Equity(34.5, "EUR", 0.34, 1.3, 0.041),
    "BALTIC-WIND": Equity(18.2, "EUR", 0.38, 1.1, 0.012),
    "CIRRUS-CLOUD": Equity(188.0, "USD", 0.36, 1.5, 0.0),
    "DOVER-BANK": Equity(4.9, "GBP", 0.27, 1.2, 0.052),
    "EVERGREEN-FOODS": Equity(61.0, "USD", 0.16, 0.5, 0.031),
    "HOKUTO-ROBOTICS": Equity(5480.0, "JPY", 0.29, 1.0, 0.009),
    "LUMEN-HEALTH": Equity(97.0, "USD", 0.22, 0.6, 0.017),
    "MERIDIAN-OIL": Equity(73.0, "USD", 0.31, 0.9, 0.044),
    "ORCHARD-RETAIL": Equity(12.4, "GBP", 0.25, 0.8, 0.036),
    "RHEIN-CHEMIE": Equity(48.0, "EUR", 0.26, 1.0, 0.038),
    "SAKURA-RAIL": Equity(3120.0, "JPY", 0.18, 0.6, 0.014),
}
CURRENCIES: Final = {
    BASE: Currency(1.0, 0.0, 0.043, 2, 0.0021),
    "EUR": Currency(1.085, 0.08, 0.024, 1, 0.0034),
    "GBP": Currency(1.265, 0.09, 0.039, 2, 0.0028),
    "JPY": Currency(0.0068, 0.11, 0.006, 2),
    "CHF": Currency(1.130, 0.08, -0.001, 1),
}
OIS_TENORS: Final = {"1M": 1 / 12, "6M": 0.5, "1Y": 1.0, "2Y": 2.0, "5Y": 5.0, "10Y": 10.0}
GOV_TENORS: Final = {"1Y": 1.0, "5Y": 5.0, "10Y": 10.0, "30Y": 30.0}
_STEEPNESS: Final = 0.004
"""How much a curve rises, each time that 1 + years grows by the factor e."""


def business_days(last: date, count: int) -> list[date]:
    """Return the `count` days from Monday to Friday that end with `last`."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def rows(source: random.Random, days: list[date]) -> Iterator[tuple[str, ...]]:
    """Yield the market data in long form, a day after the other; prices end where they stand."""
    moves = [_day(source, stress) for stress in _stresses(source, len(days))]
    prices = {
        name: _ending_with(equity.price, [day[name] for day in moves])
        for name, equity in EQUITIES.items()
    }
    pairs = {
        name + BASE: _ending_with(currency.price, [day[name] for day in moves])
        for name, currency in CURRENCIES.items()
        if name != BASE
    }
    volatilities = {name: _Reverting(math.log(row.volatility)) for name, row in EQUITIES.items()}
    yields = {name: _Reverting(row.dividend_yield) for name, row in EQUITIES.items()}
    curves = _curves(source)
    for index, day in enumerate(days):
        stamp = day.isoformat()
        for name, equity in EQUITIES.items():
            yield stamp, name, "EQ", "", f"{prices[name][index]:.4f}"
            # When a price falls, its volatility rises.
            shock = -1.6 * moves[index][name] + 0.015 * source.gauss(0, 1)
            level = math.exp(volatilities[name].step(shock, pull=0.03))
            yield stamp, name, "VOL", "", f"{level:.5f}"
            paid = yields[name].step(0.0001 * source.gauss(0, 1), pull=0.05)
            if equity.dividend_yield:
                yield stamp, f"{name}-DIV", "RATE", "", f"{paid:.5f}"
        for pair, history in pairs.items():
            yield stamp, pair, "FX", "", f"{history[index]:.7f}"
        for curve, tenor, rate in next(curves):
            yield stamp, curve, "RATE", tenor, f"{rate:.6f}"


@dataclass
class _Reverting:
    """A value that moves, and is drawn back to where it began."""

    mean: float
    away: float = 0.0

    @property
    def value(self) -> float:
        return self.mean + self.away

    def step(self, shock: float, pull: float) -> float:
        self.away += shock - pull * self.away
        return self.value


def _stresses(source: random.Random, days: int) -> Iterator[float]:
    """Yield how wild each day is. Volatility clusters, and now and then a day is large."""
    stress = 1.0
    for _ in range(days):
        stress = 0.94 * stress + 0.06 * source.uniform(0.4, 1.6) + 0.25 * (source.random() < 0.012)
        yield stress


def _day(source: random.Random, stress: float) -> dict[str, float]:
    """Return a day's log moves by equity and currency: one market, and what is their own."""
    market = 0.16 * stress * source.gauss(0, 1) / math.sqrt(252)
    sizes = {name: (row.volatility, row.beta) for name, row in EQUITIES.items()}
    sizes |= {name: (row.volatility, 0.15) for name, row in CURRENCIES.items() if name != BASE}
    moves = {}
    for name, (volatility, beta) in sizes.items():
        own = math.sqrt(max(volatility**2 - (0.16 * beta) ** 2, 0.0))
        moves[name] = beta * market + own * stress * source.gauss(0, 1) / math.sqrt(252)
    return moves


def _ending_with(last: float, moves: list[float]) -> list[float]:
    """Return the prices that these log moves make, the first of which comes before the first."""
    ahead = [0.0]
    for move in reversed(moves[1:]):
        ahead.append(ahead[-1] + move)
    return [last * math.exp(-total) for total in reversed(ahead)]


def _curves(source: random.Random) -> Iterator[Iterator[tuple[str, str, float]]]:
    """Yield, each day, every curve's rates: its level, slope, spread and each point move."""
    levels = {name: _Reverting(row.rate) for name, row in CURRENCIES.items()}
    slopes = {name: _Reverting(_STEEPNESS) for name in CURRENCIES}
    spreads = {name: _Reverting(row.spread or 0.0) for name, row in CURRENCIES.items()}
    while True:
        world = source.gauss(0, 1)
        for name in CURRENCIES:
            levels[name].step(0.0003 * world + 0.0003 * source.gauss(0, 1), pull=0.01)
            slopes[name].step(0.00008 * source.gauss(0, 1), pull=0.01)
            spreads[name].step(0.00008 * source.gauss(0, 1), pull=0.02)
        yield _points(source, levels, slopes, spreads)


def _points(
    source: random.Random,
    levels: dict[str, _Reverting],
    slopes: dict[str, _Reverting],
    spreads: dict[str, _Reverting],
) -> Iterator[tuple[str, str, float]]:
    for name, currency in CURRENCIES.items():
        kinds = [("OIS", OIS_TENORS, 0.0)]
        if currency.spread is not None:
            kinds.append(("GOV", GOV_TENORS, spreads[name].value))
        level, slope = levels[name].value, slopes[name].value
        for kind, tenors, spread in kinds:
            for tenor, years in tenors.items():
                own = 0.00004 * source.gauss(0, 1)
                yield f"{name}-{kind}", tenor, level + slope * math.log1p(years) + spread + own
