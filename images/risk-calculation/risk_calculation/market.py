"""Today's market and every scenario's, as one matrix of moved values.

The scenario set holds, by factor, today's value and one shock a scenario: a ratio for EQ, FX and
VOL, a difference for RATE. RATE factors are curves of continuously compounded zero rates, linear
between their tenors and flat beyond, and dividend yields `<equity>-DIV`, one for all times. Times
are ACT/365.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from batchkit.domain import DIVIDEND, YEAR, tenor_length

from risk_calculation.kernels import BLOCK

if TYPE_CHECKING:
    from datetime import date

    from risk_calculation.kernels import Floats, Integers

ONE: Final = 0
"""The row of what does not move: a price in its own currency, the base currency's rate."""
ZERO: Final = 1
"""The row of a rate that is not there: a share without dividends."""
DAY: Final = 1 / 365


class UnusableMarketError(Exception):
    """The scenario set lacks a value that a position depends on, or holds one that is none."""


class Points(NamedTuple):
    """Where times lie on curves: near + weight·(far - near), with rows of `Market.factors`."""

    near: Integers
    far: Integers
    weight: Floats


@dataclass(frozen=True)
class Curve:
    """The rows of one factor_id, consecutive and by increasing time."""

    first: int
    times: Floats


@dataclass(frozen=True)
class Market:
    """What positions are valued with."""

    base_currency: str
    as_of: date
    scenarios: int
    factors: Floats
    """Shape (rows, width): a column for today, one a scenario, and today again as padding to whole
    blocks. Volatilities are ratios to today's."""
    names: pl.DataFrame
    """factor_type, factor_id and tenor of each row; null where it has none."""
    curves: dict[tuple[str, str], Curve]
    """By factor_type and factor_id."""

    def rows(self, factor_type: str, names: pl.Series) -> Integers:
        """Return the row of each name; `ONE` where the name is null.

        Raises:
            UnusableMarketError: the scenario set has no such factor.
        """
        known = names.drop_nulls().unique()
        found = {name: self._curve(factor_type, name).first for name in known}
        return _replaced(names, found, ONE)

    def currency_rows(self, currencies: pl.Series) -> Integers:
        """Return the row of each currency's price in the base currency."""
        foreign = currencies.replace(self.base_currency, None)
        return self.rows("FX", foreign + self.base_currency)

    def yield_rows(self, equities: pl.Series) -> Integers:
        """Return the row of each equity's dividend yield; `ZERO` where it has none."""
        known = {name: self.curves.get(("RATE", name + DIVIDEND)) for name in equities.unique()}
        found = {name: curve.first for name, curve in known.items() if curve is not None}
        return _replaced(equities, found, ZERO)

    def points(self, names: pl.Series, years: Floats) -> Points:
        """Return where times lie on the curves of these names; on `ZERO` where a name is null.

        Raises:
            UnusableMarketError: the scenario set has no such curve.
        """
        near, far = np.full((2, len(names)), ZERO, dtype=np.int64)
        weight = np.zeros(len(names))
        indices = pl.DataFrame({"name": names, "at": np.arange(len(names))}).group_by("name").all()
        for name, positions in indices.iter_rows():
            if name is None:
                continue
            curve = self._curve("RATE", name)
            at, last = np.array(positions), curve.times.size - 1
            after = np.searchsorted(curve.times, years[at])
            low, high = np.maximum(after - 1, 0), np.minimum(after, last)
            gap = np.where(high > low, curve.times[high] - curve.times[low], 1.0)
            near[at], far[at] = curve.first + low, curve.first + high
            weight[at] = np.where(high > low, (years[at] - curve.times[low]) / gap, 0.0)
        return Points(near, far, weight)

    def curve_rows(self, rows: Integers) -> Integers:
        """Return the first row of the curve that each row is of; `ONE` and `ZERO` as they are."""
        first = np.array([ONE, ZERO, *sorted(curve.first for curve in self.curves.values())])
        return first[np.searchsorted(first, rows, side="right") - 1]

    def today(self, points: Points) -> Floats:
        """Return today's values at these points."""
        values = self.factors[:, 0]
        near: Floats = values[points.near]
        return near + points.weight * (values[points.far] - near)

    def years(self, dates: pl.Series) -> Floats:
        """Return the time to each date, and 0 where it is null."""
        days = (dates - self.as_of).dt.total_days().fill_null(0)
        return days.to_numpy() / 365.0

    def _curve(self, factor_type: str, name: str) -> Curve:
        curve = self.curves.get((factor_type, name))
        if curve is None:
            raise UnusableMarketError(
                f"A position depends on the {factor_type} factor {name}, which the scenario set "
                "lacks. Add it to the market data, then upload the positions again."
            )
        return curve


