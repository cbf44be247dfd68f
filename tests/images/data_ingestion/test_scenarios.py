from __future__ import annotations

import polars as pl
import pytest
from batchkit.errors import Rejected
from data_ingestion.market_data import MarketData
from data_ingestion.scenarios import ScenarioSet, historical, sha256

from tests.images.data_ingestion.conftest import market_rows


def shocks(scenarios: ScenarioSet, name: str) -> list[float]:
    found = scenarios.factors.filter(pl.col("factor_id") == name)["shocks"].to_list()
    assert len(found) == 1
    return list(found[0])


def test_each_days_move_is_a_scenario(scenarios: ScenarioSet) -> None:
    rows = market_rows()
    values = {
        name: [float(row[4]) for row in rows if row[1] == name]
        for name in ("ACME", "EURUSD", "EUR-OIS")
    }
    assert len(scenarios.dates) == 259
    assert scenarios.dates[-1] == "2026-01-30"
    for name in ("ACME", "EURUSD"):
        moves = zip(values[name][1:], values[name][:-1], strict=True)
        assert shocks(scenarios, name) == [now / before for now, before in moves]
    moves = zip(values["EUR-OIS"][1:], values["EUR-OIS"][:-1], strict=True)
    assert shocks(scenarios, "EUR-OIS") == [now - before for now, before in moves]


def test_a_factor_with_gaps_is_left_out_and_named(scenarios: ScenarioSet) -> None:
    assert scenarios.incomplete == {"GAPPY": 1}
    assert scenarios.equities == ["ACME"]
    assert scenarios.currencies == ["USD", "EUR"]


def test_the_same_market_data_in_any_order_makes_the_same_bytes(scenarios: ScenarioSet) -> None:
    rows = market_rows()
    frame = pl.DataFrame(
        rows, schema=["date", "factor_id", "factor_type", "tenor", "value"], orient="row"
    ).with_columns(
        pl.col("date").str.to_date(),
        pl.col("tenor").replace("", None),
        pl.col("value").cast(pl.Float64),
    )
    again = historical(MarketData("x", None, frame.sample(fraction=1, shuffle=True, seed=5)), "USD")
    assert sha256(again.to_parquet()) == sha256(scenarios.to_parquet())


def test_too_short_a_history_is_rejected(scenarios: ScenarioSet) -> None:
    assert len(scenarios.dates) >= 250
    frame = pl.DataFrame(
        market_rows(250),
        schema=["date", "factor_id", "factor_type", "tenor", "value"],
        orient="row",
    ).with_columns(pl.col("date").str.to_date(), pl.col("value").cast(pl.Float64))
    with pytest.raises(Rejected, match="249 daily moves, and historical simulation needs at least"):
        historical(MarketData("market-data/x.csv", None, frame), "USD")
