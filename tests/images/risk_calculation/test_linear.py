"""Bonds, FX forwards and shares against QuantLib, published numbers and arithmetic by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
import QuantLib as ql  # noqa: N813 - as everybody calls it
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images.risk_calculation.conftest import (
    FACTORS,
    TODAY,
    Moves,
    bond,
    calculated,
    equity,
    forward,
    moved,
    values,
)

IN_A_YEAR = TODAY + timedelta(days=365)
TENORS = {"6M": 0.5, "1Y": 1.0, "2Y": 2.0, "5Y": 5.0, "10Y": 10.0, "30Y": 30.0, "1M": 1 / 12}


def quantlib_date(day: date) -> ql.Date:
    return ql.Date(day.day, day.month, day.year)


def quantlib_curve(name: str, shift: float = 0.0) -> ql.YieldTermStructureHandle:
    """QuantLib's zero curve through the same points, flat outside them."""
    points = [(TENORS[t], rate + shift) for _, factor, t, rate in FACTORS if factor == name and t]
    ql.Settings.instance().evaluationDate = quantlib_date(TODAY)
    days = [0.0, *(365 * years for years, _ in points), 365 * 60.0]
    rates = [points[0][1], *(rate for _, rate in points), points[-1][1]]
    # Dates are whole days, and a tenor of a month is not: the points used here are whole days.
    assert all(
        day == int(day) for (years, _), day in zip(points, days[1:], strict=False) if years >= 1
    )
    dates = [quantlib_date(TODAY + timedelta(days=round(day))) for day in days]
    curve = ql.ZeroCurve(dates, rates, ql.Actual365Fixed())
    return ql.YieldTermStructureHandle(curve)


def quantlib_bond(maturity: date, coupon: float, frequency: int, curve: str, shift: float) -> float:
    """The price of a bond with a notional of 1, by QuantLib."""
    if not coupon:
        instrument = ql.ZeroCouponBond(0, ql.NullCalendar(), 1, quantlib_date(maturity))
    else:
        months = 12 // frequency
        periods = (maturity.year - TODAY.year + 1) * frequency + 1
        calendar, end = ql.NullCalendar(), quantlib_date(maturity)
        schedule = ql.Schedule(
            end - ql.Period(months * periods, ql.Months), end, ql.Period(months, ql.Months),
            calendar, ql.Unadjusted, ql.Unadjusted, ql.DateGeneration.Backward, False,
        )  # fmt: skip
        day_count = ql.ActualActual(ql.ActualActual.ISMA, schedule)
        instrument = ql.FixedRateBond(0, 1, schedule, [coupon], day_count)
    instrument.setPricingEngine(ql.DiscountingBondEngine(quantlib_curve(curve, shift)))
    return float(instrument.NPV())


@settings(deadline=None, max_examples=60)
@given(
    st.dates(TODAY + timedelta(days=1), date(2060, 1, 1)),
    st.sampled_from([0.0, 0.0125, 0.05]),
    st.sampled_from([1, 2, 4, 12]),
)
def test_a_bond_is_quantlibs(maturity: date, coupon: float, frequency: int) -> None:
    held = bond(maturity, coupon=coupon, frequency=frequency, curve="EUR-GOV")
    table = calculated([held], moved({("RATE", "EUR-GOV"): 0.01}))
    price, shifted = (
        quantlib_bond(maturity, coupon, frequency, "EUR-GOV", shift) for shift in (0.0, 0.01)
    )
    assert values(table, "PV") == [pytest.approx(1.1e6 * price, rel=1e-11)]
    assert values(table, "PNL") == [pytest.approx(1.1e6 * (shifted - price), rel=1e-9)]


@pytest.mark.parametrize(("coupon", "frequency"), [(None, 2), (0.0, 2), (0.03, 0), (None, None)])
def test_a_bond_without_coupons_pays_its_notional(
    coupon: float | None, frequency: int | None
) -> None:
    table = calculated([bond(IN_A_YEAR, coupon=coupon, frequency=frequency, currency="USD")])
    assert values(table, "PV") == [pytest.approx(1e6 * math.exp(-0.041), rel=1e-14)]


def test_coupons_at_the_end_of_a_month_keep_to_it() -> None:
    """Maturing on 31 August, it pays on 28 February; what it paid until today is gone."""
    table = calculated([bond(date(2026, 8, 31), coupon=0.04, frequency=2, currency="USD")])
    paid = [(20_000, date(2026, 2, 28)), (1_020_000, date(2026, 8, 31))]
    rates = {29: 0.043, 213: 0.043 + (213 / 365 - 1 / 12) / (11 / 12) * -0.002}
    expected = sum(
        amount * math.exp(-rates[(day - TODAY).days] * (day - TODAY).days / 365)
        for amount, day in paid
    )
    assert values(table, "PV") == [pytest.approx(expected, rel=1e-13)]


def test_a_coupon_of_today_is_gone_and_tomorrows_is_not() -> None:
    today, tomorrow = (
        values(calculated([bond(day, coupon=0.12, frequency=12, currency="USD")]), "PV")[0]
        for day in (date(2026, 3, 30), date(2026, 3, 31))
    )
    # On 30 January and 31 January, a month and two before maturity clipped to February's end.
    assert today == pytest.approx(2 * 10_000 + 1e6, rel=0.01)
    assert tomorrow - today == pytest.approx(10_000, rel=0.02)


