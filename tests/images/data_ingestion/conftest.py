"""Small market data and positions to build bad ones from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from data_ingestion import stress
from data_ingestion.market_data import MarketData
from data_ingestion.monte_carlo import MonteCarlo
from data_ingestion.scenarios import ScenarioSet, make

if TYPE_CHECKING:
    from collections.abc import Sequence

AS_OF = date(2026, 1, 30)
GOOD = {
    "position_id": "P1",
    "as_of": "2026-01-30",
    "book": "B1",
    "counterparty": "C1",
    "product_type": "EQUITY",
    "risk_factor": "ACME",
    "currency": "EUR",
    "quantity": "100",
    "price": "10.5",
    "strike": "",
    "option_type": "",
    "implied_vol": "",
    "maturity": "",
    "coupon": "",
    "coupon_frequency": "",
    "curve_id": "",
    "currency2": "",
}
FORWARD = GOOD | {
    "product_type": "FXFWD",
    "risk_factor": "EURUSD",
    "currency2": "USD",
    "strike": "1.1",
    "maturity": "2026-06-30",
    "price": "",
}
OPTION = GOOD | {
    "product_type": "EQOPT",
    "strike": "90",
    "option_type": "PUT",
    "implied_vol": "0.25",
    "maturity": "2026-06-30",
}
BOND = GOOD | {
    "product_type": "BOND",
    "risk_factor": "EUR-OIS",
    "price": "",
    "maturity": "2031-06-30",
    "coupon": "0.03",
    "coupon_frequency": "2",
    "curve_id": "EUR-OIS",
}


def market_rows(days: int = 260) -> list[tuple[str, str, str, str, str]]:
    """date, factor_id, factor_type, tenor, value: an equity, a gappy one, a currency, rates."""
    rows = []
    for index in range(days):
        day = (AS_OF - timedelta(days=days - 1 - index)).isoformat()
        rows += [
            (day, "ACME", "EQ", "", f"{100 + index % 7}"),
            (day, "EURUSD", "FX", "", f"{1.1 + 0.01 * (index % 3):.2f}"),
            (day, "EUR-OIS", "RATE", "1Y", f"{0.02 + 0.001 * (index % 5):.3f}"),
            (day, "USD-OIS", "RATE", "1Y", f"{0.04 + 0.001 * (index % 4):.3f}"),
            (day, "ACME-DIV", "RATE", "", "0.015"),
            (day, "ACME", "VOL", "", f"{0.2 + 0.01 * (index % 6):.2f}"),
        ]
        if index != 3:
            rows.append((day, "GAPPY", "EQ", "", "5"))
    return rows


def market_csv(rows: Sequence[tuple[str, ...]]) -> bytes:
    lines = ["date,factor_id,factor_type,tenor,value", *(",".join(row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def positions_csv(*rows: dict[str, str]) -> bytes:
    return "\n".join([",".join(GOOD), *(",".join(row.values()) for row in rows), ""]).encode()


def market_frame(rows: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    """The rows as `MarketData.values` has them."""
    names = ["date", "factor_id", "factor_type", "tenor", "value"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("date").str.to_date(),
        pl.col("tenor").replace("", None),
        pl.col("value").cast(pl.Float64),
    )


@pytest.fixture(scope="session")
def scenarios() -> ScenarioSet:
    market = MarketData("market-data/x.csv", None, market_frame(market_rows()))
    return make(market, "USD", MonteCarlo(20, 1, "ewma", 0.94), stress.read())
