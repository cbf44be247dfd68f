"""What a book's value today changes by when one thing changes, as `batchkit.figures` defines it.

Delta, gamma and vega are derivatives. Sensitivities to rates and to time are differences between
two valuations, as their definitions say: a zero rate 1 bp higher, or the next day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from batchkit.domain import DISCOUNT
from batchkit.figures import Measure

from risk_calculation.exposures import GROUP, UNIT, runs
from risk_calculation.kernels import add_at, exponentials, option_values
from risk_calculation.market import DAY, ONE, ZERO, Points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from risk_calculation.kernels import Floats, Integers
    from risk_calculation.market import Market
    from risk_calculation.valuation import LinearHoldings, OptionHoldings

BASIS_POINT: Final = 1e-4

Change = tuple[Measure, "Integers", "Floats"]
"""A measure, and of every position the factor's row (`ONE` where it has none) and the value."""


class Sums(NamedTuple):
    """Of one measure, by book and factor's row: compensated sums, and whether there is one."""

    high: Floats
    low: Floats
    found: NDArray[np.bool_]


def sensitivities(
    linear: tuple[pl.DataFrame, LinearHoldings],
    options: tuple[pl.DataFrame, OptionHoldings],
    market: Market,
    books: pl.Series,
) -> pl.DataFrame:
    """Return measure, book, factor_id, tenor and value, in the base currency.

    Args:
        linear: of `exposures.linear`, and its holdings.
        options: of `exposures.options`, and its holdings.
        market: today's is used.
        books: their names.
    """
    shape = (len(books), market.factors.shape[0])
    sums: dict[Measure, Sums] = {}
    for holders, changes in (
        (linear[1].books, _linear_changes(*linear, market)),
        (options[1].books, _option_changes(*options, market)),
    ):
        for measure, rows, values in changes:
            if measure not in sums:
                sums[measure] = Sums(np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_))
            add_at(holders, rows, values, *sums[measure])
    return pl.concat(_table(measure, added, market, books) for measure, added in sums.items())


def _table(measure: Measure, sums: Sums, market: Market, books: pl.Series) -> pl.DataFrame:
    # Nothing is sensitive to what does not move; but time is no factor.
    sums.found[:, ZERO] = False
    if measure != Measure.THETA:
        sums.found[:, ONE] = False
    book, factor = np.nonzero(sums.found)
    names = market.names[factor]
    tenor = names["tenor"] if measure == Measure.GIRR_DELTA else pl.lit(None, pl.String)
    return names.select(
        pl.lit(measure.value).alias("measure"),
        books.gather(pl.Series(book)).alias("book"),
        "factor_id",
        tenor.alias("tenor"),
        pl.Series("value", (sums.high + sums.low)[sums.found]),
    )


def _linear_changes(
    linear: pl.DataFrame, holdings: LinearHoldings, market: Market
) -> Iterator[Change]:
    units, lengths = runs(linear, UNIT)
    spot, fx, near, far = holdings.rows.T
    weight, years = holdings.terms.T
    points, today = Points(near, far, weight), market.factors[:, 0]
    tomorrow = np.maximum(years - DAY, 0.0)
    rate_then = market.today(market.points(units["curve"], tomorrow))
    undiscounted = today[spot] * today[fx]
    value = undiscounted * exponentials(-years * market.today(points))

    def change(measure: Measure, rows: Integers, unit: Floats) -> Change:
        return measure, np.repeat(rows, lengths), holdings.amounts * np.repeat(unit, lengths)

    yield change(Measure.EQ_DELTA, spot, value)
    yield change(Measure.FX_DELTA, fx, value)
    for measure, rows, bump, size in _bumps(points, market):
        yield change(measure, rows, value * (exponentials(-years * bump) - 1.0) / size)
    due = np.where(near == ZERO, ZERO, ONE)
    yield change(Measure.THETA, due, undiscounted * exponentials(-tomorrow * rate_then) - value)


def _option_changes(
    options: pl.DataFrame, holdings: OptionHoldings, market: Market
) -> Iterator[Change]:
    groups, lengths = runs(options, GROUP)
    spot, fx, near, far = (np.repeat(rows, lengths) for rows in holdings.rows.T[:4])
    weight, group_years = np.repeat(holdings.terms[:, 0], lengths), holdings.terms[:, 1]
    _, volatility, strike, sign, quantity = map(np.ascontiguousarray, holdings.contracts.T)
    today = market.factors[:, 0]
    amount, price = quantity * today[fx], today[spot]
    pays = np.repeat(today[holdings.rows[:, 4]], lengths)

    def values(times: Floats, bump: Floats | float = 0.0) -> Floats:
        rate = market.today(market.points(groups["currency"] + DISCOUNT, times))
        years, rate = np.repeat(times, lengths), np.repeat(rate, lengths)
        each = option_values(price, strike, years, rate + bump, pays, volatility, sign)
        amounts: Floats = each * amount
        return amounts

    value, delta, gamma, vega = values(group_years)
    yield Measure.EQ_DELTA, spot, delta
    yield Measure.EQ_GAMMA, spot, gamma
    yield Measure.EQ_VEGA, spot, vega
    yield Measure.FX_DELTA, fx, value
    for measure, rows, bump, size in _bumps(Points(near, far, weight), market):
        yield measure, rows, (values(group_years, bump)[0] - value) / size
    tomorrow = np.maximum(group_years - DAY, 0.0)
    yield Measure.THETA, np.full_like(near, ONE), values(tomorrow)[0] - value


def _bumps(points: Points, market: Market) -> Iterator[tuple[Measure, Integers, Floats, float]]:
    """Yield what can happen to rates: measure, the factor, by how much they rise, and per what."""
    near, far, weight = points
    bump = np.full(weight.size, BASIS_POINT)
    yield Measure.DV01, market.curve_rows(near), bump, 1.0
    for rows, share in ((near, 1.0 - weight), (far, weight)):
        yield Measure.GIRR_DELTA, np.where(share == 0, ZERO, rows), bump * share, BASIS_POINT
