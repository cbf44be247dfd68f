"""Discount factors from the zero curves of the scenario set."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from datetime import date

_UNITS: Final = {"D": 1 / 365, "W": 7 / 365, "M": 1 / 12, "Y": 1.0}
_DAYS_IN_YEAR: Final = 365.0


@dataclass(frozen=True)
class Curve:
    """Zero rates (continuously compounded) at increasing times in years."""

    times: tuple[float, ...]
    rates: tuple[float, ...]

    def discount(self, years: float) -> float:
        """Return exp(-r·t), r linear between the curve's points and flat beyond them."""
        at = bisect_left(self.times, years)
        if at == 0:
            rate = self.rates[0]
        elif at == len(self.times):
            rate = self.rates[-1]
        else:
            weight = (years - self.times[at - 1]) / (self.times[at] - self.times[at - 1])
            rate = self.rates[at - 1] + weight * (self.rates[at] - self.rates[at - 1])
        return math.exp(-rate * years)


def tenor_years(tenor: str) -> float:
    """Return a tenor such as 1W, 6M or 2Y in years.

    Raises:
        ValueError: it is not of that form.
    """
    match = re.fullmatch(r"(\d+)([DWMY])", tenor)
    if match is None:
        raise ValueError(f"The tenor {tenor!r} is not a number followed by D, W, M or Y.")
    return int(match[1]) * _UNITS[match[2]]


def curves(factors: pl.DataFrame) -> dict[str, Curve]:
    """Return the curve of each currency that has one: the RATE factors of <currency>-OIS."""
    rates = factors.filter(
        (pl.col("factor_type") == "RATE") & pl.col("factor_id").str.ends_with("-OIS")
    )
    points: dict[str, list[tuple[float, float]]] = {}
    for name, tenor, value in rates.select("factor_id", "tenor", "value").iter_rows():
        points.setdefault(name.removesuffix("-OIS"), []).append((tenor_years(tenor), value))
    return {
        currency: Curve(*map(tuple, zip(*sorted(pairs), strict=True)))
        for currency, pairs in points.items()
    }


def discount_factor(known: dict[str, Curve], currency: str, as_of: date, maturity: date) -> float:
    """Return a currency's discount factor, ACT/365; 1 for a currency without a curve."""
    curve = known.get(currency)
    if curve is None:
        return 1.0
    return curve.discount((maturity - as_of).days / _DAYS_IN_YEAR)
