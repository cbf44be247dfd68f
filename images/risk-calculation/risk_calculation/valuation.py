"""Values books today and in every scenario, from what they hold of each instrument."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from batchkit.domain import DISCOUNT

from risk_calculation.exposures import GROUP, UNIT, runs
from risk_calculation.kernels import BLOCK, add_linear, add_options, logarithms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from risk_calculation.kernels import Floats, Integers
    from risk_calculation.market import Market


class LinearHoldings(NamedTuple):
    """The arguments of `kernels.add_linear`."""

    rows: Integers
    terms: Floats
    starts: Integers
    books: Integers
    amounts: Floats


class OptionHoldings(NamedTuple):
    """The arguments of `kernels.add_options`."""

    logs: Floats
    rows: Integers
    terms: Floats
    starts: Integers
    books: Integers
    contracts: Floats


def linear_holdings(linear: pl.DataFrame, market: Market, books: Sequence[str]) -> LinearHoldings:
    """Look up what the units of `exposures.linear` depend on.

    Raises:
        UnusableMarketError: the scenario set lacks it.
    """
    units, lengths = runs(linear, UNIT)
    years = market.years(units["due"])
    points = market.points(units["curve"], years)
    return LinearHoldings(
        rows=np.column_stack(
            [
                market.rows("EQ", units["equity"]),
                market.currency_rows(units["currency"]),
                points.near,
                points.far,
            ]
        ),
        terms=np.column_stack([points.weight, years]),
        starts=_starts(lengths),
        books=_numbers(linear["book"], books),
        amounts=linear["amount"].to_numpy(writable=True),
    )


def option_holdings(options: pl.DataFrame, market: Market, books: Sequence[str]) -> OptionHoldings:
    """Look up what the groups of `exposures.options` depend on.

    Raises:
        UnusableMarketError: the scenario set lacks it.
    """
    groups, lengths = runs(options, GROUP)
    equity, years = groups["equity"], market.years(groups["due"])
    spots = market.rows("EQ", equity)
    points = market.points(groups["currency"] + DISCOUNT, years)
    underlyings, number = np.unique(spots, return_inverse=True)
    moved = market.factors[underlyings]
    logs = logarithms(moved / moved[:, :1])
    spot, strike = np.repeat(market.factors[spots, 0], lengths), options["strike"].to_numpy()
    return OptionHoldings(
        logs=logs,
        rows=np.column_stack(
            [
                spots,
                market.currency_rows(groups["currency"]),
                points.near,
                points.far,
                market.yield_rows(equity),
                market.rows("VOL", equity),
                number,
            ]
        ),
        terms=np.column_stack([points.weight, years]),
        starts=_starts(lengths),
        books=_numbers(options["book"], books),
        contracts=np.column_stack(
            [
                logarithms((spot / strike)[:, None]),
                options["volatility"].to_numpy(),
                strike,
                np.where(options["call"].to_numpy(), 1.0, -1.0),
                options["amount"].to_numpy(),
            ]
        ),
    )


def book_values(
    market: Market,
    linear: LinearHoldings,
    options: OptionHoldings,
    books: int,
    threads: int | None = None,
) -> tuple[Floats, Floats]:
    """Return each book's value today, and its P&L in every scenario, in the base currency.

    Args:
        market: of all.
        linear: what is linear.
        options: what is not.
        books: how many there are.
        threads: as many as there are processors when left out; the result does not depend on it.

    Returns:
        Shapes (books,) and (books, scenarios). P&L is V'·FX' - V·FX, the cross term kept.
    """
    width = market.factors.shape[1]
    # A block's sums lie together, so that they share no cache line with another block's.
    high, low = np.zeros((2, width // BLOCK, books, BLOCK))

    def work(block: int) -> None:
        sums = block * BLOCK, high[block], low[block]
        add_linear(market.factors, *linear, *sums)
        add_options(market.factors, *options, *sums)

    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        list(pool.map(work, range(width // BLOCK)))
    high, low = (sums.swapaxes(0, 1).reshape(books, width) for sums in (high, low))
    moved = slice(1, 1 + market.scenarios)
    pnl = (high[:, moved] - high[:, :1]) + (low[:, moved] - low[:, :1])
    return high[:, 0] + low[:, 0], pnl


def _starts(lengths: Integers) -> Integers:
    """Return where each run begins, and the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _numbers(names: pl.Series, all_names: Sequence[str]) -> Integers:
    numbers = range(len(all_names))
    return names.replace_strict(all_names, numbers, return_dtype=pl.Int64).to_numpy(writable=True)
