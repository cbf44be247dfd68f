"""All figures of one shard."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from batchkit.figures import KEY_COLUMNS, SORT_COLUMNS, VALUE_COLUMN, Measure

from risk_calculation.exposures import linear, options
from risk_calculation.sensitivities import sensitivities
from risk_calculation.valuation import book_values, linear_holdings, option_holdings

if TYPE_CHECKING:
    from risk_calculation.market import Market


def positions_of(content: bytes) -> pl.DataFrame:
    """Return the positions of a shard's file; texts that recur in it are written as categories."""
    return pl.read_parquet(io.BytesIO(content)).cast({pl.Categorical: pl.String})


def figures(positions: pl.DataFrame, market: Market, threads: int | None = None) -> pl.DataFrame:
    """Return what the positions add to the run's figures, as `batchkit.figures` lays them out.

    The same positions in the same market give the same bits, in whatever order they stand and
    however many threads there are.

    Args:
        positions: a shard.
        market: of the run's scenario set.
        threads: as many as there are processors when left out.

    Raises:
        OverflowError: a figure is too large to be a number.
        UnusableMarketError: the market lacks what a position depends on.
    """
    # What is beyond all numbers is found at the end.
    with np.errstate(over="ignore", invalid="ignore"):
        table = _table(positions, market, threads)
    beyond = table.filter(~pl.col(VALUE_COLUMN).is_finite())
    if not beyond.is_empty():
        measure, book = beyond.row(0)[:2]
        raise OverflowError(f"The {measure} of book {book} is too large to be a number.")
    return table.select(*KEY_COLUMNS, VALUE_COLUMN).sort(SORT_COLUMNS)


def _table(positions: pl.DataFrame, market: Market, threads: int | None) -> pl.DataFrame:
    flows, contracts = linear(positions, market.as_of), options(positions)
    books = positions["book"].unique().sort()
    names = books.to_list()
    held = linear_holdings(flows, market, names), option_holdings(contracts, market, names)
    present, pnl = book_values(market, *held, len(names), threads)
    scenarios = np.arange(market.scenarios, dtype=np.int32)
    each = pl.Series(np.repeat(np.arange(len(names)), scenarios.size))
    vectors = {"scenario": np.tile(scenarios, len(names)), VALUE_COLUMN: pnl.ravel()}
    tables = [
        pl.DataFrame({"measure": Measure.PRESENT_VALUE, "book": books, VALUE_COLUMN: present}),
        pl.DataFrame({"measure": Measure.PNL, "book": books.gather(each), **vectors}),
        sensitivities((flows, held[0]), (contracts, held[1]), market, books),
    ]
    return pl.concat(tables, how="diagonal")
