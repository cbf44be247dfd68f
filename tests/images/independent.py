"""The desk's P&L from the files alone: position by position, in plain numpy, for comparison."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

if TYPE_CHECKING:
    from pathlib import Path

Vector = NDArray[np.float64]

_YEARS = {"D": 1 / 365, "W": 7 / 365, "M": 1 / 12, "Y": 1.0}


class Market:
    """Every factor's value today and under each day's historical move, today's first."""

    def __init__(self, path: Path, as_of: date) -> None:
        self.as_of = as_of
        self._history: dict[tuple[str, str, str], list[float]] = {}
        for row in csv.DictReader(io.StringIO(path.read_text())):
            key = (row["factor_type"], row["factor_id"], row["tenor"])
            self._history.setdefault(key, []).append(float(row["value"]))

    def ratio_moved(self, kind: str, name: str) -> Vector:
        """Today's value, then today's value times each day's ratio."""
        values = np.array(self._history[kind, name, ""])
        moved: Vector = values[-1] * np.concatenate([[1.0], values[1:] / values[:-1]])
        return moved

    def volatility_ratio(self, name: str) -> Vector:
        moved = self.ratio_moved("VOL", name)
        ratio: Vector = moved / moved[0]
        return ratio

    def fx(self, currency: str) -> Vector | float:
        return 1.0 if currency == "USD" else self.ratio_moved("FX", currency + "USD")

    def dividend_yield(self, equity: str) -> Vector | float:
        values = [v for (_, name, _), v in self._history.items() if name == f"{equity}-DIV"]
        return _rate_moved(values[0]) if values else 0.0

    def rate(self, curve: str, years: float) -> Vector:
        """The zero rate at a time: linear between the tenors, flat beyond them."""
        points = sorted(
            (int(tenor[:-1]) * _YEARS[tenor[-1]], _rate_moved(values))
            for (kind, name, tenor), values in self._history.items()
            if (kind, name) == ("RATE", curve)
        )
        times = [time for time, _ in points]
        rates = np.array([moved for _, moved in points])
        return np.array([np.interp(years, times, column) for column in rates.T])

    def discount(self, curve: str, due: date) -> Vector:
        years = (due - self.as_of).days / 365
        return np.exp(-self.rate(curve, years) * years)


def _rate_moved(values: list[float]) -> Vector:
    return values[-1] + np.concatenate([[0.0], np.diff(values)])


def option(row: dict[str, str], market: Market) -> Vector:
    """Black, Scholes and Merton: Hull, Options, Futures and Other Derivatives, chapter 17."""
    years = (date.fromisoformat(row["maturity"]) - market.as_of).days / 365
    spot, strike = market.ratio_moved("EQ", row["risk_factor"]), float(row["strike"])
    volatility = float(row["implied_vol"]) * market.volatility_ratio(row["risk_factor"])
    rate = market.rate(f"{row['currency']}-OIS", years)
    carry = market.dividend_yield(row["risk_factor"])
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate - carry) * years) / deviation + deviation / 2
    sign = 1 if row["option_type"].startswith("C") else -1
    value: Vector = sign * (
        spot * np.exp(-carry * years) * norm.cdf(sign * d1)
        - strike * np.exp(-rate * years) * norm.cdf(sign * (d1 - deviation))
    )
    return value


def bond(row: dict[str, str], market: Market) -> Vector:
    """A fixed-coupon bond's flows, from its maturity backwards, on its curve."""
    curve = row["curve_id"] or f"{row['currency']}-OIS"
    maturity, coupon = date.fromisoformat(row["maturity"]), float(row["coupon"] or 0)
    frequency = int(row["coupon_frequency"] or 0)
    value = market.discount(curve, maturity)
    if not coupon or not frequency:
        return value
    months, due = 0, maturity
    while due > market.as_of:
        value = value + coupon / frequency * market.discount(curve, due)
        months += 12 // frequency
        due = _months_before(maturity, months)
    return value


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    for last in range(day.day, 27, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    return date(year, month + 1, min(day.day, 28))


def position_value(row: dict[str, str], market: Market) -> Vector:
    """A position's value in the base currency: today, then under each day's move."""
    quantity, currency = float(row["quantity"]), row["currency"]
    if row["product_type"] == "FXFWD":
        due = date.fromisoformat(row["maturity"])
        received = market.discount(f"{currency}-OIS", due) * market.fx(currency)
        paid = market.discount(f"{row['currency2']}-OIS", due) * market.fx(row["currency2"])
        return quantity * (received - float(row["strike"]) * paid)
    unit = {
        "EQUITY": lambda: market.ratio_moved("EQ", row["risk_factor"]),
        "EQOPT": lambda: option(row, market),
        "BOND": lambda: bond(row, market),
    }[row["product_type"]]()
    return quantity * unit * market.fx(currency)


def values_by_book(
    positions: Path, market_data: Path, refused_lines: set[int], as_of: date
) -> dict[str, Vector]:
    """Each book's value: today, then under each day's move."""
    market, books = Market(market_data, as_of), dict[str, Any]()
    lines = gzip.decompress(positions.read_bytes()).decode().splitlines()
    for number, row in enumerate(csv.DictReader(lines), start=2):
        if number not in refused_lines:
            books[row["book"]] = books.get(row["book"], 0.0) + position_value(row, market)
    return books
