from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest
from risk_calculation.discounting import curves, discount_factor, tenor_years

FACTORS = pl.DataFrame(
    [
        ("RATE", "EUR-OIS", "1Y", 0.02),
        ("RATE", "EUR-OIS", "6M", 0.01),
        ("RATE", "USD-GOV", "1Y", 0.05),
        ("FX", "EURUSD", None, 1.1),
    ],
    schema=["factor_type", "factor_id", "tenor", "value"],
    orient="row",
)
TODAY = date(2026, 1, 30)


@pytest.mark.parametrize(
    ("tenor", "years"), [("1D", 1 / 365), ("2W", 14 / 365), ("6M", 0.5), ("30Y", 30.0)]
)
def test_a_tenor_is_a_number_of_years(tenor: str, years: float) -> None:
    assert tenor_years(tenor) == years


@pytest.mark.parametrize("tenor", ["", "6", "M6", "1.5Y", "6 M"])
def test_another_tenor_is_refused(tenor: str) -> None:
    with pytest.raises(ValueError, match="is not a number followed by"):
        tenor_years(tenor)


def test_rates_are_linear_between_points_and_flat_beyond() -> None:
    (curve,) = curves(FACTORS).values()
    for years, rate in ((0.1, 0.01), (0.5, 0.01), (0.75, 0.015), (1.0, 0.02), (9.0, 0.02)):
        assert curve.discount(years) == pytest.approx(math.exp(-rate * years), rel=1e-15)


def test_a_currency_without_a_curve_is_not_discounted() -> None:
    known = curves(FACTORS)
    in_a_year = date(2027, 1, 30)
    assert discount_factor(known, "USD", TODAY, in_a_year) == 1.0
    assert discount_factor(known, "EUR", TODAY, in_a_year) == pytest.approx(math.exp(-0.02))
