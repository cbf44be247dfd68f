from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from batchkit.errors import Rejected
from data_ingestion.historical import History, history
from data_ingestion.market_data import MarketData

from tests.images.data_ingestion.conftest import market_frame, market_rows

ROWS = market_rows()


def made(rows: list[tuple[str, str, str, str, str]]) -> History:
    return history(MarketData("market-data/x.csv", None, market_frame(rows)))


def shocks(found: History, factor_type: str, factor_id: str) -> list[float]:
    rows = found.factors.filter(factor_type=factor_type, factor_id=factor_id)
    assert rows.height == 1
    return list(rows["shocks"][0])


def values(factor_type: str, factor_id: str) -> list[float]:
    return [float(row[4]) for row in ROWS if row[1:3] == (factor_id, factor_type)]


def test_each_days_move_is_a_scenario() -> None:
    found = made(ROWS)
    assert len(found.dates) == 259
    assert found.dates[-1] == "2026-01-30"


@pytest.mark.parametrize(
    ("factor_type", "factor_id"), [("EQ", "ACME"), ("FX", "EURUSD"), ("VOL", "ACME")]
)
def test_prices_currencies_and_volatilities_move_by_ratios(
    factor_type: str, factor_id: str
) -> None:
    now = values(factor_type, factor_id)
    expected = [after / before for before, after in pairwise(now)]
    assert shocks(made(ROWS), factor_type, factor_id) == expected


def test_rates_move_by_differences() -> None:
    now = values("RATE", "EUR-OIS")
    expected = [after - before for before, after in pairwise(now)]
    assert shocks(made(ROWS), "RATE", "EUR-OIS") == expected


def test_todays_values_stand_beside_the_moves() -> None:
    rows = made(ROWS).factors.select("factor_type", "factor_id", "value").rows()
    assert {(kind, name): value for kind, name, value in rows} == {
        (kind, name): values(kind, name)[-1] for kind, name, _ in rows
    }


def test_a_factor_with_gaps_is_left_out_and_named() -> None:
    found = made(ROWS)
    assert found.gaps == {("EQ", "GAPPY"): 1}
    assert "GAPPY" not in found.factors["factor_id"]


def test_a_factor_without_a_value_today_has_a_gap() -> None:
    found = made([row for row in ROWS if row[:3] != ("2026-01-30", "ACME", "VOL")])
    assert found.gaps == {("EQ", "GAPPY"): 1, ("VOL", "ACME"): 1}
    assert shocks(found, "EQ", "ACME")


def test_a_curve_with_a_gap_in_one_tenor_is_left_out_whole() -> None:
    longer = [(*row[:3], "5Y", row[4]) for row in ROWS if row[1] == "EUR-OIS"]
    found = made([*ROWS, *longer[2:]])
    assert found.gaps["RATE", "EUR-OIS"] == 2
    assert "EUR-OIS" not in found.factors["factor_id"]


def test_too_short_a_history_is_rejected() -> None:
    with pytest.raises(Rejected, match="249 daily moves, and historical simulation needs at least"):
        made(market_rows(250))
    assert len(made(market_rows(251)).dates) == 250


def test_when_no_factor_is_complete_the_emptiest_date_is_named() -> None:
    lonely = ("2025-11-09", "LONELY", "EQ", "", "1")
    rows = [row for row in ROWS if row[0] != "2025-11-09"]
    with pytest.raises(Rejected, match=r"No factor .* 2025-11-09 has the fewest: 1"):
        made([*rows, lonely])


def test_one_factor_alone_is_enough() -> None:
    assert made([row for row in ROWS if row[1] == "EURUSD"]).factors.height == 1


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = market_frame(ROWS).sample(fraction=1, shuffle=True, seed=5)
    again = history(MarketData("x", None, frame))
    assert again.factors.equals(made(ROWS).factors)
    assert isinstance(again.factors["shocks"].dtype, pl.List)
