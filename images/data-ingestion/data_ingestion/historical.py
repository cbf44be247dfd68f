"""Historical simulation: every day's move in the market data is one scenario.

A move is kept as what it does to a value, so that the tasks which apply it need no function whose
last bit depends on the processor: EQ, FX and VOL as the ratio value(t) / value(t-1), which is exp
of the log (VOL: 1 + the relative) shock; RATE as the difference value(t) - value(t-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import Rejected

from data_ingestion.market_data import FACTOR

if TYPE_CHECKING:
    from data_ingestion.market_data import MarketData

MIN_SCENARIOS: Final = 250
SHOCKS: Final = "shocks"


@dataclass(frozen=True)
class History:
    """What the market data says about the past."""

    dates: list[str]
    """The day of each move (ISO 8601), in order."""
    factors: pl.DataFrame
    """factor_type, factor_id, tenor, value (today's), shocks (a list, one a move)."""
    gaps: dict[tuple[str, str], int]
    """factor_type and factor_id of what has no value on that many dates; no tenor of it is used."""


def history(market: MarketData) -> History:
    """Return every day's moves of the factors that have a value on every date.

    Raises:
        Rejected: there are fewer than 250 moves, or no factor is complete.
    """
    dates = [day.isoformat() for day in market.values["date"].unique().sort().to_list()]
    moves = len(dates) - 1
    if moves < MIN_SCENARIOS:
        raise Rejected(
            f"The market data {market.key} has {len(dates)} dates up to {dates[-1]}: {moves} daily "
            f"moves, and historical simulation needs at least {MIN_SCENARIOS}. Add earlier dates."
        )
    value = pl.col("value")
    rate = pl.col("factor_type").first() == "RATE"
    factors = (
        market.values.sort(*FACTOR, "date")
        .group_by(FACTOR, maintain_order=True)
        .agg(
            value.last(),
            pl.when(rate).then(value.diff()).otherwise(value / value.shift()).alias(SHOCKS),
            pl.len().alias("dates"),
        )
    )
    name = ["factor_type", "factor_id"]
    incomplete = (
        factors.group_by(name)
        .agg((len(dates) - pl.col("dates").min()).alias("missing"))
        .filter(pl.col("missing") > 0)
        .sort(name)
    )
    complete = factors.join(incomplete, on=name, how="anti", maintain_order="left")
    if complete.is_empty():
        raise Rejected(_no_factor(market))
    return History(
        dates=dates[1:],
        factors=complete.select(*FACTOR, "value", pl.col(SHOCKS).list.slice(1)),
        gaps={(kind, factor): missing for kind, factor, missing in incomplete.iter_rows()},
    )


def _no_factor(market: MarketData) -> str:
    day, fewest = market.values.group_by("date").len().sort("len", "date").row(0)
    return (
        f"No factor of the market data {market.key} has a value on every date. {day} has the "
        f"fewest: {fewest}. Add what is missing, or leave out the dates that few factors have."
    )
