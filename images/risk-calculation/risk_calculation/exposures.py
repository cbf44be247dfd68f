"""Nets a shard's positions to what a book holds of each instrument.

Equities and FX forwards are linear in what moves, so a book's positions in one instrument count
only by their sum, and the sum is made before anything is multiplied with a scenario.

- An equity position is `quantity` shares of `risk_factor`, priced in `currency`.
- An FX forward receives `quantity` of `currency` and pays quantity·strike of `currency2` on
  `maturity`. Today that is quantity·DF(currency) and -quantity·strike·DF(currency2) of money, with
  the discount factors of today's curves, which the scenarios leave as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from risk_calculation.discounting import discount_factor

if TYPE_CHECKING:
    from datetime import date

    from risk_calculation.discounting import Curve

AMOUNT_SCALE: Final = 6
"""Amounts are kept in millionths of a share or of a currency's unit, and sum exactly."""
_AMOUNT: Final = pl.Decimal(38, AMOUNT_SCALE)
INSTRUMENT: Final = ("equity", "currency")
"""An instrument: a share priced in a currency, or, where equity is null, the currency's money."""


def net(positions: pl.DataFrame, curves: dict[str, Curve], as_of: date) -> pl.DataFrame:
    """Return book, equity, currency and the book's amount of it, in a fixed order.

    Args:
        positions: a shard.
        curves: by currency.
        as_of: the day of valuation.
    """
    shares = positions.filter(pl.col("product_type") == "EQUITY").select(
        "book",
        pl.col("risk_factor").alias("equity"),
        "currency",
        pl.col("quantity").cast(_AMOUNT).alias("amount"),
    )
    forwards = positions.filter(pl.col("product_type") == "FXFWD").select(
        "book", "maturity", "currency", "currency2", "quantity", "strike"
    )
    received = forwards.select("book", "maturity", "currency", pl.col("quantity").alias("due"))
    paid = forwards.select(
        "book",
        "maturity",
        pl.col("currency2").alias("currency"),
        (-pl.col("quantity") * pl.col("strike")).alias("due"),
    )
    flows = pl.concat([received, paid])
    discounted = flows.join(
        _discount_factors(flows, curves, as_of), on=["currency", "maturity"]
    ).select(
        "book",
        pl.lit(None, pl.String).alias("equity"),
        "currency",
        (pl.col("due") * pl.col("discount")).cast(_AMOUNT).alias("amount"),
    )
    return (
        pl.concat([shares, discounted])
        .group_by("book", *INSTRUMENT)
        .agg(pl.col("amount").sum())
        .sort("book", *INSTRUMENT)
    )


def _discount_factors(flows: pl.DataFrame, curves: dict[str, Curve], as_of: date) -> pl.DataFrame:
    days = flows.select("currency", "maturity").unique()
    factors = [
        discount_factor(curves, currency, as_of, maturity) for currency, maturity in days.rows()
    ]
    return days.with_columns(pl.Series("discount", factors, dtype=pl.Float64))
