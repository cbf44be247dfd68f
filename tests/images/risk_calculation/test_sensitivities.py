"""Sensitivities against what the definitions say: differences between two valuations.

The valuations are P&L in scenarios that move the one thing.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tests.images.risk_calculation.conftest import (
    FACTORS,
    TODAY,
    Moves,
    bond,
    calculated,
    equity,
    forward,
    moved,
    option,
    values,
)

IN_A_YEAR = TODAY + timedelta(days=365)
HELD = [
    equity("B", "ACME", "EUR", 1000),
    option("ACME", 52, IN_A_YEAR, quantity=300, currency="EUR", volatility=0.25),
    option("ACME", 47, IN_A_YEAR, quantity=-500, currency="EUR", kind="P", volatility=0.3),
    option("TINY", 0.01, date(2028, 5, 17), quantity=1e6, kind="P"),
    forward("EURJPY", 1e4, 160, date(2027, 7, 1)),
    bond(date(2034, 11, 30), quantity=2e4, frequency=4),
    bond(date(2050, 3, 31), quantity=-1e4, curve="EUR-GOV"),
]
BUMP = 1e-4
POINTS = [(name, tenor) for kind, name, tenor, _ in FACTORS if kind == "RATE" and tenor]


def pnl(*scenarios: Moves) -> list[float]:
    return values(calculated(HELD, moved(*scenarios)), "PNL")


@pytest.mark.parametrize("name", ["ACME", "TINY"])
def test_delta_and_gamma_are_differences_of_the_spot(name: str) -> None:
    size = 1e-4
    up, down = pnl({("EQ", name): 1 + size}, {("EQ", name): 1 - size})
    table = calculated(HELD)
    delta, gamma = (values(table, measure, factor=name) for measure in ("EQ_DELTA", "EQ_GAMMA"))
    assert delta == [pytest.approx((up - down) / (2 * size), rel=1e-6)]
    assert gamma == [pytest.approx((up + down) / size**2, rel=1e-4)]


@pytest.mark.parametrize("name", ["ACME", "TINY"])
def test_vega_is_a_relative_difference_of_volatility(name: str) -> None:
    up, down = pnl({("VOL", name): 1.0001}, {("VOL", name): 0.9999})
    vega = values(calculated(HELD), "EQ_VEGA", factor=name)
    assert vega == [pytest.approx((up - down) / 2e-4, rel=1e-6)]


@pytest.mark.parametrize("pair", ["EURUSD", "JPYUSD"])
def test_fx_delta_is_the_difference_that_one_percent_makes(pair: str) -> None:
    (up,) = pnl({("FX", pair): 1.01})
    assert values(calculated(HELD), "FX_DELTA", factor=pair) == [pytest.approx(up / 0.01, rel=1e-9)]


def test_rate_sensitivities_are_the_difference_that_one_basis_point_makes() -> None:
    table = calculated(HELD).filter(pl.col("measure") == "GIRR_DELTA")
    found = {(name, tenor): value for name, tenor, value in
             table.select("factor_id", "tenor", "value").iter_rows()}  # fmt: skip
    changes = pnl(*({("RATE", name, tenor): BUMP} for name, tenor in POINTS))
    expected = {
        point: change / BUMP for point, change in zip(POINTS, changes, strict=True) if change
    }
    assert found == {point: pytest.approx(value, rel=1e-7) for point, value in expected.items()}
    assert len(found) == len(table)


def test_dv01_is_the_difference_that_a_parallel_basis_point_makes() -> None:
    curves = sorted({name for name, _ in POINTS})
    table = calculated(HELD)
    changes = pnl(*({("RATE", name): BUMP} for name in curves))
    assert values(table, "DV01") == pytest.approx(changes, rel=1e-7)
    assert table.filter(pl.col("measure") == "DV01")["factor_id"].to_list() == curves


def test_theta_is_the_difference_that_a_day_makes() -> None:
    tomorrow = moved({}, as_of=TODAY + timedelta(days=1))
    (now,), (then,) = (values(calculated(HELD, given), "PV") for given in (moved({}), tomorrow))
    assert values(calculated(HELD), "THETA") == [pytest.approx(then - now, rel=1e-6)]


def test_what_is_due_tomorrow_is_money_then_and_an_option_what_it_pays() -> None:
    tomorrow = TODAY + timedelta(days=1)
    table = calculated([bond(tomorrow, frequency=0, currency="USD")])
    (present,) = values(table, "PV")
    assert values(table, "THETA") == [pytest.approx(1e6 - present, rel=1e-6)]
    table = calculated([option("ACME", 45, tomorrow)])
    (present,) = values(table, "PV")
    assert values(table, "THETA") == [pytest.approx(5 - present, rel=1e-6)]


def test_a_factor_that_a_book_does_not_depend_on_has_no_row() -> None:
    table = calculated([equity("B", "ACME", "USD", 1), *HELD[4:5]])
    assert values(table, "EQ_GAMMA") == values(table, "EQ_VEGA") == []
    pairs = table.filter(pl.col("measure") == "FX_DELTA")["factor_id"].to_list()
    assert pairs == ["EURUSD", "JPYUSD"]
    rates = table.filter(pl.col("measure") == "GIRR_DELTA")
    # Due between 6 months and 2 years in euros, and beyond the only point of the yen's curve.
    assert rates.select("factor_id", "tenor").rows() == [
        ("EUR-OIS", "2Y"),
        ("EUR-OIS", "6M"),
        ("JPY-OIS", "1Y"),
    ]
