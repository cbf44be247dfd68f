"""What a book's value today changes by when one thing changes, as `batchkit.figures` defines it.

Delta, gamma and vega are derivatives. Sensitivities to rates and to time are differences between
two valuations, as their definitions say: a zero rate 1 bp higher, or the next day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from batchkit.figures import Measure

from risk_calculation.exposures import netted
from risk_calculation.kernels import exponentials, option_values
from risk_calculation.market import DAY

if TYPE_CHECKING:
    from risk_calculation.kernels import Floats
    from risk_calculation.market import Market, Points

BASIS_POINT: Final = 1e-4
_KEY: Final = ("book", "factor_id", "tenor")
_GREEKS: Final = ("value", "delta", "gamma", "vega", "near", "far", "parallel", "day")


def sensitivities(linear: pl.DataFrame, options: pl.DataFrame, market: Market) -> pl.DataFrame:
    """Return measure, book, factor_id, tenor and value (in the base currency).

    Args:
        linear: of `exposures.linear`.
        options: of `exposures.options`.
        market: today's is used.
    """
    changes = pl.concat([_linear_changes(linear, market), _option_changes(options, market)])
    equity, pair = pl.col("equity"), pl.col("currency") + market.base_currency
    nothing = pl.lit(None, pl.String)
    foreign = pl.col("currency") != market.base_currency
    shares, rates = equity.is_not_null(), pl.col("curve").is_not_null()
    options_only = shares & rates
    table = [
        (Measure.EQ_DELTA, shares, equity, nothing, "delta"),
        (Measure.EQ_GAMMA, options_only, equity, nothing, "gamma"),
        (Measure.EQ_VEGA, options_only, equity, nothing, "vega"),
        (Measure.FX_DELTA, foreign, pair, nothing, "value"),
        (Measure.DV01, rates, pl.col("curve"), nothing, "parallel"),
        (Measure.THETA, rates, nothing, nothing, "day"),
    ]
    results = [
        (measure, changes.filter(which).select("book", factor.alias("factor_id"),
         tenor.alias("tenor"), pl.col(value).alias("value")))
        for measure, which, factor, tenor, value in table
    ]  # fmt: skip
    vertices = [
        changes.filter(rates & (pl.col(f"{side}_weight") != 0)).select(
            "book",
            pl.col("curve").alias("factor_id"),
            pl.col(f"{side}_tenor").alias("tenor"),
            (pl.col(side) / BASIS_POINT).alias("value"),
        )
        for side in ("near", "far")
    ]
    results.append((Measure.GIRR_DELTA, pl.concat(vertices)))
    return pl.concat(
        netted(rows, _KEY, "value").select(pl.lit(measure.value).alias("measure"), pl.all())
        for measure, rows in results
    )


def _linear_changes(linear: pl.DataFrame, market: Market) -> pl.DataFrame:
    years = market.years(linear["due"])
    points = market.points("RATE", linear["curve"], years)
    tomorrow = np.maximum(years - DAY, 0.0)
    exponent = -years * market.today(points)
    next_exponent = -tomorrow * market.today(market.points("RATE", linear["curve"], tomorrow))
    today = market.factors[:, 0]
    undiscounted = (
        linear["amount"].to_numpy()
        * today[market.rows("EQ", linear["equity"])]
        * today[market.currency_rows(linear["currency"])]
    )
    value = undiscounted * exponentials(exponent)
    bumps = {
        name: value * (exponentials(-years * (BASIS_POINT * weight)) - 1.0)
        for name, weight in _bumped(points).items()
    }
    day = undiscounted * exponentials(next_exponent) - value
    zero = np.zeros(linear.height)
    return _changes(
        linear.select("book", "equity", "currency", "curve"),
        points,
        market,
        {"value": value, "delta": value, "gamma": zero, "vega": zero, **bumps, "day": day},
    )


def _option_changes(options: pl.DataFrame, market: Market) -> pl.DataFrame:
    curve, dividends = options["currency"] + "-OIS", options["equity"] + "-DIV"
    years = market.years(options["due"])
    tomorrow = np.maximum(years - DAY, 0.0)
    points = market.points("RATE", curve, years)
    today = market.factors[:, 0]
    spot = today[market.rows("EQ", options["equity"])]
    strike, volatility, amount = (
        options[name].to_numpy(writable=True) for name in ("strike", "volatility", "amount")
    )
    sign = np.where(options["call"].to_numpy(), 1.0, -1.0)

    def values(times: Floats, bump: Floats | float = 0.0) -> Floats:
        rate = market.today(market.points("RATE", curve, times)) + bump
        pays = market.today(market.points("RATE", dividends, times, optional=True))
        result: Floats = option_values(spot, strike, times, rate, pays, volatility, sign)
        return result * (amount * today[market.currency_rows(options["currency"])])

    base = values(years)
    bumps = {
        name: values(years, BASIS_POINT * weight)[0] - base[0]
        for name, weight in _bumped(points).items()
    }
    greeks = dict(zip(("value", "delta", "gamma", "vega"), base, strict=True))
    day = values(tomorrow)[0] - base[0]
    return _changes(
        options.select("book", "equity", "currency", curve.alias("curve")),
        points,
        market,
        {**greeks, **bumps, "day": day},
    )


def _bumped(points: Points) -> dict[str, Floats]:
    """By how much the rate at each point rises when its near, its far or each vertex rises by 1."""
    return {
        "near": 1.0 - points.weight,
        "far": points.weight,
        "parallel": np.ones(points.weight.size),
    }


def _changes(
    keys: pl.DataFrame, points: Points, market: Market, greeks: dict[str, Floats]
) -> pl.DataFrame:
    near, far = (market.tenors.gather(pl.Series(row)) for row in (points.near, points.far))
    return keys.select(
        "book", "equity", "currency", "curve",
        near.alias("near_tenor"), far.alias("far_tenor"),
        pl.Series("near_weight", 1.0 - points.weight), pl.Series("far_weight", points.weight),
        *(pl.Series(name, greeks[name]) for name in _GREEKS),
    )  # fmt: skip