def _replaced(names: pl.Series, rows: dict[str, int], otherwise: int) -> Integers:
    numbers = names.replace_strict(rows, default=otherwise, return_dtype=pl.Int64)
    return numbers.to_numpy(writable=True)


def tenor_years(tenor: str | None) -> float:
    """Return a tenor such as 1W, 6M or 2Y in years, and none as 0.

    Raises:
        UnusableMarketError: it is not of that form.
    """
    if tenor is None:
        return 0.0
    try:
        return tenor_length(tenor) / YEAR
    except ValueError as error:
        raise UnusableMarketError(f"The market data's tenor {error}") from error


def market(scenario_set: pl.DataFrame, scenarios: int, base_currency: str, as_of: date) -> Market:
    """Make the market of a run's scenario set: factor_type, factor_id, tenor, value, shocks.

    Raises:
        UnusableMarketError: a tenor is none, or a scenario has a price that is none.
    """
    tenors = scenario_set["tenor"].unique()
    known = pl.DataFrame(
        {"tenor": tenors, "years": [tenor_years(tenor) for tenor in tenors]},
        schema={"tenor": pl.String, "years": pl.Float64},
    )
    rows = scenario_set.join(known, on="tenor", nulls_equal=True).sort(
        "factor_type", "factor_id", "years"
    )
    names, kinds = rows.select("factor_type", "factor_id", "tenor"), rows["factor_type"]
    values = rows["value"].to_numpy()[:, None]
    shocks = rows["shocks"].explode().to_numpy().reshape(rows.height, scenarios)
    width = -(-(1 + scenarios) // BLOCK) * BLOCK
    factors = np.empty((2 + rows.height, width))
    factors[ONE], factors[ZERO] = 1.0, 0.0
    rate, volatility = ((kinds == kind).to_numpy()[:, None] for kind in ("RATE", "VOL"))
    today = np.where(volatility, 1.0, values)
    factors[2:] = today
    moved = factors[2:, 1 : 1 + scenarios]
    np.multiply(today, shocks, out=moved)
    np.add(today, shocks, out=moved, where=rate)
    priced = kinds.is_in(["EQ", "FX"]).to_numpy()[:, None]
    wrong = (~np.isfinite(moved) | (priced & (moved <= 0))).any(axis=1)
    if wrong.any():
        kind, name, _ = names.row(int(np.argmax(wrong)))
        raise UnusableMarketError(
            f"A scenario moves the {kind} factor {name} to what is no price or no number; look at "
            "its history and at the stress scenarios."
        )
    return Market(
        base_currency=base_currency,
        as_of=as_of,
        scenarios=scenarios,
        factors=factors,
        names=pl.concat([names.clear(n=2), names]),
        curves=_curves(rows),
    )


def _curves(rows: pl.DataFrame) -> dict[tuple[str, str], Curve]:
    curves: dict[tuple[str, str], Curve] = {}
    first = 2
    grouped = rows.group_by("factor_type", "factor_id", maintain_order=True).agg("years")
    for kind, name, years in grouped.iter_rows():
        curves[kind, name] = Curve(first, np.array(years))
        first += len(years)
    return curves
