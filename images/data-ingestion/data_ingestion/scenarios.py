"""The scenario set of a run: made once, from the market data, and shared by all of its shards.

Historical simulation: each day's move is one scenario. A move is kept as what it does to a value,
so that the tasks which apply it need no function whose last bit depends on the processor:
EQ, FX and VOL as the ratio value(t) / value(t-1), which is exp of the log (VOL: 1 + the relative)
shock; RATE as the difference value(t) - value(t-1).
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from batchkit.errors import Rejected

from data_ingestion.market_data import FACTOR

if TYPE_CHECKING:
    from data_ingestion.market_data import MarketData

MIN_SCENARIOS: Final = 250


@dataclass(frozen=True)
class ScenarioSet:
    """Scenarios, and today's value of every factor that they move."""

    base_currency: str
    dates: list[str]
    """The day of each scenario's move (ISO 8601), in order."""
    factors: pl.DataFrame
    """factor_type, factor_id, tenor, value (today's), shocks (a list, one a scenario)."""
    incomplete: dict[str, int]
    """Factors that cannot be used, with the number of dates on which they have no value."""

    @property
    def equities(self) -> list[str]:
        """The equities with a complete history."""
        return self._ids("EQ")

    @property
    def currencies(self) -> list[str]:
        """The currencies that can be turned into the base currency, itself included."""
        pairs = [name for name in self._ids("FX") if name.endswith(self.base_currency)]
        return [self.base_currency, *(name.removesuffix(self.base_currency) for name in pairs)]

    def _ids(self, factor_type: str) -> list[str]:
        rows = self.factors.filter(pl.col("factor_type") == factor_type)
        return rows["factor_id"].unique().sort().to_list()

    def to_parquet(self) -> bytes:
        """Return the factors as a Parquet file, the same bytes for the same set."""
        buffer = io.BytesIO()
        self.factors.write_parquet(buffer, compression="zstd")
        return buffer.getvalue()


def historical(market: MarketData, base_currency: str) -> ScenarioSet:
    """Make a scenario of every day's move.

    Raises:
        Rejected: there are fewer than 250 moves.
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
            pl.when(rate).then(value.diff()).otherwise(value / value.shift()).alias("shocks"),
            pl.len().alias("dates"),
        )
    )
    complete = pl.col("dates") == len(dates)
    gaps = factors.filter(~complete).group_by("factor_id").agg(pl.col("dates").min())
    return ScenarioSet(
        base_currency=base_currency,
        dates=dates[1:],
        factors=factors.filter(complete).select(*FACTOR, "value", pl.col("shocks").list.slice(1)),
        incomplete={name: len(dates) - had for name, had in gaps.sort("factor_id").iter_rows()},
    )


def sha256(content: bytes) -> str:
    """Return the hash by which manifest and shards name a scenario set."""
    return hashlib.sha256(content).hexdigest()
