"""Values instruments today and in every scenario, and books by what they hold of them.

The P&L of one unit in the base currency is V'·FX' - V·FX, the cross term kept:
- a share: P·FX·(p·f - 1), where p and f are the scenario's ratios of its price and its currency;
- a unit of a currency: FX·(f - 1).
A log shock r is the ratio exp(r).
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from batchkit.figures import KEY_COLUMNS, PRECISION, SCALE, VALUE_COLUMN, Measure

from risk_calculation import exact
from risk_calculation.exposures import AMOUNT_SCALE, INSTRUMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from risk_calculation.exact import Floats

_UNIT_SCALE: Final = SCALE - AMOUNT_SCALE
_DECIMALS: Final = decimal.Context(prec=PRECISION, traps=[decimal.Rounded])
_SCHEMA: Final[dict[str, Any]] = {
    "book": pl.String(),
    "measure": pl.String(),
    "factor_id": pl.String(),
    "scenario": pl.Int32(),
    VALUE_COLUMN: pl.Decimal(PRECISION, SCALE),
}


@dataclass(frozen=True)
class Market:
    """Today's values and the scenarios' ratios, by factor."""

    base_currency: str
    scenarios: int
    values: dict[tuple[str, str], float]
    ratios: dict[tuple[str, str], Floats]
    """Shape (scenarios,); keys as in `values`: factor_type and factor_id."""

    def unit(self, equity: str | None, currency: str) -> tuple[float, Floats]:
        """Return an instrument's value in the base currency, and its P&L in every scenario."""
        value, ratio = 1.0, np.ones(self.scenarios)
        if currency != self.base_currency:
            pair = ("FX", currency + self.base_currency)
            value, ratio = self.values[pair], self.ratios[pair]
        if equity is not None:
            value, ratio = self.values["EQ", equity] * value, self.ratios["EQ", equity] * ratio
        return value, value * (ratio - 1.0)


def market(factors: pl.DataFrame, scenarios: int, base_currency: str) -> Market:
    """Make a market of a run's scenario set."""
    rows = factors.filter(pl.col("factor_type").is_in(["EQ", "FX"]))
    keys = list(rows.select("factor_type", "factor_id").iter_rows())
    return Market(
        base_currency=base_currency,
        scenarios=scenarios,
        values=dict(zip(keys, rows["value"].to_list(), strict=True)),
        ratios={key: shocks.to_numpy() for key, shocks in zip(keys, rows["shocks"], strict=True)},
    )


def figures(exposures: pl.DataFrame, given: Market) -> pl.DataFrame:
    """Return what the exposures add to the run's figures, in the columns of `batchkit.figures`.

    Args:
        exposures: of `exposures.net`.
        given: the market.

    Raises:
        OverflowError: a figure has more digits than a value may have.
    """
    instruments = exposures.select(INSTRUMENT).unique().sort(INSTRUMENT).rows()
    books = exposures["book"].unique().sort().to_list()
    held = _matrix(exposures, books, instruments)
    units = [given.unit(equity, currency) for equity, currency in instruments]
    values = _scaled(np.array([value for value, _ in units]))
    present = held * np.array([int(value) for value in values], dtype=object)
    pnl = exact.matmul(held, _scaled(np.array([vector for _, vector in units])))
    scenarios = list(range(given.scenarios))
    tables = [_table(books, Measure.PRESENT_VALUE, None, None, present.sum(axis=1))]
    tables += [
        _table([book] * given.scenarios, Measure.PNL, None, scenarios, pnl[row])
        for row, book in enumerate(books)
    ]
    for column, (equity, currency) in enumerate(instruments):
        amounts = present[:, column]
        if equity is not None:
            tables.append(_table(books, Measure.EQ_DELTA, equity, None, amounts))
        if currency != given.base_currency:
            pair = currency + given.base_currency
            tables.append(_table(books, Measure.FX_DELTA, pair, None, amounts))
    # A book that holds nothing of an instrument has no delta to it, not one of 0; and a currency
    # moves shares as well as money, so its deltas are summed.
    deltas = pl.col("measure").is_in([Measure.EQ_DELTA, Measure.FX_DELTA])
    return (
        pl.concat(tables)
        .filter(~deltas | (pl.col(VALUE_COLUMN) != 0))
        .group_by(KEY_COLUMNS)
        .agg(pl.col(VALUE_COLUMN).sum())
        .sort("measure", "book", "factor_id", "scenario")
    )


def _matrix(
    exposures: pl.DataFrame, books: list[str], instruments: list[tuple[Any, ...]]
) -> exact.Integers:
    """Return amounts in units of 10^-6, shape (books, instruments)."""
    row = {book: index for index, book in enumerate(books)}
    column = {instrument: index for index, instrument in enumerate(instruments)}
    held: exact.Integers = np.zeros((len(books), len(instruments)), dtype=object)
    for book, equity, currency, amount in exposures.iter_rows():
        held[row[book], column[equity, currency]] = int(amount.scaleb(AMOUNT_SCALE, _DECIMALS))
    return held


def _scaled(units: Floats) -> Floats:
    """Return values of one unit as integers of 10^-15 of the base currency."""
    return np.rint(units * 10.0**_UNIT_SCALE)


def _table(
    books: list[str],
    measure: Measure,
    factor_id: str | None,
    scenarios: list[int] | None,
    values: Sequence[int] | exact.Integers,
) -> pl.DataFrame:
    if any(abs(value) >= 10**PRECISION for value in values):
        raise OverflowError(
            f"A {measure} of the books {', '.join(sorted(set(books)))} reaches 10^"
            f"{PRECISION - SCALE}."
        )
    decimals = [decimal.Decimal(value).scaleb(-SCALE, _DECIMALS) for value in values]
    return pl.DataFrame(
        {
            "book": books,
            "measure": measure.value,
            "factor_id": factor_id,
            "scenario": scenarios,
            VALUE_COLUMN: decimals,
        },
        schema=_SCHEMA,
    )