def test_a_bond_of_another_curve_keeps_its_currency() -> None:
    own, other = (
        values(calculated([bond(IN_A_YEAR, frequency=0, curve=curve)]), "PV")[0]
        for curve in (None, "EUR-GOV")
    )
    assert own == pytest.approx(1.1e6 * math.exp(-(0.018 + 0.004 / 3)), rel=1e-13)
    assert other == pytest.approx(1.1e6 * math.exp(-0.025), rel=1e-13)


def test_negative_rates_make_money_due_worth_more() -> None:
    (present,) = values(calculated([bond(IN_A_YEAR, frequency=0, currency="JPY")]), "PV")
    assert present == pytest.approx(1e6 * 0.0067 * math.exp(0.004), rel=1e-14)


def test_a_forward_is_two_discounted_flows_whose_curves_and_currency_move() -> None:
    moves: Moves = {
        ("FX", "EURUSD"): 1.02,
        ("RATE", "EUR-OIS"): 0.003,
        ("RATE", "USD-OIS"): -0.002,
    }
    table = calculated([forward("EURUSD", 1e6, 1.2, IN_A_YEAR)], moved(moves, {}))
    rate = 0.018 + 0.004 / 3
    received, paid = 1.1e6 * math.exp(-rate), 1.2e6 * math.exp(-0.041)
    after = 1.02 * 1.1e6 * math.exp(-rate - 0.003) - 1.2e6 * math.exp(-0.039)
    assert values(table, "PV") == [pytest.approx(received - paid, rel=1e-12)]
    assert values(table, "PNL") == [pytest.approx(after - received + paid, rel=1e-12), 0.0]
    assert values(table, "FX_DELTA", factor="EURUSD") == [pytest.approx(received, rel=1e-13)]
    assert values(table, "EQ_DELTA") == []


def test_a_forward_is_quantlibs() -> None:
    """At the fair forward of QuantLib's two curves it is worth nothing."""
    maturity = TODAY + timedelta(days=400)
    euros, yen = (
        quantlib_curve(name).discount(quantlib_date(maturity)) for name in ("EUR-GOV", "JPY-OIS")
    )
    factors = [*FACTORS, ("RATE", "GOV-OIS", "1Y", 0.025), ("RATE", "GOV-OIS", "30Y", 0.03)]
    factors.append(("FX", "GOVUSD", None, 1.1))
    fair = 1.1 / 0.0067 * euros / yen
    given_ = moved({}, factors=factors)
    table = calculated([forward("GOVJPY", 1e6, fair, maturity)], given_)
    assert values(table, "PV") == [pytest.approx(0, abs=1e-6)]


def test_a_cross_pair_moves_with_both_currencies() -> None:
    moves: list[Moves] = [
        {("FX", "EURUSD"): eur, ("FX", "JPYUSD"): jpy} for eur, jpy in ((1.02, 0.99), (0.95, 1.03))
    ]
    table = calculated([forward("EURJPY", 1e6, 160.0, IN_A_YEAR)], moved(*moves))
    received = 1.1e6 * math.exp(-0.018 - 0.004 / 3)
    paid = 1.6e8 * 0.0067 * math.exp(0.004)
    expected = [received * 0.02 + paid * 0.01, received * -0.05 - paid * 0.03]
    assert values(table, "PNL") == pytest.approx(expected, rel=1e-12)


def test_a_foreign_share_keeps_the_cross_term() -> None:
    moves: list[Moves] = [{("EQ", "ACME"): 1.01, ("FX", "EURUSD"): 1.02}, {("EQ", "ACME"): 0.9}]
    table = calculated([equity("B", "ACME", "EUR", 10)], moved(*moves))
    assert values(table, "PNL") == pytest.approx([550 * (1.01 * 1.02 - 1), -55], rel=1e-12)
    assert values(table, "PV") == [pytest.approx(550, rel=1e-14)]
    # Linear in both, so its whole value moves with either.
    for measure in ("EQ_DELTA", "FX_DELTA"):
        assert values(table, measure) == [pytest.approx(550, rel=1e-14)]
    assert values(table, "THETA") == []


def test_hulls_four_indices() -> None:
    """Hull, Risk Management and Financial Institutions, 3rd edition, tables 14.1 to 14.3.

    The portfolio after scenario 1 is 10,014.376 from the book's own indices (its slides print
    10,014.334), so the loss is -14.376, in thousands of dollars.
    """
    today = {"DJIA": 11022.06, "FTSE": 9599.90, "CAC": 6200.40, "NIKKEI": 112.82}
    moves = {
        "DJIA": 11173.59 / 11219.38,
        "FTSE": 11096.28 / 11131.84,
        "CAC": 6378.16 / 6373.89,
        "NIKKEI": 134.38 / 131.77,
    }
    scenario = {name: round(today[name] * moves[name], 2) for name in today}
    assert scenario == {"DJIA": 10977.08, "FTSE": 9569.23, "CAC": 6204.55, "NIKKEI": 115.05}
    invested = {"DJIA": 4000.0, "FTSE": 3000.0, "CAC": 1000.0, "NIKKEI": 2000.0}
    given_ = moved(
        {("EQ", name): move for name, move in moves.items()},
        factors=[("EQ", name, None, value) for name, value in today.items()],
    )
    held = [equity("B", name, "USD", invested[name] / today[name]) for name in today]
    table = calculated(held, given_)
    assert values(table, "PV") == [pytest.approx(10_000, rel=1e-14)]
    assert values(table, "PNL") == [pytest.approx(14.376, abs=0.0005)]
