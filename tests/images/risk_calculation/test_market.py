from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from risk_calculation.kernels import BLOCK
from risk_calculation.market import UnusableMarketError, tenor_years

from tests.images.risk_calculation.conftest import (
    FACTORS,
    TODAY,
    Position,
    bond,
    calculated,
    equity,
    forward,
    moved,
    option,
)

SOON = TODAY + timedelta(days=30)


@pytest.mark.parametrize(
    ("tenor", "years"),
    [("1D", 1 / 365), ("2W", 14 / 365), ("6M", 0.5), ("30Y", 30.0), (None, 0.0)],
)
def test_a_tenor_is_a_number_of_years(tenor: str | None, years: float) -> None:
    assert tenor_years(tenor) == years


@pytest.mark.parametrize("tenor", ["", "6", "M6", "1.5Y", "6 M"])
def test_another_tenor_is_refused(tenor: str) -> None:
    with pytest.raises(UnusableMarketError, match="is not a number followed by"):
        tenor_years(tenor)


def test_rates_are_linear_between_points_and_flat_beyond() -> None:
    years = np.array([0.0, 0.5, 1.25, 2.0, 6.0, 10.0, 99.0])
    given = moved({})
    points = given.points(pl.Series(["EUR-OIS"] * years.size), years)
    expected = [0.018, 0.018, 0.02, 0.022, 0.0245, 0.027, 0.027]
    assert given.today(points) == pytest.approx(expected, rel=1e-15)


def test_points_are_in_the_order_of_time_and_not_of_names() -> None:
    given = moved({}, factors=FACTORS[::-1])
    curve = given.curves["RATE", "EUR-OIS"]
    rows = slice(curve.first, curve.first + 3)
    assert given.names["tenor"][rows].to_list() == ["6M", "2Y", "10Y"]
    assert given.factors[rows, 0].tolist() == [0.018, 0.022, 0.027]


def test_scenarios_are_padded_to_whole_blocks_with_today() -> None:
    given = moved(*({("EQ", "ACME"): 1.0 + i / 100, ("VOL", "ACME"): 2.0} for i in range(BLOCK)))
    assert given.factors.shape[1] == 2 * BLOCK
    (row,) = given.rows("EQ", pl.Series(["ACME"]))
    assert given.factors[row, : BLOCK + 2] == pytest.approx(
        [50, *(50 * (1.0 + i / 100) for i in range(BLOCK)), 50], rel=1e-15
    )
    (row,) = given.rows("VOL", pl.Series(["ACME"]))
    assert given.factors[row, [0, 1, BLOCK, BLOCK + 1]].tolist() == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        (equity("B", "GONE", "USD", 1), "EQ factor GONE"),
        (equity("B", "ACME", "CHF", 1), "FX factor CHFUSD"),
        (bond(SOON, currency="USD", curve="USD-GOV"), "RATE factor USD-GOV"),
        (forward("EURCHF", 1, 1, SOON), "(FX factor CHFUSD|RATE factor CHF-OIS)"),
        (option("GONE", 1, SOON), "(EQ|VOL) factor GONE"),
    ],
)
def test_what_the_scenario_set_lacks_is_named(held: Position, missing: str) -> None:
    with pytest.raises(UnusableMarketError, match=missing):
        calculated([held])


@pytest.mark.parametrize(
    ("factor", "shock"),
    [(("EQ", "ACME"), 0.0), (("FX", "EURUSD"), -0.1), (("RATE", "EUR-OIS"), math.nan),
     (("VOL", "ACME"), math.inf)],
)  # fmt: skip
def test_a_scenario_whose_price_is_none_is_refused(factor: tuple[str, str], shock: float) -> None:
    with pytest.raises(UnusableMarketError, match=f"moves the {factor[0]} factor {factor[1]} to"):
        moved({}, {factor: shock})
