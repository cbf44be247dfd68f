"""Nets a shard's positions to what its books hold of each instrument, in an order of its own.

What is linear in all that moves counts by its sum only, and the sum is made before anything is
multiplied with a scenario: shares by equity and currency; money due by currency, curve and date.

- An equity position is `quantity` shares of `risk_factor`, priced in `currency`.
- An FX forward receives `quantity` of `currency` and pays quantity·strike of `currency2` on
  `maturity`, each leg discounted on its currency's curve `<currency>-OIS`.
- A bond pays its notional `quantity` at `maturity`, and quantity·coupon/frequency every
  12/frequency months backwards from there, dates unadjusted; what fell due until `as_of` is gone.
  It is discounted on `curve_id`, or on its currency's curve.
- A European option is on one share of `risk_factor`; equal contracts of a book are one.

The sums are compensated and made in an order that the positions' own order does not change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
from batchkit.domain import DISCOUNT, Product

from risk_calculation.kernels import run_sums

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from risk_calculation.kernels import Integers

UNIT: Final = ("equity", "currency", "curve", "due")
"""What linear amounts are of: a share (equity), or money on a day (curve and due)."""
GROUP: Final = ("equity", "currency", "due")
"""What options of one underlying and maturity have in common."""
_CONTRACT: Final = ("strike", "call", "volatility")
_BONDS_AT_ONCE: Final = 20_000
"""Each has up to some hundred payments, and these are in memory together."""


def linear(positions: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the columns of `UNIT`, book and amount, sorted by them: one row a unit and book."""
    shares = positions.filter(pl.col("product_type") == Product.EQUITY).select(
        pl.col("risk_factor").alias("equity"),
        "currency",
        pl.lit(None, pl.String).alias("curve"),
        pl.lit(None, pl.Date).alias("due"),
        "book",
        pl.col("quantity").alias("amount"),
    )
    money = [*_forwards(positions), *_bonds(positions, as_of)]
    flows = [flow.select(pl.lit(None, pl.String).alias("equity"), pl.all()) for flow in money]
    return _netted(pl.concat([shares, *flows]), (*UNIT, "book"), "amount")


def options(positions: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of `GROUP`, book, strike, call, volatility and amount, sorted by them."""
    chosen = positions.filter(pl.col("product_type") == Product.EQOPT).select(
        pl.col("risk_factor").alias("equity"),
        "currency",
        pl.col("maturity").alias("due"),
        "book",
        "strike",
        (pl.col("option_type") == "C").alias("call"),
        pl.col("implied_vol").alias("volatility"),
        pl.col("quantity").alias("amount"),
    )
    return _netted(chosen, (*GROUP, "book", *_CONTRACT), "amount")


def _forwards(positions: pl.DataFrame) -> list[pl.DataFrame]:
    chosen = positions.filter(pl.col("product_type") == Product.FXFWD)
    quantity = pl.col("quantity")
    return [
        chosen.select(
            pl.col(currency).alias("currency"),
            (pl.col(currency) + DISCOUNT).alias("curve"),
            pl.col("maturity").alias("due"),
            "book",
            due.alias("amount"),
        )
        for currency, due in (
            ("currency", quantity),
            ("currency2", -quantity * pl.col("strike")),
        )
    ]


def _bonds(positions: pl.DataFrame, as_of: date) -> list[pl.DataFrame]:
    key = ("currency", "curve", "due", "book")
    frequency = pl.col("coupon_frequency").fill_null(0)
    bonds = positions.filter(pl.col("product_type") == Product.BOND).select(
        "currency",
        pl.coalesce("curve_id", pl.col("currency") + DISCOUNT).alias("curve"),
        pl.col("maturity").alias("due"),
        "book",
        pl.col("quantity").alias("amount"),
        frequency.alias("frequency"),
        pl.when(frequency > 0)
        .then(pl.col("quantity") * pl.col("coupon").fill_null(0.0) / frequency)
        .otherwise(0.0)
        .alias("coupon"),
    )
    paying = _netted(bonds.filter(pl.col("coupon") != 0), (*key, "frequency"), "coupon")
    days = _coupon_days(paying.select("due", "frequency").unique(), as_of)
    coupons = [
        _netted(
            some.join(days, on=("due", "frequency"), maintain_order="left").select(
                "currency", "curve", pl.col("day").alias("due"), "book", amount="coupon"
            ),
            key,
            "amount",
        )
        for some in paying.iter_slices(_BONDS_AT_ONCE)
    ]
    return [bonds.select(*key, "amount"), *coupons]


def _coupon_days(schedules: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return due, frequency and day: each day on which a bond of that maturity still pays."""
    due, start = pl.col("due"), pl.lit(as_of)
    months = (due.dt.year() - start.dt.year()) * 12 + due.dt.month() - start.dt.month()
    step = 12 // pl.col("frequency")
    before = pl.int_ranges(0, months + 1, step.cast(pl.Int64)).alias("before")
    return (
        schedules.with_columns(before)
        .explode("before")
        .select(
            "due",
            "frequency",
            due.dt.offset_by(pl.format("-{}mo", "before")).alias("day"),
        )
        .filter(pl.col("day") > as_of)
    )


def runs(frame: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.DataFrame, Integers]:
    """Return the distinct keys of a sorted frame in order, and how many rows each of them has."""
    found = frame.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Int64))
    return found.select(keys), found["len"].to_numpy(writable=True)


def _netted(frame: pl.DataFrame, keys: Sequence[str], value: str) -> pl.DataFrame:
    """Return one row a key, sorted, with the compensated sum of `value`."""
    # Numbers sort faster than names do.
    names = [name for name in keys if frame.schema[name] == pl.String]
    numbered: dict[Any, pl.Enum] = {
        name: pl.Enum(frame[name].drop_nulls().unique().sort()) for name in names
    }
    ordered = frame.select(*keys, value).cast(numbered).sort(*keys, value)
    found, lengths = runs(ordered, keys)
    sums = run_sums(ordered[value].to_numpy(writable=True), lengths)
    return found.with_columns(pl.Series(value, sums)).cast(dict.fromkeys(names, pl.String))
